import { describe, expect, it } from "vitest";
import type { Hit, Row, Status, Track, TrackStatus } from "../src/api/types";
import { layDays, rowTop, totalHeight, visible } from "../src/list/layout";
import { healthWord, stateWord } from "../src/list/words";
import { crop, group, ofKind, pieces } from "../src/search/groups";
import { bytes, cost, length, lengthInFull, marginDay, position, roughly } from "../src/time/format";
import { clocksOf, detailWords, restartsWords, settled, sharedDetail, startsAgain, warnings } from "../src/live/health";
import { triggerWords } from "../src/session/points";
import { idleAt, idleSentence, idleTotal, stepSentence } from "../src/time/away";
import { gapSentence, gapsOf, listed } from "../src/time/gaps";
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

  it("say why nothing was recorded, and whose", () => {
    const detail = "the machine slept for 1200.0 s";
    expect(gapSentence({ start_ms: 0, end_ms: 1_200_000, reason: "suspended", track: null, detail })).toBe(`Suspended, 20 min: ${detail}.`);
    expect(gapSentence({ start_ms: 0, end_ms: 60_000, reason: "locked", track: null, detail: null })).toBe("Locked, 1 min.");
    expect(gapSentence({ start_ms: 0, end_ms: 60_000, reason: "locked", track: null, detail: "org.gnome.ScreenSaver" })).toBe("Locked, 1 min, as org.gnome.ScreenSaver told.");
    expect([listed(["Mic"]), listed(["Mic", "Video", "Shots"])]).toEqual(["Mic", "Mic, Video and Shots"]);
    const part = { start_ms: 0, end_ms: 3000, reason: "suspended", track: "video", detail: "pepys did not run for 3.0 s", who: "Video" };
    expect(gapSentence(part)).toBe("Video suspended, 3 s: pepys did not run for 3.0 s.");
  });
});

describe("health", () => {
  const track = (more: Partial<TrackStatus>): TrackStatus => ({ track: "video", state: "healthy", attempt_ms_ago: 90, capture_ms_ago: 3200, write_ms_ago: null, detail: "", ...more });
  const status = (more: Partial<Status>): Status => ({ state: "recording", session: "s", name: "n", since: null, recorded_ms: 0, tracks: [], ...more });

  it("names the clock that stands still, and for how long by now", () => {
    const one = track({ state: "degraded", detail: "capture stands still for 3 s; the display hangs", stands: "capture", stands_ms: 3200 });
    expect(detailWords(one)).toBe("capture stands still for 3 s; the display hangs");
    expect(detailWords(one, 2000)).toBe("capture stands still for 5 s; the display hangs");
    expect(clocksOf(one, 1000).map((clock) => [clock.word, clock.ago, clock.stands])).toEqual([["tried", "1.1 s", false], ["captured", "4.2 s", true], ["written", "–", false]]);
    expect(detailWords(track({ state: "restarting", detail: "", stands: "write", stands_ms: 7000, tries: 2 }))).toBe("restarting, try 2 of 5: write stands still for 7 s");
    expect(detailWords(track({ state: "failed", detail: "the display is gone", tries: 6 }))).toBe("failed: the display is gone");
    expect(detailWords(track({ detail: "" }))).toBe("");
  });

  it("warns of what is bad, and says nothing else", () => {
    expect(warnings(status({ disk: { seconds_left: 90_000, warning: "" }, write_queue: { items: 2, refused: 0, oldest_ms: 90 }, loop: { longest_ms: 9, p99_ms: 2 }, memory: { rss_bytes: 1, limit_bytes: 9 }, notices: [], held: "" }))).toEqual([]);
    const bad = warnings(status({ held: "locked", disk: { seconds_left: 480, warning: "low" }, write_queue: { items: 2, refused: 5, refused_lately: 3, oldest_ms: 90 }, notices: [{ kind: "protocol", text: "a recorder is old" }] }));
    expect(bad[0]).toMatch(/^The screen is locked: nothing is recorded until it is unlocked/);
    expect(bad[1]).toMatch(/^The disk is nearly full: 8 min left/);
    expect(bad.slice(2)).toEqual(["The disk does not keep up: 3 pieces refused.", "A recorder is old."]);
    expect(settled("Stands still for 3 s")).toBe(settled("Stands still for 12 s"));
  });

  it("says once what all tracks say alike", () => {
    const silent = track({ state: "degraded", detail: "no sign of life from the recorder for 7 s" });
    expect(sharedDetail([silent, { ...silent, track: "shots" }, track({ state: "off" })])).toBe(silent.detail);
    const stands = { ...silent, stands: "attempt" as const, stands_ms: 7000 };
    expect(sharedDetail([stands, { ...stands, track: "shots" }])).toBe(silent.detail);
    expect([sharedDetail([silent]), sharedDetail([silent, track({})]), sharedDetail([track({ detail: "x" }), track({ detail: "x" })])]).toEqual(["", "", ""]);
  });

  it("tells a recorder that is started again from one that is no more", () => {
    const notices = [{ kind: "restart", text: "the recorder is started again: killed" }];
    const died = status({ state: "interrupted", notices, restarts: 1, last_restart: { at: "", reason: "killed" } });
    expect(startsAgain(died)).toBe(true);
    expect(startsAgain({ ...died, state: "restarting", notices: [] })).toBe(true);
    expect(startsAgain({ ...died, last: { session: "s", state: "interrupted" } })).toBe(false);
    expect(startsAgain({ ...died, notices: [] })).toBe(false);
    expect(restartsWords(died)).toBe("Recorder restarted once, the last: killed");
  });
});

describe("idle times and the clock", () => {
  it("have sentences", () => {
    expect(stepSentence({ at_ms: 0, step_ms: 3_600_000 })).toBe("The clock was set forward by 1 h; times here go on as before.");
    expect(stepSentence({ at_ms: 0, step_ms: -700 })).toMatch(/^The clock was set back by 700 ms;/);
    const wall_ms = new Date(2026, 10, 23, 10).getTime();
    expect(idleSentence([60_000, 300_000], wall_ms)).toBe("No input for 4 min, until 10:05:00.");
    expect(idleAt([[60, 90]], 70)).toEqual([60, 90]);
    expect(idleAt([[60, 90]], 90)).toBeUndefined();
    expect([idleTotal([]), idleTotal([[0, 60_000], [90_000, 150_000]])]).toEqual(["", "2 min"]);
  });

  it("are told with why a shot was taken", () => {
    expect([triggerWords("focus"), triggerWords(""), triggerWords("new kind")]).toEqual(["another window", "", "new kind"]);
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
