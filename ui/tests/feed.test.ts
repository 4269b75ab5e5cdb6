import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ApiError, sentence } from "../src/api/client";
import type { PlaySpan } from "../src/api/types";
import { covered, holds, type MediaBuffer, overHole } from "../src/player/buffer";
import { besideHole, cannotPlay, holeAt, leftAt } from "../src/player/damage";
import { Feed, type FeedHost } from "../src/player/feed";
import type { Unit } from "../src/player/table";

function ranges(...pairs: [number, number][]): TimeRanges {
  return { length: pairs.length, start: (index) => pairs[index]![0], end: (index) => pairs[index]![1] };
}

/** A buffer that remembers what was done to it; bytes carry the time they hold. */
class FakeBuffer {
  log: string[] = [];
  held: [number, number][] = [];
  header: string | null = null;
  full = 0;
  open = true;

  get ranges(): TimeRanges {
    return ranges(...this.held);
  }

  needsHeader(name: string): boolean {
    return this.header !== name;
  }

  async appendHeader(name: string): Promise<void> {
    this.header = name;
    this.log.push(`header ${name}`);
  }

  async append(bytes: ArrayBuffer): Promise<void> {
    if (this.full > 0) {
      this.full -= 1;
      throw new DOMException("full", "QuotaExceededError");
    }
    const [start, end] = Array.from(new Float64Array(bytes));
    this.log.push(`media ${start}`);
    this.held.push([start!, end!]);
  }

  async remove(start: number, end: number): Promise<void> {
    const kept = this.held.filter(([from, to]) => to <= start || from >= end);
    if (kept.length < this.held.length) this.log.push(`remove ${start} ${end}`);
    this.held = kept;
  }
}

const UNITS: Unit[] = Array.from({ length: 20 }, (_, n) => ({ key: `${n}`, path: `segments/${n}`, span: n < 10 ? 0 : 1, start: n * 10, end: n * 10 + 10 }));
const SPANS = [0, 1].map((span) => ({ span, init: span, mime: "video/mp4", media_start_ns: span * 100e9, media_end_ns: (span + 1) * 100e9, start_ms: 0 })) as PlaySpan[];

function setUp(more: Partial<FeedHost> = {}) {
  const buffer = new FakeBuffer();
  const state = { at: 0, holes: 0, ends: 0, asked: [] as string[], waiters: [] as (() => void)[] };
  const host: FeedHost = {
    position: () => state.at,
    fetch: async (path) => {
      state.asked.push(path);
      const n = Number(path.split("/")[1]);
      return new Float64Array([n * 10, n * 10 + 10]).buffer;
    },
    hole: () => (state.holes += 1),
    failed: () => {},
    fetched: () => {},
    reachedEnd: () => (state.ends += 1),
    ...more,
  };
  return { buffer, state, feed: new Feed(buffer as unknown as MediaBuffer, host) };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await vi.advanceTimersByTimeAsync(turn < 10 ? 100 : 0);
};

beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

