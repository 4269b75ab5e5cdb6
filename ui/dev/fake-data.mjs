/** Sessions for the fake server, all made up by code. The first one is the one that plays. */

import { SCREENS, STREAM_S } from "./fake-media.mjs";

export const MAIN = "0main00000000000000000000a";
export const LIVE = "0live00000000000000000000a";
const MINUTE = 60_000;
const APPS = ["Editor", "Terminal", "Browser", "Call", "Chat", "Notes", "Mail"];
const TITLES = ["Why the nightly import stalls", "Reading about write-ahead logs", "Design review, onboarding copy", "Quarterly numbers, second pass", "Pairing on the parser", "Alert thresholds", "Writing the migration guide", "Batch size, measured"];
const LINES = [
  "The nightly import stalls after batch 120; the lock timeout is only the first thing to complain.",
  "Notes on torn pages, checksums and group commit, with four passages copied from the manual.",
  "Three screens, one verb each. The tour goes; the empty list shows its first action.",
  "Seven regions rebuilt from the source sheets; the islands still differ by 2,140.",
  "Agreed on one number for each queue, and who is told at night.",
];

/** A small generator of numbers, the same at each run. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function appsOf(wall_ms, gaps, next) {
  const apps = [];
  for (let at = 0; at < wall_ms; ) {
    const gap = gaps.find((one) => at >= one.start_ms && at < one.end_ms);
    if (gap) at = gap.end_ms;
    const after = gaps.find((one) => one.start_ms > at)?.start_ms ?? wall_ms;
    const end = Math.min(after, at + wall_ms * (0.02 + next() * 0.12), wall_ms);
    if (end > at) apps.push({ start_ms: Math.round(at), end_ms: Math.round(end), app: APPS[Math.floor(next() ** 1.6 * APPS.length)] });
    at = end >= after ? after : end + 1;
  }
  return apps;
}

const INTERRUPTED = 4;

/** Rows of the list, newest first. */
export function makeRows(count, now_ms) {
  const next = numbers(7);
  const rows = [mainRow(now_ms)];
  let start = now_ms - 20 * 3600_000;
  for (let index = 1; index < count; index += 1) {
    const duration_ms = Math.round((0.15 + next() * next() * 4) * 3600_000);
    const gaps = next() > 0.6 ? [{ start_ms: Math.round(duration_ms * 0.4), end_ms: Math.round(duration_ms * 0.4 + 9 * MINUTE), reason: next() > 0.8 ? "crash" : "pause" }] : [];
    if (index === INTERRUPTED) gaps.splice(0, gaps.length, { start_ms: Math.round(duration_ms * 0.7), end_ms: Math.round(duration_ms * 0.7), reason: "crash" });
    const wall_ms = duration_ms + gaps.reduce((sum, gap) => sum + gap.end_ms - gap.start_ms, 0);
    rows.push({
      id: `0s${String(index).padStart(8, "0")}abcdefghijklmnop`,
      name: TITLES[index % TITLES.length],
      state: index === INTERRUPTED ? "interrupted" : "completed",
      started_at: new Date(start).toISOString(),
      ended_at: new Date(start + wall_ms).toISOString(),
      duration_ms,
      wall_ms,
      tags: [["importer", "postgres"], ["reading"], ["docs", "ledger"], []][index % 4],
      summary: LINES[index % LINES.length],
      bytes_on_disk: Math.round(duration_ms * 120),
      cost_usd: index % 3 ? 0 : 0.03,
      enrichment_state: index === 6 ? "running" : index === 2 ? "pending" : "done",
      apps: appsOf(wall_ms, gaps, next),
      gaps,
      poster: index === 3 ? null : `p${index % SCREENS.length}`,
    });
    start -= (3 + next() * 12) * 3600_000;
  }
  return rows;
}

const GAP = { start_ms: 48_000, end_ms: 68_000, reason: "pause" };

