import { describe, expect, it } from "vitest";
import { byteOf, dbOf, Wave, Waves } from "../src/timeline/waves";

function bars(wave: Wave, from: number, stretch: number, count: number): { loud: number[]; voiced: number[] } {
  const loud = new Uint8Array(count);
  const voiced = new Uint8Array(count);
  wave.bars(from, stretch, count, loud, voiced);
  return { loud: [...loud], voiced: [...voiced] };
}

/** The same by looking at every step. */
function plain(levels: number[], step: number, from: number, stretch: number, count: number): number[] {
  return Array.from({ length: count }, (_, bar) =>
    levels.reduce((most, level, at) => (at * step < from + (bar + 1) * stretch && (at + 1) * step > from + bar * stretch ? Math.max(most, level) : most), 0),
  );
}

describe("levels", () => {
  it("are bytes of 0.4 dB", () => {
    expect(byteOf(0)).toBe(255);
    expect(byteOf(-102)).toBe(0);
    expect(byteOf(-300)).toBe(0);
    expect(dbOf(byteOf(-23))).toBeCloseTo(-23, 0);
  });
});

describe("waves", () => {
  const levels = Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251);

  it("give the loudest of each stretch, whole steps or not", () => {
    const wave = new Wave(50);
    wave.put(0, levels, () => false);
    for (const stretch of [10, 50, 75, 200, 1000]) {
      expect(bars(wave, stretch * 3, stretch, 40).loud).toEqual(plain(levels, 50, stretch * 3, stretch, 40));
    }
  });

  it("never lose a click, however long a stretch is", () => {
    const wave = new Wave(50);
    wave.put(0, new Array<number>(100_000).fill(0), () => false);
    wave.put(777_777, [255], () => true);
    const { loud, voiced } = bars(wave, 0, 100_000, 50);
    expect(loud.indexOf(255)).toBe(7);
    expect(voiced[7]).toBe(1);
    expect(loud.filter((value) => value === 255).length).toBeLessThanOrEqual(2);
  });

  it("are silent before the start and behind the end", () => {
    const wave = new Wave(50);
    wave.put(0, [200, 200], () => false);
    expect(bars(wave, -500, 100, 12).loud).toEqual([0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0]);
    expect(wave.end_ms).toBe(100);
  });

  it("mark voice by ranges", () => {
    const waves = Waves.of({ tracks: [{ track: "audio.mic", start_ms: 0, step_ms: 100, peaks: [16, 32, 48, 64], voice: [[100, 200]] }, { track: "audio.system", start_ms: 0, step_ms: 100, peaks: [], voice: [] }] });
    expect(bars(waves.get("audio.mic")!, 0, 100, 4)).toEqual({ loud: [16, 32, 48, 64], voiced: [0, 1, 0, 0] });
    expect(waves.get("audio.system")).toBeUndefined();
  });

  it("may be of a part, in finer steps", () => {
    const told = { tracks: [{ track: "audio.mic", start_ms: 60_000, step_ms: 50, peaks: [9, 8, 7], voice: [[60_050, 60_100] as [number, number]] }] };
    const part = Waves.of(told, 60_000, 70_000);
    expect(bars(part.get("audio.mic")!, 59_950, 50, 5)).toEqual({ loud: [0, 9, 8, 7, 0], voiced: [0, 0, 1, 0, 0] });
    expect(part.covers({ start: 60_000, end: 70_000 }, 1e6)).toBe(true);
    expect(part.covers({ start: 59_000, end: 70_000 }, 1e6)).toBe(false);
    expect(part.covers({ start: 60_000, end: 99_000 }, 65_000)).toBe(true);
    part.hear("audio.mic", 80_000, [-20], [0]);
    expect(part.get("audio.mic")!.end_ms).toBe(60_150);
    part.hear("audio.mic", 69_500, new Array<number>(20).fill(-20), []);
    expect(part.to_ms).toBe(70_500);
  });

  it("grow by what is heard, in the steps they have", () => {
    const waves = Waves.of({ tracks: [{ track: "audio.mic", start_ms: 0, step_ms: 100, peaks: [10], voice: [] }] });
    const before = waves.get("audio.mic")!.version;
    const peaks = Array.from({ length: 20 }, (_, index) => (index === 5 ? -20 : -60));
    waves.hear("audio.mic", 2000, peaks, peaks.map((peak) => (peak === -20 ? 1 : 0)));
    const wave = waves.get("audio.mic")!;
    expect(wave.version).toBeGreaterThan(before);
    expect(wave.end_ms).toBe(3000);
    const { loud, voiced } = bars(wave, 2000, 100, 10);
    expect(loud).toEqual([105, 105, 205, 105, 105, 105, 105, 105, 105, 105]);
    expect(voiced.indexOf(1)).toBe(2);
    waves.hear("audio.mic", 3120, peaks, []);
    expect(wave.end_ms).toBe(4000);
    waves.hear("audio.mic", 9000, peaks, []);
    expect(wave.end_ms).toBe(10_000);
    waves.hear("audio.system", 0, peaks, []);
    expect(waves.get("audio.system")!.end_ms).toBe(1000);
  });
});
