/** What a row says of a state; silence is the good state, so only the exception has words. */

import type { Status } from "../api/types";

/** A word for a session's state, or nothing where it is completed. */
export function stateWord(state: string): string | null {
  if (state === "completed") return null;
  if (state === "interrupted") return "Interrupted";
  if (state === "failed") return "Failed to start";
  return state.charAt(0).toUpperCase() + state.slice(1);
}

/** What enrichment is doing, where it is not over. */
export function enrichmentWord(state: string): string | null {
  if (state === "running") return "Making text and summary";
  if (state === "queued") return "Waiting to be read";
  if (state === "pending") return "Not read yet";
  if (state === "failed") return "A part could not be read";
  return null;
}

/** The tracks of a recording in one sentence. */
export function healthWord(status: Status | null): string {
  if (!status) return "";
  if (status.held === "locked") return "The screen is locked. Nothing is recorded until it is unlocked.";
  if (status.state === "paused") return "Paused. Nothing is recorded until it goes on.";
  const bad = status.tracks.filter((track) => ["failed", "degraded", "restarting"].includes(track.state));
  if (bad.length) {
    const names = bad.map((track) => `${trackWord(track.track)} is ${track.state}`).join(", ");
    return `Recording. ${names.charAt(0).toUpperCase()}${names.slice(1)}; the other tracks go on.`;
  }
  const well = status.tracks.filter((track) => track.state === "healthy" && !track.track.startsWith("video."));
  const good = well.map((track) => trackWord(track.track));
  if (!good.length) return "Recording.";
  const list = good.length > 1 ? `${good.slice(0, -1).join(", ")} and ${good.at(-1)} are` : `${good[0]} is`;
  return `Recording. ${list.charAt(0).toUpperCase()}${list.slice(1)} healthy.`;
}

/** How a track is called in a sentence. */
export function trackWord(track: string): string {
  if (track === "audio.mic") return "mic";
  if (track === "audio.system") return "system sound";
  if (track.startsWith("video.")) return `source ${track.slice("video.".length)}`;
  return track;
}