function mainRow(now_ms) {
  const wall_ms = STREAM_S * 1000 + 20_000;
  const start = now_ms - 3 * 3600_000;
  return {
    id: MAIN, name: TITLES[0], state: "completed", started_at: new Date(start).toISOString(), ended_at: new Date(start + wall_ms).toISOString(),
    duration_ms: STREAM_S * 1000, wall_ms, tags: ["importer", "postgres", "on call"], summary: LINES[0], bytes_on_disk: 43_800_000, cost_usd: 0,
    enrichment_state: "done", apps: mainApps().map(({ start_ms, end_ms, app }) => ({ start_ms, end_ms, app })), gaps: [GAP], poster: "p1",
  };
}

function mainApps() {
  const list = [
    [0, 9, "Chat", "on call"], [9, 19, "Terminal", "make nightly"], [19, 38, "Editor", "test_batch.py"], [38, 48, "Browser", "Lock management"],
    [68, 77, "Browser", "Lock management"], [77, 82, "Passwords", ""], [82, 98, "Terminal", "psql"], [98, 110, "Editor", "batch.py"], [110, 116, "Notes", "Tuesday"],
  ];
  return list.map(([start, end, app, title]) => ({ start_ms: start * 1000, end_ms: end * 1000, app: app === "Passwords" ? "" : app, title, excluded: app === "Passwords" }));
}

/** Axis time of a media time of the playing session. */
const axis = (media_ms) => (media_ms < GAP.start_ms ? media_ms : media_ms + GAP.end_ms - GAP.start_ms);

function shotTimes() {
  const shots = [];
  for (let media = 0, last = -1; media < STREAM_S * 1000; media += 2000) {
    const screen = Math.min(SCREENS.length - 1, Math.floor((media / 1000 / STREAM_S) * SCREENS.length));
    shots.push({ at_ms: axis(media), id: `p${screen}`, distinct: screen !== last || media % 8000 === 0 });
    last = screen;
  }
  return shots;
}

const SAID = [
  [2, "audio.mic", "If it is the data, it will stop at the same place twice."], [8, "audio.mic", "Batch a hundred and nineteen is fine, so it is not the first of them."],
  [14, "audio.mic", "And there it hangs. Lock timeout, after half a minute of nothing."], [22, "audio.system", "Your build has finished, two jobs passed."],
  [29, "audio.mic", "Before I add anything I want a test that sees the plan. If it passes today, it is the wrong test."], [40, "audio.mic", "Good, it fails. The plan says scan, eighteen hundred milliseconds. Now the migration."],
  [70, "audio.mic", "There it is. A sequential scan on the ledger, two hundred thousand rows, for every single batch."], [79, "audio.system", "The deployment window opens at noon."],
  [88, "audio.mic", "Index is there. Running it again, and I will put the batch size back to five hundred."], [104, "audio.mic", "So the timeout was never the fault. It was only the first thing to complain."],
];

function transcript() {
  return SAID.map(([second, track, text]) => {
    const parts = text.split(" ");
    const start = second * 1000;
    const words = parts.map((word, index) => [word, start + index * 330, start + (index + 1) * 330]);
    return { track, start_ms: start, end_ms: start + parts.length * 330, text, words };
  });
}

export function makeItems(bucket) {
  const empty = { bucket, shots: { at_ms: [], id: [], distinct: [], trigger: [] }, transcript: { track: [], start_ms: [], end_ms: [], text: [], words: [] }, screen_text: { at_ms: [], end_ms: [], shot: [], text: [] } };
  if (bucket !== 0) return empty;
  const shots = shotTimes();
  const said = transcript();
  const read = shots.filter((one, index) => one.id !== shots[index - 1]?.id);
  const column = (list, name) => list.map((one) => one[name]);
  return {
    bucket,
    shots: { at_ms: column(shots, "at_ms"), id: column(shots, "id"), distinct: column(shots, "distinct"), trigger: shots.map((_, index) => (index ? ["change", "adaptive", "title"][index % 3] : "start")) },
    transcript: { track: column(said, "track"), start_ms: column(said, "start_ms"), end_ms: column(said, "end_ms"), text: column(said, "text"), words: column(said, "words") },
    screen_text: {
      at_ms: column(read, "at_ms"), end_ms: read.map((one, index) => read[index + 1]?.at_ms ?? one.at_ms + 18_000), shot: column(read, "id"),
      text: read.map((one) => SCREENS[Number(one.id.slice(1))].lines.join("\n")),
    },
  };
}

