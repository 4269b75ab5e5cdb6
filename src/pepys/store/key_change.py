"""Changes of the master key: another one, kept at the same place or elsewhere, and a store key that is brought back.

A change makes the next master key beside the present one, moves the wrappings of every home that the present one opens,
lets the next one take the present one's place and keeps the present one sealed among the former ones (`key_former`).
Killed anywhere it leaves homes that open, each under one of the two, and the next change ends it. Store keys never
change: who records goes on.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys import limits
from pepys.errors import Busy, Damaged, KeyProblem, NotFound, PepysError, StorageProblem
from pepys.model.ids import new_short_id
from pepys.store import key_homes
from pepys.store.disk import DISK
from pepys.store.files import begins, locked, remove_file, replace_file, storage_errors
from pepys.store.key_former import (
    Master,
    Rank,
    former_lines,
    former_path,
    formers_of,
    keep_former,
    opened_by,
)
from pepys.store.key_master import (
    Kept,
    Kind,
    entrust,
    make_or_read,
    master_key_path,
    master_lock,
    next_key_path,
    put_in_force,
    read_kept,
    read_plain,
    refuse_newer_line,
    replaced_path,
    write_line,
)
from pepys.store.key_moving import move
from pepys.store.key_proof import proves
from pepys.store.key_wrapping import DEVICE_CHARS, KEY_BYTES, is_whole, pairs, read_file, refuse_newer
from pepys.store.keys import StoreKeys, is_store, new_wrapping, open_keys, opened_at
from pepys.store.store import refuse_gone
from pepys.store.trigger import reach

_SET_ASIDE_MAX: Final = 1000
_ASIDE_BYTES: Final = 64 * 1024


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
        set_aside: where the former master key's line lies now, if it was replaced, and those of a change under way.
    """

    keys: StoreKeys
    opened_before: bool
    set_aside: tuple[Path, ...]


def change_master(
    home: Path,
    config_dir: Path,
    to: Kind | None,
    passphrase: Callable[[], str],
    leave: frozenset[Path] = frozenset(),
    *,
    forget_former: bool = False,
) -> Changed:
    """Make another master key, keep it at `to` (None: where the present one is), and move every home to it.

    The present one is kept sealed under the new one, with earlier ones: it opens copies of a home that are not there.

    Args:
        home: the home in force; others that the key opens are known from the list beside the key.
        config_dir: where the master key is.
        to: the new place.
        passphrase: asks for the new one; called only where it is needed.
        leave: homes that are gone for good.
        forget_former: keep no master key but the new one.

    Raises:
        KeyProblem: the present master key cannot be got, or the new place does not take one.
        NotFound: a home of the list is not there, and is not to be left.
        Busy: another process changes the master key, or holds the lock of a home's keys.
        StorageProblem: a home cannot be written; nothing has changed then, or the next change goes on here.
        KeyProblem: a later pepys has wrapped a key in one of the homes.
    """
    left = frozenset(key_homes.place(path) for path in leave)
    with master_lock(config_dir, within_s=limits.KEY_CHANGE_LOCK_S):
        present, following = read_kept(master_key_path(config_dir)), read_kept(next_key_path(config_dir))
        if present is None:
            remedy = "put it back from your backup, or give your recovery code: pepys key import"
            raise KeyProblem(f"there is no master key {master_key_path(config_dir)}", remedy)
        _forget_left(config_dir, present, following)
        old, new = _both(config_dir, present, following)
        homes = _homes(home, config_dir, left)
        formers = formers_of(config_dir, *filter(None, (old, new)))
        ended_another = following is not None
        if following is None or new is None:
            new = secrets.token_bytes(KEY_BYTES)
            typed = passphrase() if (to or present.kind) is Kind.PASSPHRASE else ""
            following = entrust(next_key_path(config_dir), to or present.kind, new, typed)
        moved = _move_all(config_dir, homes, [old, *formers], following, new, begun=ended_another)
        reach("key.moved")
        if present.kind is Kind.KEYRING and present.words != following.words:
            write_line(Kept(replaced_path(config_dir), present.kind, present.words))
        put_in_force(config_dir)
        keep_former(config_dir, new, [] if forget_former else [old, *formers])
        key_homes.drop(config_dir, set(left))
        notice = _forget(present) if present.words != following.words else ""
        if not notice:
            remove_file(replaced_path(config_dir))
    return Changed(Kept(master_key_path(config_dir), following.kind, following.words), moved, ended_another, notice)


def _move_all(
    config_dir: Path, homes: list[Path], formers: list[bytes], following: Kept, new: bytes, *, begun: bool
) -> tuple[Path, ...]:
    """Move the homes from the present master key, the first of `formers`, and earlier ones; those that had one.

    Where the change had not `begun` before, one that fails before the first home moves leaves nothing.
    """
    with contextlib.ExitStack() as held:
        try:
            # Each of the two opens the other from here on, so that one of them is enough to go on after a kill.
            keep_former(config_dir, formers[0], formers[1:], Master(Rank.NEXT, new, following.total()))
            if not begun:
                write_line(following)
            for place in homes:
                held.enter_context(locked(place / "locks" / "keys.lock", within_s=limits.KEY_CHANGE_LOCK_S))
        except BaseException:
            if not begun:
                remove_file(next_key_path(config_dir))
                _forget(following)
            raise
        return tuple(place for place in homes if move(place, formers, new))


