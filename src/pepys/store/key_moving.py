"""Moves the wrappings of a home from one master key to another; the caller holds the home's `keys.lock`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from pepys.store.disk import DISK, WRITE, Disk
from pepys.store.files import storage_errors, write_all
from pepys.store.key_wrapping import (
    JOURNAL_WRAPPING_AT,
    device_of,
    is_whole,
    journals,
    put_pair,
    read_journal,
    refuse_newer,
    unwrap,
    whole_wrappings,
    wrap,
)
from pepys.store.trigger import reach


def move(home: Path, masters: Iterable[bytes], new: bytes, disk: Disk = DISK) -> bool:
    """Put every wrapping of the home that one of the master keys, or `new`, opens under `new`; whether there was one.

    Killed anywhere, each wrapping is under one of them: it can be done again.

    Raises:
        KeyProblem: a later pepys has wrapped a key there.
        StorageProblem: the home cannot be written.
    """
    tried = tuple(dict.fromkeys([*masters, new]))
    opened: dict[str, bytes] = {}
    for _, data in whole_wrappings(home, disk):
        store_key = next(filter(None, (unwrap(master, data) for master in tried)), None)
        if store_key is not None:
            opened[device_of(data)] = store_key
    for device in opened:
        refuse_newer(home, disk, device)
    moved = {device: wrap(new, store_key, device) for device, store_key in opened.items()}
    for wrapping in moved.values():
        put_pair(home, wrapping, "change.wrap", disk)
    for path in journals(home, disk):
        data = read_journal(path, disk)
        # One of a key that nobody has stays as it is, though its device has one that opens.
        if is_whole(data) and unwrap(new, data) is None and any(unwrap(master, data) for master in tried):
            _rewrite(path, moved[device_of(data)], disk)
    return bool(moved)


def _rewrite(journal: Path, wrapping: bytes, disk: Disk) -> None:
    """Replace the wrapping in a journal's header; its recorder only appends, so it needs not to be stopped.

    A power cut may tear it, which the checksum tells: the two files are durable before.
    """
    with contextlib.suppress(FileNotFoundError), storage_errors(journal):
        data = disk.read(journal, 0, JOURNAL_WRAPPING_AT)
        fd = disk.open(journal, WRITE)
        try:
            # From the file's beginning, where it stands: the bytes before the wrapping are the same in all journals.
            write_all(fd, data + wrapping, disk)
            disk.sync_data(fd)
        finally:
            disk.close(fd)
        reach("change.journal")
