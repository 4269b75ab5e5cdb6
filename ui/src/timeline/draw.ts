/** Paints the lanes. Knows pixels and colours; what there is and where the view stands comes from the caller. */

import type { AppTitle, Chapter, ClockStep, Note } from "../api/types";
import { lastAtMost } from "../player/table";
import { clock, hourMinute } from "../time/format";
import type { ToldGap } from "../time/gaps";
import { Bars } from "./draw-sound";
import { drawClockStep, drawGap, drawIdle, drawTrackGap, hatch } from "./gaps-drawn";
import type { Palette } from "./palette";
import { gridTimes, MISSING_ROWS, rulerSteps, toX, type Lane, type Range } from "./view";
import type { Waves } from "./waves";

export interface Shots {
  at_ms: number[];
  id: string[];
  distinct: boolean[];
  /** Why each was taken; empty where nobody knows. */
  trigger: string[];
}

export interface Scene {
  wall_ms: number;
  end_ms: number;
  /** Where the ruler ends: later than the session while it grows. */
  ruler_ms: number;
  chapters: Chapter[];
  chapter: number;
  apps: AppTitle[];
  shots: Shots;
  /** Times without input. */
  idle: readonly [number, number][];
  clockSteps: readonly ClockStep[];
  notes: Note[];
  gaps: ToldGap[];
  /** Tracks that were gone and have no lane of their own; a row each. */
  missing: readonly string[];
  /** What stands where applications would, where there can be none. */
  quiet: string | null;
  /** How loud it was: the finest that is known of what is in view. */
  waves: Waves | null;
  colour(app: string): number;
  tile(shot: string): ImageBitmap | undefined;
}

export interface Sheet {
  paint: CanvasRenderingContext2D;
  ink: Palette;
  view: Range;
  width: number;
  lanes: Lane[];
  bottom: number;
  labelsApart: number;
  /** What is kept of the lanes of sound from paint to paint. */
  bars: Record<"mic" | "system", Bars>;
  /** Labels of the ruler that the playhead's own label covers. */
  under: ReadonlySet<number>;
}

const LEAST_WORDS = 56;
const LANES: Record<string, Lane["name"]> = { video: "video", playback: "video", shots: "shots", activity: "apps", "audio.mic": "mic", "audio.system": "system" };
const SOUNDS = [["mic", "audio.mic"], ["system", "audio.system"]] as const;

/** Where from top to bottom a gap of one track stands: in the track's lane, or in its row of what was missing. */
export function placeOf(lanes: readonly Lane[], missing: readonly string[], track: string): Pick<Lane, "y" | "h"> | null {
  const own = lanes.find((one) => one.name === LANES[track]);
  if (own) return own;
  const lane = lanes.find((one) => one.name === "missing");
  const row = Math.min(missing.indexOf(track), MISSING_ROWS - 1);
  if (!lane || row < 0) return null;
  const h = lane.h / Math.min(missing.length, MISSING_ROWS);
  return { y: lane.y + row * h, h };
}

/** The tracks of gaps that have no lane of their own. */
export function missingTracks(gaps: readonly ToldGap[], has: (lane: Lane["name"]) => boolean): string[] {
  const tracks = new Set(gaps.flatMap((gap) => (gap.track ? [gap.track] : [])));
  return [...tracks].filter((track) => !(LANES[track] && has(LANES[track]))).sort();
}

export function drawTimeline(sheet: Sheet, scene: Scene): void {
  const { paint } = sheet;
  paint.clearRect(0, 0, sheet.width, sheet.bottom + 40);
  const lane = (name: Lane["name"]): Lane | undefined => sheet.lanes.find((one) => one.name === name);
  grid(sheet, scene);
  const chapters = lane("chapters");
  if (chapters) drawChapters(sheet, scene, chapters);
  const video = lane("video");
  if (video) drawTiles(sheet, scene, video);
  const apps = lane("apps");
  if (apps) drawApps(sheet, scene, apps);
  drawSound(sheet, scene);
  const shots = lane("shots");
  if (shots) drawShots(sheet, scene, shots);
  for (const gap of scene.gaps) wholeGap(sheet, gap);
  for (const [index, gap] of scene.gaps.entries()) trackGap(sheet, scene, gap, index);
  for (const step of scene.clockSteps) if (seen(sheet, step.at_ms, step.at_ms)) drawClockStep(paint, sheet.ink, x(sheet, step.at_ms), sheet.bottom);
  const notes = lane("notes");
  if (notes) drawNotes(sheet, scene, notes);
}

