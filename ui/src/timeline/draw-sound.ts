/** Draws the lanes of sound: bars that stay put on the axis while the view moves; voice in colour, other sound in grey. */

import type { Palette } from "./palette";
import { toX, type Lane, type Range } from "./view";
import { dbOf, PITCH, type Wave } from "./waves";

const BAR = 2;
const LEAST = 1;
const FLOOR_DB = -60;
const CURVE_DB = 40;

/** How high a bar is, as a share: the root of the amplitude. Decibels would make a flat block of speech, the amplitude a line of it. */
export function shareOf(db: number): number {
  return db <= FLOOR_DB ? 0 : Math.min(1, 10 ** (db / CURVE_DB));
}

/** Heights of all levels, as a share. */
const SHARES = Float32Array.from({ length: 256 }, (_, value) => shareOf(dbOf(value)));

/** The bars of one lane, kept until the view, the width or the levels change. */
export class Bars {
  private loud = new Uint8Array(0);
  private voiced = new Uint8Array(0);
  private wave: Wave | null = null;
  private version = -1;
  private start = NaN;
  private end = NaN;
  private width = 0;
  private count = 0;
  private left = 0;

  draw(paint: CanvasRenderingContext2D, ink: Palette, lane: Lane, wave: Wave, view: Range, width: number, down: boolean): void {
    this.see(wave, view, width);
    const colour = down ? ink.system : ink.mic;
    for (let voice = 0; voice < 2; voice += 1) {
      paint.fillStyle = voice ? colour : ink.ink3;
      for (let bar = 0; bar < this.count; bar += 1) {
        if (this.voiced[bar] !== voice) continue;
        const share = SHARES[this.loud[bar]!]!;
        if (share <= 0) continue;
        const h = Math.max(LEAST, share * (lane.h - 2));
        paint.fillRect(this.left + bar * PITCH, down ? lane.y + 1 : lane.y + lane.h - h, BAR, h);
      }
    }
  }

  private see(wave: Wave, view: Range, width: number): void {
    const same = wave === this.wave && wave.version === this.version && view.start === this.start && view.end === this.end;
    if (same && width === this.width) return;
    this.wave = wave;
    this.version = wave.version;
    this.start = view.start;
    this.end = view.end;
    this.width = width;
    const stretch = (PITCH * (view.end - view.start)) / Math.max(1, width);
    const first = Math.max(0, Math.floor(view.start / stretch));
    const last = Math.min(Math.ceil(view.end / stretch), Math.ceil(wave.end_ms / stretch));
    this.count = Math.max(0, last - first);
    if (this.loud.length < this.count) {
      this.loud = new Uint8Array(this.count * 2);
      this.voiced = new Uint8Array(this.count * 2);
    }
    // Whole pixels: bars between two of them would run into one another.
    this.left = Math.round(toX(view, width, first * stretch));
    wave.bars(first * stretch, stretch, this.count, this.loud, this.voiced);
  }
}
