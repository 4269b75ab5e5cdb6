import { describe, expect, it } from "vitest";
import { joinSame, newPoints } from "../src/session/points";

describe("the summary", () => {
  it("does not say a point again that its text says", () => {
    const text = "The import stalls. The index is back!  It takes 0.4 s.";
    expect(newPoints(text, ["the index is  back.", "Support is told.", "Support is told", "index is"])).toEqual(["Support is told."]);
    expect(newPoints(null, ["One."])).toEqual(["One."]);
  });

  it("does not take a part of a word for the point", () => {
    expect(newPoints("The importers agree.", ["Import"])).toEqual(["Import"]);
  });
});

describe("the text of the screen", () => {
  it("is told once while it stays the same", () => {
    const read = (at_ms: number, text: string) => ({ at_ms, end_ms: at_ms + 10, shot: `s${at_ms}`, text });
    const joined = joinSame([read(0, "a"), read(10, "a\n"), read(20, "b"), read(30, "a")]);
    expect(joinSame([read(0, "one\ntwo_x"), read(10, "one\ntwo x\nthree"), read(20, "one")]).map((one) => [one.fresh, one.same])).toEqual([["one\ntwo_x", 0], ["three", 2], ["", 1]]);
    expect(joined.map((one) => [one.at_ms, one.end_ms, one.shot, one.shots])).toEqual([[0, 20, "s0", 2], [20, 30, "s20", 1], [30, 40, "s30", 1]]);
  });
});
