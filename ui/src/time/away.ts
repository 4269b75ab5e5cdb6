/** Times without input, and the wall clock being set, in words. Pure. */

import type { ClockStep } from "../api/types";
import { clock, lengthInFull } from "./format";

const SECOND_MS = 1000;

/** `1 h`, `1 min 30 s`, `800 ms`. */
function byWords(ms: number): string {
  return ms < SECOND_MS ? `${ms} ms` : lengthInFull(ms).replace(/ h 00 min$/, " h");
}

/** `The clock was set forward by 1 h`, and what that means for times on this page. */
export function stepSentence(step: ClockStep): string {
  return `The clock was set ${step.step_ms >= 0 ? "forward" : "back"} by ${byWords(Math.abs(step.step_ms))}; times here go on as before.`;
}

/** The stretch without input at a time. */
export function idleAt(idle: readonly [number, number][], at_ms: number): [number, number] | undefined {
  return idle.find(([start, end]) => at_ms >= start && at_ms < end);
}

/** `No input for 4 min, until 10:07:12.` */
export function idleSentence([start_ms, end_ms]: readonly [number, number], wall_ms: number): string {
  return `No input for ${byWords(end_ms - start_ms)}, until ${clock(wall_ms + end_ms)}.`;
}

/** All of it together: `12 min`; empty for none. */
export function idleTotal(idle: readonly [number, number][]): string {
  const ms = idle.reduce((sum, [start, end]) => sum + end - start, 0);
  return ms ? byWords(ms) : "";
}