describe("the feed", () => {
  it("puts the header first and fills thirty seconds ahead", async () => {
    const { buffer, feed } = setUp();
    feed.update(UNITS, SPANS);
    await settle();
    expect(buffer.log).toEqual(["header 0", "media 0", "media 10", "media 20", "media 30"]);
  });

  it("appends the other header where a span begins", async () => {
    const { buffer, state, feed } = setUp();
    state.at = 85;
    feed.update(UNITS, SPANS);
    await settle();
    expect(buffer.log).toEqual(["header 0", "media 80", "media 90", "header 1", "media 100", "media 110"]);
  });

  it("trims at starts of segments only, and keeps what is near", async () => {
    const { buffer, state, feed } = setUp();
    feed.update(UNITS, SPANS);
    await settle();
    state.at = 65;
    feed.wake();
    await settle();
    expect(buffer.log.filter((line) => line.startsWith("remove"))).toEqual(["remove 0 40"]);
    expect(Math.min(...buffer.held.map(([start]) => start))).toBeGreaterThanOrEqual(40);
  });

  it("trims and tries again where the buffer is full", async () => {
    const { buffer, feed } = setUp();
    buffer.full = 1;
    feed.update(UNITS.slice(0, 1), SPANS);
    await settle();
    expect(buffer.log).toContain("media 0");
  });

  it("names a unit that cannot be had, and goes on behind it", async () => {
    const { buffer, state, feed } = setUp({
      fetch: async (path) => {
        const n = Number(path.split("/")[1]);
        if (n === 1 || n === 2) throw new ApiError(500, "damaged", "the blob is damaged", "");
        return path.startsWith("inits") ? new ArrayBuffer(0) : new Float64Array([n * 10, n * 10 + 10]).buffer;
      },
    });
    feed.update(UNITS, SPANS);
    await settle();
    expect(feed.holes).toEqual([[10, 30]]);
    expect(state.holes).toBe(2);
    expect(buffer.log).toContain("media 30");
  });

  it("cancels a fetch that a seek left behind", async () => {
    const aborted: string[] = [];
    const { buffer, state, feed } = setUp({
      fetch: (path, signal) =>
        path === "segments/0"
          ? new Promise((_, reject) => signal.addEventListener("abort", () => (aborted.push(path), reject(new DOMException("", "AbortError")))))
          : Promise.resolve(new Float64Array([Number(path.split("/")[1]) * 10, Number(path.split("/")[1]) * 10 + 10]).buffer),
    });
    feed.update(UNITS, SPANS);
    await settle();
    state.at = 155;
    feed.wake();
    await settle();
    expect(aborted).toEqual(["segments/0"]);
    expect(buffer.log).toContain("media 150");
  });

  it("says when everything to the end is held", async () => {
    const { state, feed } = setUp();
    state.at = 185;
    feed.update(UNITS, SPANS);
    await settle();
    expect(state.ends).toBeGreaterThan(0);
  });
});

/** The tail of a live session: fragments of 0.8 s, a key frame at the start of each segment alone. */
class GopBuffer extends FakeBuffer {
  private next: number | null = null;

  override async appendHeader(name: string): Promise<void> {
    this.next = null;
    return super.appendHeader(name);
  }

  override async append(bytes: ArrayBuffer): Promise<void> {
    const [start, , key] = Array.from(new Float64Array(bytes));
    if (!key && this.next !== start) {
      this.next = null;
      this.log.push(`dropped ${start}`);
      return;
    }
    await super.append(bytes);
    this.next = Array.from(new Float64Array(bytes))[1]!;
  }
}

describe("the feed, in the middle of a segment", () => {
  const fragment = (n: number, i: number): Unit => ({ key: `${n}/${i}`, path: `segments/${n}/fragments/${i}`, span: 0, start: n * 8 + i, end: n * 8 + i + 1 });
  const tail = Array.from({ length: 8 }, (_, i) => fragment(0, i));
  const whole: Unit = { key: "1", path: "segments/1", span: 0, start: 8, end: 16 };
  const grown = [...tail, whole];

  function live(lost: string[] = []) {
    const buffer = new GopBuffer();
    const { state } = setUp();
    const feed = new Feed(buffer as unknown as MediaBuffer, {
      position: () => state.at,
      fetch: async (path) => {
        if (lost.includes(path)) throw new ApiError(500, "damaged", "damaged", "");
        if (path.startsWith("inits")) return new ArrayBuffer(0);
        const unit = grown.find((one) => one.path === path)!;
        return new Float64Array([unit.start, unit.end, unit.key.endsWith("/0") || !unit.key.includes("/") ? 1 : 0]).buffer;
      },
      hole: () => (state.holes += 1),
      failed: () => {},
      fetched: () => {},
      reachedEnd: () => {},
    });
    return { buffer, state, feed };
  }

  it("begins at the segment's key frame", async () => {
    const { buffer, state, feed } = live();
    state.at = 5.5;
    feed.update(tail, SPANS);
    await settle();
    expect(buffer.log).toEqual(["header 0", ...tail.map((unit) => `media ${unit.start}`)]);
    expect(feed.holes).toEqual([]);
  });

  it("begins anew where something else was appended between", async () => {
    const { buffer, state, feed } = live();
    feed.update(tail.slice(0, 3), SPANS);
    await settle();
    state.at = 9;
    feed.update(grown, SPANS);
    await settle();
    state.at = 5;
    feed.wake();
    await settle();
    expect(buffer.log.filter((line) => line.startsWith("dropped"))).toEqual([]);
    expect(feed.holes).toEqual([]);
    expect(covered(buffer.ranges, 5, 8)).toBeGreaterThanOrEqual(3);
  });

  it("gives up what follows a lost fragment, up to the next segment", async () => {
    const { buffer, state, feed } = live(["segments/0/fragments/2"]);
    feed.update(grown, SPANS);
    await settle();
    expect(feed.holes).toEqual([[2, 8]]);
    expect(state.holes).toBeGreaterThan(0);
    expect(buffer.log).toContain("media 8");
  });
});

