"""Reading what only the remote has: proven as one's own, kept in a bounded cache, and never waited for at length."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from pepys.clock import FakeClock
from pepys.config import config_dir, remote_address
from pepys.errors import AtRemote, Damaged, NotFound, Usage
from pepys.limits import NS_PER_S
from pepys.remote_limits import BEHIND_AGAIN_S
from pepys.store.behind import Behind, forget_kept
from pepys.store.blob_port import TransientFault, blob_name
from pepys.store.disk import Disk
from pepys.store.reader import load
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.object_server import BUCKET, ObjectServer
from tests.rude_server import rude_server
from tests.stored_session import complete_session, flip, make_store, reopen


class Away:
    """A home whose film, sound and shots lie at a folder `remote` alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        store = make_store(folder)
        self.session = complete_session(store, "Test session")
        seen = load(store, self.session)
        found = [(segment.blob, store.blobs.read(segment.blob)) for t in seen.tracks for segment in t.segments]
        found += [(shot.blob, store.blobs.read(shot.blob)) for shot in seen.shots]
        self.content = dict(found)
        self.remote = folder / "remote"
        for blob in self.content:
            path = store.path / blob_name(blob)
            (self.remote / blob_name(blob)).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, self.remote / blob_name(blob))

    def open(self) -> Store:
        return reopen(self.folder)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Away:
    made = Away(tmp_path)
    monkeypatch.setenv("PEPYS_STORE_REMOTE", str(made.remote))
    return made


def test_a_blob_that_only_the_remote_has_reads_as_ever(away: Away) -> None:
    """Catches a session that cannot be looked at because its media were never pulled."""
    store = away.open()
    for blob, content in away.content.items():
        assert store.media.read_range(away.session, blob, 3, 1000) == content[3:1003]
        assert store.media.read(away.session, blob) == content
        assert store.media.read_range(away.session, blob, len(content) + 5, 10) == b""
        assert not store.blobs.exists(blob)
        with pytest.raises(ValueError, match="no range"):
            store.media.read_range(away.session, blob, -1, 4)


def test_what_was_read_once_is_there_without_the_remote(away: Away) -> None:
    """Catches a picture that is fetched anew each time it is looked at, and one that is written into the store."""
    first, *rest = away.content
    away.open().media.read(away.session, first)
    away.remote.rename(away.folder / "unplugged")
    store = away.open()
    assert store.media.read(away.session, first) == away.content[first]
    assert not (store.path / blob_name(first)).exists()
    with pytest.raises(NotFound):
        store.media.read(away.session, rest[0])


def test_verify_counts_it_as_the_remotes_and_reads_none_of_it(away: Away) -> None:
    """Catches damage told where a user chose to leave the film at the remote, and a download of all of it."""
    report = verify(away.open())
    assert report.damages == () and report.elsewhere == len(away.content)
    assert not (away.folder / "home" / "cache").exists()


