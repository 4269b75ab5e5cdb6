/**
 * A stand-in for the daemon, for work on the page: same API, made-up sessions, a real stream that plays.
 *
 *   node dev/fake-server.mjs [--port N] [--sessions N] [--static FOLDER]
 *
 * Loopback only. Prints one line with its address; `?code=dev` signs in. The token is `dev`.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { LIVE, MAIN, levelsNow, makeItems, makeOverview, makePeaks, makeRows, search, shotLines } from "./fake-data.mjs";
import { makeMedia } from "./fake-media.mjs";

const option = (name, fallback) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : fallback);
const ROOT = option("--static", fileURLToPath(new URL("../dist", import.meta.url)));
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8", ".svg": "image/svg+xml" };
const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const media = makeMedia();
const rows = makeRows(Number(option("--sessions", "240")), Date.now());
const notes = new Map([[MAIN, [
  { id: "n1", kind: "marker", at_ms: 12_000, text: "" },
  { id: "n2", kind: "note", at_ms: 24_000, text: "only batches with old keys" },
  { id: "n3", kind: "note", at_ms: 92_000, text: "lower the batch size back; it hides the lock timeout" },
]]]);
const listeners = new Set();
let recording = null;

const problem = (status, code, detail, remedy = "") => ({ status, problem: { type: "about:blank", title: detail, status, detail, code, remedy } });
const notesOf = (id) => notes.get(id) ?? notes.set(id, []).get(id);
const recorded = () => (recording ? recording.done + (recording.state === "recording" ? Date.now() - recording.from : 0) : 0);

function status() {
  if (!recording) return { state: "idle", session: null, name: null, since: null, recorded_ms: 0, tracks: [], disk: { free_bytes: 9e10, seconds_left: null } };
  const now = levelsNow(recorded());
  const level = (name) => (recording.state === "recording" && now[name] ? { level: { peak_db: Math.max(...now[name].peaks), loudness_lufs: -30, voice: now[name].voice.some(Boolean) } } : {});
  const track = (name, detail, state = "healthy") => ({ track: name, state, attempt_ms_ago: 120, capture_ms_ago: 300, write_ms_ago: 640, detail, ...level(name) });
  return {
    state: recording.state, session: LIVE, name: recording.name, since: recording.since, recorded_ms: recorded(), wall_ms: recorded(),
    tracks: [track("video", "1280x720, 0 dropped"), track("audio.mic", recorded() % 40_000 > 30_000 ? "Headset is gone: switched to Built-in microphone" : ""), track("audio.system", ""), track("shots", "kept 14"), track("activity", "Editor, batch.py")],
    sound: recording.sound,
    disk: { free_bytes: 9e10, seconds_left: 147_600 },
  };
}

function liveRow() {
  const ms = recorded();
  return { ...rows[0], id: LIVE, name: recording.name, state: "recording", started_at: recording.since, ended_at: null, duration_ms: ms, wall_ms: ms, tags: [], summary: null, cost_usd: 0, gaps: [], apps: [{ start_ms: 0, end_ms: ms, app: "Editor" }], poster: "p3", enrichment_state: "none" };
}

const allRows = () => (recording ? [liveRow(), ...rows] : rows);
const rowOf = (id) => allRows().find((row) => row.id === id);

function tell() {
  for (const answer of listeners) answer.write(`event: status\ndata: ${JSON.stringify(status())}\n\n`);
}

function tellLevels() {
  if (recording.state !== "recording") return;
  for (const answer of listeners) answer.write(`event: levels\ndata: ${JSON.stringify(levelsNow(recorded()))}\n\n`);
}

function tellSession(id) {
  for (const answer of listeners) answer.write(`event: sessions\ndata: ${JSON.stringify({ id })}\n\n`);
}

/** The table: all segments of the playing session, or as many fragments as have gone by since the recording began. */
function playback(id) {
  const segment = (one, n) => ({ n, span: one.start_ns < 48e9 || id === LIVE ? 0 : 1, media_start_ns: one.start_ns, duration_ns: one.duration_ns, bytes: one.bytes.length });
  const end = media.segments.at(-1).start_ns + media.segments.at(-1).duration_ns;
  if (id !== LIVE || !recording) {
    if (id !== MAIN) return { version: "0", live: false, state: "completed", spans: [], segments: [], tail: null };
    const span = (n, start, stop, start_ms) => ({ span: n, init: n, mime: media.mime, media_start_ns: start, media_end_ns: stop, start_ms });
    return { version: "1", live: false, state: "completed", spans: [span(0, 0, 48e9, 0), span(1, 48e9, end, 68_000)], segments: media.segments.map(segment), tail: null };
  }
  const now = Math.min(end, Math.floor(recorded() / 800) * 8e8);
  const whole = media.segments.filter((one) => one.start_ns + one.duration_ns <= now);
  const open = media.segments[whole.length];
  const fragments = (open?.fragments ?? []).filter((one) => one.start_ns + one.duration_ns <= now);
  const tail = fragments.length ? { n: whole.length, span: 0, media_start_ns: open.start_ns, fragments: fragments.map((one, i) => ({ i, media_start_ns: one.start_ns, duration_ns: one.duration_ns, bytes: one.bytes.length })) } : null;
  return { version: `${now}`, live: true, state: recording.state, spans: [{ span: 0, init: 0, mime: media.mime, media_start_ns: 0, media_end_ns: now, start_ms: 0 }], segments: whole.map(segment), tail };
}