const x = (sheet: Sheet, at: number): number => toX(sheet.view, sheet.width, at);

function seen(sheet: Sheet, start: number, end: number): boolean {
  return end >= sheet.view.start && start <= sheet.view.end;
}

function grid(sheet: Sheet, scene: Scene): void {
  const { paint, ink, view, width } = sheet;
  const steps = rulerSteps(view, width, sheet.labelsApart);
  const whole = { start: Math.max(0, view.start), end: Math.min(view.end, scene.ruler_ms) };
  paint.fillStyle = ink.line2;
  for (const at of gridTimes(whole, scene.wall_ms, steps.tick)) paint.fillRect(Math.round(x(sheet, at)), 22, 1, 5);
  paint.font = `12px ${ink.sans}`;
  paint.textAlign = "center";
  paint.textBaseline = "middle";
  for (const at of gridTimes(whole, scene.wall_ms, steps.label)) {
    const here = Math.round(x(sheet, at));
    paint.fillStyle = ink.line;
    paint.fillRect(here, 20, 1, sheet.bottom - 20);
    paint.fillStyle = ink.ink3;
    const label = steps.label < 60_000 ? clock(scene.wall_ms + at) : hourMinute(scene.wall_ms + at);
    const half = paint.measureText(label).width / 2;
    if (!sheet.under.has(at) && here - half >= 0 && here + half <= width) paint.fillText(label, here, 12);
  }
}

function drawChapters(sheet: Sheet, scene: Scene, lane: Lane): void {
  const { paint, ink } = sheet;
  scene.chapters.forEach((chapter, index) => {
    if (!seen(sheet, chapter.start_ms, chapter.end_ms)) return;
    const left = Math.max(0, x(sheet, chapter.start_ms));
    const right = Math.min(sheet.width, x(sheet, chapter.end_ms));
    const current = index === scene.chapter;
    paint.fillStyle = current ? ink.ink : ink.line2;
    paint.fillRect(left, lane.y, Math.max(1, right - left - 1), current ? 2 : 1);
    paint.font = `${current ? "bold " : ""}15px ${ink.serif}`;
    paint.fillStyle = current ? ink.ink : ink.ink2;
    text(paint, chapter.title, left + (left > 0 ? 0 : 1), lane.y + 14, right - left - 10);
  });
}

function drawTiles(sheet: Sheet, scene: Scene, lane: Lane): void {
  const { paint, ink } = sheet;
  for (const slot of tileSlots(sheet, scene, lane.h)) {
    const picture = slot.shot === null ? undefined : scene.tile(slot.shot);
    paint.save();
    paint.beginPath();
    paint.roundRect(slot.x, lane.y, Math.max(1, slot.w - 1), lane.h, 2);
    paint.clip();
    paint.fillStyle = ink.line;
    paint.fillRect(slot.x, lane.y, slot.w, lane.h);
    if (picture) cover(paint, picture, slot.x, lane.y, slot.full, lane.h);
    paint.restore();
    paint.strokeStyle = ink.line2;
    paint.strokeRect(slot.x + 0.5, lane.y + 0.5, Math.max(1, slot.w - 2), lane.h - 1);
  }
}

