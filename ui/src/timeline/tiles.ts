/** Small copies of shots for the video lane and the pointer's picture: few, decoded small, fetched two at a time. */

import { shotUrl } from "../api/client";

const MOST = 48;
const AT_ONCE = 2;
const WIDTH = 320;
const PAUSES_MS = [2_000, 6_000, 20_000, 60_000];

export class Tiles {
  private readonly held = new Map<string, ImageBitmap | null>();
  private readonly misses = new Map<string, number>();
  private wanted: string[] = [];
  private loading = 0;
  private closed = false;

  constructor(
    private readonly session: string,
    private readonly came: () => void,
  ) {}

  /** The picture, if it is here; if not, it is asked for. */
  get(shot: string): ImageBitmap | undefined {
    const found = this.held.get(shot);
    if (found === undefined && !this.wanted.includes(shot)) {
      // First come, first fetched; of too many wishes the oldest are dropped: they have left the view.
      this.wanted = [shot, ...this.wanted].slice(0, MOST / 2);
      this.next();
    }
    if (found) {
      this.held.delete(shot);
      this.held.set(shot, found);
    }
    return found ?? undefined;
  }

  close(): void {
    this.closed = true;
    for (const picture of this.held.values()) picture?.close();
    this.held.clear();
  }

  private next(): void {
    while (this.loading < AT_ONCE && this.wanted.length && !this.closed) {
      const shot = this.wanted.pop()!;
      this.held.set(shot, null);
      this.loading += 1;
      void this.load(shot).finally(() => {
        this.loading -= 1;
        this.next();
      });
    }
  }

  private async load(shot: string): Promise<void> {
    try {
      const response = await fetch(shotUrl(this.session, shot), { cache: "no-store" });
      if (!response.ok) return this.missed(shot);
      const picture = await createImageBitmap(await response.blob(), { resizeWidth: WIDTH, resizeQuality: "medium" });
      if (this.closed) return picture.close();
      this.held.set(shot, picture);
      this.misses.delete(shot);
      if (this.held.size > MOST) {
        const [oldest, old] = this.held.entries().next().value!;
        old?.close();
        this.held.delete(oldest);
      }
      this.came();
    } catch {
      this.missed(shot);
    }
  }

  /** A picture that cannot be had leaves its place sunken; it is asked for again later, if it is still in view. */
  private missed(shot: string): void {
    const misses = this.misses.get(shot) ?? 0;
    this.misses.set(shot, misses + 1);
    window.setTimeout(() => {
      if (this.closed || this.held.get(shot)) return;
      this.held.delete(shot);
      this.came();
    }, PAUSES_MS[Math.min(misses, PAUSES_MS.length - 1)]);
  }
}