async function waitPlayback(id, url) {
  const after = url.searchParams.get("after");
  const until = Date.now() + Number(url.searchParams.get("wait_ms") ?? 0);
  while (playback(id).version === after && playback(id).live && Date.now() < until) await new Promise((done) => setTimeout(done, 50));
  const from = Number(url.searchParams.get("segments_from") ?? 0);
  const table = playback(id);
  return { ...table, segments: table.segments.filter((one) => one.n >= from) };
}

function record(body) {
  if (recording) return problem(409, "busy", "a session is being recorded", "end it first");
  recording = { name: body.name || "Untitled session", state: "recording", since: new Date().toISOString(), from: Date.now(), done: 0, sound: { gains: { mic: { muted: false, gain_db: 0 }, system: { muted: false, gain_db: 0 } }, balance: 50 } };
  tell();
  return { status: 201, json: status() };
}

function hear(body) {
  if (!recording) return problem(409, "usage", "nothing is recorded");
  for (const name of body.mute ?? []) recording.sound.gains[name].muted = true;
  for (const name of body.unmute ?? []) recording.sound.gains[name].muted = false;
  recording.sound.balance = body.balance ?? recording.sound.balance;
  tell();
  return { json: status() };
}

function control(action) {
  if (!recording) return problem(409, "usage", "nothing is recorded");
  recording.done = recorded();
  recording.from = Date.now();
  if (action === "stop") recording = null;
  else recording.state = action === "pause" ? "paused" : "recording";
  tell();
  tellSession(LIVE);
  return { json: status() };
}

/** What the API answers: [method, pattern, deed]. */
const ROUTES = [
  ["GET", /^\/sessions$/, (_, url) => {
    const offset = Number(url.searchParams.get("offset") ?? 0);
    return { json: { total: allRows().length, sessions: allRows().slice(offset, offset + Number(url.searchParams.get("limit") ?? 50)) } };
  }],
  ["GET", /^\/sessions\/([^/]+)\/overview$/, ([id]) => (rowOf(id) ? { json: makeOverview(rowOf(id), notesOf(id)) } : problem(404, "not_found", "no session has this id", "look at the list"))],
  ["GET", /^\/sessions\/([^/]+)\/peaks$/, ([id], url) => {
    const to = Number(url.searchParams.get("to") ?? (id === LIVE ? recorded() : Infinity));
    return { json: id === MAIN || id === LIVE ? makePeaks(Number(url.searchParams.get("from") ?? 0), to, Number(url.searchParams.get("points") ?? 1200)) : { tracks: [] } };
  }],
  ["GET", /^\/sessions\/([^/]+)\/items$/, ([id], url) => ({ json: makeItems(id === MAIN ? Number(url.searchParams.get("bucket")) : 1) })],
  ["GET", /^\/sessions\/([^/]+)\/shots\/p(\d)$/, ([, shot]) => ({ bytes: media.shots[shot], type: "image/png" })],
  ["GET", /^\/sessions\/([^/]+)\/shots\/p(\d)\/text$/, ([, shot]) => ({ json: shotLines(Number(shot)) })],
  ["GET", /^\/sessions\/([^/]+)\/playback$/, async ([id], url) => ({ json: await waitPlayback(id, url) })],
  ["GET", /^\/sessions\/([^/]+)\/media\/inits\/(\d+)$/, () => ({ bytes: media.init, type: "video/mp4" })],
  ["GET", /^\/sessions\/([^/]+)\/media\/segments\/(\d+)$/, ([, n]) => ({ bytes: media.segments[n]?.bytes, type: "video/mp4" })],
  ["GET", /^\/sessions\/([^/]+)\/media\/segments\/(\d+)\/fragments\/(\d+)$/, ([, n, i]) => ({ bytes: media.segments[n]?.fragments[i]?.bytes, type: "video/mp4" })],
  ["GET", /^\/search$/, (_, url) => ({ json: search(url.searchParams.get("q") ?? "", rows, notesOf(MAIN)) })],
  ["GET", /^\/status$/, () => ({ json: status() })],
  ["POST", /^\/recording$/, (_, __, body) => record(body)],
  ["POST", /^\/recording\/(pause|resume|stop)$/, ([action]) => control(action)],
  ["POST", /^\/recording\/set$/, (_, __, body) => hear(body)],
  ["PATCH", /^\/sessions\/([^/]+)$/, ([id], _, body) => ({ json: Object.assign(rowOf(id), body) })],
  ["POST", /^\/sessions\/([^/]+)\/notes$/, ([id], _, body) => {
    const note = { id: `n${Math.random().toString(36).slice(2)}`, kind: body.kind ?? "note", at_ms: body.at_ms ?? recorded(), text: body.text };
    notesOf(id).push(note);
    tellSession(id);
    return { status: 201, json: { id: note.id, at_ms: note.at_ms } };
  }],
  ["POST", /^\/sessions\/([^/]+)\/enrich$/, ([id]) => {
    for (const [state, after] of [["running", 1500], ["completed", 5000]]) {
      setTimeout(() => {
        Object.assign(rowOf(id), { enrichment_state: state });
        tellSession(id);
      }, after);
    }
    return { status: 202, json: { job: "j1" } };
  }],
  ["POST", /^\/sessions\/([^/]+)\/resume$/, () => problem(503, "no_display", "the screen cannot be recorded now", "run `pepys doctor`")],
  ["POST", /^\/sessions\/([^/]+)\/stop$/, ([id]) => {
    Object.assign(rowOf(id), { state: "completed" });
    tellSession(id);
    return { json: status() };
  }],
  ["DELETE", /^\/sessions\/([^/]+)$/, ([id]) => {
    rows.splice(rows.findIndex((row) => row.id === id), 1);
    tellSession(id);
    return { json: { bytes_freed: 1000 } };
  }],
];

