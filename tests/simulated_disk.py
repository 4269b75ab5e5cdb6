"""A disk that forgets, refuses, tears and lies, on a real folder: what the store is tested on.

FAULT MODEL. What may happen where, and why the store must live with it:

- *Power cut* at any call that changes something. Of a file, everything written before its last `sync_data` that
  succeeded is there. Of what was written since, any part may be there: each write and each cut (`truncate`) alone, each
  write torn at blocks of 512 bytes, zeros where a later block of the file is there and an earlier one is not. Drives
  and file systems write back in any order.
- Of a folder, every name made, moved or deleted before its last `sync_folder` that succeeded is as it was left. Of the
  names changed since, any may be as before. A rename is one change, also between two folders; when only its target's
  folder was synced, the file may have both names. A second name (`link`) is one file's.
  The name of a folder reaches the disk at the latest when the folder
  itself is synced (ext4, XFS, Btrfs and APFS log it with that). A file's sync says nothing of its name.
- *A sync that fails* may have written anything; what it was to write is never written again by a later sync, which
  succeeds all the same (Linux marks the pages clean). Reading shows it until the power cut. So whoever heard of a
  failed sync must not count on what he wrote before it.
- *Any call* may raise EIO, ENOSPC, EDQUOT or EMFILE, without an effect, except that a write may take a part first; the
  error may come once or last. A full disk refuses what grows and still deletes.
- *A write* may take fewer bytes than it was given.
- *A flipped bit*, on the way to the disk, on it, or on the way from it, anywhere in a file. It must be found, and may
  cost the piece that it hits.

Not modelled, as nothing could be promised: a disk that reports a sync as done which it never did, damage to what was
synced long ago other than flipped bits, and a folder that loses names after it was synced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pepys.store.disk import Disk

BLOCK = 512
CHANGES = ("open", "write", "truncate", "sync_data", "replace", "link", "unlink", "mkdir", "rmdir", "sync_folder")
"""The calls that change something; a power cut can come before each."""
FULL = ("open", "write", "link", "mkdir")
"""What a full disk refuses."""


class PowerCut(BaseException):
    """The power is gone: no handler of an error may run as if it were there."""


@dataclass
class Fault:
    """What one call does instead.

    Attributes:
        calls: the names of the calls it counts.
        nth: which of them it strikes, from 1.
        error: the errno to raise; 0 for none.
        take: how many bytes a write takes first; None for none, or all where there is no error.
        flip: the bit to flip in what is written or read, counted round; None for none.
        lasting: whether every later one is struck too.
    """

    calls: tuple[str, ...]
    nth: int = 1
    error: int = 0
    take: int | None = None
    flip: int | None = None
    lasting: bool = False


@dataclass
class _Change:
    """One write (`data` at `at`) or cut (`data` None, to `at`) of a file; `settled` by a sync, or `doomed` by one."""

    at: int
    data: bytes | None
    settled: bool = False
    doomed: bool = False


@dataclass
class _File:
    base: bytes = b""
    changes: list[_Change] = field(default_factory=list)


@dataclass
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    """As they are on the disk for certain."""


_Node = _File | _Folder


@dataclass
class _Step:
    """One pending change of names: what `gone` named goes, `made` names the node."""

    gone: tuple[_Folder, str] | None
    made: tuple[_Folder, str, _Node] | None


class SimulatedDisk(Disk):
    """The disk under one folder, whose present content is durable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: Counter[str] = Counter()
        self.struck: list[str] = []
        self.dead = False
        self._cut_in: int | None = None
        self._before: tuple[int, Callable[[], None]] | None = None
        self._faults: list[tuple[Fault, int]] = []
        self._fds: dict[int, _File] = {}
        self._plain: set[int] = set()
        self._steps: list[_Step] = []
        self._nodes: dict[Path, _Node] = {}
        self._linked: dict[int, _File] = {}
        self._top = self._scan(root)

    # --- what a test does to it

    def aim(self, *faults: Fault) -> None:
        """From now on these strike, and no earlier ones."""
        self._faults = [(fault, fault.nth) for fault in faults]
        self.struck = []

    def cut_in(self, changes: int | None) -> None:
        """Cut the power before the call that changes something after that many more; None for never."""
        self._cut_in = changes

    @contextlib.contextmanager
    def before(self, changes: int, act: Callable[[], None]) -> Iterator[None]:
        """Within the block, `act` comes before the call that changes something after that many more."""
        self._before = (changes, act)
        try:
            yield
        finally:
            self._before = None

    def end(self) -> None:
        """Let go of every open file, as a process that is killed or that lost its power does."""
        self.dead = True
        for fd in [*self._fds, *self._plain]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self._fds.clear()
        self._plain.clear()

    def after_power_cut(self, chance: random.Random, target: Path) -> None:
        """Write a legal state after a power cut at this moment to `target`, which must not exist.

        `chance` decides what survives; its first word is how likely anything does: never, always or by halves.
        """
        share = chance.choice((0.0, 1.0, 0.5, 0.1, 0.9))
        names: dict[int, dict[str, _Node]] = {}

        def of(folder: _Folder) -> dict[str, _Node]:
            return names.setdefault(id(folder), dict(folder.names))

        for step in self._steps:
            if chance.random() >= share:
                continue
            if step.gone is not None:
                of(step.gone[0]).pop(step.gone[1], None)
            if step.made is not None:
                of(step.made[0])[step.made[1]] = step.made[2]

        written: dict[int, Path] = {}

        def put(node: _Node, path: Path) -> None:
            if isinstance(node, _File):
                if id(node) in written:
                    path.hardlink_to(written[id(node)])
                else:
                    path.write_bytes(_left(node, chance, share))
                written.setdefault(id(node), path)
                return
            path.mkdir(mode=0o700)
            for name, child in sorted(of(node).items()):
                put(child, path / name)

        put(self._top, target)

    # --- open files

    def open(self, path: str | Path, flags: int) -> int:
        path = Path(path)
        if flags & os.O_CREAT:
            self._change("open", path)
        else:
            self._strike("open", path)
        new = flags & os.O_CREAT and not path.exists()
        fd = super().open(path, flags)
        node = self._nodes.get(path)
        if not self._holds(path):
            self._plain.add(fd)
            return fd
        if new or not isinstance(node, _File):
            node = _File()
            self._name(path, node)
        self._fds[fd] = node
        return fd

    def close(self, fd: int) -> None:
        if fd in self._fds or fd in self._plain:
            self._fds.pop(fd, None)
            self._plain.discard(fd)
            super().close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        fault = self._change("write", fd, raises=False)
        taken = bytes(data)
        if fault is not None:
            if fault.take is not None or fault.error:
                taken = taken[: min(fault.take or 0, len(taken) - 1) if fault.error else max(1, fault.take or 1)]
            if fault.flip is not None and taken:
                taken = _flipped(taken, fault.flip)
        at = os.lseek(fd, 0, os.SEEK_CUR)
        if taken:
            os.write(fd, taken)
            self._fds[fd].changes.append(_Change(at, taken))
        if fault is not None and fault.error:
            raise OSError(fault.error, os.strerror(fault.error))
        return len(taken)

    def pread(self, fd: int, length: int, at: int) -> bytes:
        return self._seen("pread", fd, super().pread, fd, length, at)

    def read(self, path: Path, start: int = 0, length: int = -1) -> bytes:
        return self._seen("read", path, super().read, path, start, length)

    def truncate(self, fd: int, length: int) -> None:
        self._change("truncate", fd)
        super().truncate(fd, length)
        self._fds[fd].changes.append(_Change(length, None))

    def sync_data(self, fd: int) -> None:
        node = self._fds[fd]
        try:
            self._change("sync_data", fd)
        except OSError:
            for change in node.changes:
                change.doomed = change.doomed or not change.settled
            raise
        for change in node.changes:
            change.settled = change.settled or not change.doomed
        if all(change.settled for change in node.changes):
            node.base, node.changes = _left(node, random.Random(0), 1.0), []

    # --- names

    def replace(self, source: Path, target: Path) -> None:
        self._change("replace", target)
        super().replace(source, target)
        self._moved(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._change("link", target)
        super().link(source, target)
        self._name(target, self._nodes[source])

    def unlink(self, path: Path) -> None:
        self._change("unlink", path)
        super().unlink(path)
        self._nodes.pop(path, None)
        if path.parent in self._nodes:
            self._steps.append(_Step((self._folder(path.parent), path.name), None))

    def touch(self, path: Path) -> None:
        self._strike("touch", path)
        super().touch(path)

    def mkdir(self, folder: Path) -> None:
        self._change("mkdir", folder)
        super().mkdir(folder)
        self._name(folder, _Folder())

    def rmdir(self, folder: Path) -> None:
        self._change("rmdir", folder)
        super().rmdir(folder)
        self._nodes.pop(folder, None)
        self._steps.append(_Step((self._folder(folder.parent), folder.name), None))

    def sync_folder(self, folder: Path) -> None:
        self._change("sync_folder", folder)
        node = self._folder(folder)
        kept = []
        for step in self._steps:
            made, gone = step.made, step.gone
            if made is not None and (made[0] is node or made[2] is node or self._above(made[2], folder)):
                made[0].names[made[1]] = made[2]
                made = None
            if gone is not None and gone[0] is node:
                gone[0].names.pop(gone[1], None)
                if made is not None:
                    made[0].names[made[1]] = made[2]
                gone = made = None
            if made is not None or gone is not None:
                kept.append(_Step(gone, made))
        self._steps = kept

    # --- within

    def _above(self, node: _Node, folder: Path) -> bool:
        return isinstance(node, _Folder) and any(self._nodes.get(parent) is node for parent in folder.parents)

    def _holds(self, path: Path) -> bool:
        return path.is_relative_to(self.root)

    def _folder(self, path: Path) -> _Folder:
        node = self._nodes[path]
        assert isinstance(node, _Folder)
        return node

    def _name(self, path: Path, node: _Node) -> None:
        self._nodes[path] = node
        self._steps.append(_Step(None, (self._folder(path.parent), path.name, node)))

    def _moved(self, source: Path, target: Path) -> None:
        node = self._nodes.pop(source)
        self._nodes[target] = node
        gone = self._folder(source.parent), source.name
        self._steps.append(_Step(gone, (self._folder(target.parent), target.name, node)))

    def _scan(self, path: Path) -> _Folder:
        folder = _Folder()
        self._nodes[path] = folder
        for child in path.iterdir():
            if child.is_dir():
                folder.names[child.name] = self._scan(child)
            else:
                node = self._linked.setdefault(child.stat().st_ino, _File(child.read_bytes()))
                self._nodes[child] = folder.names[child.name] = node
        return folder

    def _change(self, call: str, what: object, *, raises: bool = True) -> Fault | None:
        """Before a call that changes something: the power may go, or a fault strike."""
        if self._before is not None and not self.dead:
            left, act = self._before
            self._before = (left - 1, act) if left else None
            if not left:
                act()
        if self.dead:
            raise PowerCut
        if self._cut_in is not None:
            if self._cut_in <= 0:
                self.struck.append(f"power cut before {call} {what}")
                self.dead = True
                raise PowerCut
            self._cut_in -= 1
        return self._strike(call, what, raises=raises)

    def _strike(self, call: str, what: object, *, raises: bool = True) -> Fault | None:
        if self.dead:
            raise PowerCut
        self.calls[call] += 1
        found = None
        for index, (fault, left) in enumerate(self._faults):
            if call in fault.calls and (left > 0 or fault.lasting):
                self._faults[index] = (fault, left - 1)
                if left <= 1:
                    found = fault
        if found is not None:
            self.struck.append(f"{call} {what}: {errno.errorcode.get(found.error, 'odd')}")
            if raises and found.error:
                raise OSError(found.error, os.strerror(found.error))
        return found

    def _seen(self, call: str, what: object, read: object, *arguments: object) -> bytes:
        fault = self._strike(call, what)
        data: bytes = read(*arguments)  # type: ignore[operator]  # one of the two reads above
        return _flipped(data, fault.flip) if fault is not None and fault.flip is not None and data else data


def _flipped(data: bytes, bit: int) -> bytes:
    bit %= 8 * len(data)
    return data[: bit // 8] + bytes([data[bit // 8] ^ (1 << bit % 8)]) + data[bit // 8 + 1 :]


def _left(node: _File, chance: random.Random, share: float) -> bytes:
    """What of a file is on the disk."""
    data = bytearray(node.base)
    for change in node.changes:
        whole = change.settled
        if change.data is None:
            if whole or chance.random() < share:
                del data[change.at :]
            continue
        at = change.at
        while at < change.at + len(change.data):
            end = min((at // BLOCK + 1) * BLOCK, change.at + len(change.data))
            if whole or chance.random() < share:
                data.extend(bytes(max(0, end - len(data))))
                data[at:end] = change.data[at - change.at : end - change.at]
            at = end
    return bytes(data)
