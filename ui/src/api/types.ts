/** What the API answers: times are `*_ms` on the session's axis and `media_*_ns` on the playback timeline. */

export interface AppTime {
  start_ms: number;
  end_ms: number;
  app: string;
}

export interface AppTitle extends AppTime {
  title: string;
  excluded: boolean;
}

export interface GapTime {
  start_ms: number;
  end_ms: number;
  reason: string;
}

export interface Gap extends GapTime {
  track: string | null;
  detail: string | null;
}

export interface Row {
  id: string;
  name: string;
  state: string;
  started_at: string;
  ended_at: string | null;
  duration_ms: number;
  wall_ms: number;
  tags: string[];
  summary: string | null;
  bytes_on_disk: number;
  cost_usd: number;
  enrichment_state: string;
  apps: AppTime[];
  gaps: GapTime[];
  poster: string | null;
}

export interface Track {
  track: string;
  kind: string;
  source: string;
  codec: string;
  encoder: string;
  layout: string;
  bytes: number;
  segments: number;
  frames_captured: number;
  frames_encoded: number;
  frames_dropped: number;
  gaps: Gap[];
}

export interface Stage {
  name: string;
  state: string;
  seconds: number;
  cost_usd: number;
  error?: string | null;
}

export interface SessionDetail extends Row {
  description: string | null;
  category: string | null;
  tracks: Track[];
  shots: { total: number; distinct: number };
  enrichment: { state: string; stages: Stage[]; cost_usd: number };
}

export interface Span {
  start_ms: number;
  end_ms: number;
  media_start_ns: number;
}

export interface Chapter {
  start_ms: number;
  end_ms: number;
  title: string;
  summary: string;
}

export interface Note {
  id: string;
  kind: "note" | "marker";
  at_ms: number;
  text: string;
  cut?: boolean;
}

export interface ClockStep {
  at_ms: number;
  step_ms: number;
}

export interface Overview {
  session: SessionDetail;
  spans: Span[];
  gaps: Gap[];
  chapters: Chapter[];
  apps: AppTitle[];
  /** Times without input, `[start_ms, end_ms]`. */
  idle: [number, number][];
  /** Where the wall clock was set, and by how much. */
  clock_steps: ClockStep[];
  notes: Note[];
  summary: { title: string | null; text: string | null; points: string[] };
  bucket_ms: number;
  buckets: { bucket: number; shots: number; transcript: number; screen_text: number }[];
  poster: string | null;
}

export interface Items {
  bucket: number;
  shots: { at_ms: number[]; id: string[]; distinct: boolean[]; trigger: string[] };
  transcript: {
    track: string[];
    start_ms: number[];
    end_ms: number[];
    text: string[];
    words: [string, number, number][][];
  };
  screen_text: { at_ms: number[]; end_ms: number[]; shot: string[]; text: string[] };
}

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface ShotText {
  width: number;
  height: number;
  lines: (Box & { text: string })[];
}

export interface PlaySpan {
  span: number;
  init: number | string;
  mime: string;
  media_start_ns: number;
  media_end_ns: number;
  start_ms: number;
}

export interface PlaySegment {
  n: number;
  span: number;
  media_start_ns: number;
  duration_ns: number;
  bytes: number;
}

export interface PlayFragment {
  i: number;
  media_start_ns: number;
  duration_ns: number;
  bytes: number;
}

export interface PlayTail {
  n: number;
  span: number;
  media_start_ns: number;
  fragments: PlayFragment[];
}

export interface Playback {
  version: string;
  live: boolean;
  state: string;
  spans: PlaySpan[];
  segments: PlaySegment[];
  tail: PlayTail | null;
}

export interface Hit {
  session_id: string;
  session_name: string;
  kind: string;
  at: string;
  at_ms: number;
  end_ms?: number;
  snippet: string;
  marks: [number, number][];
  boxes?: Box[] | null;
  shot?: string | null;
}

/** How loud the tracks were: a byte a step from `start_ms` on, 0.4 dB each above -102 dB; 0 where nothing was. */
export interface Peaks {
  tracks: { track: string; start_ms: number; step_ms: number; peaks: number[]; voice: [number, number][] }[];
}

/** A second of a track under way, 50 ms each, in decibels. */
export interface LevelSecond {
  peaks: number[];
  loudness: number[];
  voice: number[];
}

/** What is muted and how two sounds are mixed; `balance` is null where nothing is mixed. */
export interface SoundStatus {
  gains: Record<string, { muted: boolean; gain_db: number }>;
  balance: number | null;
}

export interface TrackStatus {
  track: string;
  source?: string;
  state: string;
  attempt_ms_ago: number | null;
  capture_ms_ago: number | null;
  write_ms_ago: number | null;
  detail: string | null;
  /** The clock that stands still though something is due, and for how long. */
  stands?: "" | "attempt" | "capture" | "write";
  stands_ms?: number;
  /** How often it was tried again since it was well, and started again in the session. */
  tries?: number;
  restarts?: number;
  captured?: number;
  encoded?: number;
  dropped?: number;
  /** How loud it is now; null while nothing is taken. */
  level?: { peak_db: number; loudness_lufs: number; voice: boolean } | null;
}

export interface Status {
  state: string;
  session: string | null;
  name: string | null;
  since: string | null;
  recorded_ms: number;
  /** Where now is on the axis of the session under way. */
  wall_ms?: number;
  tracks: TrackStatus[];
  sound?: SoundStatus | null;
  /** How the session before ended. */
  last?: { session: string | null; state: string } | null;
  disk?: { free_bytes?: number | null; seconds_left?: number | null; warning?: string } | null;
  /** Why nothing is recorded until something else happens: `locked`. */
  held?: string | null;
  /** Seconds until a session begins. */
  countdown_s?: number | null;
  notices?: { kind: string; text: string }[];
  /** How often the recorder of the session was started again, and why the last time. */
  restarts?: number;
  last_restart?: { at: string; reason: string } | null;
  write_queue?: { items: number; refused: number; refused_lately?: number; oldest_ms: number };
  loop?: { longest_ms: number; p99_ms: number };
  memory?: { rss_bytes?: number; limit_bytes?: number | null };
}
