/**
 * The feed: keeps the buffer filled around the play position from the stored segments and the live tail.
 *
 * Invariants: one fetch at a time, cancelled when the position leaves it behind; a span's header goes before its
 * media; media is removed only at starts of segments; a fragment follows the one before it, from the segment's only key
 * frame on, as the decoder drops it otherwise; a unit that failed twice is a hole that is named and jumped; one that
 * lies at a remote is none, and is asked for until it comes or the position leaves it.
 */

import { ApiError, isAbort, isAway } from "../api/client";
import type { PlaySpan } from "../api/types";
import { holds, type MediaBuffer } from "./buffer";
import { firstOfSegment, segmentStart, unitAt, type Unit } from "./table";

const AHEAD_S = 30;
const KEEP_BEHIND_S = 20;
const KEEP_AHEAD_S = 40;
const TRIES = 2;
const RETRY_MS = 1000;
/** The daemon leaves a remote alone for longer: what is asked in between costs nothing. */
const AWAY_MS = 5000;
const SECOND_TRY_MS = 300;

export interface FeedHost {
  position(): number;
  fetch(path: string, signal: AbortSignal): Promise<ArrayBuffer>;
  /** More time cannot be played: `holes` has changed. */
  hole(): void;
  /** The daemon cannot be asked now, or what it has lies at a remote; it is asked again. */
  failed(error: unknown): void;
  /** Bytes came. */
  fetched(): void;
  /** Everything to the end is held. */
  reachedEnd(): void;
}

export class Feed {
  private list: Unit[] = [];
  private spans = new Map<number, PlaySpan>();
  private headers = new Map<string, ArrayBuffer>();
  private failures = new Map<string, number>();
  private running = false;
  private again = false;
  private closed = false;
  private asked_ms: number | null = null;
  /** The unit whose media was appended last: only the one behind it may follow without a key frame. */
  private last: string | null = null;
  private current: { unit: Unit; stop: AbortController } | null = null;

  constructor(
    private readonly buffer: MediaBuffer,
    private readonly host: FeedHost,
  ) {}

  /** Take the newest table. */
  update(list: Unit[], spans: readonly PlaySpan[]): void {
    this.list = list;
    this.spans = new Map(spans.map((span) => [span.span, span]));
    this.wake();
  }

  /** What cannot be played, in media seconds: whole stretches, in order. */
  get holes(): [number, number][] {
    const made: [number, number][] = [];
    for (const unit of this.list) {
      if (!this.lost(unit)) continue;
      const before = made.at(-1);
      if (before && unit.start - before[1] < 0.05) before[1] = unit.end;
      else made.push([unit.start, unit.end]);
    }
    return made;
  }

  /** The position moved, or there is more to fetch. */
  wake(): void {
    this.dropStale();
    this.again = true;
    if (!this.running && !this.closed) void this.pump();
  }

  /** Ask at once for what is waited for. */
  retry(): void {
    this.current?.stop.abort();
    this.wake();
  }

  /** For how long the answer to the one question has not come, in ms; 0 where none is open. */
  get waits_ms(): number {
    return this.asked_ms === null ? 0 : performance.now() - this.asked_ms;
  }

  close(): void {
    this.closed = true;
    this.current?.stop.abort();
  }

  /** Cancel a fetch that the position has left behind. */
  private dropStale(): void {
    const unit = this.current?.unit;
    if (!unit) return;
    const at = this.host.position();
    const needed = unitAt(this.list, at);
    if (unit.end <= segmentStart(this.list, needed) + 0.01 || unit.start > at + AHEAD_S) this.current?.stop.abort();
    else if (unit.start > at && !this.held(this.list[needed])) this.current?.stop.abort();
  }

  private held(unit: Unit | undefined): boolean {
    const ranges = this.buffer.ranges;
    return unit === undefined || (ranges !== null && holds(ranges, unit.start, unit.end));
  }

  private lost(unit: Unit): boolean {
    return (this.failures.get(unit.key) ?? 0) >= TRIES;
  }

  private async pump(): Promise<void> {
    this.running = true;
    try {
      while (!this.closed && this.again) {
        this.again = false;
        for (let unit = this.next(); unit && !this.closed && this.buffer.open; unit = this.next()) await this.load(unit);
      }
    } finally {
      this.running = false;
    }
  }