/** Places for pictures, side by side from the start of what is in view and anew after each gap. */
export function tileSlots(
  sheet: Pick<Sheet, "view" | "width">,
  scene: Pick<Scene, "gaps" | "shots" | "end_ms">,
  height: number,
): { x: number; w: number; full: number; shot: string | null }[] {
  const full = (height * 16) / 9;
  const slots: { x: number; w: number; full: number; shot: string | null }[] = [];
  const edges: [number, number][] = [];
  let from = 0;
  for (const gap of scene.gaps.filter((one) => !one.track)) {
    if (gap.start_ms > from) edges.push([from, gap.start_ms]);
    from = Math.max(from, gap.end_ms);
  }
  if (scene.end_ms > from) edges.push([from, scene.end_ms]);
  for (const [start, end] of edges) {
    const left = Math.max(0, toX(sheet.view, sheet.width, start));
    const right = Math.min(sheet.width, toX(sheet.view, sheet.width, end));
    for (let at = left; at < right - 1; at += full) {
      const middle = sheet.view.start + ((at + Math.min(full, right - at) / 2) / sheet.width) * (sheet.view.end - sheet.view.start);
      const index = lastAtMost(scene.shots.at_ms, middle, (value) => value);
      slots.push({ x: at, w: Math.min(full, right - at), full, shot: scene.shots.id[Math.max(0, index)] ?? null });
    }
  }
  return slots;
}

function cover(paint: CanvasRenderingContext2D, picture: ImageBitmap, left: number, top: number, w: number, h: number): void {
  const scale = Math.max(w / picture.width, h / picture.height);
  paint.drawImage(picture, left, top, picture.width * scale, picture.height * scale);
}

function drawApps(sheet: Sheet, scene: Scene, lane: Lane): void {
  const { paint, ink } = sheet;
  if (scene.quiet) {
    const left = Math.max(0, x(sheet, 0)) + 6;
    paint.font = `italic 14px ${ink.serif}`;
    paint.fillStyle = ink.ink3;
    text(paint, scene.quiet, left, lane.y + lane.h / 2, sheet.width - left - 6);
  }
  for (const app of scene.apps) {
    if (!seen(sheet, app.start_ms, app.end_ms)) continue;
    const left = Math.max(0, x(sheet, app.start_ms));
    const w = Math.max(1, Math.min(sheet.width, x(sheet, app.end_ms)) - left - (x(sheet, app.end_ms) - left > 3 ? 1 : 0));
    if (app.excluded) {
      paint.fillStyle = ink.redacted;
      paint.fillRect(left, lane.y, w, lane.h);
      paint.strokeStyle = ink.ink3;
      paint.lineWidth = 1;
      paint.strokeRect(left + 0.5, lane.y + 0.5, w - 1, lane.h - 1);
      paint.font = `italic 13px ${ink.serif}`;
      paint.fillStyle = ink.onRedacted;
      if (w > 64) text(paint, "Excluded", left + 6, lane.y + lane.h / 2, w - 12);
      continue;
    }
    const number = scene.colour(app.app);
    const colour = ink.apps[number] ?? ink.ink3;
    paint.globalAlpha = ink.share;
    paint.fillStyle = colour;
    if (number) paint.fillRect(left, lane.y, w, lane.h - 3);
    paint.globalAlpha = 1;
    if (number) paint.fillRect(left, lane.y + lane.h - 3, w, 3);
    else {
      paint.strokeStyle = ink.line2;
      paint.strokeRect(left + 0.5, lane.y + 0.5, Math.max(1, w - 1), lane.h - 1);
    }
  }
  for (const [start, end] of scene.idle) {
    const left = Math.max(0, x(sheet, start));
    if (seen(sheet, start, end)) drawIdle(paint, ink, { x: left, y: lane.y, w: Math.min(sheet.width, x(sheet, end)) - left, h: lane.h });
  }
  for (const app of scene.apps) {
    if (app.excluded || !seen(sheet, app.start_ms, app.end_ms)) continue;
    const left = Math.max(0, x(sheet, app.start_ms));
    bandWords(sheet, app, left, Math.min(sheet.width, x(sheet, app.end_ms)) - left, lane);
  }
}

