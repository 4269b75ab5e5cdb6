"""A store: one home with its keys, blobs and heads. It needs no database.

Owns where things lie in a home. Opening makes a home when asked to; reading needs no write access.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

from pepys.clock import Clock, SystemClock
from pepys.config import config_dir as default_config_dir
from pepys.errors import NotFound, StorageProblem
from pepys.model.ids import is_session_id
from pepys.store.behind import Behind
from pepys.store.blobs import BlobStore
from pepys.store.disk import DISK, Disk
from pepys.store.files import begins, make_folder, stays, storage_errors
from pepys.store.heads import Heads
from pepys.store.key_homes import homes_path, known, place
from pepys.store.keys import StoreKeys, is_store, open_keys
from pepys.store.left_blobs import LeftBlobs
from pepys.store.media_blobs import MediaBlobs

_LOG = logging.getLogger(__name__)


class Store:
    """One home, opened.

    Attributes:
        path: the home.
        keys: what opens it.
        clock: the time.
        blobs: its blobs.
        left: what of its sessions was left at remotes.
        media: film, sound and shots of its sessions, wherever they are.
        heads: its heads.
        disk: what its files lie on; databases are written by SQLite.
    """

    def __init__(self, path: Path, keys: StoreKeys, clock: Clock, *, disk: Disk = DISK) -> None:
        stays(path)
        self.path = path
        self.keys = keys
        self.clock = clock
        self.disk = disk
        self.blobs = BlobStore(path, keys, disk=disk)
        self.left = LeftBlobs(path, keys, disk)
        self.media = MediaBlobs(self.blobs, Behind(path, disk=disk), self.left)
        self.heads = Heads(path, keys, self.blobs, disk=disk)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was found damaged and was restored on opening; entry points print it."""
        return self.keys.notices

    @cached_property
    def writable(self) -> bool:
        """Whether this user may write here; a full disk shows only on writing."""
        return self.disk.is_writable(self.path)

    def journal_path(self, session: str) -> Path:
        """Where the journal of a session being recorded lies.

        Raises:
            NotFound: `session` is no id.
        """
        if not is_session_id(session):
            raise NotFound(f"{session[:80]!r} is no session id", "pepys list shows the ids")
        return self.path / "journals" / f"{session}.journal"

    def has_journal(self, session: str) -> bool:
        """Whether a session has a journal."""
        return self.disk.exists(self.journal_path(session))

    def database_path(self, name: str) -> Path:
        """Where a database (`catalog`, `work`, `ledger`) lies."""
        return self.path / f"{name}.db"

    def journal_sizes(self) -> dict[str, int]:
        """The sessions that have a journal, with its bytes."""
        try:
            with storage_errors(self.path / "journals"):
                listed = self.disk.stats(self.path / "journals")
        except FileNotFoundError:
            return {}
        found = ((name.removesuffix(".journal"), stat.st_size) for name, stat in listed)
        return {session: size for session, size in found if is_session_id(session)}


def open_store(
    home: Path,
    *,
    create: bool = True,
    clock: Clock | None = None,
    config_dir: Path | None = None,
    disk: Disk = DISK,
) -> Store:
    """Open the home at `home`.

    Args:
        home: the data folder.
        create: make folder and keys when there is no store yet.
        clock: the time; the system's unless given.
        config_dir: where the master key lies; the user's config folder unless given.
        disk: what its files lie on; the keys are read and made on the real one.

    Raises:
        StorageProblem: the home is no folder, cannot be made, or was there before and is gone: then neither is another
            one begun in its place.
        NotFound: there is no store, and `create` is off.
        KeyProblem: the master key is missing or another one.
        Damaged: the store's wrapped key is damaged beyond its copies.
    """
    config_dir = config_dir or default_config_dir()
    if not is_store(home, disk):
        refuse_gone(home, config_dir, disk)
        if create:
            begins(home)
            make_folder(home, disk)
    keys = open_keys(home, config_dir, create=create)
    for notice in (*keys.notices, *keys.hints):
        # Reaches stderr wherever no log is set up: whoever opens the store hears of it, once.
        _LOG.warning("pepys: %s", notice)
    return Store(home, keys, clock or SystemClock(), disk=disk)


def refuse_gone(home: Path, config_dir: Path, disk: Disk = DISK) -> None:
    """Say why there is no store at `home`, unless it is because none was ever made: then nothing is said.

    Raises:
        StorageProblem: its place is no folder, leads nowhere, or held a home of this user's: its disk is not mounted.
    """
    for part in (home, *home.parents):
        if part.is_symlink() and not disk.exists(part):
            remedy = "mount what it leads to, or name another folder with --home"
            raise StorageProblem(f"{part} is a link that leads nowhere", remedy)
        if disk.exists(part) and not disk.is_folder(part):
            raise StorageProblem(f"{part} is a file, not a folder", "name another folder with --home")
    if place(home) in known(config_dir) and not _is_begun(home, disk):
        remedy = f"mount its disk, or move it back; if it was deleted for good, remove it from {homes_path(config_dir)}"
        raise StorageProblem(f"the home {home} is gone", remedy)


def _is_begun(home: Path, disk: Disk) -> bool:
    """Whether all that is there is what a process leaves that died while it made the keys."""
    if not disk.exists(home / "locks" / "keys.lock"):
        return False
    with storage_errors(home):
        return set(disk.listing(home)) <= {"keys", "locks"}