  private next(): Unit | null {
    const at = this.host.position();
    for (let index = unitAt(this.list, at); index < this.list.length; index += 1) {
      const unit = this.list[index]!;
      if (unit.start > at + AHEAD_S) return null;
      if (this.lost(unit) || this.held(unit)) continue;
      const step = this.towards(index);
      if (step) return step;
      this.count(unit, TRIES);
    }
    if (this.list.length) this.host.reachedEnd();
    return null;
  }

  /** What to append next so that the unit can be decoded; null where something before it, in its segment, is lost. */
  private towards(index: number): Unit | null {
    const first = firstOfSegment(this.list, index);
    if (this.list.slice(first, index).some((unit) => this.lost(unit))) return null;
    for (let before = index - 1; before >= first; before -= 1) {
      if (this.list[before]!.key === this.last) return this.list[before + 1]!;
    }
    return this.list[first]!;
  }

  private async load(unit: Unit): Promise<void> {
    const stop = new AbortController();
    this.current = { unit, stop };
    this.asked_ms = performance.now();
    try {
      await this.header(unit, stop.signal);
      const bytes = await this.host.fetch(unit.path, stop.signal);
      this.host.fetched();
      await this.trim(KEEP_BEHIND_S, KEEP_AHEAD_S);
      await this.append(bytes);
      this.last = unit.key;
      // Bytes that leave the buffer without this time are a hole; asking again would bring the same bytes.
      if (!this.held(unit)) this.count(unit, TRIES);
    } catch (error) {
      if (isAbort(error)) {
        this.again = true;
        return;
      }
      this.asked_ms = null;
      await this.refused(unit, error, stop.signal);
    } finally {
      this.asked_ms = null;
      this.current = null;
    }
  }

  private async header(unit: Unit, signal: AbortSignal): Promise<void> {
    const span = this.spans.get(unit.span);
    if (!span) throw new Error(`no span ${unit.span}`);
    const name = String(span.init);
    if (!this.buffer.needsHeader(name)) return;
    const bytes = this.headers.get(name) ?? (await this.host.fetch(`inits/${span.init}`, signal));
    this.headers.set(name, bytes);
    await this.buffer.appendHeader(name, span.mime, bytes);
    // Behind a header the decoder waits for a key frame.
    this.last = null;
  }

  private async append(bytes: ArrayBuffer): Promise<void> {
    try {
      await this.buffer.append(bytes);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "QuotaExceededError") throw error;
      await this.trim(0, 0);
      await this.buffer.append(bytes);
    }
  }

  private async refused(unit: Unit, error: unknown, signal: AbortSignal): Promise<void> {
    if (isAway(error)) {
      this.host.failed(error);
      await pause(AWAY_MS, signal);
      this.again = true;
    } else if (error instanceof ApiError && (error.status === 0 || error.status === 401)) {
      this.host.failed(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      this.again = true;
    } else {
      this.last = null;
      this.count(unit, 1);
      // What the table named a moment ago may need that moment to be found.
      if (!this.lost(unit)) await new Promise((resolve) => setTimeout(resolve, SECOND_TRY_MS));
    }
  }

  private count(unit: Unit, times: number): void {
    const failures = (this.failures.get(unit.key) ?? 0) + times;
    this.failures.set(unit.key, failures);
    if (failures >= TRIES) this.host.hole();
  }

  /** Forget what is far from the position, from start of segment to start of segment. */
  private async trim(behind: number, ahead: number): Promise<void> {
    if (!this.list.length) return;
    const at = this.host.position();
    const here = segmentStart(this.list, unitAt(this.list, at));
    const from = Math.min(here, segmentStart(this.list, unitAt(this.list, Math.max(0, at - behind))));
    await this.buffer.remove(0, from);
    let index = unitAt(this.list, at + ahead) + 1;
    while (index < this.list.length && segmentStart(this.list, index) !== this.list[index]!.start) index += 1;
    const far = this.list[index];
    if (far && far.start > at) await this.buffer.remove(far.start, this.list.at(-1)!.end + 1);
  }
}

/** Wait; less where somebody ends it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
