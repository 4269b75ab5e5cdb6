/** What the page asks of a player, whatever plays. All places are ms on the session's axis. */

export interface PlayerEvents {
  /** The shown place changed. */
  moved(at_ms: number): void;
  /** Playing or not, muted, speed. */
  changed(): void;
  /** The table is known or grew: `end_ms` is the last playable place. */
  table(end_ms: number, live: boolean, hasVideo: boolean): void;
  /** A sentence for the reader, or null when all is well again; `away`: what is missing may come when it is tried again. */
  trouble(text: string | null, away: boolean): void;
}

export interface Player {
  open(): Promise<void>;
  close(): void;
  play(): void;
  pause(): void;
  readonly playing: boolean;
  /** Go to a place. Only one seek is in flight; the newest target wins. */
  seek(at_ms: number): void;
  /** Jump to the growing edge and stay there. */
  toEdge(): void;
  readonly following: boolean;
  /** Ask at once for what could not be had. */
  retry(): void;
  rate: number;
  muted: boolean;
}
