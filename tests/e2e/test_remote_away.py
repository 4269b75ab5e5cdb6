"""A remote that is set and does not answer: who has everything does not notice, who has not is told what is where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.doctor.findings import State
from pepys.doctor.remote import remote
from pepys.store.blob_port import blob_name
from pepys.store.head_files import COPY
from tests.rude_server import RudeServer, rude_server
from tests.stored_session import complete_session
from tests.sync_user import User

pytestmark = pytest.mark.unhurried
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def ann(short_folder: Path) -> User:
    """Who has one session, also at the folder `remote`."""
    user = User(short_folder / "ann")
    complete_session(user.store(create=True), "Test session")
    user.run("sync", "push", str(short_folder / "remote"))
    return user


@pytest.fixture
def bob(short_folder: Path, ann: User) -> User:
    """Who has another home of the same store."""
    user = User(short_folder / "bob")
    user.run("key", "import", given=ann.run("key", "export").stdout)
    return user


@pytest.fixture
def rude() -> Iterator[RudeServer]:
    """A server that drops whatever comes, and counts it."""
    with rude_server(NOWHERE) as server:
        server.behave(*["drop"] * 1000)
        yield server


def test_a_home_that_has_everything_never_asks_a_remote(
    ann: User, bob: User, rude: RudeServer, short_folder: Path
) -> None:
    """Catches a head, manifest or log that is looked for at a remote: then nothing is recorded while it is away."""
    remote = str(short_folder / "remote")
    bob.run("sync", "pull", remote)
    for user, name in ((bob, "by bob"), (ann, "by ann")):
        user.run("sync", "pull", remote)
        user.run("edit", "last", "--name", name)
        user.run("sync", "push", remote)
    store = ann.store()
    (session,) = store.heads.sessions()
    # Earlier versions freed another device's manifest when this one had gone on with it.
    other = next(name for name in store.heads.devices(session) if name != store.keys.device_id)
    path = store.path / "heads" / session / other
    gone = store.path / blob_name(store.heads.opened(session, path.read_bytes()).manifest)
    for file in (gone, gone.with_name(gone.name + COPY)):
        file.unlink(missing_ok=True)
    words = [
        ("list",), ("show", "last"), ("edit", "last", "--tag", "one"), ("verify",), ("rebuild",),
        ("sync", "push", str(short_folder / "another")), ("rm", "last", "--yes"),
    ]  # fmt: skip
    codes = {each: ann.run(*each, code=None).returncode for each in words[:-1]}
    ann.env["PEPYS_STORE_REMOTE"] = "s3://diary/pre"
    ann.env |= {"AWS_ENDPOINT_URL": rude.endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for each in words:
        done = ann.run(*each, code=codes.get(each, 0))
        assert "s3://" not in done.stderr, (each, done.stderr)
    assert rude.seen == []


def test_what_was_left_at_a_remote_is_no_damage(ann: User, bob: User, short_folder: Path) -> None:
    """Catches "damaged, restore the home from a backup" told of what a user chose not to bring; and then of what is."""
    remote = str(short_folder / "remote")
    told = bob.run("sync", "pull", "--without-media", remote).stdout
    assert f'set [store] remote = "{remote}"' in told
    found = bob.json("verify")
    count = found["remote"]["left"]
    assert found["ok"] and count > 1 and found["remote"] == {
        "blobs": 0, "left": count, "left_at": [remote], "problem": "",
    }  # fmt: skip
    assert f"{count} pieces of film, sound or shots were left at {remote}" in bob.run("verify").stderr
    film = ("export", "last", "--format", "mp4", "--to", str(short_folder / "film.mp4"))
    done = bob.run_apart(*film, code=9)
    assert f"was left at {remote}" in done.stderr and "sync pull" in done.stderr and "b3-" not in done.stderr

    # The remote is set and away; then it is there; then it has lost a piece.
    bob.env["PEPYS_STORE_REMOTE"] = remote
    Path(remote).rename(short_folder / "unplugged")
    (short_folder / "remote").write_text("in its place")
    found = bob.json("verify", code=9)
    assert found["remote"]["left"] == count and remote in found["remote"]["problem"] and found["ok"]
    (short_folder / "remote").unlink()
    (short_folder / "unplugged").rename(remote)
    assert bob.json("verify")["remote"] == {"blobs": count, "left": 0, "left_at": [], "problem": ""}
    store = bob.store()
    (session,) = store.heads.sessions()
    left = store.left.of(session)
    assert left is not None and left.place == remote
    lost = Path(remote) / blob_name(min(left.blobs))
    kept = lost.read_bytes()
    lost.unlink()
    assert {each["blob"] for each in bob.json("verify", code=6)["damage"]} == {min(left.blobs)}
    lost.write_bytes(kept)

    # All of it is brought: what is gone then is damage.
    bob.run("sync", "pull", remote)
    del bob.env["PEPYS_STORE_REMOTE"]
    assert store.left.of(session) is None and bob.json("verify")["remote"]["left"] == 0
    (store.path / blob_name(min(left.blobs))).unlink()
    assert bob.json("verify", code=6)["damage"]


def test_a_deleted_session_leaves_no_note(ann: User, bob: User, short_folder: Path) -> None:
    """Catches the address of a remote kept for a session that is gone."""
    bob.run("sync", "pull", "--without-media", str(short_folder / "remote"))
    assert list((bob.home / "left").iterdir())
    bob.run("rm", "last", "--yes")
    assert not list((bob.home / "left").iterdir())


def test_what_was_left_out_is_not_counted_as_there(ann: User, bob: User, short_folder: Path) -> None:
    """Catches "1 session was there already" said of one that did not come, and of a home as of a remote."""
    remote = short_folder / "remote"
    (head,) = next((remote / "heads").iterdir()).iterdir()
    sound = head.read_bytes()
    head.write_bytes(sound[:-1])
    for _ in range(2):
        told = bob.json("sync", "pull", str(remote), code=6)
        assert (told["sessions"], told["skipped"], told["left_count"]) == (0, 0, 1)
    head.write_bytes(sound)
    bob.run("sync", "pull", str(remote))
    assert "1 session was here already" in bob.run("sync", "pull", str(remote)).stdout
    assert "1 session was there already" in ann.run("sync", "push", str(remote)).stdout


def test_the_doctor_tells_of_the_remote(
    ann: User, rude: RudeServer, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a remote that is set and dead, where nothing says so before a film is to be seen."""
    (found,) = remote()
    assert found.state is State.OK and "none" in found.found
    monkeypatch.setenv("PEPYS_STORE_REMOTE", str(short_folder / "remote"))
    (found,) = remote()
    assert found.state is State.OK and "answers" in found.found
    monkeypatch.setenv("PEPYS_STORE_REMOTE", "s3://diary/pre")
    for name, value in (("ENDPOINT_URL", rude.endpoint), ("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    (found,) = remote()
    assert found.state is State.LESS and "the connection was lost" in found.found and len(rude.seen) == 1


def test_a_remote_that_lost_its_mark_gets_it_back(ann: User, bob: User, short_folder: Path) -> None:
    """Catches a remote of gigabytes that is of no use for want of 65 bytes; and another store taken for it."""
    place = short_folder / "remote"
    mark = (place / "pepys.json").read_bytes()
    (place / "pepys.json").unlink()
    stranger = User(short_folder / "stranger")
    complete_session(stranger.store(create=True), "Another's")
    stranger.run("sync", "push", str(place), code=2)
    ann.run("sync", "push", str(ann.home), code=2)
    ann.run("sync", "push", str(place))
    assert (place / "pepys.json").read_bytes() == mark
    assert bob.json("sync", "pull", str(place))["sessions"] == 1
