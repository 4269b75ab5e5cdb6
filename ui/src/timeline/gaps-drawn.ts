/** How time that was not recorded is drawn: one picture a reason, so that colour alone says nothing. */

import type { GapTime } from "../api/types";
import { gapLength, gapWord } from "../time/gaps";
import type { Palette } from "./palette";

const PITCH = 9;
const DOT_PITCH = 5;
const TOOTH = 7;

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

/** A gap of one track, in its lane alone. */
export function drawTrackGap(paint: CanvasRenderingContext2D, ink: Palette, area: Area): void {
  paint.fillStyle = ink.sunken;
  paint.fillRect(area.x, area.y, area.w, area.h);
  paint.fillStyle = ink.warn;
  for (let y = area.y + 2; y < area.y + area.h; y += DOT_PITCH) {
    for (let x = area.x + 1; x < area.x + area.w; x += DOT_PITCH) paint.fillRect(x, y, 1.6, 1.6);
  }
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
