"""The store key, how it is got with the master key, and every key derived from it.

The *store key* is 32 random bytes, one a store. The *master key* is 32 random bytes, one a device and user, and never
in the home (`key_master`). A *wrapping* is the store key sealed under the master key (`key_wrapping`), in three places,
so that one damaged copy is told from a wrong key and is restored from another. A missing or wrong master key never
makes or overwrites anything in a home that exists. Opening holds no lock, so it may run beside a change of the master
key (`key_change`): what it read is compared with what is there before it says that a key is wrong.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from pepys import limits
from pepys.errors import Busy, Damaged, KeyProblem, NotFound, PermissionMissing, StorageProblem
from pepys.model.ids import new_short_id
from pepys.store import key_homes
from pepys.store.disk import DISK, Disk
from pepys.store.files import locked, replace_file, storage_errors
from pepys.store.key_former import Rank, formers_of, masters
from pepys.store.key_master import (
    made_private,
    make_or_read,
    master_key_path,
    master_lock,
    next_key_path,
    read_kept,
    read_plain,
)
from pepys.store.key_moving import move
from pepys.store.key_wrapping import (
    KEY_BYTES,
    WRAPPING_BYTES,
    damaged_copies,
    device_of,
    is_whole,
    newer_version,
    pair,
    put_pair,
    read_file,
    refuse_newer,
    unwrap,
    whole_wrappings,
    wrap,
)
from pepys.store.sealing import derive

__all__ = ["KEY_BYTES", "WRAPPING_BYTES", "StoreKeys", "damaged_copies", "is_store", "master_key_path", "open_keys"]

_TRIES: Final = 3
_UNDER_WAY: Final = "a change of the master key is under way, or was interrupted: pepys key change ends it"


@dataclass(frozen=True)
class StoreKeys:
    """What opens a store.

    Attributes:
        store_key: the secret from which the others are derived.
        device_id: this device's name in heads and edit logs.
        wrapping: the store key as journals carry it.
        notices: what was found damaged and restored on opening; for stderr.
        hints: what else is to be said of them, and is no damage; for stderr.
    """

    store_key: bytes = field(repr=False)
    device_id: str
    wrapping: bytes = field(repr=False)
    notices: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @cached_property
    def id_key(self) -> bytes:
        """Keys the hash that names blobs."""
        return derive(self.store_key, "pepys ids 1")

    @cached_property
    def blob_key(self) -> bytes:
        """Seals blobs."""
        return derive(self.store_key, "pepys blobs 1")

    @cached_property
    def journal_key(self) -> bytes:
        """Seals journals."""
        return derive(self.store_key, "pepys journals 1")

    @cached_property
    def head_key(self) -> bytes:
        """Seals heads and the lists of removals."""
        return derive(self.store_key, "pepys heads 1")

    @cached_property
    def ledger_key(self) -> bytes:
        """Chains the entries of the ledger, and seals its anchor."""
        return derive(self.store_key, "pepys ledger 1")

    def database_key(self, name: str) -> bytes:
        """The raw key of one database."""
        return derive(self.store_key, f"pepys database {name} 1")

    def api_token(self) -> str:
        """The token that programs send to the HTTP API."""
        return derive(self.store_key, "pepys api token 1").hex()

    def fingerprint(self) -> str:
        """What tells one store key from another and opens nothing: 16 hexadecimal digits."""
        return derive(self.store_key, "pepys fingerprint 1").hex()[:16]

    def wrapping_now(self, home: Path, disk: Disk = DISK) -> bytes:
        """The wrapping for a new journal: that of the files, as the master key may have changed since the opening."""
        found = read_file(pair(home, self.device_id)[0], disk)
        return found if is_whole(found) else self.wrapping

    def to_bytes(self) -> bytes:
        """For an inherited pipe; `from_bytes` reads it."""
        return self.store_key + self.wrapping

    @classmethod
    def from_bytes(cls, data: bytes) -> StoreKeys:
        """Read what `to_bytes` wrote.

        Raises:
            KeyProblem: these are other bytes.
        """
        wrapping = data[KEY_BYTES:]
        if not is_whole(wrapping):
            raise KeyProblem("the keys on the pipe are not whole", "start the recording again")
        return cls(data[:KEY_BYTES], device_of(wrapping), wrapping)


def open_keys(home: Path, config_dir: Path, *, create: bool, disk: Disk = DISK) -> StoreKeys:
    """Unwrap the store key of `home`, making a new store's keys when `create` is set and there is no store yet.

    Raises:
        KeyProblem: the master key is missing, unreadable or not this home's.
        Damaged: no whole copy of the wrapping is left, or the master key file is damaged.
        NotFound: there is no store, and `create` is off.
        PermissionMissing: the home is another user's.
        StorageProblem: the keys cannot be written.
    """
    if is_store(home, disk):
        return _open_existing(home, config_dir, disk)
    if not create:
        raise NotFound(f"there is no pepys home at {home}", "record something first, or name another with --home")
    # The master key may not change between its reading and the first wrapping under it.
    with master_lock(config_dir), locked(home / "locks" / "keys.lock", disk=disk):
        if not is_store(home, disk):
            return new_wrapping(home, config_dir, secrets.token_bytes(KEY_BYTES), new_short_id(), disk)
    return _open_existing(home, config_dir, disk)


def new_wrapping(home: Path, config_dir: Path, store_key: bytes, device: str, disk: Disk = DISK) -> StoreKeys:
    """Wrap a store key for a device of this home; the caller holds `master_lock` and the home's `keys.lock`.

    Raises:
        KeyProblem: there is a master key that cannot be got.
        StorageProblem: the keys cannot be written.
    """
    master = make_or_read(config_dir)
    key_homes.note(config_dir, home)
    wrapping = wrap(master, store_key, device)
    # A store exists from the moment its first wrapping does.
    put_pair(home, wrapping, "wrap", disk)
    return StoreKeys(store_key, device, wrapping)


def is_store(home: Path, disk: Disk = DISK) -> bool:
    """Whether a store was ever made at `home`: with a wrapping, or with data that had one.

    Raises:
        PermissionMissing: it is another user's, who keeps it closed.
        StorageProblem: it cannot be read.
    """
    try:
        with storage_errors(home):
            return any(
                any(not name.startswith(".") for name in disk.listing(home / folder))
                for folder in ("keys", "heads", "journals")
                if disk.is_folder(home / folder)
            )
    except FileNotFoundError:
        return False
    except StorageProblem as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        try:
            home.stat()
        except PermissionError:
            told = f"the home {home} cannot be reached: a folder above it is closed to you"
            raise PermissionMissing(told, "have it opened, or name a home of yours with --home") from error
        if owner := other_owner(home):
            raise PermissionMissing(
                f"the home {home} belongs to {owner}, who keeps it closed", "name a home of yours with --home"
            ) from error
        raise


def other_owner(home: Path) -> str:
    """The user whom a home belongs to, where that is another one; else empty."""
    if sys.platform == "win32":
        return ""
    import pwd

    with contextlib.suppress(OSError):
        uid = home.stat().st_uid
        if uid != os.geteuid():
            with contextlib.suppress(KeyError):
                return f"the user {pwd.getpwuid(uid).pw_name}"
            return f"the user of id {uid}"
    return ""


def opened_at(home: Path, config_dir: Path, disk: Disk = DISK) -> StoreKeys:
    """The keys of a store that exists, and nothing is restored, moved or noted; the caller may hold any lock.

    Raises:
        KeyProblem: no master key at hand opens it.
        Damaged: no whole copy of the wrapping is left, or the master key file is damaged.
        StorageProblem: the keys cannot be read.
    """
    wrapping, store_key, _ = _found(home, config_dir, disk)
    return StoreKeys(store_key, device_of(wrapping), wrapping)


def _open_existing(home: Path, config_dir: Path, disk: Disk) -> StoreKeys:
    wrapping, store_key, rank = _found(home, config_dir, disk)
    hints = _made_private(config_dir)
    if rank is not Rank.NEXT:
        key_homes.note(config_dir, home)
    if rank is Rank.NEXT or next_key_path(config_dir).exists():
        return StoreKeys(store_key, device_of(wrapping), wrapping, hints=(*hints, _UNDER_WAY))
    if rank is Rank.FORMER:
        hint = _moved(home, config_dir, disk)
        wrapping, store_key, _ = _found(home, config_dir, disk)
        return StoreKeys(store_key, device_of(wrapping), wrapping, hints=(*hints, hint))
    return StoreKeys(store_key, device_of(wrapping), wrapping, _restored(home, config_dir, wrapping, disk), hints)


def _made_private(config_dir: Path) -> tuple[str, ...]:
    """What is to be said of master keys that others could read: it is put right where the file is this user's."""
    paths = (master_key_path(config_dir), next_key_path(config_dir))
    told = []
    for path in paths:
        with contextlib.suppress(OSError):
            told.append(made_private(path))
    return tuple(filter(None, told))


