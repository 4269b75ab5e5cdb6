/** What goes on only while somebody can see the page. */

/** Resolves once the page is visible, or `signal` says stop. */
export function whenVisible(signal: AbortSignal): Promise<void> {
  if (!document.hidden || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done);
  });
}

/** A signal that says stop when `signal` does and, if `parks`, when the page is hidden; `done` forgets both. */
export function untilHidden(signal: AbortSignal, parks: boolean): { signal: AbortSignal; done: () => void } {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const hidden = (): void => {
    if (parks && document.hidden) end();
  };
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  document.addEventListener("visibilitychange", hidden);
  return {
    signal: stop.signal,
    done: () => {
      signal.removeEventListener("abort", end);
      document.removeEventListener("visibilitychange", hidden);
    },
  };
}
