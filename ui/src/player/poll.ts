/** The growing table of a stream: asks, waits on the daemon, asks again, until the session ended. */

import { api, ApiError, isAbort } from "../api/client";
import type { Playback } from "../api/types";
import { merge } from "./table";
import { untilHidden, whenVisible } from "./visible";

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;
const SAME_MS = 400;

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Tell every new table, until the session is no longer live or `signal` says stop. */
export async function followTable(
  session: string,
  signal: AbortSignal,
  tell: (table: Playback) => void,
  lost: (error: unknown) => void,
): Promise<void> {
  let table: Playback | null = null;
  let wait = RETRY_FIRST_MS;
  while (!signal.aborted) {
    // A page that nobody sees keeps none of the few connections that a browser gives a host.
    if (table) await whenVisible(signal);
    const asking = untilHidden(signal, table !== null);
    try {
      const from: number = table ? (table.segments.at(-1)?.n ?? -1) + 1 : 0;
      const next: Playback = await api.playback(session, table?.version, from, asking.signal);
      wait = RETRY_FIRST_MS;
      const news: boolean = next.version !== table?.version;
      if (news || !next.live) {
        table = merge(table, next, from);
        tell(table);
      }
      if (!next.live) return;
      // A daemon that answers at once without news is not asked again at once.
      if (!news) await rest(SAME_MS);
    } catch (error) {
      if (signal.aborted) return;
      if (isAbort(error)) continue;
      lost(error);
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) return;
      await rest(wait);
      wait = Math.min(wait * 2, RETRY_LAST_MS);
    } finally {
      asking.done();
    }
  }
}
