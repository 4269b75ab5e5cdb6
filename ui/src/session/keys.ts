/** The session page's keys: a table from key to deed, so that the map and the deeds cannot differ. */

import type { SessionModel } from "./model.svelte";
import type { Playing } from "./playing.svelte";

export interface Deeds {
  model: SessionModel;
  playing: Playing;
  fullScreen(): void;
  frameText(): void;
  editTitle(): void;
  tab(step: 1 | -1): void;
  mark(): void;
  note(): void;
}

/** Do what a key means. False where it means nothing here. */
export function pressKey(event: KeyboardEvent, deeds: Deeds): boolean {
  const { model, playing } = deeds;
  if (event.metaKey || event.altKey) return false;
  if (event.ctrlKey) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return false;
    return chapter(deeds, event.key === "ArrowRight" ? 1 : -1);
  }
  if (/^[0-9]$/.test(event.key)) {
    playing.seek((model.end_ms * Number(event.key)) / 10);
    return true;
  }
  const acts: Record<string, () => void> = {
    " ": () => playing.toggle(),
    k: () => playing.toggle(),
    j: () => playing.by(-10_000),
    l: () => playing.by(10_000),
    ArrowLeft: () => playing.by(-5_000),
    ArrowRight: () => playing.by(5_000),
    ",": () => playing.by(-100),
    ".": () => playing.by(100),
    "<": () => playing.faster(-1),
    ">": () => playing.faster(1),
    m: () => playing.mute(),
    f: () => deeds.fullScreen(),
    o: () => deeds.frameText(),
    e: () => deeds.editTitle(),
    b: () => deeds.mark(),
    t: () => deeds.note(),
    "{": () => deeds.tab(-1),
    "}": () => deeds.tab(1),
    "[": () => shot(deeds, -1),
    "]": () => shot(deeds, 1),
  };
  const act = acts[event.key];
  act?.();
  return act !== undefined;
}

function shot({ model, playing }: Deeds, step: 1 | -1): void {
  const at = model.shots.at_ms;
  const target = step > 0 ? at.find((value) => value > model.now_ms + 50) : at.findLast((value) => value < model.now_ms - 50);
  if (target !== undefined) playing.seek(target);
}

function chapter({ model, playing }: Deeds, step: 1 | -1): boolean {
  const chapters = model.overview?.chapters ?? [];
  const starts = chapters.map((one) => one.start_ms);
  const target = step > 0 ? starts.find((value) => value > model.now_ms + 50) : starts.findLast((value) => value < model.now_ms - 1500);
  if (target !== undefined) playing.seek(target);
  return true;
}
