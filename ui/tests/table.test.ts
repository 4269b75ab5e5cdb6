import { describe, expect, it } from "vitest";
import type { Playback } from "../src/api/types";
import { lastAtMost, merge, segmentStart, toAxis, toMedia, unitAt, units } from "../src/player/table";

const S = 1e9;

function table(more: Partial<Playback> = {}): Playback {
  return {
    version: "1",
    live: false,
    state: "completed",
    spans: [
      { span: 0, init: 0, mime: "video/mp4", media_start_ns: 0, media_end_ns: 10 * S, start_ms: 0 },
      { span: 1, init: 1, mime: "video/mp4", media_start_ns: 10 * S, media_end_ns: 15 * S, start_ms: 40_000 },
    ],
    segments: [
      { n: 0, span: 0, media_start_ns: 0, duration_ns: 4.3 * S, bytes: 1 },
      { n: 1, span: 0, media_start_ns: 4.3 * S, duration_ns: 5.7 * S, bytes: 1 },
      { n: 2, span: 1, media_start_ns: 10 * S, duration_ns: 5 * S, bytes: 1 },
    ],
    tail: null,
    ...more,
  };
}

describe("the table of a stream", () => {
  it("finds the unit by its real start, not by an index", () => {
    const list = units(table());
    expect([0, 4.29, 4.3, 9.99, 10, 14.9].map((second) => list[unitAt(list, second)]?.key)).toEqual(["0", "0", "1", "1", "2", "2"]);
    expect(unitAt(list, 15)).toBe(3);
  });

  it("has gaps on the axis and none in the media", () => {
    const { spans } = table();
    expect(toAxis(spans, 9)).toBe(9000);
    expect(toAxis(spans, 12)).toBe(42_000);
    expect(toMedia(spans, 9000)).toBe(9);
    expect(toMedia(spans, 42_000)).toBe(12);
  });

  it("shows what follows, for a place inside a gap, and the last picture past the end", () => {
    const { spans } = table();
    expect(toMedia(spans, 25_000)).toBe(10);
    expect(toMedia(spans, 99_000)).toBe(15);
  });

  it("keeps a place through both maps", () => {
    const { spans } = table();
    for (const at of [0, 1, 4321, 9999, 40_000, 44_444]) expect(toAxis(spans, toMedia(spans, at))).toBeCloseTo(at, 3);
  });

  it("takes fragments of the tail as units, and removes only at starts of segments", () => {
    const fragments = [0, 1, 2].map((i) => ({ i, media_start_ns: (15 + i * 0.8) * S, duration_ns: 0.8 * S, bytes: 1 }));
    const list = units(table({ live: true, tail: { n: 3, span: 1, media_start_ns: 15 * S, fragments } }));
    expect(list.map((unit) => unit.key)).toEqual(["0", "1", "2", "3/0", "3/1", "3/2"]);
    expect(list[4]?.path).toBe("segments/3/fragments/1");
    expect(segmentStart(list, 5)).toBe(15);
    expect(segmentStart(list, 1)).toBe(4.3);
  });

  it("merges an answer that holds only the newest segments", () => {
    const next = table({ version: "2", segments: [{ n: 3, span: 1, media_start_ns: 15 * S, duration_ns: S, bytes: 1 }] });
    expect(merge(table(), next, 3).segments.map((one) => one.n)).toEqual([0, 1, 2, 3]);
    expect(merge(null, next, 0).segments.map((one) => one.n)).toEqual([3]);
  });

  it("searches lists of any length", () => {
    expect(lastAtMost([], 5, (value: number) => value)).toBe(-1);
    expect(lastAtMost([1, 3, 5], 0, (value) => value)).toBe(-1);
    expect(lastAtMost([1, 3, 5], 4, (value) => value)).toBe(1);
  });
});
