"""`pepys sync` as a user has it: two homes joined by a recovery code, over a folder and over a real object server.

Also what can go wrong at the command line, each with its line and exit code, and that nothing plain is at the remote.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from pepys.store.edits import add_artifacts
from tests.object_server import BUCKET, ObjectServer
from tests.plain_bytes import Needles, found_in, of_data, of_text
from tests.stored_session import SECOND, WALL_NS, Recording, complete_session, flip, transcript
from tests.sync_user import User
from tests.waiting import wait_until
from tests.web_daemon import PEPYS

pytestmark = pytest.mark.unhurried
WORDS = ("marzipan", "clavichord", "porcupine", "tangerine", "vellum")


@pytest.fixture
def ann(short_folder: Path) -> User:
    """Who has two sessions."""
    user = User(short_folder / "ann")
    store = user.store(create=True)
    for n in range(2):
        complete_session(store, f"{WORDS[n]} {n}", tags=(WORDS[4],), wall_ns=WALL_NS + n * 3600 * SECOND)
    recording = Recording.begin(store, "third", wall_ns=WALL_NS + 9 * 3600 * SECOND)
    recording.note(WORDS[2])
    recording.shot(WORDS[3].encode() * 20)
    add_artifacts(store, recording.end(), [transcript(f"{WORDS[0]} and {WORDS[1]}")])
    return user


@pytest.fixture
def bob(short_folder: Path, ann: User) -> User:
    """Who has the recovery code of ann's store, and a home of their own."""
    user = User(short_folder / "bob")
    user.run("key", "import", given=ann.run("key", "export").stdout)
    return user


@pytest.fixture
def folder(short_folder: Path) -> str:
    return str(short_folder / "remote")


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, short_folder: Path) -> str:
    """The address of an empty remote."""
    if request.param == "folder":
        return str(short_folder / "remote")
    server: ObjectServer = request.getfixturevalue("object_store")
    assert server.endpoint
    return f"s3://{BUCKET}/{short_folder.name}"


@pytest.fixture
def users(remote: str, short_folder: Path, request: pytest.FixtureRequest) -> tuple[User, User]:
    """Both, who know where the object server is."""
    return request.getfixturevalue("ann"), request.getfixturevalue("bob")


def test_two_devices_exchange_sessions(remote: str, users: tuple[User, User]) -> None:
    """Catches a command that does not do what it says: list, show and search must have it when it returns."""
    ann, bob = users
    told = ann.run_apart("sync", "push", remote)
    assert told.stdout.startswith(f"pushed 3 sessions to {remote} (")
    first = bob.json("sync", "pull", remote)
    assert (first["sessions"], first["left"], first["skipped"]) == (3, [], 0)
    assert [row["name"] for row in bob.json("list")] == [row["name"] for row in ann.json("list")]
    assert {hit["kind"] for hit in bob.json("search", WORDS[2])} == {"note"}
    assert bob.json("search", WORDS[1])
    bob.run("verify")
    bob.run("edit", "last", "--tag", "bobs")
    ann.run("edit", "last", "--name", "renamed by ann")
    gone = bob.json("list")[1]["id"]
    bob.run("rm", gone, "--yes")
    assert bob.json("sync", "push", remote)["deleted"] == 1
    told_too = ann.run_apart("sync", "pull", remote).stdout
    assert "1 of them deleted" in told_too
    ann.run("sync", "push", remote)
    bob.run("sync", "pull", remote)
    for user in users:
        rows = user.json("list")
        assert [row["name"] for row in rows] == ["renamed by ann", "marzipan 0"] and "bobs" in rows[0]["tags"]
        assert gone not in [row["id"] for row in rows]
        user.run("verify")
    assert "nothing to be pushed" in ann.run("sync", "push", remote).stdout
    assert "nothing to be pulled" in bob.run("sync", "pull", remote).stdout


def test_nothing_plain_is_at_the_remote(ann: User, folder: str) -> None:
    """Catches a name, a word or a picture that whoever keeps the remote can read."""
    ann.run("sync", "push", folder)
    needles: Needles = {}
    for word in WORDS:
        needles |= of_text(word)
    store = ann.store()
    for n, blob in enumerate(store.blobs.ids()):
        data = store.blobs.read(blob)
        if len(set(data)) > 60:  # chunks and artifacts, which are compressed; the media here are a word again and again
            needles |= of_data(data, f"blob {n}")
    assert any("blob" in name for name in needles)
    needles |= {"a segment": b"video/0/0;" * 4, "a shot": WORDS[3].encode() * 2}
    keys = store.keys
    needles |= {"store key": keys.store_key, "store key in hex": keys.store_key.hex().encode()}
    assert found_in([Path(folder)], needles) == []
    plain = Path(folder).parent / "plain"
    plain.mkdir()
    (plain / "all.json").write_text(f"a {WORDS[0]}")
    assert found_in([plain], needles)
    assert {path.suffix for path in Path(folder).rglob("*") if path.is_file() and path.name[0] != "."} == {".json", ""}


