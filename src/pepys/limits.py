"""Every limit of pepys, named once: lengths of queues, sizes, time-outs.

Units stand last in a name (`_ns`, `_s`, `_bytes`). A limit that a user may change is a setting, not a limit.
"""

from __future__ import annotations

from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000

# --- names and text
SESSION_NAME_CHARS: Final = 255
TAG_CHARS: Final = 64
NOTE_CHARS: Final = 10_000

# --- media
FRAGMENT_NS: Final = 800 * NS_PER_MS
SEGMENT_MIN_FRAMES: Final = 90
SEGMENT_MIN_NS: Final = 30 * NS_PER_S
SEGMENT_MAX_FRAMES: Final = 300
SEGMENT_DEAR_BYTES: Final = 100_000
SEGMENT_DEAR_FRAMES: Final = 600
SEGMENT_MAX_NS: Final = 60 * NS_PER_S

# --- blobs and journal
SEALED_FRAME_BYTES: Final = 64 * 1024
AHEAD_THREADS: Final = 2  # that read, prove or store a row of blobs; each holds one blob at a time
BLOB_BYTES: Final = 16 * 1024 * 1024
JOURNAL_RECORD_BYTES: Final = 1024 * 1024
CHUNK_EVENTS: Final = 4096
CHUNK_BYTES: Final = 4 * 1024 * 1024  # of the journal: seals before as many events have come
CHUNK_PLAIN_BYTES: Final = 8 * 1024 * 1024  # and one event: zstd cannot make it too large for a blob
CHUNKS_SMALL: Final = 12  # an hour's, of five minutes each: then they are merged
CHUNK_MERGED_BYTES: Final = 2 * 1024 * 1024
CHUNK_MERGED_PLAIN_BYTES: Final = 32 * 1024 * 1024
PENDING_BYTES: Final = 32 * 1024 * 1024
"""What a writer holds of events that the disk takes into no chunk; then it takes no more."""
SEAL_RETRY_NS: Final = 10 * NS_PER_S
MANIFEST_BYTES: Final = 4 * 1024 * 1024  # of a file that is looked at for being one; a long session's has 20 kB
UNPACKED_BYTES: Final = 64 * 1024 * 1024  # twice what a merge makes, so that any home of before can be read
STRAY_NS: Final = 3600 * NS_PER_S
REUSE_GRACE_NS: Final = 60 * NS_PER_S

# --- keys
SEALED_FRAMES: Final = 2**32
"""Under one key, that of one opening of a file; none comes near."""
KEYRING_S: Final = 20.0  # a person may have to type a password into the desktop's prompt
PASSPHRASE_MIN_CHARS: Final = 8
PASSPHRASE_BYTES: Final = 1024
PASSPHRASE_MEMORY_KIB: Final = 64 * 1024
PASSPHRASE_MEMORY_MAX_KIB: Final = 1024 * 1024
PASSPHRASE_WORK_MAX_KIB: Final = 4 * 1024 * 1024
"""Memory times rounds of argon2id: some 4 s of one core."""
PASSPHRASE_LANES_MAX: Final = 16
FORMER_KEYS: Final = 8  # tried one after the other on a home that the master key in force does not open
KEY_CHANGE_LOCK_S: Final = 20.0  # others hold a home's lock of keys for some writes of a few bytes

# --- databases and search
DATABASE_BUSY_MS: Final = 30_000
CATALOG_REST_NS: Final = 30 * NS_PER_S
"""For so long a database server that could not be reached is left alone."""
QUERY_TERMS: Final = 16
SEARCH_HITS: Final = 1000
SEARCH_CANDIDATES: Final = 2000
DATABASE_CACHE_KIB: Final = 8 * 1024
POSTGRES_CONNECT_S: Final = 5
POSTGRES_STATEMENT_MS: Final = 15_000
POSTGRES_MAKING_MS: Final = 600_000  # one statement that makes or changes tables
POSTGRES_LOCK_MS: Final = 10_000
POSTGRES_SILENCE_MS: Final = 3_000
"""How long after a statement's time a server that hangs is still waited for."""
POSTGRES_IDLE_MS: Final = 300_000
"""A transaction of a process that does not go on keeps all others waiting; then the server ends it."""
WAL_BYTES: Final = 4 * 1024 * 1024
LEDGER_ENTRY_BYTES: Final = 64 * 1024
WAL_MOST_BYTES: Final = 16 * 1024 * 1024
WAL_WAIT_MS: Final = 5_000
SNIPPET_CHARS: Final = 160
CHUNK_INTERVAL_NS: Final = 300 * NS_PER_S

