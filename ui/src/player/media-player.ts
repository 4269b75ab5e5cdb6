/**
 * The page's own Media Source player.
 *
 * Owns the video element's source, the table, seeks and the jump over holes. Invariants: one continuous media
 * timeline over all spans; the axis place that was asked for is what is told while a seek is under way.
 */

import { api, sentence } from "../api/client";
import type { Playback } from "../api/types";
import type { Player, PlayerEvents } from "./adapter";
import { MediaBuffer, holds, overHole } from "./buffer";
import { Feed } from "./feed";
import { followTable } from "./poll";
import { endOf, toAxis, toMedia, units, type Unit } from "./table";

const SMALL_HOLE_S = 0.5;
const LIVE_LAG_S = 1.6;
const CATCH_UP_S = 3;
const TICK_MS = 250;

export class MediaPlayer implements Player {
  private readonly stop = new AbortController();
  private readonly source = new MediaSource();
  private table: Playback | null = null;
  private list: Unit[] = [];
  private feed: Feed | null = null;
  private buffer: MediaBuffer | null = null;
  private target_ms: number | null = null;
  private aimed_ms: number | null = null;
  private inFlight = false;
  private speed = 1;
  private follow = false;
  private timer = 0;
  private frame = 0;
  private readonly damaged: [number, number][] = [];

  constructor(
    private readonly session: string,
    private readonly video: HTMLVideoElement,
    private readonly events: PlayerEvents,
  ) {}

  async open(): Promise<void> {
    const signal = this.stop.signal;
    const on = (name: string, act: () => void): void => this.video.addEventListener(name, act, { signal });
    for (const name of ["play", "pause", "volumechange", "ratechange", "ended"]) on(name, () => this.events.changed());
    on("seeked", () => this.settled());
    on("timeupdate", () => this.tell());
    on("waiting", () => this.look());
    on("error", () => this.events.trouble(`The browser cannot play this stretch. Shots and text of it are whole.`));
    this.timer = window.setInterval(() => this.look(), TICK_MS);
    this.watch();
    await followTable(
      this.session,
      signal,
      (table) => void this.take(table),
      (error) => this.events.trouble(sentence(error)),
    );
  }

  close(): void {
    this.stop.abort();
    this.feed?.close();
    window.clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
    const url = this.video.src;
    this.video.removeAttribute("src");
    this.video.load();
    if (url) URL.revokeObjectURL(url);
  }

  get playing(): boolean {
    return !this.video.paused && !this.video.ended;
  }

  get following(): boolean {
    return this.follow && this.table?.live === true;
  }

  get rate(): number {
    return this.speed;
  }

  set rate(value: number) {
    this.speed = value;
    this.video.playbackRate = value;
    this.events.changed();
  }

  get muted(): boolean {
    return this.video.muted;
  }

  set muted(value: boolean) {
    this.video.muted = value;
  }

  play(): void {
    if (this.list.length && !this.table?.live && this.video.currentTime >= endOf(this.list) - 0.05) this.seek(0);
    this.video.play().catch(() => this.events.changed());
  }

  pause(): void {
    this.follow = false;
    this.video.pause();
  }

  seek(at_ms: number): void {
    this.follow = false;
    this.aim(at_ms);
  }

  toEdge(): void {
    this.follow = true;
    if (!this.table) return;
    this.aim(toAxis(this.table.spans, Math.max(0, endOf(this.list) - LIVE_LAG_S)));
    this.follow = true;
    this.play();
  }

  /** Note the newest target; start a seek unless one is under way whose bytes are here already. */
  private aim(at_ms: number): void {
    this.target_ms = at_ms;
    this.events.moved(at_ms);
    const ranges = this.buffer?.ranges;
    const now = this.video.currentTime;
    if (this.inFlight && ranges && holds(ranges, now, now + 0.04)) return;
    this.begin();
  }

  private begin(): void {
    if (this.target_ms === null || !this.table || !this.list.length || this.video.readyState === 0) {
      // Without metadata a seek has nowhere to go; it begins when the header is in.
      this.feed?.wake();
      return;
    }
    const last = Math.max(0, endOf(this.list) - 0.04);
    const second = Math.min(this.playable(toMedia(this.table.spans, this.target_ms)), last);
    this.inFlight = true;
    this.aimed_ms = this.target_ms;
    this.video.currentTime = second;
    this.feed?.wake();
  }

