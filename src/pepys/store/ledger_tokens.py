"""Tokens of the HTTP API that were issued beside the one of the store key: each has a label and can be revoked.

The ledger holds only the hash of each, so that nobody learns one from it. A daemon that runs sees what another process
issued or revoked with its next request: `IssuedTokens` looks at the files of the ledger and reads them when they moved.

Invariant: a token is good only while it is known that no newer entry is lost, which could be its revocation. So an
older ledger that is put back opens nothing, nor does what was issued before nobody could tell any more.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
from dataclasses import dataclass
from typing import Final

from pepys.errors import Damaged, NewerFormat, NotFound, PepysError, Usage
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import anchor_path
from pepys.store.ledger_chain import Entry
from pepys.store.store import Store

_TOKEN_BYTES: Final = 32
_LABEL: Final = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
_ISSUED: Final = "issued"
_REVOKED: Final = "revoked"
_REFUSED: Final = "refused"

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token: its label, `issued` or `revoked`, and since when.

    One that was issued is `refused` where entries of the ledger may be lost that came after: it opens nothing.
    """

    label: str
    state: str
    since_wall_ns: int


def issue(store: Store, label: str) -> str:
    """Make a token and note its hash; the token itself is kept nowhere.

    Raises:
        Usage: the label is none, or is in use.
        Damaged: the ledger is damaged.
        StorageProblem: it cannot be noted.
    """
    if not _LABEL.fullmatch(label) or label != label.strip():
        raise Usage(f"{label[:80]!r} is no label", "take a few words, at most 80 characters in one line")
    token, trusted = secrets.token_hex(_TOKEN_BYTES), _trusted_from(Ledger(store))

    def judge(newest: Entry | None) -> None:
        if newest is not None and _state(newest, trusted) == _ISSUED:
            raise Usage(f"there is a token {label!r} already", "revoke it before, or take another label")

    Ledger(store).append("token", label, body={"state": _ISSUED, "hash": _hash(token)}, judge=judge)
    return token


def revoke(store: Store, label: str) -> None:
    """Let a token open nothing any more, here and in every process that runs.

    Raises:
        NotFound: there is none of that label, or it is revoked.
        Damaged: the ledger is damaged, and no token that was issued opens anything.
        StorageProblem: it cannot be noted.
    """

    def judge(newest: Entry | None) -> None:
        if newest is None or newest.body.get("state") != _ISSUED:
            raise NotFound(f"there is no token {label!r}", "pepys key token --list shows what there is")

    try:
        Ledger(store).append("token", label, body={"state": _REVOKED}, judge=judge)
    except NewerFormat:
        raise
    except Damaged as error:
        remedy = f"{error.remedy}; until then no token that was issued opens anything, this one neither"
        raise Damaged(error.message, remedy) from error


def tokens(store: Store) -> list[Token]:
    """Every label that was ever given, with what became of its token.

    Raises:
        Damaged: the ledger is damaged.
    """
    ledger = Ledger(store)
    trusted = _trusted_from(ledger)
    return [Token(entry.subject, _state(entry, trusted), entry.wall_ns) for entry in ledger.states("token")]


def _trusted_from(ledger: Ledger) -> float:
    """The number of the first entry that counts; none does while entries are, or may be, lost at the end."""
    try:
        return ledger.trusted_from()
    except NewerFormat:
        raise
    except Damaged:
        return math.inf


def _state(entry: Entry, trusted: float) -> str:
    state = str(entry.body.get("state", _REVOKED))
    return _REFUSED if state == _ISSUED and entry.number < trusted else state


class IssuedTokens:
    """Which issued tokens are good now, for a process that is asked again and again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paths = (*(store.path / f"ledger.db{end}" for end in ("", "-wal")), anchor_path(store))
        self._seen: Stamp | None = None
        self._good: tuple[str, ...] = ()

    def accepts(self, token: str) -> bool:
        """Whether a token is one that was issued and not revoked; takes as long for each, and some microseconds.

        While the ledger cannot be read, or may have lost entries, none is.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            self._good, self._seen = (), None
            try:
                ledger = Ledger(self._store)
                trusted = ledger.trusted_from()
                issued = [entry for entry in ledger.states("token") if _state(entry, trusted) == _ISSUED]
            except PepysError:
                return False
            self._good = tuple(str(entry.body["hash"]) for entry in issued)
            self._seen = stamp
        asked, good = _hash(token), False
        for one in self._good:
            good |= hmac.compare_digest(one.encode(), asked.encode())
        return good

    def _stamp(self) -> Stamp:
        """A cheap sign that tells two states of the ledger apart: of each file its inode, time and length."""
        stamp = []
        for path in self._paths:
            try:
                seen = self._store.disk.stat(path)
            except OSError:
                stamp.append((0, 0, 0))
                continue
            # An empty file of recent writes is as good as none: reading may make one.
            stamp.append((seen.st_ino, seen.st_mtime_ns, seen.st_size) if seen.st_size else (0, 0, 0))
        return tuple(stamp)


def _hash(token: str) -> str:
    """Of 256 random bits a plain hash is enough: nobody guesses them."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