# --- recorder
WRITE_QUEUE_ITEMS: Final = 256
WRITE_QUEUE_SOUND_RESERVE: Final = 64
WRITE_QUEUE_CONTROL_RESERVE: Final = 256
WIRE_LINE_BYTES: Final = 1024 * 1024
WIRE_OUT_BYTES: Final = 4 * 1024 * 1024
WIRE_PUSHES: Final = 1024
WIRE_PEERS: Final = 32
RECORDER_START_S: Final = 30.0
SHOTS_INTERVAL_NS: Final = 15 * NS_PER_S
SHOTS_MIN_S: Final = 0.5
SHOTS_MAX_S: Final = 3600.0
COUNTDOWN_MAX_S: Final = 60
SHOTS_ADAPTIVE_MAX_NS: Final = 300 * NS_PER_S
SHOT_ACTIVITY_NS: Final = 60 * NS_PER_S
SHOT_FAILED_NS: Final = 300 * NS_PER_S
SHOT_SETTLE_NS: Final = 200 * NS_PER_MS
SHOT_UNSETTLED_NS: Final = 3 * NS_PER_S
SHOT_TRIGGER_MIN_NS: Final = 2 * NS_PER_S
SHOT_SMALL_MIN_NS: Final = 10 * NS_PER_S  # typing for an hour: 380 shots, 23 MB
SHOT_TRIGGERS_AT_ONCE: Final = 12  # then one each mean time
SHOT_TRIGGER_MEAN_NS: Final = 10 * NS_PER_S
SHOT_BURST_PX: Final = 2048  # ten letters of a terminal; a cursor is 384
SHOT_BIG_PERCENT: Final = 2  # of the picture; less is little change
SHOT_RESTLESS_NS: Final = 500 * NS_PER_MS
SHOT_FOCUS_TRIES: Final = 3
SHOT_LOOK_NS: Final = 500 * NS_PER_MS
SHOT_SLACK_NS: Final = 50 * NS_PER_MS
SHOTS_QUEUE: Final = 4
SHOTS_END_S: Final = 10.0
REFUSED_LATELY_NS: Final = 60 * NS_PER_S
SOURCE_START_NS: Final = 3 * NS_PER_S
SOUND_SILENT_NS: Final = NS_PER_S
SOUND_LATE_NS: Final = 500 * NS_PER_MS
SOUND_RETRY_MIN_NS: Final = NS_PER_S
SOUND_RETRY_MAX_NS: Final = 30 * NS_PER_S
SOUND_PIECE: Final = 4_800
"""Samples that a filter takes at once: it keeps 70 bytes or so for each of the most it ever took."""
SOUND_SEGMENT_NS: Final = 40 * NS_PER_S
BEAT_NS: Final = 10 * NS_PER_S
ANCHOR_NS: Final = 60 * NS_PER_S
DISK_LOOK_NS: Final = NS_PER_S
PROBE_S: Final = 3.0
DISK_RATE_LOOKS: Final = 60
DISK_RATE_MIN_NS: Final = 10 * NS_PER_S
DISK_SETTLE_NS: Final = 15 * NS_PER_S  # what a start writes once is no rate
DISK_ANSWER_NS: Final = 3 * NS_PER_S
DISK_ANSWER_S: Final = 1.0
DISK_USUAL_BYTES_A_S: Final = 25_000  # an hour of typing and scrolling with sound is 81 MB; rounded up
DISK_LOW_S: Final = (600, 120)
"""Of so many seconds that the room lasts the user is told, of each once."""
SLEPT_NS: Final = 500 * NS_PER_MS
LATE_NS: Final = 2 * NS_PER_S
WALL_STEP_NS: Final = 500 * NS_PER_MS
WALL_READ_NS: Final = 10 * NS_PER_MS
WALL_READS: Final = 3
BUS_OPEN_S: Final = 3.0
BUS_CALL_S: Final = 1.0
BUS_MESSAGES_A_PUMP: Final = 64
SAVER_EVENTS_A_PUMP: Final = 256
WRITER_END_S: Final = 20.0
ORPHAN_LOOK_NS: Final = 10 * NS_PER_S
STALL_NS: Final = 5 * NS_PER_S  # the pipes and makers of sound hold as much: what is shorter costs pictures only
LAST_FRAGMENT_NS: Final = 10 * NS_PER_MS
SOURCE_LOOK_NS: Final = 20 * NS_PER_MS
LOOP_SIGNALS: Final = 8
SPARE_BYTES: Final = 1024 * 1024
ENCODER_NICE: Final = 2
LAGS_KEPT: Final = 1024
MEMORY_SETTLED_LOOKS: Final = 6  # one each beat: a minute
MEMORY_TRIM_LOOKS: Final = 6
MEMORY_BYTES: Final = 512 * 1024 * 1024
RECORDER_ANEW: Final = 75
"""The status with which a recorder ends that wants to be started again."""
NOTHING_LEFT_NS: Final = 2 * NS_PER_S
LOST_NS: Final = 30 * NS_PER_S  # about five tries
LOOP_SLACK_NS: Final = 400 * NS_PER_MS
LOOP_POSTED: Final = 1024
SOUND_RATE: Final = 48_000
SOUND_LATENCY_MS: Final = 100  # half the CPU that 60 cost a `parec`; its sound is as well in its place
SOUND_PIPE_BYTES: Final = 1024 * 1024
SOUND_READ_BYTES: Final = 128 * 1024
SOUND_STEP_NS: Final = FRAGMENT_NS // 2  # each second one is a grid point's
SOUND_HOLD_STEPS: Final = 3
SOUND_READS_A_STEP: Final = 32
SOUND_SETTLE_BLOCKS: Final = 4
SOUND_SWITCH_BLOCKS: Final = 12
SOUND_DRAIN_NS: Final = 200 * NS_PER_MS
SOUND_CHILD_END_S: Final = 0.1
SOUND_CHILD_LOOK_S: Final = 0.002
SOUND_CHILD_KILL_S: Final = 1.0
SOUND_FILE_AHEAD_NS: Final = 2 * NS_PER_S
SOUND_FILE_RATES_HZ: Final = (1_000, 768_000)
SOUND_FILE_CHANNELS: Final = 64
SOUND_KEEP_NS: Final = NS_PER_S
SOUND_QUIET_NS: Final = 30 * NS_PER_S
SOUND_TOLD_NS: Final = 10 * NS_PER_S
SOUND_FAST_PPM: Final = 100_000
SOUND_FAST_NS: Final = 2 * NS_PER_S
SOUND_DRIFT_BIN_NS: Final = 500 * NS_PER_MS
SOUND_DRIFT_CELL_NS: Final = 5 * NS_PER_S
SOUND_DRIFT_CELLS: Final = 180  # a quarter of an hour
SOUND_DRIFT_LEVEL_NS: Final = 2 * NS_PER_S
SOUND_SHIFT_NS: Final = 3 * NS_PER_MS
SOUND_SLOPE_POINTS: Final = 6
SOUND_SLOPE_MANY: Final = 40
SOUND_SLOPE_PIECE: Final = 3
SOUND_SLOPE_SPAN_NS: Final = 24 * NS_PER_S
SOUND_SLOPE_CLEAR_NS: Final = 2_500_000
SOUND_SLOPE_NOISE_NS: Final = 150_000
# A straight run of so many bins, by so much, is a clock that differs.
SOUND_STEEP: Final = ((4, 200 * NS_PER_MS), (5, 18 * NS_PER_MS), (8, 20 * NS_PER_MS), (10, 19 * NS_PER_MS))
SOUND_ABSORB_NS: Final = 30 * NS_PER_MS  # by how much a latency may change unseen at once ...
SOUND_ABSORB_ALL_NS: Final = 60 * NS_PER_MS  # ... and altogether ...
SOUND_LATENCY_NS: Final = 120 * NS_PER_MS  # ... and where the blocks show that it is the latency; 95 measured
SOUND_SURPLUS_NS: Final = 200 * NS_PER_MS
SOUND_JUMPS: Final = ((200 * NS_PER_MS, NS_PER_S), (0, 3 * NS_PER_S))
SOUND_JUMP_WINDOWS: Final = 3
SOUND_JUMP_UNSURE_NS: Final = 6 * NS_PER_S
SOUND_PROBE_FIRST_NS: Final = 10 * NS_PER_S
SOUND_PROBE_EACH_NS: Final = 5 * NS_PER_S
SOUND_PROBE_NS: Final = 150 * NS_PER_MS
SOUND_PROBE_BLOCKS: Final = 4
SOUND_PROBE_SOON_NS: Final = 500 * NS_PER_MS
SOUND_PROBE_LATE_NS: Final = 4 * NS_PER_S
SOUND_LATE_BLOCK_NS: Final = 10 * NS_PER_MS
SOUND_STRETCH: Final = 0.005
SOUND_STRETCH_FINE: Final = 0.000_005
SOUND_SETTLE_S: Final = 20
SOUND_NEAR_SAMPLES: Final = 96  # 2 ms: what is nearer to the clock is left alone ...
SOUND_NEAR_NS: Final = 2 * NS_PER_S  # ... and what is farther, until it has been so for this long
SOUND_THERE_SAMPLES: Final = 24
SOUND_STEP_SAMPLES: Final = 960  # 20 ms
SOUND_FADE_SAMPLES: Final = 240
SOUND_RAMP_NS: Final = 20 * NS_PER_MS
SOUND_HOLE_SAMPLES: Final = 2880
SOUND_AHEAD_SAMPLES: Final = 24_000
SOUND_HOLE_STRETCH: Final = 0.02
SOUND_GRAPH_BYTES: Final = 64 * 1024
SOUND_GRAPH_NODES: Final = 64
SOUND_GRAPH_EDGES: Final = 256
SOUND_GRAPH_TEXT_CHARS: Final = 1024
SOUND_NAME_CHARS: Final = 64
SOUND_MIX_INPUTS: Final = 8
SOUND_TAP_S: Final = 60
TAP_LOOK_S: Final = 1.0
TAP_PIECE_BYTES: Final = 128 * 1024
DEVICE_SETTLE_NS: Final = 100 * NS_PER_MS
DEVICE_LOOK_NS: Final = NS_PER_S
DEVICE_LIST_NS: Final = 2 * NS_PER_S
DEVICE_LIST_BYTES: Final = 1024 * 1024
DEVICE_WATCH_MIN_NS: Final = NS_PER_S
DEVICE_WATCH_MAX_NS: Final = 30 * NS_PER_S
DEVICE_SWITCH_NS: Final = 2 * NS_PER_S
DEVICE_STEADY_NS: Final = 10 * NS_PER_S
DEVICE_HOLD_MAX_NS: Final = 30 * NS_PER_S
DEVICE_FAILURES: Final = 2
DEVICES_DOUBTED: Final = 64
STAND_NS: Final = 2 * NS_PER_S
STAND_WRITE_NS: Final = 1_100 * NS_PER_MS  # what is given each 0.8 s is told within 2 s
STAND_RESTART_NS: Final = 5 * NS_PER_S
STAND_LOOK_NS: Final = NS_PER_S
STAND_LOOK_MIN_NS: Final = 50 * NS_PER_MS
RESTART_TRIES: Final = 5
RESTART_MIN_NS: Final = NS_PER_S
RESTART_MAX_NS: Final = 30 * NS_PER_S
STEADY_NS: Final = 10 * NS_PER_S
SEGMENT_BYTES: Final = 12 * 1024 * 1024
FOCUS_MIN_NS: Final = 200 * NS_PER_MS
FOCUS_NOW_NS: Final = 50 * NS_PER_MS
FOCUS_KEPT: Final = 1024
CLICKS_KEPT: Final = 1024
INPUT_COUNT_NS: Final = 10 * NS_PER_S
IDLE_NS: Final = 60 * NS_PER_S
DESK_LULL_NS: Final = NS_PER_S
"""How long windows and inputs are not listened to after they told something: then they tell all of it at once."""
DESK_TITLES_NS: Final = 10 * NS_PER_S
DESK_WINDOWS: Final = 64
DESK_BEHIND_NS: Final = 50 * NS_PER_MS
DESK_LAST_TAKES: Final = 8
SHOT_HASHES: Final = 4096
SHOT_NEAR: Final = 256
SHOT_NEAR_BYTES: Final = 5 * 1024 * 1024
ORPHAN_NS: Final = 30 * 60 * NS_PER_S
DISK_RESERVE_BYTES: Final = 512 * 1024 * 1024

