/**
 * How loud one session was: the whole of it coarsely, what is in view finely, and what comes while it grows.
 *
 * Owns when levels are asked for. A session without levels plays without; its lanes of sound go.
 */

import { untrack } from "svelte";
import { api, isAbort } from "../api/client";
import type { LevelSecond, Peaks, Track } from "../api/types";
import { live } from "../live/status.svelte";
import { trackWords } from "../time/sources";
import type { Range } from "../timeline/view";
import { BLOCK_MS, PITCH, Waves } from "../timeline/waves";

/** Levels of a session that grows come by themselves; what was missed is asked for this often. */
const AGAIN_MS = 60_000;
/** A second of levels comes so long after it began: voice is marked backwards, which takes most of another. */
const BEGAN_MS = 1850;
const MOST_POINTS = 4000;
/** A view that rests this long is worth finer levels. */
const REST_MS = 150;
/** Speech with less silence than this between is one entry of a list. */
const SPEECH_APART_MS = 2000;

export class Loudness {
  waves = $state.raw<Waves | null>(null);
  /** Counts what came. */
  heard = $state(0);
  /** Where somebody speaks, for a list. */
  speech = $state.raw<{ at_ms: number; text: string }[]>([]);
  /** The part in view, more finely than the whole. */
  private part = $state.raw<Waves | null>(null);
  private part_timer = 0;
  private looked: Range | null = null;
  private looked_width = 0;
  private loaded_at = -Infinity;
  private readonly id: string;
  private readonly end: () => number;
  private readonly stop = new AbortController();
  private readonly deaf: () => void;

  /** `end` tells where the session ends now. */
  constructor(id: string, end: () => number) {
    this.id = id;
    this.end = end;
    this.deaf = live.onLevels((levels) => this.hear(levels));
  }

  close(): void {
    this.stop.abort();
    this.deaf();
    window.clearTimeout(this.part_timer);
  }

  async load(): Promise<void> {
    if (this.grows && this.waves && performance.now() - this.loaded_at < AGAIN_MS) return;
    this.loaded_at = performance.now();
    try {
      const told = await api.peaks(this.id, this.stop.signal);
      this.waves = Waves.of(told);
      this.part = null;
      this.speech = speechOf(told);
      this.heard += 1;
    } catch (error) {
      if (!isAbort(error)) this.waves ??= new Waves();
    }
  }

  /** The tracks that have a lane: those that hold sound, until it is known that one has no levels. */
  lanes(tracks: readonly Track[]): ReadonlySet<string> {
    void this.heard;
    const has = (track: string): boolean => this.waves === null || this.waves.get(track) !== undefined;
    return new Set(tracks.filter((one) => one.kind === "audio" && one.segments > 0 && has(one.track)).map((one) => one.track));
  }

  /** The finest levels that are known of all of a view. */
  in(view: Range): Waves | null {
    const { part, waves } = this;
    return part && waves && part.step_ms < waves.step_ms && part.covers(view, this.end()) ? part : waves;
  }

  /** Ask for finer levels where a bar stands for less than the known ones, once the view rests. */
  look(view: Range, width: number): void {
    this.looked = view;
    this.looked_width = width;
    if (!this.part_timer && this.wanted() > 0) this.part_timer = window.setTimeout(this.refine, REST_MS, view);
  }

  /** How long a step should be for what is in view; 0 where what is known will do. */
  private wanted(): number {
    const { looked: view, waves } = this;
    if (!view || !waves || waves.step_ms === Infinity) return 0;
    const bar_ms = (PITCH * (view.end - view.start)) / Math.max(1, this.looked_width);
    const step_ms = Math.max(BLOCK_MS, Math.floor(bar_ms / BLOCK_MS) * BLOCK_MS);
    if (waves.step_ms <= step_ms) return 0;
    const part = untrack(() => this.part);
    return part && part.asked_ms <= step_ms && part.covers(view, this.end()) ? 0 : step_ms;
  }

  private readonly refine = async (before: Range): Promise<void> => {
    this.part_timer = 0;
    const view = this.looked;
    const step_ms = this.wanted();
    if (!view || !step_ms) return;
    if (view !== before) return this.look(view, this.looked_width);
    // As much again on either side: a short way of panning needs no more.
    const length = view.end - view.start;
    const from = Math.max(0, Math.floor(view.start - length));
    const to = Math.ceil(Math.max(view.end, Math.min(view.end + length, this.end())));
    try {
      const points = Math.min(MOST_POINTS, Math.ceil((to - from) / step_ms) + 2);
      this.part = Waves.of(await api.peaks(this.id, this.stop.signal, { from, to, points }), from, to, step_ms);
    } catch {
      // The coarser levels stay; the next move of the view asks again.
    }
  };

  private get grows(): boolean {
    return live.session === this.id;
  }

  private hear(levels: Record<string, LevelSecond>): void {
    const now_ms = live.axis_ms;
    if (!this.grows || !this.waves || now_ms === null) return;
    for (const [track, one] of Object.entries(levels)) {
      for (const waves of [this.waves, this.part]) waves?.hear(track, now_ms - BEGAN_MS, one.peaks, one.voice);
    }
    this.heard += 1;
  }
}

function speechOf(told: Peaks): { at_ms: number; text: string }[] {
  const found: { at_ms: number; text: string }[] = [];
  for (const { track, voice } of told.tracks) {
    if (track === "audio.mix") continue; // what is heard there is told of its own track
    let before = -Infinity;
    for (const [start, end] of voice) {
      if (start - before >= SPEECH_APART_MS) found.push({ at_ms: start, text: trackWords(track) });
      before = end;
    }
  }
  return found.sort((a, b) => a.at_ms - b.at_ms);
}
