"""A remote that is damaged, full, read-only, gone in the middle, or in the hands of somebody who has no key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.errors import StorageProblem
from pepys.model.manifest import Manifest, encode_manifest
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.move.sync_remote import Listing, Remote
from pepys.remote_limits import REMOTE_FILE_BYTES
from pepys.store.adapters.around import Around
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.blob_port import BlobAdapter, Held
from pepys.store.edits import apply_edit
from pepys.store.reader import load, session_ids
from pepys.store.store import Store
from tests.stored_session import SECOND, WALL_NS, complete_session, flip
from tests.synced_homes import another_home, first_home, shown, sync, whole

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def remote(folder: Path) -> FolderAdapter:
    return FolderAdapter(folder)


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return first_home(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path, here: Store) -> Store:
    return another_home(tmp_path / "there", here)


def at(folder: Path, blob: str) -> Path:
    return folder / "blobs" / blob[3:5] / blob[5:7] / blob


def segment(store: Store, session: str, number: int) -> Any:
    return next(track for track in load(store, session).tracks if track.segments).segments[number]


def test_a_flipped_bit_is_named_and_costs_its_piece(
    here: Store, there: Store, remote: FolderAdapter, folder: Path
) -> None:
    """Catches a damaged blob that gets a name here, one that ends the pull, and one that is told without its place."""
    session = complete_session(here)
    push(here, remote)
    bad = segment(here, session, 1)
    flip(at(folder, bad.blob), 1000)
    result = pull(there, remote)
    (left,) = result.left
    assert (left.session, left.track, left.what, left.start_ns) == (session, "video", "segment 1", bad.at_ns)
    assert result.damaged and "damaged at the remote" in left.reason
    assert not there.blobs.exists(bad.blob) and there.blobs.exists(segment(there, session, 0).blob)
    # Of the same length it looks whole: a push does not see it. Cut, it is replaced.
    assert push(here, remote).mended == 0
    at(folder, bad.blob).write_bytes(at(folder, bad.blob).read_bytes()[:5000])
    assert push(here, remote).mended == 1
    sync(there, remote)
    assert shown(there, session) == shown(here, session) and whole(there)


def test_a_blob_longer_than_any_is_not_taken_and_is_replaced(
    here: Store, there: Store, remote: FolderAdapter, folder: Path
) -> None:
    """Catches a remote that fills the memory with one file."""
    session = complete_session(here)
    push(here, remote)
    bad = segment(here, session, 0)
    with at(folder, bad.blob).open("r+b") as file:
        file.truncate(REMOTE_FILE_BYTES + 1)
    assert [left.what for left in pull(there, remote).left] == ["segment 0"]
    assert not push(here, remote).left
    sync(there, remote)
    assert whole(there)


def test_blobs_that_changed_places_are_found(here: Store, there: Store, remote: FolderAdapter, folder: Path) -> None:
    """Catches a sealed file that is trusted because it opens: it is of this store, and another blob."""
    session = complete_session(here)
    push(here, remote)
    one, other = (at(folder, segment(here, session, n).blob) for n in range(2))
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert [left.what for left in pull(there, remote).left] == ["segment 0", "segment 1"]
    assert not any(there.blobs.exists(segment(there, session, n).blob) for n in range(2))


def test_a_head_in_another_sessions_place_is_refused(
    here: Store, there: Store, remote: FolderAdapter, folder: Path
) -> None:
    """Catches a session that shows what another one recorded."""
    first, second = (complete_session(here, f"Day {n}", wall_ns=WALL_NS + n * SECOND) for n in range(2))
    push(here, remote)
    heads = [folder / "heads" / session / here.keys.device_id for session in (first, second)]
    heads[0].write_bytes(heads[1].read_bytes())
    result = pull(there, remote)
    assert [left.session for left in result.left] == [first] and result.damaged
    assert session_ids(there) == [second]
    # The device whose head it is puts it right.
    assert not push(here, remote).left
    sync(there, remote)
    assert shown(there, first) == shown(here, first)


def test_an_older_head_that_was_put_back_undoes_nothing(
    here: Store, there: Store, remote: FolderAdapter, folder: Path
) -> None:
    """Catches a head that goes back when the remote's is replaced by an older one."""
    session = complete_session(here)
    push(here, remote)
    head = folder / "heads" / session / here.keys.device_id
    old = head.read_bytes()
    apply_edit(here, session, ("set", {"field": "name", "value": "newer"}))
    push(here, remote)
    pull(there, remote)
    head.write_bytes(old)
    assert pull(there, remote).sessions == 0
    assert load(there, session).name == "newer"
    assert push(here, remote).sessions == 1


def test_names_that_lead_elsewhere_are_passed_over(
    here: Store, there: Store, remote: FolderAdapter, folder: Path, tmp_path: Path
) -> None:
    """Catches a name of a remote that becomes a path here."""
    session = complete_session(here)
    push(here, remote)
    data = (folder / "heads" / session / here.keys.device_id).read_bytes()
    other = "0" * 26
    for name in (f"heads/{session}/..x", f"heads/{session}/{'a' * 200}", f"heads/{other}/../../x", "heads/x/y",
                 f"heads/{session}/deep/0123456789abc", "blobs/aa/bb/nothing", "blobs/zz"):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "heads" / other).mkdir(exist_ok=True)
    (folder / "heads" / other / "0123456789abc").symlink_to(tmp_path / "here" / "config" / "master.key")
    before = {path for path in tmp_path.rglob("*") if "there/home" not in str(path)}
    assert pull(there, remote).left == []
    assert {path for path in tmp_path.rglob("*") if "there/home" not in str(path)} == before
    assert session_ids(there) == [session]


