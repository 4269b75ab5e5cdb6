import { describe, expect, it } from "vitest";
import { missingTracks, placeOf } from "../src/timeline/draw";
import { clamp, growingEnd, gridTimes, layLanes, pan, rulerSteps, toTime, toX, zoom } from "../src/timeline/view";

const whole = { start: 0, end: 3_600_000 };

describe("the view", () => {
  it("maps times to pixels and back", () => {
    expect(toX(whole, 1000, 1_800_000)).toBe(500);
    expect(toTime(whole, 1000, 500, whole)).toBe(1_800_000);
    expect(toTime(whole, 1000, -50, whole)).toBe(0);
  });

  it("zooms around a time that stays where it is", () => {
    const view = zoom(whole, whole, 900_000, 0.5)!;
    expect(toX(view, 1000, 900_000)).toBeCloseTo(250);
    expect(view.end - view.start).toBe(1_800_000);
  });

  it("is whole again when zoomed out, and never shorter than a second", () => {
    expect(zoom({ start: 0, end: 3_000_000 }, whole, 5, 2)).toBeNull();
    const least = zoom({ start: 0, end: 1500 }, whole, 500, 0.01)!;
    expect(least.end - least.start).toBe(1000);
  });

  it("stays inside the session", () => {
    expect(pan({ start: 0, end: 100_000 }, whole, -2)).toEqual({ start: 0, end: 100_000 });
    expect(clamp({ start: 3_550_000, end: 3_650_000 }, whole)).toEqual({ start: 3_500_000, end: 3_600_000 });
  });

  it("labels at round times of the wall clock, never too near", () => {
    const { label, tick } = rulerSteps(whole, 1300, 84);
    expect(label).toBe(300_000);
    expect(label % tick).toBe(0);
    const wall = new Date(2026, 10, 19, 9, 2, 0).getTime();
    expect(gridTimes(whole, wall, 300_000)[0]).toBe(180_000);
  });

  it("grows in steps while a session is live", () => {
    expect(growingEnd(1000)).toBe(60_000);
    expect(growingEnd(61_000)).toBeGreaterThan(61_000);
    expect(growingEnd(61_000)).toBe(growingEnd(62_000));
  });
});

describe("the lanes", () => {
  const none = { ruler: true, chapters: false, video: false, missing: false, apps: false, mic: false, system: false, shots: false, notes: false };

  it("are absent where they have nothing to show", () => {
    expect(layLanes(300, { ...none, apps: true }).lanes.map((lane) => lane.name)).toEqual(["ruler", "apps"]);
  });

  it("give what is over to the pictures", () => {
    const all = { ruler: true, chapters: true, video: true, missing: false, apps: true, mic: false, system: false, shots: true, notes: true };
    const tall = layLanes(600, all).lanes.find((lane) => lane.name === "video")!;
    expect(tall.h).toBe(140);
    const spoken = layLanes(300, { ...all, mic: true, system: true });
    const [mic, system] = (["mic", "system"] as const).map((name) => spoken.lanes.find((lane) => lane.name === name)!);
    expect(system!.y).toBe(mic!.y + mic!.h);
    expect(spoken.bottom).toBeLessThanOrEqual(300);
    const short = layLanes(230, { ...all, mic: true, system: true });
    expect(short.lanes.find((lane) => lane.name === "mic")!.h).toBeLessThan(28);
    expect(short.bottom).toBeLessThanOrEqual(230);
    expect(layLanes(600, { ...none, mic: true }).lanes.find((lane) => lane.name === "mic")!.h).toBe(64);
    expect(layLanes(100, all).lanes.find((lane) => lane.name === "video")!.h).toBe(48);
  });

  it("give each track that was gone a row, where it has no lane of its own", () => {
    const gone = (track: string) => ({ track, who: track, start_ms: 0, end_ms: 2000, reason: "source_closed", detail: null });
    const gaps = [gone("video.2"), gone("video"), gone("audio.mic")];
    const missing = missingTracks(gaps, (lane) => lane === "video");
    expect(missing).toEqual(["audio.mic", "video.2"]);
    const { lanes } = layLanes(300, { ...none, video: true, missing: true }, missing.length);
    const lane = lanes.find((one) => one.name === "missing")!;
    expect(lane.h).toBe(28);
    expect(placeOf(lanes, missing, "video.2")).toEqual({ y: lane.y + 14, h: 14 });
    expect(placeOf(lanes, missing, "video")!.y).toBe(lanes.find((one) => one.name === "video")!.y);
    expect(placeOf(lanes, missing, "shots")).toBeNull();
    expect(missingTracks(gaps, () => false)).toContain("video");
  });
});
