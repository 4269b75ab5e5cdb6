"""A session whose film, sound and shots were never pulled plays, exports and verifies, from a real object server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.opening import open_remote
from tests.made_session import Made, make_session
from tests.object_server import BUCKET, ObjectServer
from tests.synced_homes import another_home, first_home
from tests.web_daemon import PEPYS

pytestmark = pytest.mark.unhurried


class Commands:
    """Commands of a user whose home has no media."""

    def __init__(self, folder: Path) -> None:
        (folder / "run").mkdir()
        self.env = {
            **os.environ, "HOME": str(folder), "PEPYS_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": f"{folder}/run",
            "XDG_CONFIG_HOME": str(folder / "user"),
        }  # fmt: skip
        (folder / "user").mkdir()
        (folder / "config").rename(folder / "user" / "pepys")

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*PEPYS, *words], env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)


def test_a_session_without_media_plays_from_the_remote(short_folder: Path, object_store: ObjectServer) -> None:
    """Catches any way to a blob that does not look behind the home; and what it says when it cannot."""
    address = f"s3://{BUCKET}/played"
    here = first_home(short_folder / "a")
    session = make_session(here, Made(spans=(3.0,)))
    with_media = open_remote(address)
    assert not push(here, with_media).left
    there = another_home(short_folder / "b", here)
    assert not pull(there, with_media, with_media=False).left
    commands = Commands(short_folder / "b")

    missing = commands.json("verify")
    assert not missing["damage"] and missing["remote"]["blobs"] == 0 and missing["remote"]["left_at"] == [address]
    commands.env["PEPYS_STORE_REMOTE"] = address
    found = commands.json("verify")
    assert found["ok"] and found["remote"]["blobs"] == missing["remote"]["left"]
    assert "only at the remote" in commands.run("verify").stdout
    assert not (there.path / "cache").exists(), "verify reads none of it"

    assert commands.json("show", session)["id"] == session
    film = short_folder / "film.mp4"
    commands.run("export", session, "--format", "mp4", "--to", str(film))
    with av.open(str(film)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) > 5
    cached = sum(path.stat().st_size for path in (there.path / "cache" / "blobs").iterdir())
    assert cached > 10_000

    # What was looked at once is there without the network.
    film.unlink()
    commands.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    commands.run("export", session, "--format", "mp4", "--to", str(film))
    assert film.stat().st_size > 10_000


def test_what_is_wrong_with_a_remote_is_one_line(short_folder: Path, object_store: ObjectServer) -> None:
    """Catches a traceback, a secret in a message, and damage told of what merely cannot be reached."""
    remote = open_remote(f"s3://{BUCKET}/lines")
    here = first_home(short_folder / "a")
    make_session(here, Made(spans=(2.0,), sound=False))
    push(here, remote)
    there = another_home(short_folder / "b", here)
    pull(there, remote, with_media=False)
    commands = Commands(short_folder / "b")
    usual = {**commands.env, "PEPYS_STORE_REMOTE": f"s3://{BUCKET}/lines"}
    for change, code, said in (
        ({"PEPYS_STORE_REMOTE": "s3://no-such-bucket/x"}, 9, "there is no such bucket"),
        ({"AWS_SECRET_ACCESS_KEY": "not-the-one"}, 4, "access is refused"),
        ({"PEPYS_STORE_REMOTE": "ftp://nowhere"}, 2, "no address of a remote"),
        ({"PEPYS_STORE_REMOTE": "s3://key:very-secret@bucket"}, 2, "holds more than a place"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 9, "the server cannot be reached"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:9"}, 2, "AWS_ENDPOINT_URL is no address"),
    ):
        commands.env = {**usual, **change}
        done = commands.run("verify", "--json", code=code)
        answer = json.loads(done.stdout or done.stderr)
        if code == 9:
            assert said in answer["remote"]["problem"] and not answer["damage"]
        else:
            error = answer["error"]
            assert said in error["message"] and error["exit_code"] == code and error["remedy"]
        assert "not-the-one" not in done.stdout + done.stderr and "very-secret" not in done.stdout + done.stderr
