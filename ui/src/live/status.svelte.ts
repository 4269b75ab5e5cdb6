/**
 * What the host does now, over one event stream that comes back by itself.
 *
 * Owns the connection, its pauses between tries and the running clock. Who wants news of sessions registers here. The
 * connection is given up while the page is hidden: a browser has six for a host, and each open page would keep one.
 */

import { api, isAbort, sentence } from "../api/client";
import type { LevelSecond, Status } from "../api/types";
import { startsAgain } from "./health";

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;
const TICK_MS = 200;
/** The daemon tells that a recorder died before it has decided what to do. */
const SETTLES_MS = 1500;

const RUNNING = new Set(["starting", "recording", "pausing", "paused", "resuming", "ending", "checking", "validating"]);

class Live {
  status = $state.raw<Status | null>(null);
  /** Since when the daemon is out of touch, as a wall time; null when it is there. */
  lost_ms = $state<number | null>(null);
  now = $state(performance.now());
  problem = $state<string | null>(null);
  /** Seconds until a session begins; null while none are counted. */
  count_s = $state<number | null>(null);
  /** A start that was asked for here and has not been answered. */
  private starting: AbortController | null = null;
  private lostAt = 0;
  private diedAt = -Infinity;
  private heard = $state(performance.now());
  private stream: EventSource | null = null;
  private wait = RETRY_FIRST_MS;
  private timer = 0;
  private wanted = false;
  /** The last second of each track's sound, and when it came. */
  levels = $state.raw<{ at: number; tracks: Record<string, LevelSecond> } | null>(null);
  private readonly listeners = new Set<(id: string) => void>();
  private readonly hearers = new Set<(levels: Record<string, LevelSecond>) => void>();

  /** Recorded time right now: the last known one, and what went by since while it records. */
  get recorded_ms(): number {
    const status = this.status;
    if (!status) return 0;
    const more = status.state === "recording" && this.lost_ms === null ? Math.max(0, this.now - this.heard) : 0;
    return status.recorded_ms + more;
  }

  /** Where now is on the session's axis; null where that is not known. */
  get axis_ms(): number | null {
    const wall_ms = this.status?.wall_ms;
    return wall_ms === undefined || this.lost_ms !== null ? null : wall_ms + this.silent_ms;
  }

  /** How long ago the last word came; it stands still while the daemon is out of touch. */
  get silent_ms(): number {
    return Math.max(0, (this.lost_ms === null ? this.now : this.lostAt) - this.heard);
  }

  /** The session that nobody ended and nobody records any more. */
  get broken(): string | null {
    const status = this.status;
    if (!status || this.active || this.count_s !== null) return null;
    if (status.last?.state === "interrupted") return status.last.session;
    return status.state === "interrupted" ? status.session : null;
  }

  /** Whether the recorder died and is started again, or died this moment and it is not known yet what follows. */
  get again(): boolean {
    return startsAgain(this.status) || (this.status?.state === "interrupted" && this.now - this.diedAt < SETTLES_MS);
  }

  get active(): boolean {
    if (this.status?.session == null || this.count_s !== null) return false;
    return RUNNING.has(this.status.state) || this.again;
  }

  get session(): string | null {
    return this.active ? (this.status?.session ?? null) : null;
  }

  start(): void {
    if (!this.wanted) document.addEventListener("visibilitychange", this.seen);
    this.wanted = true;
    if (!this.stream && !document.hidden) this.connect();
    this.timer ||= window.setInterval(() => (this.now = performance.now()), TICK_MS);
  }

  stop(): void {
    this.wanted = false;
    document.removeEventListener("visibilitychange", this.seen);
    this.leave();
  }

  private leave(): void {
    this.stream?.close();
    this.stream = null;
  }

