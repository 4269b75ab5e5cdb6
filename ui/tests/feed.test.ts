import { describe, expect, it } from "vitest";
import { ApiError } from "../src/api/client";
import type { PlaySpan } from "../src/api/types";
import { covered, holds, type MediaBuffer, overHole } from "../src/player/buffer";
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
  const state = { at: 0, holes: [] as [number, number][], ends: 0, asked: [] as string[], waiters: [] as (() => void)[] };
  const host: FeedHost = {
    position: () => state.at,
    fetch: async (path) => {
      state.asked.push(path);
      const n = Number(path.split("/")[1]);
      return new Float64Array([n * 10, n * 10 + 10]).buffer;
    },
    hole: (start, end) => state.holes.push([start, end]),
    failed: () => {},
    reachedEnd: () => (state.ends += 1),
    ...more,
  };
  return { buffer, state, feed: new Feed(buffer as unknown as MediaBuffer, host) };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
};

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
        if (n === 1) throw new ApiError(500, "damaged", "the blob is damaged", "");
        return path.startsWith("inits") ? new ArrayBuffer(0) : new Float64Array([n * 10, n * 10 + 10]).buffer;
      },
    });
    feed.update(UNITS, SPANS);
    await settle();
    expect(state.holes).toEqual([[10, 20]]);
    expect(buffer.log).toContain("media 20");
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

describe("holes", () => {
  it("are jumped where they are small", () => {
    const held = ranges([0, 10], [10.3, 20]);
    expect(overHole(held, 9.99, 0.5)).toBeCloseTo(10.301);
    expect(overHole(held, 5, 0.5)).toBeNull();
    expect(overHole(ranges([0, 10], [11, 20]), 9.99, 0.5)).toBeNull();
  });

  it("do not make a unit missing at its edges", () => {
    expect(covered(ranges([0, 4], [5, 9]), 2, 6)).toBe(3);
    expect(holds(ranges([0.05, 9.9]), 0, 10)).toBe(true);
    expect(holds(ranges([0, 8]), 0, 10)).toBe(false);
  });
});
