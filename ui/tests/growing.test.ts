import { describe, expect, it } from "vitest";
import { growing, restingEnd, restsBy } from "../src/live/growing";
import type { ToldGap } from "../src/time/gaps";

const gap = (start_ms: number, end_ms: number, reason: string, track: string | null = null): ToldGap => ({ start_ms, end_ms, reason, track, detail: "", who: track });

describe("a gap under way", () => {
  it("grows while the session rests, whatever holds it", () => {
    const earlier = gap(1000, 3000, "pause");
    expect(growing([earlier, gap(8000, 8000, "locked")], 8000, 20_000, "locked")).toEqual([earlier, gap(8000, 20_000, "locked")]);
    // Who kept it paused after the lock has changed nothing of why it began.
    expect(growing([gap(8000, 8000, "locked")], 8000, 20_000, "pause")).toEqual([gap(8000, 20_000, "locked")]);
  });

  it("is there before the overview tells it", () => {
    expect(growing([], 8000, 9000, "pause")).toEqual([gap(8000, 9000, "pause")]);
    expect(growing([], 8000, 8000, "pause")).toEqual([]);
  });

  it("is a track's own while the others go on, and ends where it ended", () => {
    const gone = gap(2000, 8000, "device_lost", "audio.mic");
    expect(growing([gone], 8000, 9500, null)).toEqual([{ ...gone, end_ms: 9500 }]);
    expect(growing([gone, gap(8000, 8000, "pause")], 8000, 9500, "pause")[0]).toEqual(gone);
    expect(growing([gap(2000, 8000, "pause")], 8000, 9500, null)).toEqual([gap(2000, 8000, "pause")]);
  });

  it("ends by the clock, once a second, and stands while nobody knows", () => {
    expect([restingEnd(8000, 12_900), restingEnd(8000, 100), restingEnd(8000, null)]).toEqual([12_000, 8000, 8000]);
    expect([restsBy({ state: "paused", held: "locked" }), restsBy({ state: "paused" }), restsBy({ state: "recording" }), restsBy(null)]).toEqual(["locked", "pause", null, null]);
  });
});
