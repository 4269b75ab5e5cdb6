/** What a source and a track are called in words. A source is written `KIND:ARG`; nobody need read that. */

const KINDS: Record<string, string> = {
  display: "display",
  monitor: "monitor",
  mss: "monitor",
  region: "region",
  window: "window",
  webcam: "camera",
  file: "file",
  pattern: "test picture",
};
const PART = "video.";

const TRACKS: Record<string, string> = {
  video: "Video",
  playback: "Video",
  "audio.mic": "Mic",
  "audio.system": "System sound",
  shots: "Shots",
  activity: "Activity",
};

/** `window livewin` of `window:livewin`; anything else as it is. */
export function sourceWords(source: string): string {
  const colon = source.indexOf(":");
  const kind = KINDS[source.slice(0, Math.max(0, colon))];
  return kind ? `${kind} ${source.slice(colon + 1)}` : source;
}

/** A sentence of the recorder with the names of sources put into words. */
export function inWords(text: string, sources: readonly string[]): string {
  // The longest first: one name may begin another.
  const known = sources.filter((one) => one.includes(":")).sort((a, b) => b.length - a.length);
  return known.reduce((said, source) => said.replaceAll(source, sourceWords(source)), text);
}

/** Whether a track is one of the sources that the film is composed of. */
export function isPart(track: string): boolean {
  return track.startsWith(PART);
}

/** `Source 2 (window livewin)`, `Video (window livewin)` where that is all of it, `Mic`. */
export function trackWords(track: string, source = ""): string {
  const name = isPart(track) ? `Source ${track.slice(PART.length)}` : (TRACKS[track] ?? track);
  const words = sourceWords(source);
  // A film of several sources has them all in its name, and a sound is told by its track.
  const one = isPart(track) ? source !== "" : words !== source && !source.includes(" + ");
  return one ? `${name} (${words})` : name;
}

/** Why a session has no activity, where it has none: only a screen tells what is in front. */
export function whyNoActivity(tracks: readonly { track: string; source: string }[]): string | null {
  if (tracks.some((one) => one.track === "activity")) return null;
  const parts = tracks.filter((one) => isPart(one.track));
  const shown = parts.length ? parts : tracks.filter((one) => one.track === "video");
  const windows = shown.length > 0 && shown.every((one) => one.source.startsWith("window:"));
  return windows ? "No activity: only windows were recorded" : "No activity was recorded";
}