# --- host and control socket
CONTROL_CONNECT_S: Final = 2.0
CONTROL_S: Final = 150.0
STATUS_S: Final = 5.0
START_S: Final = 60.0
PAUSE_S: Final = 15.0
STOP_S: Final = 60.0
SET_S: Final = 20.0
SHOT_S: Final = 5.0
ANSWER_SLACK_S: Final = 5.0
RECORDER_SILENT_NS: Final = 1_500 * NS_PER_MS  # a beat comes at least each second
RECORDER_SILENT_LOOK_S: Final = 0.25
RECORDER_EXIT_S: Final = 10.0
RECORDER_SILENT_LOOKS: Final = 120
ROOM_LOOK_NS: Final = 10 * NS_PER_S
RECORDER_RESTARTS: Final = 5
RECORDER_RESTARTS_NS: Final = 600 * NS_PER_S
RECORDER_RESTART_WAITS_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
RECORDER_ADOPT_S: Final = 5.0
RECORDER_REACHES: Final = 5
RECORDER_DEPART_S: Final = 60.0
RECORDER_DEPART_LOOK_S: Final = 0.25
CONTROL_CLIENTS: Final = 32
SUBSCRIBER_QUEUE: Final = 64
RECORDER_END_LOOK_NS: Final = 50 * NS_PER_MS

