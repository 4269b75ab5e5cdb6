/** Where each day and row of the list lies. Heights are fixed, so that a jump is never blank. Pure. */

import type { Row } from "../api/types";
import { dayKey } from "../time/format";

export interface DayGroup {
  key: string;
  wall_ms: number;
  rows: Row[];
  top: number;
  height: number;
  duration_ms: number;
  /** Index of the first row in the whole list. */
  first: number;
}

export interface Heights {
  row: number;
  /** Above the rows of a day. */
  head: number;
  /** Below the rows of a day. */
  foot: number;
}

/** Rows, newest first, in days. */
export function layDays(rows: readonly Row[], heights: Heights): DayGroup[] {
  const days: DayGroup[] = [];
  let top = 0;
  rows.forEach((row, index) => {
    const wall_ms = Date.parse(row.started_at);
    const key = dayKey(wall_ms);
    let day = days.at(-1);
    if (!day || day.key !== key) {
      if (day) top += day.height;
      day = { key, wall_ms, rows: [], top, height: heights.head + heights.foot, duration_ms: 0, first: index };
      days.push(day);
    }
    day.rows.push(row);
    day.height += heights.row;
    day.duration_ms += row.duration_ms;
  });
  return days;
}

/** The height of the whole list. */
export function totalHeight(days: readonly DayGroup[]): number {
  const last = days.at(-1);
  return last ? last.top + last.height : 0;
}

/** The days, and of each the rows, that lie within `[from, to)` pixels. */
export function visible(days: readonly DayGroup[], heights: Heights, from: number, to: number): { day: DayGroup; start: number; end: number }[] {
  const shown: { day: DayGroup; start: number; end: number }[] = [];
  for (const day of days) {
    if (day.top + day.height < from) continue;
    if (day.top > to) break;
    const inside = day.top + heights.head;
    const start = Math.max(0, Math.floor((from - inside) / heights.row));
    const end = Math.min(day.rows.length, Math.ceil((to - inside) / heights.row));
    shown.push({ day, start, end: Math.max(start, end) });
  }
  return shown;
}

/** The pixel at which a row begins. */
export function rowTop(days: readonly DayGroup[], heights: Heights, index: number): number {
  for (const day of days) {
    if (index < day.first + day.rows.length) return day.top + heights.head + (index - day.first) * heights.row;
  }
  return totalHeight(days);
}
