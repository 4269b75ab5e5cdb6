/** Which of the six colours an application has: given in order of time spent, the same in all sessions. */

import { api } from "../api/client";
import type { AppTime, Row } from "../api/types";

const COLOURS = 6;

/** Applications by time spent, longest first. */
export function byTime(apps: readonly AppTime[]): string[] {
  const spent = new Map<string, number>();
  for (const one of apps) spent.set(one.app, (spent.get(one.app) ?? 0) + one.end_ms - one.start_ms);
  return [...spent].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([app]) => app);
}

class Colours {
  private order = $state.raw<string[]>([]);
  private asked = false;

  /** Learn from the list of sessions. */
  learn(rows: readonly Row[]): void {
    this.asked = true;
    this.order = byTime(rows.flatMap((row) => row.apps));
  }

  /** Ask for the list, where the page began at one session. */
  async ensure(own: readonly AppTime[]): Promise<void> {
    if (!this.order.length) this.order = byTime(own);
    if (this.asked) return;
    this.asked = true;
    try {
      this.learn((await api.sessions(0, 200)).sessions);
    } catch {
      this.asked = false; // the session's own order serves until the list is there
    }
  }

  /** 1 to 6, or 0 for every further one. */
  of(app: string): number {
    const index = this.order.indexOf(app);
    return index >= 0 && index < COLOURS ? index + 1 : 0;
  }
}

export const colours = new Colours();
