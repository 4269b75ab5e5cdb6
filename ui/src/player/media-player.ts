/**
 * The page's own Media Source player.
 *
 * Owns the video element's source, the table, seeks and the jump over holes. Invariants: one continuous media
 * timeline over all spans; the axis place that was asked for is what is told while a seek is under way; tables are taken
 * one after another; a sentence about damage stands only beside the damage.
 */

import { api, isAway, sentence } from "../api/client";
import type { Playback } from "../api/types";
import type { Player, PlayerEvents } from "./adapter";
import { MediaBuffer, holds, overHole } from "./buffer";
import { besideHole, cannotPlay, holeAt, leftAt, type Hole } from "./damage";
import { Feed } from "./feed";
import { followTable } from "./poll";
import { endOf, toAxis, toMedia, units, type Unit } from "./table";

const SMALL_HOLE_S = 0.5;
const LAST_FRAMES_S = 0.1;
const LIVE_LAG_S = 1.6;
const CATCH_UP_S = 3;
const TICK_MS = 250;
const PATIENCE_MS = 1500;

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
  private damaged: readonly Hole[] = [];
  private taking: Promise<void> = Promise.resolve();
  /** What keeps everything from playing; stands before what is said of damage. */
  private fault: string | null = null;
  private away = false;
  private said: string | null = null;

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
    on("error", () => this.fail("The browser cannot play this stretch. Shots and text of it are whole."));
    this.timer = window.setInterval(() => this.look(), TICK_MS);
    this.watch();
    await followTable(
      this.session,
      signal,
      (table) => {
        // Opening the source takes a while; a second table waits for it, or there would be two of them.
        this.taking = this.taking.then(() => this.take(table)).catch((error: unknown) => this.fail(sentence(error)));
      },
      (error) => this.fail(sentence(error)),
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

  retry(): void {
    this.fail(null);
    this.feed?.retry();
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

  /** The place itself, or the end of the damaged stretch it lies in; the start where nothing follows. */
  private playable(second: number): number {
    const hit = holeAt(this.damaged, second);
    if (!hit) return second;
    return hit[1] < endOf(this.list) - 0.05 ? hit[1] + 0.001 : Math.max(0, hit[0] - 0.05);
  }

  private async take(table: Playback): Promise<void> {
    if (this.stop.signal.aborted) return;
    const first = this.table === null;
    this.table = table;
    this.list = units(table);
    const mime = table.spans[0]?.mime;
    if (mime && !this.feed && !(await this.attach(mime))) return;
    this.feed?.update(this.list, table.spans);
    this.damaged = this.feed?.holes ?? [];
    this.fail(null);
    const hasVideo = table.spans.some((span) => span.mime.startsWith("video/"));
    this.events.table(toAxis(table.spans, endOf(this.list)), table.live, hasVideo);
    this.bound();
    if (first && table.live && this.follow) this.toEdge();
  }

  /** Open the Media Source. False where the browser cannot play this. */
  private async attach(mime: string): Promise<boolean> {
    if (!MediaSource.isTypeSupported(mime)) {
      const what = mime.startsWith("video/") ? "H.264" : "AAC";
      this.fail(`This browser cannot play ${what}. Shots still work.`);
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
      hole: () => this.hole(),
      failed: (error) => this.fail(isAway(error) ? leftAt(sentence(error)) : sentence(error), isAway(error)),
      fetched: () => this.fail(null),
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

  private hole(): void {
    const at = this.wanted();
    this.damaged = this.feed?.holes ?? [];
    const hit = holeAt(this.damaged, at);
    // What can be played up to the damage is played; only who waits inside it is taken over it.
    if (hit && !(this.playing && this.held(at))) this.jump(hit);
    this.say();
  }

  private held(second: number): boolean {
    const ranges = this.buffer?.ranges;
    return ranges != null && holds(ranges, second, second + 0.04);
  }

  /** Go to where playing goes on behind a hole; stay before it where nothing follows. */
  private jump(hole: Hole): void {
    const second = this.playable(hole[0]);
    if (second > hole[0]) this.video.currentTime = second;
  }

  /** Note what keeps everything from playing, or that nothing does. */
  private fail(text: string | null, away = false): void {
    this.fault = text;
    this.away = away;
    this.say();
  }

  /** Tell the one sentence that is true at this place. */
  private say(): void {
    const hole = besideHole(this.damaged, this.target_ms !== null ? this.asked() : this.video.currentTime);
    const text = this.fault ?? (hole ? cannotPlay((hole[1] - hole[0]) * 1000) : this.waiting());
    if (text !== this.said) this.events.trouble(text, this.away);
    this.said = text;
  }

  /** What is told where nothing is shown because nothing has come yet, as from a slow remote. */
  private waiting(): string | null {
    return (this.feed?.waits_ms ?? 0) > PATIENCE_MS && !this.held(this.wanted()) ? "Waiting for the film of this time." : null;
  }

  private asked(): number {
    return this.table && this.target_ms !== null ? toMedia(this.table.spans, this.target_ms) : this.video.currentTime;
  }

  /** The regular look: holes, the live edge, more bytes. */
  private look(): void {
    this.bound();
    this.feed?.wake();
    this.say();
    const ranges = this.buffer?.ranges;
    if (!ranges || this.inFlight || this.video.paused) return;
    const now = this.video.currentTime;
    // The browser may stop a little before the last frame that it holds, as at the end of what a crash cut off.
    const waits = this.video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    const jump = overHole(ranges, now, SMALL_HOLE_S, waits ? LAST_FRAMES_S : undefined);
    const stuck = !this.held(now) || waits;
    const hole = stuck ? holeAt(this.damaged, now, SMALL_HOLE_S) : null;
    if (jump !== null) this.video.currentTime = jump;
    else if (hole) this.jump(hole);
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
