"""What a push or a pull came to: counts, what was left out and why, and how far it is meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pepys.remote_limits import SYNC_LEFT


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not moved; times are axis time, None where it has no place on the axis.

    Attributes:
        session: of which session; None of none.
        what: such as `segment 3`, or empty for all of the session.
        reason: why, for people.
        damaged: whether stored data do not verify, here or there.
    """

    session: str | None
    what: str
    reason: str
    damaged: bool = False
    track: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(slots=True)
class Result:
    """What was moved.

    Attributes:
        sessions: how many are further now than before, or more complete.
        blobs: files that were moved, without heads.
        bytes: theirs.
        skipped: sessions of which nothing had to be moved.
        deleted: sessions that were moved as deleted.
        left: what was left out, the first `SYNC_LEFT` of it.
        left_count: how much was left out.
        media_blobs: media and shots that stay at the remote because that was asked for.
        media_bytes: theirs.
        unnamed_blobs: blobs at the remote that no session of this home names; None where not all were looked at.
        unnamed_bytes: theirs.
        mended: damaged blobs at the remote that were replaced.
    """

    sessions: int = 0
    blobs: int = 0
    bytes: int = 0
    skipped: int = 0
    deleted: int = 0
    left: list[Left] = field(default_factory=list)
    left_count: int = 0
    damaged: bool = False
    media_blobs: int = 0
    media_bytes: int = 0
    unnamed_blobs: int | None = None
    unnamed_bytes: int = 0
    mended: int = 0

    def leave(self, left: Left) -> None:
        """Note what is left out."""
        self.left_count += 1
        self.damaged = self.damaged or left.damaged
        if len(self.left) < SYNC_LEFT:
            self.left.append(left)

    def moved(self, size: int) -> None:
        """Count one blob."""
        self.blobs += 1
        self.bytes += size


Told = Callable[[str, int, int | None, Result], None]
"""Hears how far it is: the session that is looked at, how many were before, of how many (None: not known), and what
was moved so far."""


def nobody(session: str, done: int, of: int | None, result: Result) -> None:
    """Hears nothing."""
