"""`pepys serve` and `pepys open` as a user runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pepys.errors import Busy, PepysError
from pepys.sessions.control import ask_host, host_running
from pepys.store.ledger_tokens import issue, revoke
from pepys.store.store import open_store
from pepys.web import daemon as daemon_module
from pepys.web.daemon import Daemon
from pepys.web.worker import Worker
from tests.waiting import wait_until
from tests.web_daemon import PEPYS, serving
from tests.web_session import two_spans

pytestmark = pytest.mark.unhurried


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PEPYS, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_first_line_signs_in_and_the_end_is_orderly(home: Path) -> None:
    with serving() as daemon:
        with httpx.Client(base_url=daemon.url, follow_redirects=False) as browser:
            assert browser.get(daemon.address).headers["location"] == "/"
            assert browser.get("/api/v1/status").json()["state"] == "idle"
        headers = {"Authorization": f"Bearer {open_store(home).keys.api_token()}"}
        assert httpx.get(f"{daemon.url}/api/v1/sessions", headers=headers).json() == {"total": 0, "sessions": []}
        assert httpx.get(f"{daemon.url}/api/v1/sessions").status_code == 401
        issued = {"Authorization": f"Bearer {issue(open_store(home), 'a program')}"}
        assert httpx.get(f"{daemon.url}/api/v1/sessions", headers=issued).status_code == 200
        revoke(open_store(home), "a program")
        assert httpx.get(f"{daemon.url}/api/v1/sessions", headers=issued).status_code == 401
        assert (home / "run" / "host.json").exists()
        status, errors = daemon.end(signal.SIGTERM)
        assert status == 0 and "pepys:" not in errors and "Traceback" not in errors
    assert not host_running(home)


def test_ctrl_c_ends_it_with_130(home: Path) -> None:
    with serving() as daemon:
        status, errors = daemon.end(signal.SIGINT)
    assert status == 130 and errors.splitlines()[-1].startswith("pepys:") and "Traceback" not in errors


def test_listening_to_the_network_is_warned_of(home: Path) -> None:
    with serving("--host", "0.0.0.0") as daemon:
        assert httpx.get(f"{daemon.url}/healthz").status_code == 200
        assert httpx.get(f"{daemon.url}/healthz", headers={"Host": "evil.example"}).status_code == 403
        status, errors = daemon.end(signal.SIGTERM)
    assert status == 0 and "Listening on 0.0.0.0" in errors


def test_a_second_daemon_is_refused(home: Path) -> None:
    with serving():
        second = _run("serve", "--port", "0", "--json")
        assert second.returncode == 8
        assert json.loads(second.stdout)["error"]["code"] == "busy"


def test_beside_a_foreground_recording_no_page_is_promised(home: Path) -> None:
    with serving():
        told = home / "run" / "host.json"
        told.write_text(json.dumps({**json.loads(told.read_text()), "kind": "foreground"}))
        refused = _run("serve", "--port", "0")
    assert refused.returncode == 8
    assert "`pepys stop`" in refused.stderr and "pepys open" not in refused.stderr


def test_a_daemon_whose_part_fails_ends_and_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Worker) -> None:
        raise PepysError("the worker cannot be watched", "run it again")

    monkeypatch.setattr(Worker, "run", broken)
    with pytest.raises(PepysError, match="cannot be watched"):
        asyncio.run(Daemon(home, "127.0.0.1", 0, lambda address: None).run())
    assert not (home / "run" / "host.json").exists()


@pytest.mark.asyncio
async def test_a_session_that_cannot_be_enriched_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(store: object, session: str) -> str:
        raise Busy("the queue is full", "")

    async def pushes() -> AsyncIterator[dict[str, Any]]:
        yield {"push": "session", "session": "abc", "state": "completed"}

    woken: list[bool] = []
    monkeypatch.setattr(daemon_module, "request_enrichment", refuse)
    host: Any = SimpleNamespace(store=None, subscribe=lambda: contextlib.nullcontext(pushes()))
    worker: Any = SimpleNamespace(wake=lambda: woken.append(True))
    await daemon_module._enrich_ended(host, worker)
    assert "abc" in caplog.text and "the queue is full" in caplog.text and woken == [True]


def test_a_port_in_use_is_refused_with_a_way_out(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = _run("serve", "--port", str(port))
    assert refused.returncode == 8
    assert str(port) in refused.stderr and "--port" in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert not (home / "run" / "host.json").exists()


def test_an_address_of_nobody_is_refused(home: Path) -> None:
    refused = _run("serve", "--host", "192.0.2.1", "--port", "0")
    assert refused.returncode == 2 and "192.0.2.1" in refused.stderr


def test_only_loopback_is_listened_on(home: Path) -> None:
    with serving() as daemon:
        port = int(daemon.url.rsplit(":", 1)[1])
        inodes = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
        listening = [entry for entry in inodes if entry.endswith(f":{port:04X}")]
        assert listening == [f"0100007F:{port:04X}"]


def test_open_prints_a_new_address_to_the_session(home: Path) -> None:
    session = two_spans(open_store(home)).session
    with serving() as daemon:
        told = _run("open", session[:20], "--json")
        assert told.returncode == 0, told.stderr
        address = json.loads(told.stdout)["address"]
        assert address.startswith(f"{daemon.url}/sign-in?code=") and daemon.address != address
        answer = httpx.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/s/{session}")
        assert _run("open").stdout.startswith(f"{daemon.url}/sign-in?code=")
        assert _run("open", "zzzz").returncode == 3


def test_open_without_a_daemon_serves_until_it_is_ended(home: Path) -> None:
    session = two_spans(open_store(home)).session
    command = [sys.executable, "-m", "pepys", "open", "last"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as opened:
        assert opened.stdout is not None
        answer = httpx.get(opened.stdout.readline().strip())
        opened.send_signal(signal.SIGINT)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/s/{session}")
        assert opened.wait(timeout=20) == 130


def test_open_of_what_is_not_there_begins_nothing(home: Path) -> None:
    assert _run("open", "last").returncode == 3
    assert not home.exists(), "asking for a session makes no home"
    open_store(home)
    assert _run("open", "zzzz").returncode == 3


def test_open_shows_the_address_in_the_browser(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" > '{seen}'\n")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with serving():
        _run("open")
        assert not seen.exists(), "there is no screen to show it on"
        monkeypatch.setenv("DISPLAY", ":0")
        told = _run("open")
        assert wait_until(seen.exists) and seen.read_text().strip() == told.stdout.strip()


def test_shutdown_command_ends_it(home: Path) -> None:
    with serving() as daemon:
        ask_host(home, "shutdown")
        assert daemon.process.wait(30) == 0


def test_the_daemon_imports_no_codec(home: Path) -> None:
    names = ("av", "PIL", "tesserocr", "faster_whisper", "onnxruntime")
    code = f"import sys, pepys.web.daemon; print([name for name in {names} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert told.stdout.strip() == "[]"
