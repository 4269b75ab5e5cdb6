"""What is whole of a home's keys: every copy of every wrapping, and whether the master key opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pepys.store.disk import DISK
from pepys.store.key_wrapping import is_whole, journals, newer_version, pairs, read_file, read_journal, unwrap

State = Literal["opens", "another_key", "whole", "newer", "damaged", "missing"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a wrapping.

    Attributes:
        path: the file that holds it.
        state: `opens` with the master key; `another_key` is whole, of another device or of a former master key;
            `whole` cannot be told from it, as there is no master key to try; `newer` is of a later pepys.
    """

    path: Path
    state: State


def copies(home: Path, master: bytes | None) -> list[Copy]:
    """Every copy: of the devices' files, then of the journals' headers.

    Args:
        home: the home.
        master: the master key, or None where it cannot be got.

    Raises:
        StorageProblem: one cannot be read.
    """
    files = [(path, read_file(path)) for both in pairs(home) for path in both]
    files += [(path, read_journal(path)) for path in journals(home)]
    return [Copy(path, _state(data, master, there=DISK.exists(path))) for path, data in files]


def _state(data: bytes, master: bytes | None, *, there: bool) -> State:
    if newer_version(data) is not None:
        return "newer"
    if not is_whole(data):
        return "damaged" if there else "missing"
    if master is None:
        return "whole"
    return "opens" if unwrap(master, data) is not None else "another_key"
