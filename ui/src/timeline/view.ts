/** Where on the lanes a time lies, and how the view moves. Pure; all times are ms on the session's axis. */

export interface Range {
  start: number;
  end: number;
}

const SHORTEST_MS = 1000;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR,
];

/** Pixels from the left edge of the lanes. */
export function toX(view: Range, width: number, at: number): number {
  return ((at - view.start) / (view.end - view.start)) * width;
}

/** The time at a pixel, within `whole`. */
export function toTime(view: Range, width: number, x: number, whole: Range): number {
  const at = view.start + (x / Math.max(1, width)) * (view.end - view.start);
  return Math.min(Math.max(at, whole.start), whole.end);
}

/** A view within the whole; `null` where it is the whole. */
export function clamp(view: Range, whole: Range): Range | null {
  const length = Math.max(Math.min(SHORTEST_MS, whole.end - whole.start), view.end - view.start);
  if (length >= whole.end - whole.start) return null;
  const start = Math.min(Math.max(view.start, whole.start), whole.end - length);
  return { start, end: start + length };
}

/** Zoom by a factor around a time that stays where it is. */
export function zoom(view: Range, whole: Range, around: number, factor: number): Range | null {
  const length = Math.max(SHORTEST_MS, (view.end - view.start) * factor);
  const share = (around - view.start) / (view.end - view.start);
  const start = around - length * share;
  return clamp({ start, end: start + length }, whole);
}

/** Move by a share of the view's length. */
export function pan(view: Range, whole: Range, share: number): Range | null {
  const by = (view.end - view.start) * share;
  return clamp({ start: view.start + by, end: view.end + by }, whole);
}

/** The step between labels, so that they stand at least `apart` pixels from each other, and that between ticks. */
export function rulerSteps(view: Range, width: number, apart: number): { label: number; tick: number } {
  const least = ((view.end - view.start) / Math.max(1, width)) * apart;
  const index = STEPS.findIndex((step) => step >= least);
  const label = STEPS[index < 0 ? STEPS.length - 1 : index]!;
  const tick = [...STEPS].reverse().find((step) => step <= label / 4 && label % step === 0) ?? label;
  return { label, tick };
}

/** Times on a grid of the local wall clock that lie in the view. */
export function gridTimes(view: Range, wall_start: number, step: number): number[] {
  const offset = new Date(wall_start).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((wall_start - offset + view.start) / step) * step - (wall_start - offset);
  const times: number[] = [];
  for (let at = first; at <= view.end; at += step) times.push(at);
  return times;
}

/** The end of the lanes of a session that grows: a little ahead, and moving in steps, so that nothing creeps. */
export function growingEnd(end_ms: number): number {
  const step = STEPS.find((one) => one * 10 >= end_ms && one >= 5 * SECOND) ?? 24 * HOUR;
  return Math.max(MINUTE, (Math.floor(end_ms / step) + 1) * step);
}

export interface Lane {
  name: "ruler" | "chapters" | "video" | "missing" | "apps" | "mic" | "system" | "shots" | "notes";
  label: string;
  y: number;
  h: number;
}

const HEIGHTS = { ruler: 28, chapters: 24, video: 48, missing: 14, apps: 22, mic: 28, system: 28, shots: 13, notes: 18 };
const GAPS = { ruler: 6, chapters: 6, video: 8, missing: 6, apps: 8, mic: 6, system: 6, shots: 6, notes: 0 };
const TALLEST_TILE = 140;
const LEAST_SOUND = 14;
const TALLEST_SOUND = 64;
/** What the sound has of height that is over, beside the pictures. */
const SOUND_SHARE = 1 / 3;

/** Most rows of the lane that tells what was missing; what is more shares the last one. */
export const MISSING_ROWS = 4;

/**
 * The lanes that have something to show, from the top. Sound is lower where the height is short; what is over goes to
 * the pictures, and to the sound where there is some. Both lanes of sound meet at one line.
 *
 * `rows` is how many rows the lane `missing` has: one for each track that was gone and has no lane of its own.
 */
export function layLanes(height: number, has: Record<Lane["name"], boolean>, rows = 1): { lanes: Lane[]; bottom: number } {
  const names = (Object.keys(HEIGHTS) as Lane["name"][]).filter((name) => has[name]);
  const sounds: Lane["name"][] = names.filter((name) => name === "mic" || name === "system");
  const tall = (name: Lane["name"]): number => HEIGHTS[name] * (name === "missing" ? Math.min(rows, MISSING_ROWS) : 1);
  const below = (name: Lane["name"]): number => (name === "mic" && has.system ? 0 : GAPS[name]);
  const needed = names.reduce((sum, name) => sum + tall(name) + below(name), 0);
  const over = Math.max(0, height - needed);
  const short = Math.max(0, needed - height);
  const each = sounds.length ? Math.floor(over ? (over * (has.video ? SOUND_SHARE : 1)) / sounds.length : -short / sounds.length) : 0;
  const sound = Math.min(TALLEST_SOUND, Math.max(LEAST_SOUND, HEIGHTS.mic + each));
  const video = HEIGHTS.video + Math.min(TALLEST_TILE - HEIGHTS.video, Math.max(0, over - sounds.length * Math.max(0, sound - HEIGHTS.mic)));
  let y = 0;
  const lanes = names.map((name) => {
    const h = name === "video" ? video : sounds.includes(name) ? sound : tall(name);
    const lane = { name, label: name === "ruler" ? "" : name.charAt(0).toUpperCase() + name.slice(1), y, h };
    y += h + below(name);
    return lane;
  });
  const last = lanes.at(-1);
  return { lanes, bottom: last ? last.y + last.h : 0 };
}