def test_verify_tells_what_is_nowhere(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a blob that is lost, taken for one that the remote has."""
    lost = next(iter(away.content))
    (away.remote / blob_name(lost)).unlink()
    report = verify(away.open())
    assert {damage.blob for damage in report.damages} == {lost} and report.elsewhere == len(away.content) - 1
    monkeypatch.delenv("PEPYS_STORE_REMOTE")
    report = verify(away.open())
    assert {damage.blob for damage in report.damages} == set(away.content) and report.elsewhere == 0


@pytest.mark.parametrize("how", ["flip", "cut", "another"])
def test_a_remote_is_not_believed(away: Away, how: str) -> None:
    """Catches bytes of the remote shown as the blob without proof; and a bad copy kept after it was mended there."""
    first, second, *_ = away.content
    path = away.remote / blob_name(first)
    sound = path.read_bytes()
    if how == "flip":
        flip(path, len(sound) // 2)
    else:
        path.write_bytes(sound[: len(sound) // 2] if how == "cut" else (away.remote / blob_name(second)).read_bytes())
    store = away.open()
    for read in (
        lambda: store.media.read(away.session, first),
        lambda: store.media.read_range(away.session, first, 0, 9),
    ):
        with pytest.raises(Damaged, match=str(away.remote)):
            read()
    path.write_bytes(sound)
    assert store.media.read(away.session, first) == away.content[first]


def test_without_a_remote_nothing_changes(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEPYS_STORE_REMOTE")
    with pytest.raises(NotFound, match="is missing"):
        away.open().media.read(away.session, next(iter(away.content)))


def test_a_wrong_setting_is_told_when_it_matters(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an error of a setting in a command that needs no remote, and none in one that does."""
    monkeypatch.setenv("PEPYS_STORE_REMOTE", "ftp://nowhere")
    store = away.open()
    assert load(store, away.session).name == "Test session"
    with pytest.raises(Usage, match="no address"):
        store.media.read(away.session, next(iter(away.content)))


def test_a_remote_that_is_not_mounted_is_one_line(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEPYS_STORE_REMOTE", str(away.folder / "media" / "stick"))
    with pytest.raises(AtRemote, match="is not there") as told:
        away.open().media.read(away.session, next(iter(away.content)))
    assert "mount" in told.value.remedy


def test_a_remote_that_does_not_answer_is_asked_once_in_a_while(
    tmp_path: Path, object_store: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a page of a hundred shots that waits for each of them in turn."""
    clock = FakeClock()
    with rude_server(object_store.endpoint) as rude:
        monkeypatch.setenv("AWS_ENDPOINT_URL", rude.endpoint)
        # The pause between two tries is by this clock too.
        monkeypatch.setattr(clock, "sleep_ns", clock.advance)
        behind = Behind(tmp_path, clock=clock, address=lambda: f"s3://{BUCKET}/none")
        blobs = [f"b3-{n:064x}" for n in range(50)]
        rude.behave(*["drop"] * 99)
        began = time.monotonic()
        for blob in blobs:
            with pytest.raises(TransientFault, match="tried 2 times"):
                behind.read(blob)
        assert time.monotonic() - began < 10 and len(rude.seen) == 2
        rude.behave()
        clock.advance(int(BEHIND_AGAIN_S * NS_PER_S))
        assert behind.read(blobs[0]) is None and len(rude.seen) == 1
        assert behind.read(blobs[1]) is None and len(rude.seen) == 2


def test_nothing_of_a_remote_is_loaded_before_a_blob_is_missed(away: Away) -> None:
    """Catches a start-up of every command that pays for a library which hardly any needs."""
    asked = []

    def address() -> str:
        asked.append(1)
        return str(away.remote)

    store = away.open()
    store.media.behind = Behind(store.path, address=address)
    load(store, away.session)
    assert not asked
    store.media.read(away.session, next(iter(away.content)))
    store.media.read(away.session, next(iter(away.content)))
    assert asked == [1]


def test_the_remote_in_force_is_told_by_the_environment_or_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a setting that is read from one place alone, and one that costs a load of the settings where none is."""
    assert remote_address() == ""
    config_dir().mkdir(parents=True)
    (config_dir() / "config.toml").write_text('[store]\nremote = "s3://from-the-file/p"\n')
    assert remote_address() == "s3://from-the-file/p"
    monkeypatch.setenv("PEPYS_STORE_REMOTE", "/from/the/environment")
    assert remote_address() == "/from/the/environment"
    monkeypatch.setenv("PEPYS_STORE_REMOTE", "")
    assert remote_address() == ""


class Down:
    """A remote that does not answer."""

    place = "down"

    def read(self, name: str) -> bytes:
        raise TransientFault("it is down", "wait", retry_after_s=3.0)


def test_a_remote_that_is_down_is_told_with_a_new_error_each_time(tmp_path: Path) -> None:
    """Catches one error that is raised again and again: each time its traceback keeps more of what was at work."""
    behind = Behind(tmp_path, clock=FakeClock(), address=lambda: "/nowhere")
    behind._asked, behind._opened = True, Down()  # type: ignore[assignment] # it answers as one
    depths = []
    for _ in range(5):
        with pytest.raises(TransientFault, match="it is down") as caught:
            behind.read(f"b3-{'0' * 64}")
        assert (caught.value.remedy, caught.value.retry_after_s) == ("wait", 3.0)
        depths.append(len(caught.traceback))
    assert max(depths[1:]) == min(depths[1:])


def test_what_was_read_at_a_remote_goes_with_its_session(tmp_path: Path) -> None:
    """Catches media of a removed session that stay in the cache; and a name that leads out of it."""
    kept = tmp_path / "cache" / "blobs"
    kept.mkdir(parents=True)
    names = [f"b3-{n:064x}" for n in range(3)]
    for name in [*names, "other"]:
        (kept / name).write_bytes(b"sealed")
    (tmp_path / "cache" / "mine").write_bytes(b"mine")
    forget_kept(tmp_path, Disk(), [*names[:2], "../mine", "other"])
    assert sorted(path.name for path in kept.iterdir()) == [names[2], "other"]
    assert (tmp_path / "cache" / "mine").exists()
