/** The words that are searched for and what was found: in memory only, never in an address or a store of the browser. */

import { api, isAbort, sentence } from "../api/client";
import type { Hit } from "../api/types";

const PAUSE_MS = 140;
const MOST = 200;

class Words {
  text = $state("");
  hits = $state.raw<Hit[]>([]);
  /** The words that `hits` belong to. */
  found = $state("");
  took_ms = $state(0);
  busy = $state(false);
  problem = $state<string | null>(null);
  /** Whether the reader asked, by Enter, to be put on a hit as soon as there is one. */
  wanted = $state(false);
  private stop: AbortController | null = null;
  private timer = 0;

  /** Whether there may be more hits than were asked for. */
  get full(): boolean {
    return this.hits.length >= MOST;
  }

  ask(text: string): void {
    this.text = text;
    this.wanted = false;
    window.clearTimeout(this.timer);
    this.stop?.abort();
    this.problem = null;
    if (!text.trim()) {
      this.hits = [];
      this.found = "";
      this.busy = false;
      return;
    }
    this.busy = true;
    this.timer = window.setTimeout(() => void this.fetch(text.trim()), PAUSE_MS);
  }

  private async fetch(text: string): Promise<void> {
    const stop = new AbortController();
    this.stop = stop;
    const began = performance.now();
    try {
      const { hits } = await api.search(text, MOST, stop.signal);
      this.hits = hits;
      this.found = text;
      this.took_ms = Math.round(performance.now() - began);
      this.busy = false;
    } catch (error) {
      if (isAbort(error)) return;
      this.problem = sentence(error);
      this.busy = false;
    }
  }
}

export const words = new Words();