describe("what is said of damage", () => {
  it("has its real length", () => {
    expect(cannotPlay(240_000)).toBe("Four minutes cannot be played. Sound, shots and text of that time are whole.");
    expect(cannotPlay(1000)).toBe("One second cannot be played. Sound, shots and text of that time are whole.");
    expect(cannotPlay(24_100)).toMatch(/^24 seconds /);
  });

  it("stands beside the damage alone", () => {
    expect(besideHole([[10, 20]], 5)).toBeNull();
    expect(besideHole([[10, 20]], 20.5)).toEqual([10, 20]);
    expect(besideHole([[10, 20]], 30)).toBeNull();
    expect(holeAt([[10, 20]], 9.7, 0.5)).toEqual([10, 20]);
    expect(holeAt([[10, 20]], 20)).toBeNull();
  });
});

describe("what lies at a remote", () => {
  const away = (): ApiError => new ApiError(503, "at_remote", "this piece was left at s3://diary/pre", "pepys sync pull brings it");

  it("is no hole: it is told, asked for again, and comes", async () => {
    let gone = true;
    const told: unknown[] = [];
    const { feed, state, buffer } = setUp({
      fetch: async () => {
        if (gone) throw away();
        return new Float64Array([0, 10]).buffer;
      },
      failed: (error) => told.push(error),
    });
    feed.update(UNITS.slice(0, 1), SPANS);
    await settle();
    expect(told.length).toBeGreaterThan(0);
    expect([state.holes, state.ends]).toEqual([0, 0]);
    gone = false;
    feed.retry();
    await vi.advanceTimersByTimeAsync(10);
    expect(buffer.log).toContain("media 0");
    expect(feed.waits_ms).toBe(0);
    feed.close();
  });

  it("is told in the words of a player", () => {
    expect(leftAt(sentence(away()))).toBe("The film of this time was left at s3://diary/pre. Pepys sync pull brings it.");
  });
});

describe("holes", () => {
  it("are jumped where they are small", () => {
    const held = ranges([0, 10], [10.3, 20]);
    expect(overHole(held, 9.99, 0.5)).toBeCloseTo(10.301);
    expect(overHole(held, 5, 0.5)).toBeNull();
    // One that waits two frames before the end of a range is at its end.
    expect(overHole(ranges([0, 7.04], [7.2, 9]), 6.997, 0.5)).toBeNull();
    expect(overHole(ranges([0, 7.04], [7.2, 9]), 6.997, 0.5, 0.1)).toBeCloseTo(7.201);
    expect(overHole(ranges([0, 10], [11, 20]), 9.99, 0.5)).toBeNull();
  });

  it("do not make a unit missing at its edges", () => {
    expect(covered(ranges([0, 4], [5, 9]), 2, 6)).toBe(3);
    expect(holds(ranges([0.05, 9.9]), 0, 10)).toBe(true);
    expect(holds(ranges([0, 8]), 0, 10)).toBe(false);
  });
});
