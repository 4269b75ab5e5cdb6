import { describe, expect, it } from "vitest";
import type { Hit, Row, Status, Track } from "../src/api/types";
import { layDays, rowTop, totalHeight, visible } from "../src/list/layout";
import { healthWord, stateWord } from "../src/list/words";
import { crop, group, ofKind, pieces } from "../src/search/groups";
import { bytes, cost, length, lengthInFull, marginDay, position, roughly } from "../src/time/format";
import { gapSentence, gapsOf } from "../src/time/gaps";
import { inWords, sourceWords, trackWords, whyNoActivity } from "../src/time/sources";

const HEIGHTS = { row: 88, head: 4, foot: 12 };

function rows(...starts: string[]): Row[] {
  return starts.map((started_at, index) => ({ id: `s${index}`, started_at, duration_ms: 60_000 }) as Row);
}

describe("figures", () => {
  it("are short, with units", () => {
    expect([position(3_024_000), position(59_000), position(3_810_000)]).toEqual(["50:24", "0:59", "1:03:30"]);
    expect([length(20_000), length(96_000), length(2_700_000), length(3_780_000)]).toEqual(["20 s", "1 min 36 s", "45 min", "1 h 03"]);
    expect(lengthInFull(3_780_000)).toBe("1 h 03 min");
    expect(roughly(147_600_000)).toBe("41 h");
    expect([bytes(438_000_000), bytes(1_200_000_000), bytes(12)]).toEqual(["438 MB", "1.2 GB", "12 B"]);
    expect([cost(0), cost(0.03), cost(0.001)]).toEqual(["free", "$0.03", "under $0.01"]);
  });

  it("say today, and the month of what is long ago", () => {
    const now = new Date(2026, 10, 20, 12).getTime();
    expect(marginDay(now, now)).toEqual({ figure: "20", words: "Friday, today" });
    expect(marginDay(new Date(2026, 8, 3).getTime(), now).words).toBe("Thu, September");
  });

  it("say what a gap is", () => {
    expect(gapSentence({ start_ms: 0, end_ms: 480_000, reason: "pause" })).toBe("Paused, 8 min.");
    expect(gapSentence({ start_ms: 0, end_ms: 50_000, reason: "device_lost", track: "audio.mic", detail: "Headset" })).toBe("Headset gone, 50 s. The other tracks went on.");
  });
});

describe("the list", () => {
  const days = layDays(rows("2026-11-20T12:00:00", "2026-11-20T09:00:00", "2026-11-19T09:00:00"), HEIGHTS);

  it("gathers rows in days of known height", () => {
    expect(days.map((day) => day.rows.length)).toEqual([2, 1]);
    expect(totalHeight(days)).toBe(3 * 88 + 2 * 16);
    expect(rowTop(days, HEIGHTS, 2)).toBe(2 * 88 + 16 + 4);
  });

  it("shows only what is in view", () => {
    expect(visible(days, HEIGHTS, 0, 80).map(({ day, start, end }) => [day.key, start, end])).toEqual([["2026-11-20", 0, 1]]);
  });

  it("says a state only where it is not completed", () => {
    expect(stateWord("completed")).toBeNull();
    expect(stateWord("interrupted")).toBe("Interrupted");
  });

  it("says which track is in trouble", () => {
    const tracks = [{ track: "video", state: "healthy" }, { track: "audio.mic", state: "failed" }];
    const status = { state: "recording", tracks } as Status;
    expect(healthWord(status)).toBe("Recording. Mic is failed; the other tracks go on.");
    const parts = ["video", "video.1", "video.2"].map((track) => ({ track, state: "healthy" }));
    expect(healthWord({ state: "recording", tracks: parts } as Status)).toBe("Recording. Video is healthy.");
    parts[2]!.state = "degraded";
    expect(healthWord({ state: "recording", tracks: parts } as Status)).toBe("Recording. Source 2 is degraded; the other tracks go on.");
  });
});

describe("hits", () => {
  const hit = (session_id: string, at_ms: number, kind = "transcript"): Hit => ({ session_id, session_name: session_id, kind, at: "2026-11-19T09:00:00Z", at_ms, snippet: "", marks: [] });

  it("are grouped by session and in time order inside it", () => {
    const groups = group([hit("b", 9), hit("a", 5), hit("b", 2)]);
    expect(groups.map((one) => [one.session, one.hits.map((each) => each.at_ms)])).toEqual([["b", [2, 9]], ["a", [5]]]);
    expect(ofKind([hit("a", 1), hit("a", 2, "note")], "notes")).toHaveLength(1);
  });

  it("are marked by code points, whatever stands before them", () => {
    expect(pieces("😀 lock timeout now", [[2, 14]])).toEqual([
      { text: "😀 ", hit: false },
      { text: "lock timeout", hit: true },
      { text: " now", hit: false },
    ]);
  });

  it("are cropped so that the box can be read and stays inside", () => {
    const part = crop({ x: 0.9, y: 0.02, w: 0.08, h: 0.03 });
    expect(part.left + part.share).toBeLessThanOrEqual(1);
    expect(part.top).toBe(0);
  });
});

describe("sources", () => {
  const gap = (track: string | null, start_ms: number, end_ms: number) => ({ track, start_ms, end_ms, reason: track ? "source_closed" : "pause", detail: null });
  const track = (name: string, source: string, ...gaps: ReturnType<typeof gap>[]) => ({ track: name, source, gaps }) as unknown as Track;

  it("are said in words", () => {
    expect([sourceWords("window:livewin"), sourceWords("display::1"), sourceWords("webcam:/dev/video0"), sourceWords("Headset")]).toEqual([
      "window livewin", "display :1", "camera /dev/video0", "Headset",
    ]);
    expect([trackWords("video.2", "window:livewin"), trackWords("audio.mic", "alsa.0"), trackWords("video", "window:a + window:b")]).toEqual(["Source 2 (window livewin)", "Mic", "Video"]);
    expect(inWords("without window:a, window:ab", ["window:a", "window:ab", ""])).toBe("without window a, window ab");
  });

  it("have their gaps in order, named, and without moments", () => {
    const tracks = [track("video", "window:a + window:b"), track("video.2", "window:b", gap("video.2", 500, 500), gap("video.2", 9000, 15_000)), track("audio.mic", "m", gap("audio.mic", 100, 5000))];
    const gaps = gapsOf({ gaps: [gap(null, 7000, 7400)], session: { tracks } });
    expect(gaps.map(gapSentence)).toEqual([
      "Mic gone, 5 s. The other tracks went on.",
      "Paused, <1 s.",
      "Source 2 (window b) gone, 6 s.",
    ]);
    expect(gapsOf({ gaps: [], session: { tracks: [track("video", "window:a", gap("video", 0, 2000))] } }).map(gapSentence)).toEqual(["Video (window a) gone, 2 s."]);
  });

  it("tell why there is no activity", () => {
    expect(whyNoActivity([track("video", "window:a + window:b"), track("video.1", "window:a"), track("video.2", "window:b")])).toMatch(/only windows/);
    expect(whyNoActivity([track("video", "window:a + webcam:x"), track("video.1", "window:a"), track("video.2", "webcam:x")])).toBe("No activity was recorded");
    expect(whyNoActivity([track("video", "display::1"), track("activity", "x11")])).toBeNull();
  });
});