# --- programs that the demo and the tests start
CHILD_START_NS: Final = 15 * NS_PER_S
CHILD_STOP_NS: Final = 3 * NS_PER_S

# --- doctor
DOCTOR_CHILD_S: Final = 20.0
DOCTOR_LISTEN_NS: Final = 1_500 * NS_PER_MS
DOCTOR_HEARD_NS: Final = 400 * NS_PER_MS
DOCTOR_DEVICES: Final = 32
CHILD_S: Final = 60.0
"""For what a process does that is started for one small task."""

# --- capture and codecs
PATTERN_CHARS: Final = 256
MASK_RECTS: Final = 256
MASK_LEFT_NS: Final = 500 * NS_PER_MS
PATTERNS_MAX: Final = 256
SOURCE_CHARS: Final = 4096
SOURCES_MAX: Final = 16
OPEN_S: Final = 3.0
REOPEN_MIN_NS: Final = NS_PER_S
REOPEN_MAX_NS: Final = 30 * NS_PER_S
DISPLAY_GONE_LOOK_NS: Final = NS_PER_S
RESIZE_SETTLE_NS: Final = 500 * NS_PER_MS
STALE_NS: Final = NS_PER_S
STALE_TAKES: Final = 5
SOURCE_SILENT_NS: Final = 3 * NS_PER_S
THUMBNAILS_NS: Final = 8 * NS_PER_S
SCALE_CONTEXTS: Final = 16
PICTURE_SIDE_MAX: Final = 8192
FILM_PICTURE_PX: Final = 8192 * 4320
SHOWN_PICTURE_PX: Final = 3840 * 2160
FILM_JUMP_NS: Final = 10 * NS_PER_S
PATTERN_RATE_MAX: Final = 240
ENCODER_TRIAL_S: Final = 8.0
ENCODER_CHOICE_S: Final = 15.0
ENCODER_TRIAL_BYTES: Final = 64 * 1024
PATCHES_A_CAPTURE: Final = 16
X11_SILENCE_S: Final = 1.0
X11_EVENTS_A_PUMP: Final = 20_000
X11_PUMP_NS: Final = 8 * NS_PER_MS
"""How long one source may hear events at once: the loop serves others too."""
X11_PING_NS: Final = FRAGMENT_NS
X11_REPLY_BYTES: Final = 4 * 1024 * 1024
X11_PICTURE_PX: Final = 1 << 26
X11_WINDOWS: Final = 4096
X11_WINDOWS_TOLD: Final = 12
X11_TITLE_CHARS: Final = 256
POINTER_IDLE_NS: Final = 100 * NS_PER_MS
POINTER_MOVING_NS: Final = 67 * NS_PER_MS
CAPTURE_DELAY_NS: Final = 3 * NS_PER_MS
FRAME_MIN_NS: Final = NS_PER_MS
SOUND_BLOCK_SAMPLES: Final = 48_000