function bandWords(sheet: Sheet, app: AppTitle, left: number, w: number, lane: Lane): void {
  const { paint, ink } = sheet;
  if (w < 34) return;
  paint.font = `500 12px ${ink.sans}`;
  paint.fillStyle = ink.ink2;
  const name = text(paint, app.app, left + 6, lane.y + 10, w - 12);
  if (!app.title || w - 12 - name < 60) return;
  paint.font = `12px ${ink.sans}`;
  text(paint, app.title, left + 6 + name + 8, lane.y + 10, w - 20 - name);
}

function drawSound(sheet: Sheet, scene: Scene): void {
  const { paint, ink, view, width } = sheet;
  for (const [name, track] of SOUNDS) {
    const lane = sheet.lanes.find((one) => one.name === name);
    if (!lane) continue;
    const left = Math.max(0, x(sheet, 0));
    paint.fillStyle = ink.line2;
    // One line for both: where the microphone's ends the system's begins.
    if (name === "mic" || !sheet.lanes.some((one) => one.name === "mic")) {
      paint.fillRect(left, name === "mic" ? lane.y + lane.h : lane.y, Math.min(width, x(sheet, scene.end_ms)) - left, 1);
    }
    const wave = scene.waves?.get(track);
    if (wave) sheet.bars[name].draw(paint, ink, lane, wave, view, width, name === "system");
  }
}

function drawShots(sheet: Sheet, scene: Scene, lane: Lane): void {
  const { paint, ink } = sheet;
  const first = Math.max(0, lastAtMost(scene.shots.at_ms, sheet.view.start, (value) => value));
  paint.fillStyle = ink.ink3;
  for (let index = first; index < scene.shots.at_ms.length; index += 1) {
    const at = scene.shots.at_ms[index]!;
    if (at > sheet.view.end) break;
    const height = scene.shots.distinct[index] ? lane.h : lane.h * 0.45;
    paint.fillRect(Math.round(x(sheet, at)), lane.y + lane.h - height, 1, height);
  }
}

function drawNotes(sheet: Sheet, scene: Scene, lane: Lane): void {
  const { paint, ink } = sheet;
  scene.notes.forEach((note, index) => {
    const here = x(sheet, note.at_ms);
    if (here < -300 || here > sheet.width) return;
    paint.fillStyle = ink.notes;
    const middle = lane.y + lane.h / 2;
    if (note.kind === "marker") {
      paint.beginPath();
      for (const [dx, dy] of [[0, -5], [5, 0], [0, 5], [-5, 0]] as const) paint.lineTo(here + dx, middle + dy);
      paint.fill();
    } else {
      paint.fillRect(here - 1, lane.y + 2, 2, lane.h - 4);
    }
    const next = scene.notes[index + 1];
    const room = (next ? x(sheet, next.at_ms) : sheet.width) - here - 16;
    paint.font = `italic 14px ${ink.serif}`;
    paint.fillStyle = ink.ink2;
    if (note.text && room > 30) text(paint, note.text, here + 7, middle + 1, room);
  });
}

function wholeGap(sheet: Sheet, gap: ToldGap): void {
  if (gap.track || !seen(sheet, gap.start_ms, gap.end_ms)) return;
  const start = x(sheet, gap.start_ms);
  const w = Math.max(2, x(sheet, gap.end_ms) - start);
  // One at the very end stands inside the lanes, whole.
  const left = w < 4 ? Math.min(start, sheet.width - 5) : start;
  const area = { x: left, y: 32, w, h: sheet.bottom - 32 };
  drawGap(sheet.paint, sheet.ink, gap, area, true);
}

function trackGap(sheet: Sheet, scene: Scene, gap: ToldGap, index: number): void {
  if (!gap.track || !seen(sheet, gap.start_ms, gap.end_ms)) return;
  const place = placeOf(sheet.lanes, scene.missing, gap.track);
  if (!place) return;
  const left = x(sheet, gap.start_ms);
  const right = Math.max(left + 2, x(sheet, gap.end_ms));
  const row = !sheet.lanes.some((lane) => lane.y === place.y && lane.name !== "missing");
  drawTrackGap(sheet.paint, sheet.ink, gap.reason, { x: left, y: place.y + (row ? 1 : 0), w: right - left, h: place.h - (row ? 2 : 0) });
  if (row && gap.who) rowWords(sheet, scene, gap.who, { left, right, middle: place.y + place.h / 2, index });
}

