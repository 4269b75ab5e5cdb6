/** The shot that was on the screen at a hit that names none: asked for once a bucket, one question at a time. */

import { untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { api } from "../api/client";
import type { Hit, Items } from "../api/types";
import { lastAtMost } from "../player/table";

const BUCKET_MS = 300_000;
const MOST = 64;
const LATER_MS = 15_000;

class NearShots {
  private readonly held = new SvelteMap<string, Items["shots"] | null>();
  private turn: Promise<void> = Promise.resolve();
  private asked = new Set<string>();

  of(hit: Hit): string | null {
    const bucket = Math.floor(hit.at_ms / BUCKET_MS);
    const key = `${hit.session_id}/${bucket}`;
    const shots = this.held.get(key);
    if (shots === undefined) untrack(() => this.ask(key, hit.session_id, bucket));
    if (!shots) return null;
    return shots.id[Math.max(0, lastAtMost(shots.at_ms, hit.at_ms, (at) => at))] ?? null;
  }

  private ask(key: string, session: string, bucket: number): void {
    if (this.asked.has(key) || this.asked.size >= MOST) return;
    this.asked.add(key);
    this.turn = this.turn.then(async () => {
      try {
        this.held.set(key, (await api.items(session, bucket)).shots);
      } catch {
        // The card has its words; the picture is an extra, and is asked for again later.
        window.setTimeout(() => {
          this.asked.delete(key);
          this.held.delete(key);
        }, LATER_MS);
        this.held.set(key, null);
      }
    });
  }
}

export const nearShots = new NearShots();