def test_a_manifest_that_names_what_is_nowhere(here: Store, there: Store, remote: FolderAdapter) -> None:
    """Catches a session whose missing root takes the place of what is whole here."""
    session = complete_session(here)
    sync_first(here, there, remote)
    manifest = here.heads.manifest(session)[1]
    wrong = Manifest(**{**_fields(manifest), "edits": {"0123456789abc": "b3-" + "0" * 64}, "next_event": 10**9})
    blob = there.blobs.put(encode_manifest(wrong))
    head = there.heads.read(session)
    from dataclasses import replace

    forged = there.heads._sealed(replace(head, sequence=99, manifest=blob))
    remote.put(f"heads/{session}/0123456789abc", forged)
    result = pull(here, remote)
    assert result.damaged and {left.session for left in result.left} == {session}
    assert here.heads.manifest(session)[1] == manifest


def sync_first(here: Store, there: Store, remote: BlobAdapter) -> None:
    """Both homes have the same."""
    push(here, remote)
    pull(there, remote)


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__slots__}


MANY = 50_000


class _Many(Around):
    """A remote with many names that are not ours, before those that are."""

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        if prefix == "blobs/":
            for n in range(MANY):
                blob = f"b3-{n:032x}{0:032x}"
                yield Held(f"blobs/{blob[3:5]}/{blob[5:7]}/{blob}", 100)
        if prefix == "heads/":
            for n in range(MANY):
                yield Held(f"heads/{'0' * 26}/{n:013d}", 100)
        yield from super().names(prefix, after)


def test_many_names_take_little_memory(here: Store, there: Store, tmp_path: Path) -> None:
    """Catches a list of all names: a remote, or a stranger who fills it, takes the memory away."""
    import tracemalloc

    remote = MemoryAdapter()
    complete_session(here)
    push(here, remote)
    tracemalloc.start()
    try:
        listing = Listing(Remote(here, _Many(remote)), whole=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(listing) > MANY
    assert peak < 64 * MANY, "a million are 64 MB at most"
    assert listing.size(f"b3-{77:032x}{0:032x}") == 100 and listing.size("b3-" + "f" * 64) is None
    assert next(Remote(here, _Many(remote)).heads())[0] == "0" * 26


class _Stopping(Around):
    """A remote to which something happens before the nth file is put."""

    def __init__(self, inner: BlobAdapter, after: int, happens: Any) -> None:
        super().__init__(inner)
        self._left, self._happens = after, happens

    def _do(self, kind: str, name: str, call: Any) -> Any:
        if kind == "put":
            self._left -= 1
            if self._left == 0:
                self._happens()
        return call()


def test_a_folder_that_vanishes_in_the_middle(
    here: Store, there: Store, remote: FolderAdapter, folder: Path, tmp_path: Path
) -> None:
    """Catches a stick that was pulled out, after which all goes on below its mount point."""
    session = complete_session(here)
    away = tmp_path / "away"
    with pytest.raises(StorageProblem, match="gone"):
        push(here, _Stopping(remote, 3, lambda: folder.rename(away)))
    shutil.rmtree(folder, ignore_errors=True)  # what a call under way made, as below a mount point
    away.rename(folder)
    again = FolderAdapter(folder)
    assert not push(here, again).left
    sync(there, again)
    assert shown(there, session) == shown(here, session) and whole(there)


def test_a_disk_that_was_unmounted_leaves_an_empty_folder(
    here: Store, remote: FolderAdapter, folder: Path, tmp_path: Path
) -> None:
    """Catches heads, and sessions after sessions, that go to the disk below a mount point."""
    manifests = [
        here.heads.read(complete_session(here, f"Day {n}", wall_ns=WALL_NS + n * SECOND)).manifest for n in range(3)
    ]

    class Unmounted(Around):
        def _do(self, kind: str, name: str, call: Any) -> Any:
            if kind == "put" and name.endswith(manifests[1]):
                folder.rename(tmp_path / "away")
                folder.mkdir()
            return call()

    with pytest.raises(StorageProblem, match="gone"):
        push(here, Unmounted(remote))
    assert not (folder / "heads").exists()
    assert len(list((tmp_path / "away" / "heads").iterdir())) == 1


def test_a_remote_that_is_full(here: Store, there: Store, folder: Path, tmp_path: Path) -> None:
    """Catches a head that is there though the disk took not all that it leads to."""
    complete_session(here)
    script = (
        "import resource, sys; from pathlib import Path;"
        "from tests.synced_homes import first_home; from pepys.move.sync_push import push;"
        "from pepys.store.adapters.folder import FolderAdapter; from pepys.errors import StorageProblem;"
        "home = first_home(Path(sys.argv[1])); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: push(home, FolderAdapter(Path(sys.argv[2])))\n"
        "except StorageProblem as error: print(error.message)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "here"), str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert str(folder) in done.stdout, done.stderr
    assert not list((folder / "heads").rglob("*")) if (folder / "heads").exists() else True
    assert pull(there, FolderAdapter(folder)).sessions == 0
    assert not push(here, FolderAdapter(folder)).left


def test_a_home_that_is_gone_is_not_begun_anew(here: Store, there: Store, remote: FolderAdapter) -> None:
    """Catches a pull that writes below a mount point from which the home's disk was taken."""
    complete_session(here)
    push(here, remote)

    class Taking(Around):
        def _do(self, kind: str, name: str, call: Any) -> Any:
            made = call()
            if name.startswith("blobs/"):
                shutil.rmtree(there.path, ignore_errors=True)
            return made

    with pytest.raises(StorageProblem, match="gone"):
        pull(there, Taking(remote))
    assert not there.path.exists()