const STEP_MS = 50;

/** A level at a time: words where something is said, breath between, steps of a room where nobody speaks. */
function levelAt(track, at_ms, said) {
  const line = said.find((one) => one.track === track && at_ms >= one.start_ms && at_ms < one.end_ms);
  const wave = Math.abs(Math.sin(at_ms / 97) * Math.sin(at_ms / 1310 + 1) * Math.cos(at_ms / 41));
  if (line) return { db: -34 + 30 * wave, voice: true };
  if (track === "audio.system" && at_ms % 30_000 > 22_000) return { db: -48 + 26 * wave, voice: false };
  return { db: track === "audio.mic" && at_ms % 7000 < 300 ? -38 : -66, voice: false };
}

/** How loud the playing session was; of one under way, up to now. At most so many steps, as the daemon does it. */
export function makePeaks(from_ms, to_ms, points) {
  const said = transcript();
  const end = Math.min(to_ms, STREAM_S * 1000 + 20_000);
  const gone = (track, at) => (at >= GAP.start_ms && at < GAP.end_ms) || (track === "audio.mic" && at >= 84_000 && at < 90_000);
  const step = Math.max(1, Math.ceil((end - from_ms) / STEP_MS / points));
  const step_ms = step * STEP_MS;
  const start_ms = Math.floor(from_ms / step_ms) * step_ms;
  const at = (track, ms) => (gone(track, ms) ? 0 : Math.round((levelAt(track, ms, said).db + 102) * 2.5));
  const tracks = ["audio.mic", "audio.system"].map((track) => ({
    track, start_ms, step_ms, loudness: [],
    peaks: Array.from({ length: Math.max(0, Math.ceil((end - start_ms) / step_ms)) }, (_, n) => Math.max(...Array.from({ length: step }, (__, k) => at(track, start_ms + (n * step + k) * STEP_MS)))),
    voice: said.filter((one) => one.track === track && one.end_ms < end && one.end_ms > from_ms).map((one) => [one.start_ms, one.end_ms]),
  }));
  return { tracks };
}

/** The last second of a session under way. */
export function levelsNow(at_ms) {
  const said = transcript();
  const second = (track) => {
    const all = Array.from({ length: 20 }, (_, n) => levelAt(track, (at_ms % 100_000) - 1000 + n * STEP_MS, said));
    return { peaks: all.map((one) => Math.round(one.db)), loudness: all.map((one) => Math.round(one.db) - 6), voice: all.map((one) => Number(one.voice)) };
  };
  return { "audio.mic": second("audio.mic"), "audio.system": second("audio.system") };
}

/** Where the lines of a drawn screen stand, 0..1. */
export function shotLines(screen) {
  const lines = SCREENS[screen].lines.map((text, index) => ({ text: text.trim(), x: (64 + (text.length - text.trimStart().length) * 16) / 1280, y: (86 + index * 38.9) / 720, w: (text.trim().length * 16) / 1280, h: 30 / 720 }));
  return { width: 1280, height: 720, lines: lines.filter((one) => one.text) };
}

