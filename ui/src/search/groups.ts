/** Hits in groups of one session, in time order inside it; the groups as their best hits came. Pure. */

import type { Hit } from "../api/types";

export interface Group {
  session: string;
  name: string;
  /** The session's first hit, as a wall time. */
  wall_ms: number;
  hits: Hit[];
}

export const KINDS: { key: string; label: string; kinds: string[] }[] = [
  { key: "all", label: "All", kinds: [] },
  { key: "screen", label: "Screen text", kinds: ["screen_text"] },
  { key: "said", label: "Transcript", kinds: ["transcript"] },
  { key: "notes", label: "Notes", kinds: ["note", "marker"] },
  { key: "titles", label: "Titles and summaries", kinds: ["title", "summary"] },
];

export function ofKind(hits: readonly Hit[], key: string): Hit[] {
  const kinds = KINDS.find((one) => one.key === key)?.kinds ?? [];
  return kinds.length ? hits.filter((hit) => kinds.includes(hit.kind)) : [...hits];
}

export function group(hits: readonly Hit[]): Group[] {
  const groups = new Map<string, Group>();
  for (const hit of hits) {
    let one = groups.get(hit.session_id);
    if (!one) {
      one = { session: hit.session_id, name: hit.session_name, wall_ms: 0, hits: [] };
      groups.set(hit.session_id, one);
    }
    one.hits.push(hit);
  }
  for (const one of groups.values()) {
    one.hits.sort((a, b) => a.at_ms - b.at_ms);
    one.wall_ms = Date.parse(one.hits[0]!.at);
  }
  return [...groups.values()];
}

/** A snippet in pieces, hit or not; offsets count code points. */
export function pieces(snippet: string, marks: readonly [number, number][]): { text: string; hit: boolean }[] {
  const points = Array.from(snippet);
  const cut: { text: string; hit: boolean }[] = [];
  let at = 0;
  for (const [start, end] of [...marks].sort((a, b) => a[0] - b[0])) {
    if (start < at || end <= start) continue;
    if (start > at) cut.push({ text: points.slice(at, start).join(""), hit: false });
    cut.push({ text: points.slice(start, end).join(""), hit: true });
    at = end;
  }
  if (at < points.length) cut.push({ text: points.slice(at).join(""), hit: false });
  return cut;
}

/** Who or what a hit is of. */
export function kindWord(kind: string): string {
  const words: Record<string, string> = {
    screen_text: "Screen",
    transcript: "Speech",
    note: "Note",
    marker: "Marker",
    title: "Title",
    summary: "Summary",
  };
  return words[kind] ?? kind;
}

/** Which part of a picture to show so that a box in it can be read: left edge, top edge and share, each 0..1. */
export function crop(box: { x: number; y: number; w: number; h: number }): { left: number; top: number; share: number } {
  const share = Math.min(1, Math.max(0.22, box.w * 1.6, box.h * 4));
  const inside = (middle: number): number => Math.min(Math.max(middle - share / 2, 0), 1 - share);
  return { left: inside(box.x + box.w / 2), top: inside(box.y + box.h / 2), share };
}
