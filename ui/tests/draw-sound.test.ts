import { describe, expect, it } from "vitest";
import { shareOf } from "../src/timeline/draw-sound";

describe("the height of a bar", () => {
  it("is whole at full scale and nothing below the floor", () => {
    expect(shareOf(0)).toBe(1);
    expect(shareOf(3)).toBe(1);
    expect(shareOf(-60)).toBe(0);
    expect(shareOf(-102)).toBe(0);
  });

  it("tells loud speech from lower speech, and lower speech from noise", () => {
    const [loud, lower, quiet, noise] = [-6, -18, -35, -55].map(shareOf) as [number, number, number, number];
    expect(loud).toBeGreaterThan(1.9 * lower);
    expect(lower).toBeGreaterThan(2 * quiet);
    expect(quiet).toBeGreaterThan(0.1);
    expect(noise).toBeLessThan(0.05);
  });
});
