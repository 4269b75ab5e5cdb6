/**
 * One session as the page knows it: overview, items bucket by bucket, and the place that is shown.
 *
 * Owns the order of loading (from the shown place outwards) and edits that show first and are confirmed after.
 */

import { api, ApiError, isAbort, sentence } from "../api/client";
import type { Items, Note, Overview } from "../api/types";
import { live } from "../live/status.svelte";
import { lastAtMost } from "../player/table";
import { gapsOf } from "../time/gaps";
import type { Shots } from "../timeline/draw";
import { colours } from "../timeline/colours.svelte";
import { Loudness } from "./loudness.svelte";

export interface Line {
  track: string;
  start_ms: number;
  end_ms: number;
  text: string;
  words: [string, number, number][];
}

export interface ScreenText {
  at_ms: number;
  end_ms: number;
  shot: string;
  text: string;
}

const SETTLE_MS = 1500;

export class SessionModel {
  readonly id: string;
  overview = $state.raw<Overview | null>(null);
  problem = $state<string | null>(null);
  /** It was shown, and is no more. */
  gone = $state(false);
  itemsProblem = $state<string | null>(null);
  editProblem = $state<string | null>(null);
  shots = $state.raw<Shots>({ at_ms: [], id: [], distinct: [], trigger: [] });
  lines = $state.raw<Line[]>([]);
  screen = $state.raw<ScreenText[]>([]);
  loaded = $state(false);
  readonly loudness: Loudness;
  now_ms = $state(0);
  /** The playable end, where the player knows more than the overview: a session that grows. */
  edge_ms = $state(0);

  readonly wall_ms = $derived(this.overview ? Date.parse(this.overview.session.started_at) : 0);
  readonly end_ms = $derived(Math.max(1, this.edge_ms, this.overview?.session.wall_ms ?? 0, this.overview?.spans.at(-1)?.end_ms ?? 0));
  readonly gaps = $derived(this.overview ? gapsOf(this.overview) : []);
  readonly line = $derived(lastAtMost(this.lines, this.now_ms + 1, (one) => one.start_ms));
  readonly shot = $derived(Math.max(0, lastAtMost(this.shots.at_ms, this.now_ms + 1, (at) => at)));
  readonly chapter = $derived(lastAtMost(this.overview?.chapters ?? [], this.now_ms + 1, (one) => one.start_ms));

  /** The tracks of sound that have a lane. */
  readonly sounds = $derived.by(() => this.loudness.lanes(this.overview?.session.tracks ?? []));

  private readonly buckets = new Map<number, Items>();
  private readonly stop = new AbortController();
  private timer = 0;
  private readonly deaf: () => void;

  constructor(id: string) {
    this.id = id;
    this.loudness = new Loudness(id, () => this.end_ms);
    this.deaf = live.onSession((changed) => {
      if (changed === id || changed === "*") this.soon();
    });
  }

  /** Whether this session is being recorded now. */
  get live(): boolean {
    return live.session === this.id;
  }

  close(): void {
    this.stop.abort();
    this.deaf();
    this.loudness.close();
    window.clearTimeout(this.timer);
  }

  async load(): Promise<void> {
    try {
      const overview = await api.overview(this.id, this.stop.signal);
      this.overview = overview;
      this.problem = null;
      live.start();
      void colours.ensure(overview.apps);
      void this.loudness.load();
      await this.loadItems(overview);
    } catch (error) {
      if (isAbort(error)) return;
      this.problem = sentence(error);
      if (error instanceof ApiError && error.status === 404 && this.overview) this.gone = true;
    }
  }

  private soon(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), SETTLE_MS);
  }

  private async loadItems(overview: Overview): Promise<void> {
    const here = Math.floor(this.now_ms / overview.bucket_ms);
    const order = overview.buckets
      .filter((one) => !this.complete(one))
      .sort((a, b) => Math.abs(a.bucket - here) - Math.abs(b.bucket - here));
    try {
      for (const { bucket } of order) {
        this.buckets.set(bucket, await api.items(this.id, bucket, this.stop.signal));
        this.gather();
      }
      this.itemsProblem = null;
    } catch (error) {
      if (!isAbort(error)) this.itemsProblem = sentence(error);
    }
    this.loaded = true;
  }

  /** Whether the bucket that is held has all that the overview counts. */
  private complete(counts: Overview["buckets"][number]): boolean {
    const held = this.buckets.get(counts.bucket);
    if (!held) return false;
    return (
      held.shots.id.length === counts.shots &&
      held.transcript.text.length === counts.transcript &&
      held.screen_text.text.length === counts.screen_text
    );
  }

  private gather(): void {
    const all = [...this.buckets.values()].sort((a, b) => a.bucket - b.bucket);
    this.shots = {
      at_ms: all.flatMap((one) => one.shots.at_ms),
      id: all.flatMap((one) => one.shots.id),
      distinct: all.flatMap((one) => one.shots.distinct),
      trigger: all.flatMap((one) => one.shots.trigger),
    };
    this.lines = all
      .flatMap(({ transcript: t }) =>
        t.text.map((text, index) => ({
          text,
          track: t.track[index]!,
          start_ms: t.start_ms[index]!,
          end_ms: t.end_ms[index]!,
          words: t.words[index] ?? [],
        })),
      )
      .sort((a, b) => a.start_ms - b.start_ms);
    this.screen = all.flatMap(({ screen_text: s }) =>
      s.text.map((text, index) => ({ text, at_ms: s.at_ms[index]!, end_ms: s.end_ms[index]!, shot: s.shot[index]! })),
    );
  }

  /** What application is in front at a time, in words. */
  appAt(at_ms: number): string {
    const apps = this.overview?.apps ?? [];
    const app = apps[lastAtMost(apps, at_ms, (one) => one.start_ms)];
    if (!app || app.end_ms < at_ms) return "";
    if (app.excluded) return "Excluded";
    return app.title ? `${app.app}, ${app.title}` : app.app;
  }

  async rename(name: string): Promise<void> {
    const before = this.overview;
    if (!before || !name.trim() || name === before.session.name) return;
    await this.edit({ name: name.trim() });
  }

  async setTags(tags: string[]): Promise<void> {
    await this.edit({ tags });
  }

  /** Shows first; a refusal puts back what was and says why. */
  private async edit(fields: { name?: string; tags?: string[] }): Promise<void> {
    const before = this.overview;
    if (!before) return;
    this.overview = { ...before, session: { ...before.session, ...fields } };
    this.editProblem = null;
    try {
      await api.edit(this.id, fields);
    } catch (error) {
      this.overview = before;
      this.editProblem = sentence(error);
    }
  }

  async note(text: string, kind: "note" | "marker", at_ms?: number): Promise<boolean> {
    this.editProblem = null;
    try {
      const made = await api.addNote(this.id, text, kind, at_ms);
      const note: Note = { id: made.id, at_ms: made.at_ms, kind, text };
      if (this.overview) {
        const notes = [...this.overview.notes.filter((one) => one.id !== note.id), note];
        this.overview = { ...this.overview, notes: notes.sort((a, b) => a.at_ms - b.at_ms) };
      }
      return true;
    } catch (error) {
      this.editProblem = sentence(error);
      return false;
    }
  }

  async wholeNote(id: string): Promise<void> {
    const note = await api.note(this.id, id);
    if (!this.overview) return;
    const notes = this.overview.notes.map((one) => (one.id === id ? { ...note, cut: false } : one));
    this.overview = { ...this.overview, notes };
  }
}
