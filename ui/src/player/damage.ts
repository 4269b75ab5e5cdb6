/** Stretches that cannot be played: which one is near a place, and what is said of it. Places are media seconds. */

export type Hole = readonly [start: number, end: number];

/** How long the sentence stays while playing goes on behind the damage. */
const AFTER_S = 4;
const BEFORE_S = 0.5;
const NUMBERS = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];

/** The hole that a place lies in, or at most `before` seconds ahead of. */
export function holeAt(holes: readonly Hole[], second: number, before = 0): Hole | null {
  return holes.find(([start, end]) => second >= start - before && second < end) ?? null;
}

/** The hole that is to be spoken of at a place. */
export function besideHole(holes: readonly Hole[], second: number): Hole | null {
  return holes.find(([start, end]) => second >= start - BEFORE_S && second < end + AFTER_S) ?? null;
}

/** What is safe stands beside what is lost. */
export function cannotPlay(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const minutes = Math.round(seconds / 60);
  const [number, unit] = seconds < 100 ? [seconds, "second"] : [minutes, "minute"];
  return `${NUMBERS[number] ?? number} ${unit}${number === 1 ? "" : "s"} cannot be played. Sound, shots and text of that time are whole.`;
}

/** What the daemon says of a piece at a remote, in the player's words: nothing is lost. */
export function leftAt(sentence: string): string {
  return sentence.replace(/^This piece /, "The film of this time ");
}
