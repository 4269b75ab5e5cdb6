/**
 * A SourceBuffer whose operations are awaited, one at a time.
 *
 * Owns the order of appends and removals, and the header that is in force. Which bytes, and when, is the feed's.
 */

/** Seconds of `[start, end)` that are in `ranges`. */
export function covered(ranges: TimeRanges, start: number, end: number): number {
  let sum = 0;
  for (let index = 0; index < ranges.length; index += 1) {
    sum += Math.max(0, Math.min(end, ranges.end(index)) - Math.max(start, ranges.start(index)));
  }
  return sum;
}

/** Whether `[start, end)` is in `ranges`, but for what coding leaves open at its edges. */
export function holds(ranges: TimeRanges, start: number, end: number): boolean {
  const length = end - start;
  return covered(ranges, start, end) >= length - Math.min(0.3, length * 0.3);
}

const EDGE_S = 0.02;

/**
 * Where to jump to from `at`: the next range's start, when it is at most `reach` away and `at` is in none. The last
 * `edge` seconds of a range count as its end: a browser that waits may stop before the last frame it holds.
 */
export function overHole(ranges: TimeRanges, at: number, reach: number, edge = EDGE_S): number | null {
  for (let index = 0; index < ranges.length; index += 1) {
    if (at >= ranges.start(index) && at < ranges.end(index) - edge) return null;
  }
  for (let index = 0; index < ranges.length; index += 1) {
    const start = ranges.start(index);
    if (start > at && start - at <= reach) return start + 0.001;
  }
  return null;
}

export class MediaBuffer {
  private header: string | null = null;
  private mime: string;

  constructor(
    private readonly source: MediaSource,
    private readonly inner: SourceBuffer,
    mime: string,
  ) {
    this.mime = mime;
  }

  /** What is held. Empty where the browser took the buffer away. */
  get ranges(): TimeRanges | null {
    return this.open ? this.inner.buffered : null;
  }

  get open(): boolean {
    return this.source.readyState !== "closed" && Array.from(this.source.sourceBuffers).includes(this.inner);
  }

  /** Whether a span's header must be appended before its media. */
  needsHeader(name: string): boolean {
    return this.header !== name;
  }

  async appendHeader(name: string, mime: string, bytes: ArrayBuffer): Promise<void> {
    if (mime !== this.mime) {
      this.inner.changeType(mime);
      this.mime = mime;
    }
    await this.run(() => this.inner.appendBuffer(bytes));
    this.header = name;
  }

  async append(bytes: ArrayBuffer): Promise<void> {
    await this.run(() => this.inner.appendBuffer(bytes));
  }

  /** Remove what lies in `[start, end)`. Both must be starts of segments: inside one, what plays would go too. */
  async remove(start: number, end: number): Promise<void> {
    const ranges = this.ranges;
    if (end > start && ranges && covered(ranges, start, end) > 0.01) await this.run(() => this.inner.remove(start, end));
  }

  private run(begin: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = new AbortController();
      const finish = (act: () => void) => () => {
        done.abort();
        act();
      };
      const options = { signal: done.signal };
      this.inner.addEventListener("updateend", finish(resolve), options);
      this.inner.addEventListener("error", finish(() => reject(new Error("the browser refused the media"))), options);
      try {
        begin();
      } catch (error) {
        done.abort();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}