def _both(config_dir: Path, present: Kept, following: Kept | None) -> tuple[bytes, bytes | None]:
    """The present master key and, where a change was interrupted, the next one; each is enough to get the other."""
    if following is None:
        return present.secret(), None
    lines = former_lines(config_dir)
    try:
        old = present.secret()
    except KeyProblem as problem:
        with contextlib.suppress(KeyProblem):
            new = following.secret()
            # What it opens first is the one that it follows.
            for master in opened_by(new, lines):
                return master.key, new
        raise problem
    known = (master.key for master in opened_by(old, lines) if master.total == following.total())
    return old, next(known, None) or following.secret()


def _forget_left(config_dir: Path, *in_use: Kept | None) -> None:
    """End what a kill left undone: a former master key is in the keyring, and one line tells its name."""
    with contextlib.suppress(KeyProblem, StorageProblem):
        left = read_kept(replaced_path(config_dir))
        if left is not None:
            if all(kept is None or kept.words != left.words for kept in in_use):
                left.forget()
            remove_file(replaced_path(config_dir))


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
        StorageProblem: the keys cannot be written, or the home was there before and is gone.
    """
    exists = is_store(home)
    if exists:
        refuse_newer(home)
    else:
        refuse_gone(home, config_dir)
        begins(home)
    for line in (master_key_path(config_dir), next_key_path(config_dir)) if new_master else ():
        refuse_newer_line(line)
    present = _opened(home, config_dir) if exists and not new_master else None
    if present is not None and present.store_key == store_key:
        return Imported(present, opened_before=True, set_aside=())
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
        aside = _replaced(config_dir) if new_master else ()
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
    """Every home that the master key opens, each once, seen to be whole and writable, in the order of locking."""
    found: dict[tuple[int, int], Path] = {}
    own = key_homes.place(home)
    for place in dict.fromkeys([own, *key_homes.known(config_dir)]):
        if place in leave:
            continue
        if not is_store(place):
            if place == own:
                raise NotFound(f"there is no pepys home at {place}", "name another with --home")
            raise NotFound(
                f"the home {place}, which the master key opens too, is not there",
                f"bring its disk back, or leave it behind for good: pepys key change --leave {place}",
            )
        try:
            opened = opened_at(place, config_dir)
        except KeyProblem:
            refuse_newer(place)
            if place == own:
                raise
            continue
        # Before the first home is moved: a change that stops in the middle leaves two master keys.
        refuse_newer(place, device=opened.device_id)
        if not DISK.is_writable(place):
            raise StorageProblem(f"the home {place} cannot be written", "make it writable, then change the key")
        try:
            found.setdefault(key_homes.identity(place), place)
        except OSError as error:
            raise StorageProblem(f"the home {place} has no folder of keys", "open it once: pepys list") from error
    # Every process takes the locks of several homes in the same order, by whatever names and lists it knows them.
    return [found[seen] for seen in sorted(found)]


def _forget(present: Kept) -> str:
    try:
        present.forget()
    except PepysError as error:
        return f"the former master key could not be removed from the keyring: {error.message}"
    return ""


def _replaced(config_dir: Path) -> tuple[Path, ...]:
    """Put a new master key in the place of one that cannot be got, whose lines are set aside; those files.

    Both lines of a change that was interrupted are: some homes may be under the next one only. A key that stands in a
    line itself is kept as a former one, so that the homes under it go on to open.
    """
    present, following = master_key_path(config_dir), next_key_path(config_dir)
    aside = []
    for path in (following, present, former_path(config_dir)):
        with storage_errors(path), contextlib.suppress(FileNotFoundError):
            aside.append(_set_aside(config_dir, read_plain(path, _ASIDE_BYTES)))
    held = []
    for path in (following, present):
        with contextlib.suppress(KeyProblem):
            kept = read_kept(path)
            if kept is not None and kept.kind is Kind.FILE:
                held.append(kept.secret())
    new = secrets.token_bytes(KEY_BYTES)
    formers = [*held, *formers_of(config_dir, *held)]
    keep_former(config_dir, new, formers, beside=former_lines(config_dir))
    write_line(entrust(present, Kind.FILE, new))
    remove_file(following)
    keep_former(config_dir, new, formers)
    return tuple(aside)


def _set_aside(config_dir: Path, line: bytes) -> Path:
    """Write a file down under a name of its own; never over another one, nor twice."""
    path = master_key_path(config_dir)
    for number in range(1, _SET_ASIDE_MAX):
        aside = path.with_name(f"{path.name}.aside-{number}")
        if not aside.exists():
            replace_file(aside, line, "master.aside")
            return aside
        if aside.is_file() and aside.read_bytes() == line:
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