  private settled(): void {
    this.inFlight = false;
    if (this.target_ms !== null && this.target_ms !== this.aimed_ms) this.begin();
    else this.target_ms = null;
    this.feed?.wake();
  }

  /** The place itself, or the end of the damaged stretch it lies in. */
  private playable(second: number): number {
    const hit = this.damaged.find(([start, end]) => second >= start && second < end);
    return hit ? hit[1] + 0.001 : second;
  }

  private async take(table: Playback): Promise<void> {
    const first = this.table === null;
    this.table = table;
    this.list = units(table);
    const mime = table.spans[0]?.mime;
    if (mime && !this.feed && !(await this.attach(mime))) return;
    this.feed?.update(this.list, table.spans);
    this.events.trouble(null);
    const hasVideo = table.spans.some((span) => span.mime.startsWith("video/"));
    this.events.table(toAxis(table.spans, endOf(this.list)), table.live, hasVideo);
    this.bound();
    if (first && table.live && this.follow) this.toEdge();
  }

  /** Open the Media Source. False where the browser cannot play this. */
  private async attach(mime: string): Promise<boolean> {
    if (!MediaSource.isTypeSupported(mime)) {
      this.events.trouble("This browser cannot play H.264. Shots still work.");
      return false;
    }
    const opened = new Promise<void>((resolve) => this.source.addEventListener("sourceopen", () => resolve(), { once: true }));
    this.video.src = URL.createObjectURL(this.source);
    this.video.addEventListener("loadedmetadata", () => this.begin(), { signal: this.stop.signal });
    await opened;
    if (this.stop.signal.aborted || this.feed) return false;
    this.buffer = new MediaBuffer(this.source, this.source.addSourceBuffer(mime), mime);
    this.feed = new Feed(this.buffer, {
      position: () => this.wanted(),
      fetch: (path, signal) => api.media(this.session, path, signal),
      hole: (start, end) => this.hole(start, end),
      failed: (error) => this.events.trouble(sentence(error)),
      reachedEnd: () => this.finish(),
    });
    return true;
  }

  /** Where bytes are needed: the newest target, or where the video is. */
  private wanted(): number {
    if (this.target_ms !== null && this.table) return this.playable(toMedia(this.table.spans, this.target_ms));
    return this.video.currentTime;
  }

  /** Say how long the stream is. */
  private bound(): void {
    const idle = this.source.readyState === "open" && Array.from(this.source.sourceBuffers).every((one) => !one.updating);
    if (!idle || !this.table) return;
    const end = endOf(this.list);
    if (this.table.live) {
      if (this.source.duration !== Infinity) this.source.duration = Infinity;
      this.source.setLiveSeekableRange(0, end);
    } else if (!(Math.abs(this.source.duration - end) < 2)) {
      this.source.duration = end;
    }
  }

  private finish(): void {
    const idle = this.source.readyState === "open" && Array.from(this.source.sourceBuffers).every((one) => !one.updating);
    if (!this.table?.live && idle && this.list.length) this.source.endOfStream();
  }

  private hole(start: number, end: number): void {
    this.damaged.push([start, end]);
    this.events.trouble("A stretch cannot be played. Sound, shots and text of that time are whole.");
    const at = this.wanted();
    if (at >= start - 0.1 && at < end) this.video.currentTime = end + 0.001;
  }

  /** The regular look: holes, the live edge, more bytes. */
  private look(): void {
    this.bound();
    this.feed?.wake();
    const ranges = this.buffer?.ranges;
    if (!ranges || this.inFlight || this.video.paused) return;
    const jump = overHole(ranges, this.video.currentTime, SMALL_HOLE_S);
    if (jump !== null) this.video.currentTime = jump;
    if (this.following) {
      const lag = endOf(this.list) - this.video.currentTime;
      const rate = lag > CATCH_UP_S ? 1.1 : 1;
      if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
      if (lag > 12) this.toEdge();
    } else if (this.video.playbackRate !== this.speed) {
      this.video.playbackRate = this.speed;
    }
  }

  /** While it plays, tell the place once a frame. */
  private watch(): void {
    const step = (): void => {
      if (this.playing) this.tell();
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  private tell(): void {
    if (this.target_ms !== null || !this.table || this.video.readyState === 0) return;
    this.events.moved(toAxis(this.table.spans, this.video.currentTime));
  }
}
