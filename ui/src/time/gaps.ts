/** The gaps of a session, as they are drawn, listed and counted, and what one is called. */

import type { Gap, GapTime, SessionDetail } from "../api/types";
import { length, lengthInFull } from "./format";
import { trackWords } from "./sources";

const SECOND_MS = 1000;

/** A gap, and of which track it is, in words; null where nothing at all was recorded. */
export interface ToldGap extends Gap {
  who: string | null;
}

const WORDS: Record<string, string> = {
  pause: "Paused",
  crash: "Crash",
  device_lost: "Device lost",
  source_closed: "Source closed",
  disk_full: "Disk full",
  locked: "Locked",
  suspended: "Suspended",
  forgotten: "Forgotten",
};

/** The word for a reason. */
export function gapWord(reason: string): string {
  return WORDS[reason] ?? reason.replaceAll("_", " ");
}

/** The gaps of a session and its tracks in order of time; a track that was gone for less than a second is passed over. */
export function gapsOf(overview: { gaps: Gap[]; session: Pick<SessionDetail, "tracks"> }): ToldGap[] {
  const whole = overview.gaps.filter((gap) => !gap.track).map((gap) => ({ ...gap, who: null }));
  const parts = overview.session.tracks.flatMap((track) =>
    track.gaps
      .filter((gap) => gap.track && gap.end_ms - gap.start_ms >= SECOND_MS)
      .map((gap) => ({ ...gap, who: trackWords(track.track, track.source) })),
  );
  return [...whole, ...parts].sort((a, b) => a.start_ms - b.start_ms);
}

/** How long a gap is, at a glance. */
export function gapLength(gap: GapTime): string {
  const ms = gap.end_ms - gap.start_ms;
  return ms < SECOND_MS ? "<1 s" : length(ms);
}

/** `Activity`, `Activity and Video`, `Activity, Video and Shots`. */
export function listed(names: readonly string[]): string {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : (names[0] ?? "");
}

/** What a track is while it has a gap: `gone`, `locked`, `suspended`. */
export function awayWord(reason: string): string {
  return reason === "suspended" || reason === "locked" ? reason : "gone";
}

/** A whole sentence for a gap. */
export function gapSentence(gap: GapTime | Gap | ToldGap): string {
  const ms = gap.end_ms - gap.start_ms;
  const span = ms < SECOND_MS ? "<1 s" : lengthInFull(ms);
  const detail = "detail" in gap ? gap.detail : null;
  const why = detail ? `: ${detail}` : "";
  if ("who" in gap && gap.who && awayWord(gap.reason) !== "gone") return `${gap.who} ${awayWord(gap.reason)}, ${span}${why}.`;
  if ("who" in gap && gap.who) return `${gap.who} gone, ${span}.${gap.track?.startsWith("audio.") ? " The other tracks went on." : ""}`;
  const name = "track" in gap && gap.detail ? gap.detail : gapWord(gap.reason);
  if (gap.reason === "crash" && ms < 500) return "Crash. At most 1 s before it is missing.";
  if (gap.reason === "crash") return `Crash, ${span}. At most 1 s before it is missing.`;
  if (gap.reason === "device_lost") return `${name} gone, ${span}. The other tracks went on.`;
  if (gap.reason === "locked" && detail) return `Locked, ${span}, as ${detail} told.`;
  return `${gapWord(gap.reason)}, ${span}${why}.`;
}