async function api(request, url) {
  const path = url.pathname.slice("/api/v1".length);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
  if (path === "/sign-in") return body.token === "dev" ? { json: { ok: true }, cookie: true } : problem(401, "wrong_token", "this is not the token of this store", "run `pepys key token`");
  if (!/fake=1/.test(request.headers.cookie ?? "")) return problem(401, "signed_out", "sign in first", "run `pepys open`");
  for (const [method, pattern, deed] of ROUTES) {
    const found = pattern.exec(path);
    if (found && method === request.method) return deed(found.slice(1), url, body);
  }
  return problem(404, "not_found", "there is no such address");
}

function events(request, answer) {
  answer.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream" });
  answer.write(`event: status\ndata: ${JSON.stringify(status())}\n\n`);
  listeners.add(answer);
  request.on("close", () => listeners.delete(answer));
}

function page(url, answer) {
  const name = normalize(url.pathname).replace(/^[/\\]+/, "");
  const file = extname(name) ? name : "index.html";
  try {
    const bytes = readFileSync(join(ROOT, file));
    answer.writeHead(200, { ...HEADERS, "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" }).end(bytes);
  } catch {
    answer.writeHead(404, HEADERS).end();
  }
}

async function serve(request, answer) {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/sign-in" && url.searchParams.get("code") === "dev") {
    return answer.writeHead(303, { ...HEADERS, Location: url.searchParams.get("next") ?? "/", "Set-Cookie": "fake=1; HttpOnly; SameSite=Strict; Path=/" }).end();
  }
  if (!url.pathname.startsWith("/api/")) return page(url, answer);
  if (url.pathname === "/api/v1/events" && /fake=1/.test(request.headers.cookie ?? "")) return events(request, answer);
  const made = await api(request, url);
  const headers = { ...HEADERS, ...(made.cookie ? { "Set-Cookie": "fake=1; HttpOnly; SameSite=Strict; Path=/" } : {}) };
  if (made.problem) return answer.writeHead(made.status, { ...headers, "Content-Type": "application/problem+json" }).end(JSON.stringify(made.problem));
  if ("bytes" in made) return answer.writeHead(made.bytes ? 200 : 404, { ...headers, "Content-Type": made.type }).end(made.bytes);
  return answer.writeHead(made.status ?? 200, { ...headers, "Content-Type": "application/json" }).end(JSON.stringify(made.json));
}

const server = createServer((request, answer) => {
  serve(request, answer).catch((error) => answer.writeHead(500, HEADERS).end(String(error)));
});
const clock = setInterval(() => {
  if (!recording) return;
  tell();
  tellLevels();
}, 1000);
server.listen(Number(option("--port", "0")), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/sign-in?code=dev`));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    clearInterval(clock);
    process.exit(0);
  });
}