/** Who was gone: behind the gap where there is room up to the next, else before it, else on it, else cut. */
function rowWords(sheet: Sheet, scene: Scene, who: string, at: { left: number; right: number; middle: number; index: number }): void {
  const { paint, ink } = sheet;
  const mine = scene.gaps.map((gap, index) => ({ gap, index })).filter(({ gap }) => gap.track === scene.gaps[at.index]?.track);
  const next = mine.find(({ index }) => index > at.index)?.gap;
  const before = mine.filter(({ index }) => index < at.index).at(-1)?.gap;
  paint.font = `11px ${ink.sans}`;
  const wide = paint.measureText(who).width + 12;
  const behind = Math.min(sheet.width, next ? x(sheet, next.start_ms) : sheet.width) - at.right;
  const left = Math.max(0, at.left);
  const on = Math.min(sheet.width, at.right) - left;
  const write = (from: number, room: number): void => {
    paint.fillStyle = ink.ink2;
    text(paint, who, from, at.middle, room);
  };
  if (behind >= wide) return write(at.right + 6, wide);
  // Words before a gap belong to the one before it, where there is one.
  if (!before && at.left >= wide) return write(at.left - wide + 6, wide);
  if (on >= wide + 8) {
    paint.fillStyle = ink.sunken;
    paint.fillRect(left + 4, at.middle - 6, wide, 12);
    return write(left + 10, wide);
  }
  if (behind >= LEAST_WORDS) write(at.right + 6, behind - 12);
}

/** The whole session in small, with the view as a frame. */
export function drawOverview(sheet: Sheet, scene: Scene, y: number, h: number): void {
  const { paint, ink, width } = sheet;
  const whole = { start: 0, end: scene.end_ms };
  for (const app of scene.apps) {
    const left = toX(whole, width, app.start_ms);
    paint.fillStyle = app.excluded ? ink.redacted : (ink.apps[scene.colour(app.app)] ?? ink.ink3);
    paint.fillRect(left, y + h - 7, Math.max(1, toX(whole, width, app.end_ms) - left), 4);
  }
  for (const gap of scene.gaps.filter((one) => !one.track)) {
    const left = toX(whole, width, gap.start_ms);
    const area = { x: left, y, w: Math.max(2, toX(whole, width, gap.end_ms) - left), h };
    if (gap.reason === "crash") {
      paint.fillStyle = ink.warn;
      paint.fillRect(area.x, y, 2, h);
      if (area.w > 4) paint.fillRect(area.x + area.w - 2, y, 2, h);
      continue;
    }
    paint.save();
    paint.beginPath();
    paint.rect(area.x, area.y, area.w, area.h);
    paint.clip();
    hatch(paint, ink, area);
    paint.restore();
  }
  paint.strokeStyle = ink.ink;
  paint.lineWidth = 1.5;
  const left = toX(whole, width, sheet.view.start);
  paint.beginPath();
  paint.roundRect(left, y + 1, Math.max(6, toX(whole, width, sheet.view.end) - left), h - 2, 3);
  paint.stroke();
}

/** Words cut to fit, with the width they took. */
function text(paint: CanvasRenderingContext2D, words: string, left: number, middle: number, room: number): number {
  paint.textAlign = "left";
  paint.textBaseline = "middle";
  if (room < 12) return 0;
  let shown = words;
  if (paint.measureText(shown).width > room) {
    let low = 0;
    let high = words.length;
    while (low < high) {
      const length = (low + high + 1) >> 1;
      if (paint.measureText(`${words.slice(0, length)}…`).width <= room) low = length;
      else high = length - 1;
    }
    if (low === 0) return 0;
    shown = `${words.slice(0, low).trimEnd()}…`;
  }
  paint.fillText(shown, left, middle);
  return paint.measureText(shown).width;
}
