/**
 * How loud it was and where somebody spoke, ready for any zoom.
 *
 * Owns the levels of each track as bytes on the session's axis and maxima over ever longer stretches, so that a bar costs
 * a few look-ups however much time it stands for. Nothing is allocated while the view moves.
 */

import type { Peaks } from "../api/types";

const LOWEST_DB = -102;
const STEPS_A_DB = 2.5;
const FIRST_STEPS = 1024;
/** A bar looks at least at so many values: what stands at its edge is seen in the next one too for an eighth at most. */
const UNITS_A_BAR = 8;
/** Seconds that come one after the other join, though nobody knows to the millisecond when each came. */
const JOIN_MS = 300;
/** A bar and the space behind it. */
export const PITCH = 3;
/** The finest levels there are last this long. */
export const BLOCK_MS = 50;

/** A level in decibels as the byte that is stored. */
export function byteOf(db: number): number {
  return Math.min(255, Math.max(0, Math.round((db - LOWEST_DB) * STEPS_A_DB)));
}

/** The level that a byte stands for. */
export function dbOf(value: number): number {
  return LOWEST_DB + value / STEPS_A_DB;
}

/** One track: a byte a step for the level, another for voice. */
export class Wave {
  /** Counts changes: what was made of an older state is stale. */
  version = 0;
  readonly step_ms: number;
  readonly start_ms: number;
  /** `floors[n]` holds the maxima over 2^n steps. */
  private floors: Uint8Array[] = [new Uint8Array(FIRST_STEPS)];
  private voices: Uint8Array[] = [new Uint8Array(FIRST_STEPS)];
  private steps = 0;

  constructor(step_ms: number, start_ms = 0) {
    this.step_ms = Math.max(1, step_ms);
    this.start_ms = start_ms;
  }

  /** Where the last level ends. */
  get end_ms(): number {
    return this.start_ms + this.steps * this.step_ms;
  }

  /** Write levels from a time on; what lies between is silence. */
  put(at_ms: number, levels: ArrayLike<number>, voiced: (index: number) => boolean): void {
    const first = Math.max(0, Math.round((at_ms - this.start_ms) / this.step_ms));
    this.grow(first + levels.length);
    for (let index = 0; index < levels.length; index += 1) this.set(first + index, levels[index]!, voiced(index) ? 1 : 0);
    this.steps = Math.max(this.steps, first + levels.length);
    this.version += 1;
  }

  /** Say that somebody speaks from ... to. */
  speak(start_ms: number, end_ms: number): void {
    const end = Math.min(this.steps, Math.ceil((end_ms - this.start_ms) / this.step_ms));
    for (let index = Math.max(0, Math.floor((start_ms - this.start_ms) / this.step_ms)); index < end; index += 1) this.set(index, 0, 1);
    this.version += 1;
  }

  /** The loudest of each of `count` stretches of `stretch_ms` from `from_ms` on, and whether somebody spoke in it. */
  bars(from_ms: number, stretch_ms: number, count: number, loud: Uint8Array, voiced: Uint8Array): void {
    const finest = Math.floor(Math.log2(Math.max(1, stretch_ms / this.step_ms / UNITS_A_BAR)));
    const floor = Math.min(this.floors.length - 1, finest);
    const values = this.floors[floor]!;
    const voices = this.voices[floor]!;
    const unit = this.step_ms * 2 ** floor;
    const end = Math.ceil(this.steps / 2 ** floor);
    for (let bar = 0; bar < count; bar += 1) {
      const start_ms = from_ms - this.start_ms + bar * stretch_ms;
      const last = Math.min(end - 1, Math.ceil((start_ms + stretch_ms) / unit) - 1);
      let most = 0;
      let voice = 0;
      for (let index = Math.max(0, Math.floor(start_ms / unit)); index <= last; index += 1) {
        if (values[index]! > most) most = values[index]!;
        voice |= voices[index]!;
      }
      loud[bar] = most;
      voiced[bar] = voice;
    }
  }

  private set(index: number, level: number, voice: number): void {
    for (let floor = 0; floor < this.floors.length; floor += 1) {
      const at = index >> floor;
      const values = this.floors[floor]!;
      if (level > values[at]!) values[at] = level;
      this.voices[floor]![at]! |= voice;
    }
  }

  /** Room for so many steps: twice as much as there was, and floors up to a single value. */
  private grow(steps: number): void {
    let room = this.floors[0]!.length;
    if (steps <= room && this.floors.length > 1) return;
    while (room < steps) room *= 2;
    const wider = (old: Uint8Array | undefined, length: number): Uint8Array => {
      const made = new Uint8Array(length);
      if (old) made.set(old);
      return made;
    };
    const ground = wider(this.floors[0], room);
    const spoken = wider(this.voices[0], room);
    this.floors = [];
    this.voices = [];
    for (let length = room; length >= 1; length = length >> 1) {
      this.floors.push(length === room ? ground : new Uint8Array(length));
      this.voices.push(length === room ? spoken : new Uint8Array(length));
    }
    for (let index = 0; index < this.steps; index += 1) this.set(index, ground[index]!, spoken[index]!);
  }
}

/** All tracks of a session, or of a part of it up to `to_ms`. */
export class Waves {
  /** The finest steps there are. */
  step_ms = Infinity;
  private readonly tracks = new Map<string, Wave>();

  /** `asked_ms` is the step that was asked for: the answer's may be longer. */
  constructor(
    readonly from_ms = 0,
    public to_ms = Infinity,
    readonly asked_ms = 0,
  ) {}

  /** Whether all of a view up to `end_ms` lies in this part. */
  covers(view: { start: number; end: number }, end_ms: number): boolean {
    return this.from_ms <= Math.max(0, view.start) && this.to_ms >= Math.min(view.end, end_ms);
  }

  get(track: string): Wave | undefined {
    return this.tracks.get(track);
  }

  /** Levels that came just now, twenty a second. */
  hear(track: string, at_ms: number, peaks: readonly number[], voice: readonly (number | boolean)[]): void {
    if (at_ms > this.to_ms) return; // a part that ended before: what lies between is not known here
    let wave = this.tracks.get(track);
    if (!wave) this.tracks.set(track, (wave = new Wave(BLOCK_MS, this.from_ms)));
    if (Math.abs(at_ms - wave.end_ms) < JOIN_MS) at_ms = wave.end_ms;
    this.to_ms = Math.max(this.to_ms, at_ms + peaks.length * BLOCK_MS);
    // A track that is stored in longer steps keeps the loudest of each.
    const every = Math.max(1, Math.round(wave.step_ms / BLOCK_MS));
    const levels: number[] = [];
    for (let index = 0; index < peaks.length; index += every) levels.push(byteOf(Math.max(...peaks.slice(index, index + every))));
    wave.put(at_ms, levels, (index) => voice.slice(index * every, (index + 1) * every).some(Boolean));
  }

  static of(told: Peaks, from_ms = 0, to_ms = Infinity, asked_ms = 0): Waves {
    const waves = new Waves(from_ms, to_ms, asked_ms);
    for (const one of told.tracks) {
      if (!one.peaks.length) continue;
      const wave = new Wave(one.step_ms, one.start_ms);
      wave.put(one.start_ms, one.peaks, () => false);
      for (const [start, end] of one.voice) wave.speak(start, end);
      waves.tracks.set(one.track, wave);
      waves.step_ms = Math.min(waves.step_ms, wave.step_ms);
    }
    return waves;
  }
}
