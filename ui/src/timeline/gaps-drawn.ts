/** How time that was not recorded is drawn: one picture a reason, so that colour alone says nothing. */

import type { GapTime } from "../api/types";
import { awayWord, gapLength, gapWord } from "../time/gaps";
import type { Palette } from "./palette";

const PITCH = 9;
const DOT_PITCH = 5;
const TOOTH = 7;
const IDLE_PITCH = 5;
const FAINT = 0.55;
const GLASS = 4;
const RULER_END = 27;

interface Area {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** A gap of the whole session, over all lanes; with its words where they fit. */
export function drawGap(paint: CanvasRenderingContext2D, ink: Palette, gap: GapTime, area: Area, words: boolean): void {
  if (gap.reason === "crash" && area.w < 2 * TOOTH) return tear(paint, ink, area);
  paint.save();
  paint.beginPath();
  paint.rect(area.x, area.y, area.w, area.h);
  paint.clip();
  paint.fillStyle = gap.reason === "forgotten" ? ink.redacted : ink.sunken;
  paint.fillRect(area.x, area.y, area.w, area.h);
  if (gap.reason === "crash") torn(paint, ink, area);
  else if (gap.reason !== "forgotten") hatch(paint, ink, area);
  if (words) gapWords(paint, ink, gap, area);
  paint.restore();
}

/** A gap of one track, in its lane alone: dots where it was gone, a hatch where it only rested. */
export function drawTrackGap(paint: CanvasRenderingContext2D, ink: Palette, reason: string, area: Area): void {
  paint.fillStyle = ink.sunken;
  paint.fillRect(area.x, area.y, area.w, area.h);
  if (awayWord(reason) !== "gone") {
    within(paint, area, () => hatch(paint, ink, area));
    return;
  }
  paint.fillStyle = ink.warn;
  for (let y = area.y + 2; y < area.y + area.h; y += DOT_PITCH) {
    for (let x = area.x + 1; x < area.x + area.w; x += DOT_PITCH) paint.fillRect(x, y, 1.6, 1.6);
  }
}

/** Time without input: what is below it fades, and a close hatch lies over it. */
export function drawIdle(paint: CanvasRenderingContext2D, ink: Palette, area: Area): void {
  if (area.w < 1) return;
  within(paint, area, () => {
    paint.globalAlpha = FAINT;
    paint.fillStyle = ink.sunken;
    paint.fillRect(area.x, area.y, area.w, area.h);
    paint.globalAlpha = 1;
    hatch(paint, ink, area, IDLE_PITCH);
  });
}

/** Where the wall clock was set: an hourglass at the foot of the ruler, and a thin broken line below it. */
export function drawClockStep(paint: CanvasRenderingContext2D, ink: Palette, x: number, bottom: number): void {
  const here = Math.round(x);
  const top = RULER_END - 2 * GLASS - 1;
  paint.fillStyle = ink.warn;
  for (const [edge, tip] of [[top, top + GLASS + 1], [RULER_END, RULER_END - GLASS - 1]] as const) {
    paint.beginPath();
    paint.moveTo(here - GLASS + 0.5, edge);
    paint.lineTo(here + GLASS + 0.5, edge);
    paint.lineTo(here + 0.5, tip);
    paint.fill();
  }
  for (let y = RULER_END + 3; y < bottom; y += 6) paint.fillRect(here, y, 1, 2);
}

function within(paint: CanvasRenderingContext2D, area: Area, draw: () => void): void {
  paint.save();
  paint.beginPath();
  paint.rect(area.x, area.y, area.w, area.h);
  paint.clip();
  draw();
  paint.restore();
}

/** 45 degree lines that start at the axis, so that they stay put while the view moves. */
export function hatch(paint: CanvasRenderingContext2D, ink: Palette, area: Area, pitch = PITCH): void {
  paint.strokeStyle = ink.line2;
  paint.lineWidth = 1;
  paint.beginPath();
  for (let x = area.x - area.h; x < area.x + area.w; x += pitch) {
    paint.moveTo(x, area.y + area.h);
    paint.lineTo(x + area.h, area.y);
  }
  paint.stroke();
}

function torn(paint: CanvasRenderingContext2D, ink: Palette, area: Area): void {
  paint.strokeStyle = ink.warn;
  paint.lineWidth = 1.5;
  for (const [edge, side] of [[area.x + 1, 1], [area.x + area.w - 1, -1]] as const) {
    paint.beginPath();
    for (let step = 0; step * TOOTH <= area.h + TOOTH; step += 1) {
      paint.lineTo(edge + (step % 2) * TOOTH * 0.8 * side, area.y + step * TOOTH);
    }
    paint.stroke();
  }
}

/** A crash too short for two edges: what was lost shows as one torn edge with the bed beside it. */
function tear(paint: CanvasRenderingContext2D, ink: Palette, area: Area): void {
  const middle = area.x + area.w / 2;
  for (const [colour, width] of [[ink.sunken, 5], [ink.warn, 2]] as const) {
    paint.strokeStyle = colour;
    paint.lineWidth = width;
    paint.beginPath();
    for (let step = 0; step * TOOTH <= area.h; step += 1) {
      paint.lineTo(middle + (step % 2 ? 1 : -1) * TOOTH * 0.35, area.y + step * TOOTH);
    }
    paint.stroke();
  }
  paint.lineWidth = 1;
}

function gapWords(paint: CanvasRenderingContext2D, ink: Palette, gap: GapTime, area: Area): void {
  const word = gapWord(gap.reason);
  const span = gapLength(gap);
  paint.textAlign = "center";
  paint.textBaseline = "middle";
  paint.font = `italic 14px ${ink.serif}`;
  const width = Math.max(paint.measureText(word).width, 40) + 24;
  if (area.w < width + 4) return;
  const middle = area.x + area.w / 2;
  const top = area.y + area.h / 2 - 22;
  if (gap.reason !== "forgotten") {
    paint.fillStyle = ink.sunken;
    paint.fillRect(middle - width / 2, top, width, 44);
  }
  paint.fillStyle = gap.reason === "forgotten" ? ink.onRedacted : ink.ink2;
  paint.fillText(word, middle, top + 13);
  paint.font = `12px ${ink.sans}`;
  paint.fillText(span, middle, top + 32);
}
