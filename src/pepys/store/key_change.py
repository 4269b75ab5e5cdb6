"""Changes of the master key: another one, kept at the same place or elsewhere, and a store key that is brought back.

A change makes the next master key beside the present one, moves the wrappings of every home that the present one opens,
lets the next one take the present one's place and then forgets the present one. Killed anywhere it leaves homes that
open, each under one of the two, and the next change ends it. Store keys never change: who records goes on.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.errors import Busy, Damaged, KeyProblem, NotFound, PepysError, StorageProblem
from pepys.model.ids import new_short_id
from pepys.store import key_homes
from pepys.store.disk import DISK, WRITE
from pepys.store.files import locked, remove_file, replace_file, storage_errors, write_all
from pepys.store.key_master import (
    Kept,
    Kind,
    keep,
    make_or_read,
    master_key_path,
    master_lock,
    next_key_path,
    put_in_force,
    read_kept,
)
from pepys.store.key_proof import proves
from pepys.store.key_wrapping import (
    DEVICE_CHARS,
    JOURNAL_WRAPPING_AT,
    KEY_BYTES,
    device_of,
    is_whole,
    journals,
    pairs,
    put_pair,
    read_file,
    read_journal,
    unwrap,
    whole_wrappings,
    wrap,
)
from pepys.store.keys import StoreKeys, is_store, new_wrapping, open_keys
from pepys.store.trigger import reach

_SET_ASIDE_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did.

    Attributes:
        kept: the master key in force now.
        homes: those whose wrappings it moved.
        ended_another: it only ended a change that was interrupted before.
        notice: what could not be cleaned up.
    """

    kept: Kept
    homes: tuple[Path, ...]
    ended_another: bool
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What bringing a store key back did.

    Attributes:
        keys: of the home, which it opens now.
        opened_before: the home could be opened anyway; nothing was done.
        set_aside: where the former master key's line lies now, if it was replaced.
    """

    keys: StoreKeys
    opened_before: bool
    set_aside: Path | None


def change_master(
    home: Path, config_dir: Path, to: Kind | None, passphrase: Callable[[], str], leave: frozenset[Path] = frozenset()
) -> Changed:
    """Make another master key, keep it at `to` (None: where the present one is), and move every home to it.

    Args:
        home: the home in force; others that the key opens are known from the list beside the key.
        config_dir: where the master key is.
        to: the new place.
        passphrase: asks for the new one; called only where it is needed.
        leave: homes that are gone for good.

    Raises:
        KeyProblem: the present master key cannot be got, or the new place does not take one.
        NotFound: a home of the list is not there, and is not to be left.
        StorageProblem: a home cannot be written; nothing has changed then, or the next change goes on here.
    """
    with master_lock(config_dir):
        present, following = read_kept(master_key_path(config_dir)), read_kept(next_key_path(config_dir))
        if present is None:
            raise KeyProblem(f"there is no master key {master_key_path(config_dir)}", "record something first")
        old = present.secret()
        homes = _homes(home, config_dir, leave)
        ended_another = following is not None
        if following is None:
            following = _next(config_dir, to or present.kind, passphrase)
        new = following.secret()
        with contextlib.ExitStack() as held:
            try:
                for place in homes:
                    held.enter_context(locked(place / "locks" / "keys.lock"))
            except PepysError:
                if not ended_another:
                    # Nothing is moved yet.
                    remove_file(next_key_path(config_dir))
                    _forget(following)
                raise
            moved = tuple(place for place in homes if _move(place, old, new))
        reach("key.moved")
        put_in_force(config_dir)
        key_homes.drop(config_dir, set(leave))
        notice = _forget(present) if present.words != following.words else ""
    return Changed(Kept(master_key_path(config_dir), following.kind, following.words), moved, ended_another, notice)


def import_key(home: Path, config_dir: Path, store_key: bytes, *, new_master: bool = False) -> Imported:
    """Let this user's master key open `home` with a store key that was exported.

    A home that is not there yet is begun with it, to exchange sessions with the one that it is from.

    Args:
        home: the home.
        config_dir: where the master key is, or is made.
        store_key: of the recovery code.
        new_master: set the present master key aside, as it cannot be got any more.

    Raises:
        KeyProblem: the home has another store key, or the master key cannot be got.
        StorageProblem: the keys cannot be written.
    """
    exists = is_store(home)
    present = _opened(home, config_dir) if exists and not new_master else None
    if present is not None and present.store_key == store_key:
        return Imported(present, opened_before=True, set_aside=None)
    if present is not None or (exists and proves(home, store_key) is False):
        raise KeyProblem(
            f"the recovery code is of another store than {home}",
            "name the home it is of with --home, or one that is new",
        )
    if exists and proves(home, store_key) is None:
        # Nobody can tell whether it is the right one; two store keys in one home would part what is stored.
        raise KeyProblem(f"{home} holds nothing that a key could open", "name a home that is new with --home")
    with master_lock(config_dir), locked(home / "locks" / "keys.lock"):
        if is_store(home) is not exists:
            raise Busy(f"{home} is being made by another process", "try again")
        aside = _set_aside(config_dir) if new_master else None
        make_or_read(config_dir)
        keys = new_wrapping(home, config_dir, store_key, _free_device(home) or new_short_id())
    return Imported(keys, opened_before=False, set_aside=aside)


def _opened(home: Path, config_dir: Path) -> StoreKeys | None:
    """The keys of a home, if the present master key opens it."""
    try:
        return open_keys(home, config_dir, create=False)
    except (KeyProblem, Damaged):
        return None


def _homes(home: Path, config_dir: Path, leave: frozenset[Path]) -> list[Path]:
    """Every home that the master key opens, each seen to be there, whole and writable."""
    found = []
    for place in dict.fromkeys([home.absolute(), *key_homes.known(config_dir)]):
        if place in leave:
            continue
        if not is_store(place):
            if place == home.absolute():
                raise NotFound(f"there is no pepys home at {place}", "name another with --home")
            raise NotFound(
                f"the home {place}, which the master key opens too, is not there",
                f"bring its disk back, or leave it behind for good: pepys key change --leave {place}",
            )
        try:
            open_keys(place, config_dir, create=False)
        except KeyProblem:
            if place == home.absolute():
                raise
            continue
        if not DISK.is_writable(place):
            raise StorageProblem(f"the home {place} cannot be written", "make it writable, then change the key")
        found.append(place)
    return found


def _next(config_dir: Path, kind: Kind, passphrase: Callable[[], str]) -> Kept:
    typed = passphrase() if kind is Kind.PASSPHRASE else ""
    return keep(next_key_path(config_dir), kind, secrets.token_bytes(KEY_BYTES), typed)


def _move(home: Path, old: bytes, new: bytes) -> bool:
    """Put every wrapping of the home that one of the two master keys opens under the new one; whether there was one."""
    opened: dict[str, bytes] = {}
    for _, data in whole_wrappings(home):
        store_key = unwrap(old, data) or unwrap(new, data)
        if store_key is not None:
            opened[device_of(data)] = store_key
    moved = {device: wrap(new, store_key, device) for device, store_key in opened.items()}
    for wrapping in moved.values():
        put_pair(home, wrapping, "change.wrap")
    for path in journals(home):
        data = read_journal(path)
        if is_whole(data) and unwrap(old, data) is not None:
            _rewrite(path, moved[device_of(data)])
    return bool(moved)


def _rewrite(journal: Path, wrapping: bytes) -> None:
    """Replace the wrapping in a journal's header; its recorder only appends, so it needs not to be stopped.

    A power cut may tear it, which the checksum tells: the two files are durable before.
    """
    with contextlib.suppress(FileNotFoundError), storage_errors(journal):
        data = DISK.read(journal, 0, JOURNAL_WRAPPING_AT)
        fd = DISK.open(journal, WRITE)
        try:
            # From the file's beginning, where it stands: the bytes before the wrapping are the same in all journals.
            write_all(fd, data + wrapping)
            DISK.sync_data(fd)
        finally:
            DISK.close(fd)
        reach("change.journal")


def _forget(present: Kept) -> str:
    try:
        present.forget()
    except PepysError as error:
        return f"the former master key could not be removed from the keyring: {error.message}"
    return ""


def _set_aside(config_dir: Path) -> Path | None:
    """Move the line of a master key that cannot be got out of the way; never over another one."""
    path = master_key_path(config_dir)
    try:
        line = path.read_bytes()
    except FileNotFoundError:
        return None
    for number in range(1, _SET_ASIDE_MAX):
        aside = path.with_name(f"{path.name}.aside-{number}")
        if not aside.exists():
            replace_file(aside, line, "master.aside")
            remove_file(path)
            remove_file(next_key_path(config_dir))
            return aside
    raise StorageProblem(f"{config_dir} holds {_SET_ASIDE_MAX} former master keys", "remove those that open nothing")


def _free_device(home: Path) -> str:
    """A device of which no whole copy is left: this one takes its place, in files that would stay damaged."""
    for first, second in pairs(home):
        name = first.name.removesuffix(".wrap")
        lost = not is_whole(read_file(first)) and not is_whole(read_file(second))
        if lost and len(name) == DEVICE_CHARS and name.isascii() and name.isalnum():
            return name
    return ""