def _found(home: Path, config_dir: Path, disk: Disk) -> tuple[bytes, bytes, Rank]:
    """As `_find`, or why not."""
    for _ in range(_TRIES):
        seen = _lines(config_dir)
        try:
            found = _find(home, config_dir, disk)
        except KeyProblem:
            if _lines(config_dir) == seen:
                raise
            continue
        if found is not None:
            return found
        if _lines(config_dir) == seen:
            break
    raise _why_not(home, config_dir, disk)


def _find(home: Path, config_dir: Path, disk: Disk) -> tuple[bytes, bytes, Rank] | None:
    """The first wrapping that opens, what is in it, and what the master key is that opened it."""
    if read_kept(master_key_path(config_dir)) is None and read_kept(next_key_path(config_dir)) is None:
        return None
    wrappings = [data for _, data in whole_wrappings(home, disk)]
    # Nobody is asked for a master key that has nothing to open.
    for master in masters(config_dir) if wrappings else ():
        for wrapping in wrappings:
            store_key = unwrap(master.key, wrapping)
            if store_key is not None:
                return wrapping, store_key, master.rank
    return None


def _moved(home: Path, config_dir: Path, disk: Disk) -> str:
    """Move a home that a former master key opened to the one in force, and say so."""
    told = f"{home} is under a former master key, as a backup is, or a home that was away when the key was changed"
    try:
        with (
            master_lock(config_dir, within_s=limits.KEY_CHANGE_LOCK_S),
            locked(home / "locks" / "keys.lock", disk=disk, within_s=limits.KEY_CHANGE_LOCK_S),
        ):
            # A change may have been under way: only what is there now counts.
            kept = read_kept(master_key_path(config_dir))
            if kept is None or next_key_path(config_dir).exists():
                return _UNDER_WAY
            present = kept.secret()
            move(home, formers_of(config_dir, present), present, disk)
    except (FileNotFoundError, StorageProblem, Busy) as error:
        why = str(error) if isinstance(error, FileNotFoundError) else error.message
        return f"{told}; not moved to the present one: {why}"
    return f"{told}; moved to the present one"


