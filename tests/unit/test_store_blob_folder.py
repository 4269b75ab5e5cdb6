"""A folder as a remote: nothing outside of it is touched, nothing is half there, and a disk that is gone is told."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.errors import Damaged, NotFound, PepysError, StorageProblem
from pepys.limits import STRAY_NS
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.disk import Disk


def calls(adapter: FolderAdapter, name: str) -> list[Callable[[], object]]:
    return [
        lambda: adapter.put(name, b"x"),
        lambda: adapter.replace(name, b"x", None),
        lambda: adapter.read(name),
        lambda: adapter.read_version(name),
        lambda: adapter.read_range(name, 0, 1),
        lambda: adapter.size(name),
        lambda: adapter.delete(name),
    ]


@pytest.mark.parametrize("planted", ["folder", "file", "loop", "nowhere", "parent"])
def test_a_link_leads_nobody_out(tmp_path: Path, planted: str) -> None:
    """Catches files read, written or deleted outside of the remote by whoever may put a link into it."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "b").write_bytes(b"somebody's")
    if planted == "file":
        (root / "a").mkdir()
        (root / "a" / "b").symlink_to(outside / "b")
    else:
        target = {"folder": outside, "loop": root / "a", "nowhere": tmp_path / "none", "parent": Path("../outside")}
        (root / "a").symlink_to(target[planted])
    adapter = FolderAdapter(root)
    for call in calls(adapter, "a/b"):
        with pytest.raises(StorageProblem, match="link") as told:
            call()
        assert told.value.remedy
    assert list(adapter.names()) == []
    assert (outside / "b").read_bytes() == b"somebody's" and not (tmp_path / "none").exists()
    assert sorted(path.name for path in outside.iterdir()) == ["b"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """Catches a stick's folder that is refused because the user reaches it by a link of his own."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    adapter = FolderAdapter(tmp_path / "link")
    assert adapter.put("a/b", b"x") and adapter.read("a/b") == b"x"
    assert (tmp_path / "real" / "a" / "b").read_bytes() == b"x"


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Catches a FIFO in a file's place that is read for ever, and a folder that is overwritten."""
    adapter = FolderAdapter(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    for call in (lambda: adapter.read("fifo"), lambda: adapter.read_range("fifo", 0, 1)):
        with pytest.raises(Damaged):
            call()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageProblem):
        adapter.put("folder", b"x")
    with pytest.raises(NotFound):
        adapter.read("folder")
    assert list(adapter.names()) == []


def test_a_disk_that_is_not_mounted_is_not_made_anew_below(tmp_path: Path) -> None:
    """Catches gigabytes that go to the system's disk because the stick is not in."""
    adapter = FolderAdapter(tmp_path / "media" / "stick" / "pepys")
    for call in [*calls(adapter, "a"), lambda: list(adapter.names())]:
        with pytest.raises(StorageProblem, match="is not there") as told:
            call()
        assert "mount" in told.value.remedy
    assert not (tmp_path / "media").exists()


def test_a_folder_that_goes_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    adapter = FolderAdapter(root)
    assert adapter.put("a", b"x")
    root.rename(tmp_path / "away")
    for call in [*calls(adapter, "a"), lambda: list(adapter.names())]:
        with pytest.raises(StorageProblem, match="is gone"):
            call()
    assert not root.exists()


def test_files_are_for_this_user_alone(tmp_path: Path) -> None:
    adapter = FolderAdapter(tmp_path / "root")
    adapter.put("a/b", b"x")
    for path, mode in ((tmp_path / "root" / "a" / "b", 0o600), (tmp_path / "root" / "a", 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


class FullDisk(Disk):
    """A disk that takes half of what is written, and then no more."""

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return super().write(fd, data[: len(data) // 2])


def test_a_full_disk_leaves_nothing_half(tmp_path: Path) -> None:
    """Catches a file that is cut under its name, and parts that fill the disk for good."""
    adapter = FolderAdapter(tmp_path / "root", disk=FullDisk())
    for call in (lambda: adapter.put("a", bytes(5000)), lambda: adapter.replace("b", bytes(5000), None)):
        with pytest.raises(StorageProblem) as told:
            call()
        assert "free some space" in told.value.remedy
    assert list(FolderAdapter(tmp_path / "root").names()) == []
    assert list((tmp_path / "root" / ".part").iterdir()) == []


class Order(Disk):
    """A disk that tells in which order it was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def sync_data(self, fd: int) -> None:
        self.calls.append("bytes")
        super().sync_data(fd)

    def replace(self, source: Path, target: Path) -> None:
        self.calls.append("name")
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self.calls.append("folder")
        super().sync_folder(folder)


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_answer(tmp_path: Path) -> None:
    """Catches a put that a power cut takes back, or leaves as an empty file."""
    disk = Order()
    adapter = FolderAdapter(tmp_path, disk=disk)
    adapter.put("a", b"x")
    assert disk.calls[-3:] == ["bytes", "name", "folder"]
    disk.calls.clear()
    assert not adapter.put("a", b"y")
    assert disk.calls == ["folder"], "who made it may have been killed before its name was durable"


_KILLED = """
import os, pathlib, sys
from pepys.store import trigger
from pepys.store.adapters.folder import FolderAdapter
for point in range(1, 40):
    root = pathlib.Path(sys.argv[1]) / str(point)
    FolderAdapter(root).put("heads/a", b"head" * 20_000)
    child = os.fork()
    if not child:
        adapter = FolderAdapter(root)
        trigger.aim(f"any:{point}")
        adapter.put("blobs/aa/new", b"whole" * 3000)
        data, version = adapter.read_version("heads/a")
        adapter.replace("heads/a", b"next" + data, version)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_killed_anywhere_it_leaves_whole_files_only(tmp_path: Path) -> None:
    """Catches a name before its bytes. Killed at each call that changes the disk in turn, and then done again."""
    subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], timeout=60, check=True)
    before, after, new = b"head" * 20_000, b"next" + b"head" * 20_000, b"whole" * 3000
    heads = []
    for point in sorted(int(root.name) for root in tmp_path.iterdir()):
        adapter = FolderAdapter(tmp_path / str(point))
        held = {each.name: adapter.read(each.name, each.size) for each in adapter.names()}
        assert held.get("blobs/aa/new", new) == new and set(held) <= {"blobs/aa/new", "heads/a"}
        heads.append(held["heads/a"])
        adapter.put("blobs/aa/new", new)
        assert adapter.read("blobs/aa/new") == new
    assert len(heads) >= 15 and {before, after} == set(heads)
    assert heads == sorted(heads), "once it is replaced, it stays so"


def test_what_a_killed_writer_left_is_taken_away_later(tmp_path: Path) -> None:
    (tmp_path / ".part").mkdir()
    old, new = (tmp_path / ".part" / (kind * 24) for kind in "01")
    for part in (old, new):
        part.write_bytes(b"half")
    long_ago = old.stat().st_mtime_ns - 2 * STRAY_NS
    os.utime(old, ns=(long_ago, long_ago))
    FolderAdapter(tmp_path).put("a", b"x")
    assert not old.exists() and new.exists()


def test_other_files_in_it_are_left_alone(tmp_path: Path) -> None:
    """Catches another program's files that are told as kept, or trip the listing."""
    for name in ("Thumbs.db", ".hidden", "with space", "ünïcode", "a\nb"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deep").joinpath(*"abcdefghijklmnopqrstuvwxyz").mkdir(parents=True)
    assert [held.name for held in FolderAdapter(tmp_path).names()] == ["Thumbs.db"]


def test_errors_are_the_ports_own(tmp_path: Path) -> None:
    """Catches an `OSError` that reaches the user as a traceback."""
    (tmp_path / "a").write_bytes(b"")
    for call in calls(FolderAdapter(tmp_path), "a/b/c"):
        try:
            call()
        except PepysError as error:
            assert error.remedy


@pytest.mark.parametrize("name", [".part", ".lock"])
def test_what_it_needs_for_itself_is_no_link(tmp_path: Path, name: str) -> None:
    """Catches a stick that deletes the old files of the folder that its `.part` leads to, or makes one elsewhere."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "thesis").write_bytes(b"mine")
    os.utime(outside / "thesis", (1, 1))
    (root / name).symlink_to(outside if name == ".part" else tmp_path / "made")
    adapter = FolderAdapter(root)
    for call in (lambda: adapter.put("a/b", b"x"), lambda: adapter.replace("a/b", b"x", None)):
        with pytest.raises(StorageProblem, match="is a link"):
            call()
    assert sorted(path.name for path in outside.iterdir()) == ["thesis"]
    assert not (tmp_path / "made").exists()


def test_only_its_own_old_files_are_swept(tmp_path: Path) -> None:
    """Catches a sweep that takes all that is old: what somebody keeps in a folder of that name is theirs."""
    part = tmp_path / "root" / ".part"
    part.mkdir(parents=True)
    for name in ("thesis", "0" * 24, "1" * 24):
        (part / name).write_bytes(b"old")
        os.utime(part / name, (1, 1))
    FolderAdapter(tmp_path / "root").put("a/b", b"x")
    assert [path.name for path in part.iterdir()] == ["thesis"]
