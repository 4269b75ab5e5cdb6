/** The one way to the API: same-origin JSON, typed errors, and a word to the page when it is signed out. */

import type { Hit, Items, Note, Overview, Peaks, Playback, Row, ShotText, Status } from "./types";

const BASE = "/api/v1";

/** A refusal, with what to do about it. `status` is 0 where the daemon did not answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

let signedOut: () => void = () => {};

/** Tell who wants to know when the API asks for a sign-in. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

/** Whether an error is only our own cancelling. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Whether a piece was left at a remote and cannot be had from there now: it may be, the next time. */
export function isAway(error: unknown): error is ApiError {
  return error instanceof ApiError && error.code === "at_remote";
}

/** One sentence for an error of any kind. */
export function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return "This part failed. Reload the page to try again.";
  if (error.status === 0) return "The daemon does not answer. Trying again; a recording goes on by itself.";
  const remedy = error.remedy ? ` ${upper(error.remedy)}.` : "";
  return plain(`${upper(error.message)}.${remedy}`.replaceAll("..", "."));
}

/** A sentence of the daemon without the marks that set off commands on a terminal. */
export function plain(text: string): string {
  return text.replaceAll("`", "");
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function answer(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "unreachable", "the daemon does not answer", "");
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as Record<string, string>;
  const code = problem["code"] ?? "";
  if (response.status === 401 && code !== "wrong_token") signedOut();
  throw new ApiError(response.status, code, problem["detail"] ?? problem["title"] ?? "the daemon refused", problem["remedy"] ?? "");
}

async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await answer(path, signal ? { signal } : {})).json() as Promise<T>;
}

async function send<T>(method: string, path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  const init = { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await answer(path, signal ? { ...init, signal } : init)).json() as Promise<T>;
}

function query(values: Record<string, string | number | undefined>): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") words.set(name, String(value));
  }
  return words.size ? `?${words}` : "";
}

const session = (id: string): string => `/sessions/${encodeURIComponent(id)}`;

/** The address of a shot's picture. */
export function shotUrl(id: string, shot: string): string {
  return `${BASE}${session(id)}/shots/${encodeURIComponent(shot)}`;
}

export const api = {
  sessions: (offset: number, limit: number, signal?: AbortSignal) =>
    read<{ total: number; sessions: Row[] }>(`/sessions${query({ offset, limit })}`, signal),
  overview: (id: string, signal?: AbortSignal) => read<Overview>(`${session(id)}/overview`, signal),
  items: (id: string, bucket: number, signal?: AbortSignal) => read<Items>(`${session(id)}/items${query({ bucket })}`, signal),
  /** Of the whole session, or of a part of it more finely. */
  peaks: (id: string, signal: AbortSignal, part?: { from: number; to: number; points: number }) =>
    read<Peaks>(`${session(id)}/peaks${query(part ?? {})}`, signal),
  shotText: (id: string, shot: string, signal?: AbortSignal) =>
    read<ShotText>(`${session(id)}/shots/${encodeURIComponent(shot)}/text`, signal),
  note: (id: string, note: string) => read<Note>(`${session(id)}/notes/${encodeURIComponent(note)}`),
  search: (q: string, limit: number, signal?: AbortSignal) => read<{ hits: Hit[] }>(`/search${query({ q, limit })}`, signal),
  status: (signal?: AbortSignal) => read<Status>("/status", signal),
  playback: (id: string, after: string | undefined, segmentsFrom: number, signal: AbortSignal) => {
    const wait = after === undefined ? {} : { after, wait_ms: 20_000, segments_from: segmentsFrom };
    return read<Playback>(`${session(id)}/playback${query(wait)}`, signal);
  },
  media: async (id: string, path: string, signal: AbortSignal): Promise<ArrayBuffer> =>
    (await answer(`${session(id)}/media/${path}`, { signal })).arrayBuffer(),
  signIn: (token: string) => send<{ ok: boolean }>("POST", "/sign-in", { token }),
  /** Answers when it records; seconds are counted down before it. */
  record: (name: string, countdown_s: number, signal: AbortSignal) => send<Status>("POST", "/recording", { name, countdown_s }, signal),
  shot: () => send<{ at_ms: number; repeat?: boolean }>("POST", "/recording/shot"),
  recording: (action: "pause" | "resume" | "stop") => send<Status>("POST", `/recording/${action}`),
  sound: (wanted: { mute?: string[]; unmute?: string[]; balance?: number }) => send<Status>("POST", "/recording/set", wanted),
  interrupted: (id: string, action: "resume" | "stop") => send<unknown>("POST", `${session(id)}/${action}`),
  edit: (id: string, fields: { name?: string; tags?: string[] }) => send<Row>("PATCH", session(id), fields),
  addNote: (id: string, text: string, kind: "note" | "marker", at_ms?: number) =>
    send<{ id: string; at_ms: number }>("POST", `${session(id)}/notes`, at_ms === undefined ? { text, kind } : { text, kind, at_ms }),
  /** Of a session that was interrupted: go on with it, or complete it with what there is. */
  resume: (id: string) => send<unknown>("POST", `${session(id)}/resume`),
  end: (id: string) => send<unknown>("POST", `${session(id)}/stop`),
  enrich: (id: string) => send<{ job: string }>("POST", `${session(id)}/enrich`),
};
