"""What a pull costs, and says, where the remote is not as it should be."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from pepys.errors import Damaged, StorageProblem
from pepys.move.sync_pieces import Movers
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.remote_limits import SYNC_AT_ONCE
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.blob_port import blob_name
from pepys.store.reader import load
from tests.full_disk import FullDisk
from tests.stored_session import SECOND, WALL_NS, complete_session
from tests.synced_homes import another_home, first_home

MIB = 1 << 20


def test_damaged_pieces_are_not_kept_in_memory(short_folder: Path) -> None:
    """Catches 17 MiB for each damaged piece of a remote: what was read hangs on the error that tells of it."""
    here = first_home(short_folder / "a")
    for n in range(8):
        session = complete_session(here, f"Session {n}", wall_ns=WALL_NS + n * 3600 * SECOND)
    remote = FolderAdapter(short_folder / "remote")
    push(here, remote)
    blob = load(here, session).tracks[0].segments[0].blob
    os.truncate(short_folder / "remote" / blob_name(blob), 16 * MIB)
    there = another_home(short_folder / "b", here)
    tracemalloc.start()
    try:
        assert len(pull(there, remote).left) == 8
        assert tracemalloc.get_traced_memory()[1] < 70 * MIB
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_long_is_not_read(short_folder: Path) -> None:
    """Catches memory for a file of 20 GB at a folder, of which its length tells enough."""
    path = short_folder / "heads" / "one"
    path.parent.mkdir()
    path.touch()
    os.truncate(path, 20_000 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="more than any sealed file"):
            FolderAdapter(short_folder).read("heads/one")
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_full_remote_has_a_remedy_of_its_own(short_folder: Path) -> None:
    """Catches "choose another folder with --home", which is not where it is full."""
    with pytest.raises(StorageProblem, match="No space left") as told:
        FolderAdapter(short_folder / "remote", disk=FullDisk()).put("heads/one", b"some bytes")
    assert "another place for the remote" in told.value.remedy and "--home" not in told.value.remedy


def test_what_has_the_place_of_a_folder_is_told(short_folder: Path) -> None:
    """Catches "move it away, and restore the file" of a device or file that was named as a remote."""
    (short_folder / "remote").write_text("a file")
    for name in (short_folder / "remote", Path("/dev/null")):
        with pytest.raises(StorageProblem, match="is a file, not a folder"):
            FolderAdapter(name).read("pepys.json")


def test_a_remote_that_failed_is_not_tried_for_every_piece() -> None:
    """Catches a server that is away waited for anew for each of the pieces that were lined up."""
    begun: list[int] = []

    def move(item: int) -> int:
        begun.append(item)
        raise StorageProblem("the server cannot be reached")

    with Movers() as movers, pytest.raises(StorageProblem):
        list(movers.each(range(50), move))
    assert len(begun) <= SYNC_AT_ONCE
