/** Gaps that last, drawn for as long as they have lasted by now. Pure; what lasts is said by the overview and the status. */

import type { Status } from "../api/types";
import type { ToldGap } from "../time/gaps";

const STEP_MS = 1000;

/** Why nothing is recorded at the moment, as a gap says it: `pause`, `locked`, ...; null while something is. */
export function restsBy(status: Pick<Status, "state" | "held"> | null): string | null {
  return status?.state === "paused" ? status.held || "pause" : null;
}

/** Where a session that rests ends by now, in steps of a second so that it is painted once in each. */
export function restingEnd(end_ms: number, axis_ms: number | null): number {
  return axis_ms === null ? end_ms : Math.max(end_ms, Math.floor(axis_ms / STEP_MS) * STEP_MS);
}

/**
 * The gaps of a session under way: those that reach the end of what is stored last on.
 *
 * @param gaps as the overview tells them.
 * @param known_ms where the overview ends.
 * @param end_ms where the session ends by now.
 * @param rests why nothing is recorded now; a gap for it is there even if the overview is older.
 */
export function growing(gaps: readonly ToldGap[], known_ms: number, end_ms: number, rests: string | null): ToldGap[] {
  // While the session rests no track has a gap of its own; while it does not, the session has none.
  const lasts = (gap: ToldGap): boolean => gap.end_ms >= known_ms && Boolean(gap.track) === (rests === null);
  const grown = gaps.map((gap) => (lasts(gap) ? { ...gap, end_ms: Math.max(gap.end_ms, end_ms) } : gap));
  if (rests && end_ms > known_ms && !gaps.some(lasts))
    grown.push({ start_ms: known_ms, end_ms, reason: rests, track: null, detail: "", who: null });
  return grown;
}
