/**
 * The table of a playback stream: which bytes hold which moment, and where a moment lies on the session's axis.
 *
 * Pure. Starts are searched for, never computed from an index: real durations differ from nominal ones.
 */

import type { Playback, PlaySpan } from "../api/types";

/** One thing to fetch and append: a stored segment, or a fragment of the one that grows. Times are media seconds. */
export interface Unit {
  key: string;
  path: string;
  span: number;
  start: number;
  end: number;
}

const NS = 1e9;

/** Take over an answer that holds only segments from some number on. */
export function merge(old: Playback | null, next: Playback, segmentsFrom: number): Playback {
  if (!old || segmentsFrom <= 0) return next;
  return { ...next, segments: [...old.segments.filter((one) => one.n < segmentsFrom), ...next.segments.filter((one) => one.n >= segmentsFrom)] };
}

/** All units in order of time. */
export function units(table: Playback): Unit[] {
  const made: Unit[] = table.segments.map((one) => ({
    key: `${one.n}`,
    path: `segments/${one.n}`,
    span: one.span,
    start: one.media_start_ns / NS,
    end: (one.media_start_ns + one.duration_ns) / NS,
  }));
  const tail = table.tail;
  for (const one of tail?.fragments ?? []) {
    made.push({
      key: `${tail!.n}/${one.i}`,
      path: `segments/${tail!.n}/fragments/${one.i}`,
      span: tail!.span,
      start: one.media_start_ns / NS,
      end: (one.media_start_ns + one.duration_ns) / NS,
    });
  }
  return made.sort((a, b) => a.start - b.start);
}

/** The last index whose value is at most `at`, or -1. */
export function lastAtMost<T>(list: readonly T[], at: number, value: (item: T) => number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(list[middle]!) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The index of the unit that holds a media second, or of the next one; the length of the list past the end. */
export function unitAt(list: readonly Unit[], second: number): number {
  const index = lastAtMost(list, second + 1e-4, (unit) => unit.start);
  if (index < 0) return 0;
  return second < list[index]!.end - 1e-4 ? index : index + 1;
}

/** The index of the first unit of the segment that a unit belongs to: its key frame. */
export function firstOfSegment(list: readonly Unit[], index: number): number {
  let at = Math.min(Math.max(index, 0), list.length - 1);
  const name = list[at]?.key.split("/")[0];
  while (at > 0 && list[at - 1]!.key.split("/")[0] === name) at -= 1;
  return at;
}

/** The start of the segment that a unit belongs to: media may be removed there and nowhere else. */
export function segmentStart(list: readonly Unit[], index: number): number {
  return list[firstOfSegment(list, index)]?.start ?? 0;
}

/** Where a media second lies on the axis, in ms. */
export function toAxis(spans: readonly PlaySpan[], second: number): number {
  const index = Math.max(0, lastAtMost(spans, second * NS + 1e5, (span) => span.media_start_ns));
  const span = spans[index];
  if (!span) return second * 1000;
  const inside = Math.min(second * NS, span.media_end_ns) - span.media_start_ns;
  return span.start_ms + Math.max(0, inside) / 1e6;
}

/** Which media second is shown for a place on the axis; a gap shows what follows it. */
export function toMedia(spans: readonly PlaySpan[], at_ms: number): number {
  const index = lastAtMost(spans, at_ms, (span) => span.start_ms);
  const span = spans[index];
  if (!span) return (spans[0]?.media_start_ns ?? 0) / NS;
  const inside = (at_ms - span.start_ms) * 1e6;
  const length = span.media_end_ns - span.media_start_ns;
  if (inside < length) return (span.media_start_ns + inside) / NS;
  const next = spans[index + 1];
  return (next ? next.media_start_ns : span.media_end_ns) / NS;
}

/** The end of all that can be played, in media seconds. */
export function endOf(list: readonly Unit[]): number {
  return list.at(-1)?.end ?? 0;
}