  /** Hidden: let go. Visible again: what changed meanwhile is not known, so everything is read anew. */
  private readonly seen = (): void => {
    if (document.hidden) this.leave();
    else if (!this.stream) {
      this.wait = RETRY_FIRST_MS;
      this.connect();
      for (const listener of this.listeners) listener("*");
    }
  };

  onSession(listener: (id: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onLevels(hearer: (levels: Record<string, LevelSecond>) => void): () => void {
    this.hearers.add(hearer);
    return () => this.hearers.delete(hearer);
  }

  /** Mute, hear again, or mix otherwise. */
  async sound(wanted: { mute?: string[]; unmute?: string[]; balance?: number }): Promise<boolean> {
    return this.change(() => api.sound(wanted));
  }

  async act(action: "pause" | "resume" | "stop"): Promise<boolean> {
    return this.change(() => api.recording(action));
  }

  async record(name: string, countdown_s = 0): Promise<boolean> {
    const starting = (this.starting = new AbortController());
    return this.change(() => api.record(name, countdown_s, starting.signal));
  }

  /** End the countdown: nothing begins. Whoever waits for the start is let go first; nothing has failed. */
  async cancel(): Promise<void> {
    this.starting?.abort();
    if (this.count_s !== null) await this.act("stop");
  }

  /** Take a shot now; when it was, on the session's axis, and whether it is the same picture as one before. */
  async shot(): Promise<{ at_ms: number; repeat?: boolean } | null> {
    this.problem = null;
    try {
      return await api.shot();
    } catch (error) {
      this.problem = sentence(error);
      return null;
    }
  }

  /** Go on with an interrupted session, or complete it. */
  async mend(id: string, action: "resume" | "stop"): Promise<boolean> {
    return this.change(async () => {
      await api.interrupted(id, action);
      return api.status();
    });
  }

  private async change(ask: () => Promise<Status>): Promise<boolean> {
    this.problem = null;
    try {
      this.take(await ask());
      return true;
    } catch (error) {
      if (!isAbort(error)) this.problem = sentence(error);
      return false;
    }
  }

  private take(status: Status): void {
    if (status.state === "interrupted" && this.status?.state === "recording") this.diedAt = performance.now();
    this.status = status;
    this.count_s = status.countdown_s || null;
    this.heard = this.now = performance.now();
    this.lost_ms = null;
  }

  private connect(): void {
    const stream = new EventSource("/api/v1/events");
    this.stream = stream;
    stream.addEventListener("status", (event) => {
      this.wait = RETRY_FIRST_MS;
      this.take(JSON.parse((event as MessageEvent<string>).data) as Status);
    });
    stream.addEventListener("countdown", (event) => {
      const { left_s } = JSON.parse((event as MessageEvent<string>).data) as { left_s: number };
      this.count_s = left_s || null;
    });
    stream.addEventListener("levels", (event) => {
      const tracks = JSON.parse((event as MessageEvent<string>).data) as Record<string, LevelSecond>;
      this.levels = { at: performance.now(), tracks };
      for (const hearer of this.hearers) hearer(tracks);
    });
    stream.addEventListener("sessions", (event) => {
      const { id } = JSON.parse((event as MessageEvent<string>).data) as { id: string };
      for (const listener of this.listeners) listener(id);
    });
    stream.onerror = () => {
      stream.close();
      if (this.stream !== stream) return;
      if (this.lost_ms === null) {
        this.lostAt = this.now = performance.now();
        this.lost_ms = Date.now();
      }
      this.retry(stream);
    };
  }

  /** An event stream cannot say why it ended; a plain question can, and tells when a sign-in is needed. */
  private retry(lost: EventSource): void {
    window.setTimeout(async () => {
      if (this.stream !== lost) return;
      try {
        this.take(await api.status());
        if (this.stream === lost) this.connect();
      } catch {
        if (this.stream === lost) this.retry(lost);
      }
    }, this.wait);
    this.wait = Math.min(this.wait * 2, RETRY_LAST_MS);
  }
}

export const live = new Live();
