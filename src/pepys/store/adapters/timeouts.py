"""How long one request to an object store may last."""

from __future__ import annotations

from dataclasses import dataclass

from pepys.remote_limits import REMOTE_CONNECT_S, REMOTE_READ_S, REMOTE_REQUEST_S


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Of one request: to connect, for the next bytes, and in all; seconds."""

    connect_s: float = REMOTE_CONNECT_S
    read_s: float = REMOTE_READ_S
    request_s: float = REMOTE_REQUEST_S
