"""The limits of what concerns remotes, named once: their files, patience with them, the cache, sync.

Units stand last in a name (`_ns`, `_s`, `_bytes`), as in `limits`, which holds all others.
"""

from __future__ import annotations

from typing import Final

from pepys.limits import NS_PER_S

REMOTE_FILE_BYTES: Final = 17 * 1024 * 1024  # a blob of the most bytes, sealed
REMOTE_NAME_BYTES: Final = 200
REMOTE_AT_ONCE: Final = 8
REMOTE_CONNECT_S: Final = 5.0
REMOTE_READ_S: Final = 20.0  # without a byte
REMOTE_BYTES_A_SECOND: Final = 50_000  # an answer that comes more slowly is given up, REMOTE_READ_S after it began
REMOTE_REQUEST_S: Final = 120.0  # 17 MiB at 150 kB/s
REMOTE_TRIES: Final = 5
REMOTE_DEADLINE_S: Final = 180.0
REMOTE_PAUSE_S: Final = 0.2  # before the second try; twice as long before each further one
REMOTE_PAUSE_MAX_S: Final = 20.0
BEHIND_TRIES: Final = 2
BEHIND_READ_S: Final = 8.0
BEHIND_DEADLINE_S: Final = 20.0  # a person waits for a picture
BEHIND_AGAIN_S: Final = 30.0  # a remote that did not answer is asked again after this long
REMOTE_CACHE_BYTES: Final = 1024 * 1024 * 1024
SYNC_AT_ONCE: Final = 2  # each holds a blob of 16 MiB, and what it is while it is proven
SYNC_TRIES: Final = 5
SYNC_LISTED: Final = 1_000_000  # blobs of a remote that are kept in mind, 24 bytes each; others are asked for singly
SYNC_LEFT: Final = 1000  # told by name
SYNC_DEVICES: Final = 64  # heads of one session
SYNC_TOLD_NS: Final = 5 * NS_PER_S
