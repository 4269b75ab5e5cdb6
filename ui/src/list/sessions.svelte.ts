/** The rows of all sessions: fetched page by page, kept fresh by the event stream, filtered in memory. */

import { api, sentence } from "../api/client";
import type { Row } from "../api/types";
import { live } from "../live/status.svelte";
import { colours } from "../timeline/colours.svelte";

const PAGE = 200;
const SETTLE_MS = 400;

class Sessions {
  rows = $state.raw<Row[]>([]);
  total = $state<number | null>(null);
  problem = $state<string | null>(null);
  filter = $state("");
  /** Kept while the page lives, so that coming back lands where one was. */
  scroll = 0;
  selected = $state(0);
  private loading = false;
  private stale = false;
  private timer = 0;

  constructor() {
    live.onSession(() => this.soon());
  }

  get shown(): Row[] {
    const words = this.filter.trim().toLowerCase();
    return words ? this.rows.filter((row) => row.name.toLowerCase().includes(words)) : this.rows;
  }

  async load(): Promise<void> {
    if (this.loading) {
      this.stale = true;
      return;
    }
    this.loading = true;
    try {
      await this.pages();
      this.problem = null;
      live.start();
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      this.loading = false;
    }
    if (this.stale) {
      this.stale = false;
      this.soon();
    }
  }

  private async pages(): Promise<void> {
    const rows: Row[] = [];
    const first = this.rows.length === 0;
    for (let total = 1; rows.length < total; ) {
      const answer = await api.sessions(rows.length, PAGE);
      total = answer.total;
      rows.push(...answer.sessions);
      if (first) this.rows = [...rows];
      this.total = total;
      if (!answer.sessions.length) break;
    }
    this.rows = rows;
    colours.learn(rows);
  }

  private soon(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), SETTLE_MS);
  }
}

export const sessions = new Sessions();