def test_media_may_stay_at_the_remote(ann: User, bob: User, folder: str) -> None:
    """Catches media that come though they were not wanted, and an answer that does not say what stayed."""
    ann.run("sync", "push", folder)
    told = bob.run("sync", "pull", folder, "--without-media").stdout
    assert "media left at the remote: 5 files" in told
    assert bob.json("search", WORDS[2]) and len(bob.json("list")) == 3
    assert bob.json("sync", "pull", folder)["blobs"] == 5
    bob.run("verify")


def test_one_session_by_its_prefix(ann: User, bob: User, folder: str) -> None:
    """Catches an id that is not understood, and one that is not there and ends well."""
    ids = [row["id"] for row in ann.json("list")]
    assert ann.json("sync", "push", folder, ids[0][:10], ids[1])["sessions"] == 2
    assert bob.json("sync", "pull", folder, "last")["sessions"] == 1
    assert "no session" in bob.run("sync", "pull", folder, ids[2], code=3).stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "no remote is named"),
        (("s3:/bucket",), 2, "no address of a remote"),
        (("/nowhere/at/all/remote",), 5, "is not there"),
        (("s3://user:secret@bucket/x",), 2, "holds more than a place"),
    ],
)
def test_remotes_that_are_none(ann: User, words: tuple[str, ...], code: int, says: str) -> None:
    """Catches a wrong word that makes a folder, and a secret that is repeated."""
    told = ann.run("sync", "push", *words, code=code).stderr
    assert says in told and "secret" not in told and told.count("\n") == 1


def test_a_store_of_somebody_else_is_refused(ann: User, folder: str, short_folder: Path) -> None:
    """Catches two stores that mix in one place."""
    ann.run("sync", "push", folder)
    eve = User(short_folder / "eve")
    complete_session(eve.store(create=True))
    for word in ("push", "pull"):
        assert "another store" in eve.run("sync", word, folder, code=4).stderr
    assert "home" in ann.run("sync", "push", str(eve.home), code=2).stderr
    assert "no pepys store" in ann.run("sync", "pull", f"{folder}/empty", code=3).stderr


def test_damage_at_the_remote_is_named(ann: User, bob: User, folder: str) -> None:
    """Catches a pull that ends at the first bad piece, or ends well."""
    ann.run("sync", "push", folder)
    largest = max((path for path in Path(folder).rglob("b3-*")), key=lambda path: path.stat().st_size)
    flip(largest, 200)
    done = bob.run("sync", "pull", folder, code=6)
    assert "left out: session 01" in done.stderr and "video, segment" in done.stderr and "0:0" in done.stderr
    assert len(bob.json("list")) == 3
    left = bob.json("sync", "pull", folder, code=6)["left"]
    assert left[0]["track"] == "video" and left[0]["damaged"] and left[0]["start_ms"] is not None


def test_a_recording_is_left_for_the_next_time(ann: User, folder: str) -> None:
    """Catches half a recording that is pushed, or one that keeps the others from being pushed."""
    recording = Recording.begin(ann.store(), "now")
    done = ann.run("sync", "push", folder, code=9)
    assert f"session {recording.session}: it is being recorded" in done.stderr and "pushed 3 sessions" in done.stdout
    recording.end()
    assert ann.json("sync", "push", folder)["sessions"] == 1


def test_ctrl_c_ends_it_and_it_goes_on_later(ann: User, bob: User, folder: str) -> None:
    """Catches an interrupted push that leaves what the next one trips over."""
    store = ann.store()
    for n in range(6):
        recording = Recording.begin(store, f"long {n}", wall_ns=WALL_NS + (20 + n) * 3600 * SECOND)
        for _ in range(4):
            recording.segment()
        recording.end()
    process = subprocess.Popen(
        [*PEPYS, "sync", "push", folder], env=ann.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: any(Path(folder).rglob("b3-*")), 30, "a blob")
    process.send_signal(signal.SIGINT)
    out, problems = process.communicate(timeout=30)
    assert process.returncode in {130, 0} and "Traceback" not in problems, (out, problems)
    ann.run("sync", "push", folder)
    assert bob.json("sync", "pull", folder)["sessions"] == 9
    bob.run("verify")


def test_a_folder_that_nothing_can_be_written_to(ann: User, short_folder: Path) -> None:
    """Catches a traceback where a file is in the remote's place."""
    (short_folder / "file").write_text("a file")
    done = ann.run("sync", "push", str(short_folder / "file"), code=5)
    assert str(short_folder / "file") in done.stderr


def test_a_server_that_refuses(ann: User, object_store: ObjectServer, short_folder: Path) -> None:
    """Catches wrong keys that are taken for an unreachable server, and secrets in what is said."""
    address = f"s3://{BUCKET}/{short_folder.name}"
    ann.env |= {**object_store.environment(), "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    done = ann.run("sync", "push", address, code=4)
    assert "not-the-secret" not in done.stderr