def _lines(config_dir: Path) -> list[bytes]:
    """The lines of the master keys, to see whether they change."""
    found = []
    for path in (master_key_path(config_dir), next_key_path(config_dir)):
        with contextlib.suppress(OSError):
            found.append(read_plain(path, WRAPPING_BYTES * 16))
    return found


def _why_not(home: Path, config_dir: Path, disk: Disk) -> KeyProblem | Damaged:
    """What to say of a home that no master key at hand opens."""
    where, folder = master_key_path(config_dir), home / "keys"
    whole = [path for path, _ in whole_wrappings(home, disk)]
    if read_kept(where) is None:
        return KeyProblem(
            f"the master key {where} of this home is missing",
            "put it back from your backup, or give your recovery code to pepys key import; "
            "nothing in the home can be read without",
        )
    try:
        refuse_newer(home, disk)
    except KeyProblem as newer:
        return newer
    if not any(path.parent == folder for path in whole):
        also = "; the copies in journals are under another master key" if whole else ""
        return Damaged(
            f"no whole copy of the wrapped key is left in {folder}{also}",
            "give your recovery code to pepys key import, or restore that folder from a backup",
        )
    owner = other_owner(home)
    return KeyProblem(
        f"the master key {where} is not the one that {home} was made with"
        + (f", which belongs to {owner}" if owner else ""),
        "put the right key there, give your recovery code to pepys key import, or name another folder with --home",
    )


def _restored(home: Path, config_dir: Path, wrapping: bytes, disk: Disk) -> tuple[str, ...]:
    """Write the whole wrapping over copies that are missing or damaged; where nothing can be written, only tell."""
    paths = pair(home, device_of(wrapping))
    if all(read_file(path, disk) == wrapping for path in paths):
        return ()
    notices = []
    try:
        with locked(home / "locks" / "keys.lock", disk=disk):
            # A change may have been under way: only what is there now counts.
            found = _find(home, config_dir, disk)
            if found is None or found[2] is not Rank.PRESENT or next_key_path(config_dir).exists():
                return ()
            for path in pair(home, device_of(found[0])):
                data = read_file(path, disk)
                # One of a later version is not ours to write over: that pepys opens it.
                if data != found[0] and newer_version(data) is None:
                    replace_file(path, found[0], "wrap.restored", disk)
                    notices.append(_notice(path, data, "restored from another copy"))
    except (FileNotFoundError, StorageProblem) as error:
        told = error.message if isinstance(error, StorageProblem) else str(error)
        return tuple(
            _notice(path, data, f"not restored: {told}")
            for path in paths
            if (data := read_file(path, disk)) != wrapping and newer_version(data) is None
        )
    return tuple(notices)


def _notice(path: Path, data: bytes, done: str) -> str:
    was = "missing" if not data else "of a former master key" if is_whole(data) else "damaged"
    return f"{path}: the wrapped key was {was}; {done}"