export function makeOverview(row, notes) {
  const main = row.id === MAIN;
  const items = makeItems(0);
  const track = (name, kind, codec, gaps = []) => ({ track: name, kind, source: "made up", codec, width: 1280, height: 720, bytes: 1e6, segments: 12, frames_captured: 960, frames_encoded: 960, frames_dropped: 0, gaps });
  return {
    session: {
      ...row, apps: [], gaps: [], description: "", category: "",
      tracks: [track("video", "video", "h264"), track("audio.system", "audio", "opus"), track("audio.mic", "audio", "opus", main ? [{ start_ms: 84_000, end_ms: 90_000, reason: "device_lost", track: "audio.mic", detail: "Headset" }] : [])],
      shots: main ? { total: items.shots.id.length, distinct: items.shots.distinct.filter(Boolean).length } : { total: 0, distinct: 0 },
      enrichment: { state: row.enrichment_state, stages: [{ name: "screen_text", state: "done", seconds: 3, cost_usd: 0 }], cost_usd: row.cost_usd },
    },
    spans: main ? [{ start_ms: 0, end_ms: 48_000, media_start_ns: 0 }, { start_ms: 68_000, end_ms: 116_000, media_start_ns: 48e9 }] : [],
    gaps: row.gaps.map((gap) => ({ ...gap, track: null, detail: null })),
    chapters: main ? [[0, 19, "Reproducing it here"], [19, 48, "A test that fails first"], [68, 98, "The missing index"], [98, 116, "Deploy, and who is told"]].map(([a, b, title]) => ({ start_ms: a * 1000, end_ms: b * 1000, title, summary: "" })) : [],
    apps: main ? mainApps() : row.apps.map((app) => ({ ...app, title: "", excluded: false })),
    idle: main ? [[28_000, 36_000]] : [],
    clock_steps: main ? [{ at_ms: 102_000, step_ms: 3600_000 }] : [],
    notes,
    summary: { title: null, text: main ? "The nightly import stalls after batch 120. The join on the source key lost its index in Tuesday’s migration, so each batch scans the ledger and holds its locks for half a minute. The lock timeout is only the first thing to complain. With the index back, a batch takes 0.4 s." : row.summary, points: main ? ["Set the batch size back to five hundred.", "An alert where a batch takes over ten seconds.", "Support is told that the import is fixed."] : [] },
    bucket_ms: 300_000,
    buckets: main ? [{ bucket: 0, shots: items.shots.id.length, transcript: SAID.length, screen_text: items.screen_text.text.length }] : [],
    poster: row.poster,
  };
}

/** Hits of some words in what the playing session says, shows and notes. */
export function search(words, rows, notes) {
  const needle = words.toLowerCase();
  const row = rows.find((one) => one.id === MAIN);
  const hits = [];
  const at = (ms) => new Date(Date.parse(row.started_at) + ms).toISOString();
  const add = (kind, at_ms, text, more = {}) => {
    const from = text.toLowerCase().indexOf(needle);
    if (from >= 0) hits.push({ session_id: row.id, session_name: row.name, kind, at: at(at_ms), at_ms, end_ms: at_ms + 1000, snippet: text, marks: [[from, from + words.length]], ...more });
  };
  const { screen_text: texts } = makeItems(0);
  texts.shot.forEach((shot, index) => {
    for (const line of shotLines(Number(shot.slice(1))).lines) {
      const from = line.text.toLowerCase().indexOf(needle);
      const box = { x: line.x + (line.w * from) / line.text.length, y: line.y, w: (line.w * words.length) / line.text.length, h: line.h };
      add("screen_text", texts.at_ms[index], line.text, { shot, boxes: [box] });
    }
  });
  for (const line of transcript()) add("transcript", line.start_ms, line.text, { shot: "p1" });
  for (const note of notes) add("note", note.at_ms, note.text);
  for (const one of rows.slice(1, 200)) {
    const from = one.name.toLowerCase().indexOf(needle);
    if (from >= 0) hits.push({ session_id: one.id, session_name: one.name, kind: "title", at: one.started_at, at_ms: 0, end_ms: 0, snippet: one.name, marks: [[from, from + words.length]], shot: one.poster });
  }
  return { hits: hits.slice(0, 60) };
}
