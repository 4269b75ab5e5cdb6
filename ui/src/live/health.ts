/** How a recording is, in the words that `pepys status` has too. Pure; what stands still is said by the recorder. */

import type { Status, TrackStatus } from "../api/types";
import { bytes, length, position, roughly } from "../time/format";

const CLOCKS = { attempt: "tried", capture: "captured", write: "written" } as const;
export type ClockName = keyof typeof CLOCKS;

const BAD = new Set(["degraded", "restarting", "failed"]);
const TRIES = 5;
const SLOW_WRITE_MS = 1000;
const LATE_LOOP_MS = 250;
const MUCH_MEMORY = 0.9;

const HELD: Record<string, string> = {
  locked: "The screen is locked: nothing is recorded until it is unlocked. Then it goes on by itself.",
  device_lost: "No source is there: nothing is recorded until one is back. Then it goes on by itself.",
  suspended: "The machine goes to sleep: nothing is recorded until it wakes. Then it goes on by itself.",
};

/** A first letter as sentences have it. */
export const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `0.3 s`, `12 s`, `3:20`; a dash for never. */
export function agoWords(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 100_000 ? `${Math.floor(ms / 1000)} s` : position(ms);
}

/** Its three clocks: how long ago it was tried, captured and written, and which of them stands still. */
export function clocksOf(track: TrackStatus, more_ms: number): { name: ClockName; word: string; ago: string; stands: boolean }[] {
  return (Object.keys(CLOCKS) as ClockName[]).map((name) => {
    const ms = track[`${name}_ms_ago`];
    return { name, word: CLOCKS[name], ago: agoWords(ms === null || ms === undefined ? null : ms + more_ms), stands: track.stands === name };
  });
}

/** `capture stands still for 3 s`; empty where nothing does. */
export function standsWords(track: TrackStatus, more_ms = 0): string {
  return track.stands ? `${track.stands} stands still for ${length(Math.floor(((track.stands_ms ?? 0) + more_ms) / 1000) * 1000)}` : "";
}

/** Why a track is as it is, what stands still, and how often it was tried again. */
export function detailWords(track: TrackStatus, more_ms = 0): string {
  const stands = standsWords(track, more_ms);
  // What the recorder says of the time was true when it said so.
  const detail = (track.detail ?? "").replace(/\w+ stands still for \d+ s/, stands || "$&");
  const again = track.state === "restarting" && track.tries && !/\btr(y|ies)\b/.test(detail) ? `try ${Math.min(track.tries, TRIES)} of ${TRIES}` : "";
  const state = track.state === "restarting" || track.state === "failed" ? track.state : "";
  const because = [detail, detail.includes("stands still") ? "" : stands].filter(Boolean).join("; ");
  return [[state, again].filter(Boolean).join(", "), because].filter(Boolean).join(": ");
}

/** What all tracks say alike, as of a recorder that is silent: it is told once. Empty where they differ. */
export function sharedDetail(tracks: readonly TrackStatus[]): string {
  const [first, ...others] = tracks.filter((track) => track.state !== "off");
  const same = others.length > 0 && others.every((track) => track.detail === first?.detail && track.state === first?.state);
  return same && first && BAD.has(first.state) && ["", undefined, "attempt"].includes(first.stands) ? (first.detail ?? "") : "";
}

/** Whether the recorder died and is being started again: the session goes on by itself. */
export function startsAgain(status: Status | null): boolean {
  if (!status?.session || !["restarting", "interrupted", "resuming"].includes(status.state)) return false;
  if (status.state === "restarting") return true;
  if (status.last?.session === status.session && status.last.state === "interrupted") return false;
  return (status.notices ?? []).some((notice) => notice.kind === "restart");
}

/** The room that is left, `8 min left on this disk`; empty where nobody knows. */
export function roomWords(disk: Status["disk"]): string {
  const seconds = disk?.seconds_left;
  if (seconds === null || seconds === undefined) return "";
  const words = roughly(seconds * 1000);
  return `${words}${/ h \d/.test(words) ? " min" : ""} left on this disk`;
}

/** What the user should know at once, the weightiest first; nothing while all is well. What a track says stands in its row. */
export function warnings(status: Status): string[] {
  const found: string[] = [];
  if (status.held) found.push(HELD[status.held] ?? `Held: ${status.held}.`);
  const shared = sharedDetail(status.tracks);
  if (shared) found.push(`${upper(shared)}.`);
  if (status.disk?.warning) {
    const left = status.disk.seconds_left;
    const room = left === null || left === undefined ? "" : `: ${length(left * 1000)} left`;
    found.push(`The disk is nearly full${room}. Before it is full the session ends in order, and plays.`);
  }
  const queue = status.write_queue;
  if (queue?.refused_lately) found.push(`The disk does not keep up: ${queue.refused_lately} ${queue.refused_lately === 1 ? "piece" : "pieces"} refused.`);
  else if (queue?.oldest_ms && queue.oldest_ms >= SLOW_WRITE_MS) found.push(`The disk is slow: ${queue.items} wait to be written, the oldest for ${agoWords(queue.oldest_ms)}.`);
  const late_ms = status.loop?.p99_ms ?? 0;
  if (late_ms >= LATE_LOOP_MS) found.push(`The recorder is late by ${Math.round(late_ms)} ms: this machine is busy.`);
  const { rss_bytes, limit_bytes } = status.memory ?? {};
  if (rss_bytes && limit_bytes && rss_bytes > limit_bytes * MUCH_MEMORY) found.push(`The recorder needs ${bytes(rss_bytes)} of ${bytes(limit_bytes)}; above that it is started anew.`);
  return [...found, ...(status.notices ?? []).map((notice) => `${upper(notice.text)}.`)];
}

/** How often the recorder was started again, and why; empty for never. */
export function restartsWords(status: Status): string {
  const times = status.restarts ?? 0;
  if (!times) return "";
  const reason = status.last_restart?.reason;
  return `Recorder restarted ${times === 1 ? "once" : `${times} times`}${reason ? `, the last: ${reason}` : ""}`;
}

/** Words without their figures: what is told to a screen reader once, not each second. */
export function settled(text: string): string {
  return text.replace(/[\d:.,]*\d\s*/g, "");
}
