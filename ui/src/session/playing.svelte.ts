/** The player as the page's controls see it: reactive, and silent where there is nothing to play. */

import type { Player } from "../player/adapter";
import { MediaPlayer } from "../player/media-player";
import type { SessionModel } from "./model.svelte";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

export class Playing {
  on = $state(false);
  rate = $state(1);
  muted = $state(false);
  trouble = $state<string | null>(null);
  /** Whether what is missing may come when it is tried again. */
  away = $state(false);
  /** Whether there is a table, and video in it. */
  ready = $state(false);
  hasVideo = $state(true);
  empty = $state(false);
  following = $state(false);
  private player: Player | null = null;

  constructor(private readonly model: SessionModel) {}

  attach(video: HTMLVideoElement, at_ms: number | null, edge: boolean): void {
    this.player?.close();
    this.player = new MediaPlayer(this.model.id, video, {
      moved: (ms) => (this.model.now_ms = ms),
      changed: () => this.read(),
      trouble: (text, away) => {
        this.trouble = text;
        this.away = away;
      },
      table: (end_ms, isLive, hasVideo) => {
        this.ready = true;
        this.hasVideo = hasVideo;
        this.empty = end_ms === 0;
        if (isLive) this.model.edge_ms = end_ms;
      },
    });
    if (edge) {
      this.player.muted = true;
      this.player.toEdge();
    } else if (at_ms !== null) this.player.seek(at_ms);
    void this.player.open();
  }

  close(): void {
    this.player?.close();
    this.player = null;
  }

  retry(): void {
    this.player?.retry();
  }

  private read(): void {
    if (!this.player) return;
    this.on = this.player.playing;
    this.rate = this.player.rate;
    this.muted = this.player.muted;
    this.following = this.player.following;
  }

  toggle(): void {
    if (this.on) this.player?.pause();
    else this.player?.play();
  }

  pause(): void {
    this.player?.pause();
  }

  seek(at_ms: number): void {
    this.player?.seek(Math.min(Math.max(0, at_ms), this.model.end_ms));
    this.read();
  }

  by(ms: number): void {
    this.seek(this.model.now_ms + ms);
  }

  toEdge(): void {
    this.player?.toEdge();
    this.read();
  }

  setRate(rate: number): void {
    if (this.player) this.player.rate = rate;
  }

  faster(step: 1 | -1): void {
    const index = SPEEDS.indexOf(this.rate);
    this.setRate(SPEEDS[Math.min(Math.max(index + step, 0), SPEEDS.length - 1)] ?? 1);
  }

  mute(): void {
    if (this.player) this.player.muted = !this.muted;
  }
}
