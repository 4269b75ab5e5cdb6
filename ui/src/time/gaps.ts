/** What a gap is called: in its place on the timeline, and in a sentence. */

import type { Gap, GapTime } from "../api/types";
import { lengthInFull } from "./format";

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

/** A whole sentence for a gap. */
export function gapSentence(gap: GapTime | Gap): string {
  const ms = gap.end_ms - gap.start_ms;
  const span = lengthInFull(ms);
  const name = "track" in gap && gap.detail ? gap.detail : gapWord(gap.reason);
  if (gap.reason === "crash" && ms < 500) return "Crash. At most 1 s before it is missing.";
  if (gap.reason === "crash") return `Crash, ${span}. At most 1 s before it is missing.`;
  if (gap.reason === "device_lost") return `${name} gone, ${span}. The other tracks went on.`;
  return `${gapWord(gap.reason)}, ${span}.`;
}