# --- review and web
OVERVIEW_BYTES: Final = 50_000
BUCKET_MS: Final = 300_000
ROW_APPS: Final = 60
REVIEW_CACHE_SESSIONS: Final = 32
REVIEW_LEVELS_SESSIONS: Final = 8
PEAKS_POINTS: Final = 1_000
PEAKS_POINTS_MAX: Final = 4_000
AXIS_MS_MAX: Final = 10 * 366 * 86_400_000
READ_THREADS: Final = 4
READ_QUEUE: Final = 64
STREAM_ABOVE_BYTES: Final = 4 * 1024 * 1024
STREAM_PIECE_BYTES: Final = 1024 * 1024
REQUEST_BODY_BYTES: Final = 64 * 1024
HTTP_CONNECTIONS: Final = 128
HTTP_KEEP_ALIVE_S: Final = 30
HTTP_GOODBYE_S: Final = 3
SIGN_IN_CODE_NS: Final = 600 * NS_PER_S
SIGN_IN_CODES: Final = 32
SIGN_IN_TRIES: Final = 10
SIGN_IN_TRIES_NS: Final = 60 * NS_PER_S
BROWSER_SESSIONS: Final = 64
BROWSER_SESSION_NS: Final = 12 * 3600 * NS_PER_S
LONG_POLL_MAX_MS: Final = 30_000
LONG_POLL_LOOK_NS: Final = 150 * NS_PER_MS
SSE_CLIENTS: Final = 32
SSE_LOOK_NS: Final = 2 * NS_PER_S
SSE_SESSIONS: Final = 256
SSE_COMMENT_NS: Final = 15 * NS_PER_S
LIST_MAX: Final = 200
SEARCH_MAX: Final = 200
BUCKETS_MAX: Final = 10_000
QUERY_CHARS: Final = 1_000
WORKER_STOP_S: Final = 5
WORKER_FAILURES: Final = 3

# --- enrichment and export
SHOTS_A_UNIT: Final = 8
STRETCH_NS: Final = 300 * NS_PER_S
STRETCH_MAX_SEGMENTS: Final = 64
CUT_SEARCH_NS: Final = 2 * NS_PER_S
UNIT_TRIES: Final = 2
UNIT_ERROR_CHARS: Final = 500
SPEECH_THREADS: Final = 2
SUMMARY_INPUT_CHARS: Final = 400_000
SUMMARY_SENTENCES: Final = 2_000
WORKER_IDLE_S: Final = 5.0
WORKER_NICE: Final = 10
WORKER_POLL_NS: Final = 200 * NS_PER_MS
JOB_UNCLAIMED_NS: Final = 10 * NS_PER_S
WORKER_STARTS: Final = 3
