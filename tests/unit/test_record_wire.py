"""The control socket's lines, the order on the channel, and the run file."""

from __future__ import annotations

import json
import os
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import FakeClock, SystemClock
from pepys.errors import Busy, DeviceMissing, NotFound, PepysError, Usage
from pepys.record import wire
from pepys.record.launch import read_report
from pepys.record.loop import Loop
from pepys.record.runfile import process_start, read_run_file, still_runs, write_run_file
from pepys.record.spec import Order, RecordSpec, decode_order
from tests.waiting import wait_until


class Serving:
    """A server in a thread; it echoes, fails, floods or keeps quiet, as it is asked."""

    def __init__(self, path: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.server = wire.Server(path, self.selector, self._serve)
        self.over = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _serve(self, peer: wire.Peer, request: wire.Message) -> None:
        if request["do"] == "subscribe":
            peer.subscribed = True
            peer.send(wire.reply_ok(request, {}))
        elif request["do"] == "fail":
            peer.send(wire.reply_error(request, NotFound("no such thing", "look elsewhere")))
        elif request["do"] == "flood":
            for _ in range(64):
                peer.send({"push": "noise", "text": "x" * 200_000})
        elif request["do"] != "hush":
            self.server.push({"push": "seen", "text": request["args"].get("text")})
            peer.send(wire.reply_ok(request, request["args"]))

    def _run(self) -> None:
        while not self.over:
            for key, mask in self.selector.select(0.02):
                key.data(mask)

    def close(self) -> None:
        self.over = True
        self.thread.join()
        self.server.close()


@pytest.fixture
def serving(short_folder: Path) -> Iterator[Serving]:
    found = Serving(short_folder / "s")
    yield found
    found.close()


def test_calls_answers_errors_and_pushes(serving: Serving) -> None:
    with wire.connect(serving.server.path) as client, wire.connect(serving.server.path) as listener:
        listener.call("subscribe")
        assert client.call("echo", text="ä" * 100_000) == {"text": "ä" * 100_000}
        with pytest.raises(NotFound, match="no such thing") as told:
            client.call("fail")
        assert told.value.remedy == "look elsewhere"
        assert listener.next_push(2) == {"push": "seen", "text": "ä" * 100_000}
        assert listener.next_push(0.05) is None
        with pytest.raises(DeviceMissing, match="no answer"):
            client.call("hush", timeout_s=0.1)
    assert serving.server.path.stat().st_mode & 0o777 == 0o600


def test_who_talks_nonsense_or_does_not_read_is_cut_off(serving: Serving) -> None:
    for nonsense in (b"{no json\n", b"[1]\n", b"x" * (limits.WIRE_LINE_BYTES + 2)):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(serving.server.path))
            raw.sendall(nonsense)
            raw.settimeout(5)
            try:
                assert raw.recv(10) == b""
            except ConnectionResetError:
                continue  # what it had not read yet turns the end into a reset
    with wire.connect(serving.server.path) as deaf, pytest.raises(DeviceMissing):
        deaf.call("flood", timeout_s=5)
        deaf.call("echo")
    wait_until(lambda: not serving.server.peers, 5)


def test_the_last_word_of_a_client_that_left_is_heard(short_folder: Path) -> None:
    heard: list[str] = []

    def serve(peer: wire.Peer, request: wire.Message) -> None:
        heard.append(request["do"])
        peer.subscribed = True

    with selectors.DefaultSelector() as selector:
        server = wire.Server(short_folder / "s", selector, serve)

        def turn() -> None:
            for key, mask in selector.select(1):
                key.data(mask)

        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(short_folder / "s"))
            client.sendall(wire.encode_line({"id": 1, "do": "subscribe"}))
            turn()
            turn()
            client.sendall(wire.encode_line({"id": 2, "do": "stop"}))
        server.push({"push": "beat"})  # nobody takes it any more
        assert server.subscribers == 0
        turn()
        assert heard == ["subscribe", "stop"]
        turn()
        assert server.peers == []
        server.close()


def test_one_socket_has_one_server_and_a_left_one_is_taken_over(short_folder: Path, serving: Serving) -> None:
    with pytest.raises(Busy):
        wire.listen(serving.server.path)
    left = short_folder / "left"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    wire.listen(left).close()
    with pytest.raises(DeviceMissing):
        wire.connect(short_folder / "nobody")


def test_an_order_crosses_whole_and_hides_its_keys() -> None:
    spec = RecordSpec(
        "/h", "s" * 26, "a name", "/s", "/r", tags=("a", "b"), absent=(("video", "none"),), sound_graph={"nodes": []}
    )
    order = Order(spec, b"\x01" * 40)
    assert decode_order(order.encode()) == order
    assert "0101" not in repr(order)
    later = json.loads(order.encode())
    later["spec"]["invented_later"] = 1
    assert decode_order(json.dumps(later).encode()) == order
    later["spec"]["protocol"] = 99
    for broken in (json.dumps(later).encode(), b"", b"{}", b'{"spec": {"protocol": 1}, "keys": ""}'):
        with pytest.raises(Usage):
            decode_order(broken)


def test_a_report_is_read_or_its_absence_explained() -> None:
    assert read_report(b'{"ready": {"pid": 5}}\n') == {"pid": 5}
    with pytest.raises(NotFound, match="gone"):
        read_report(json.dumps({"error": NotFound("gone").to_json()}).encode())
    with pytest.raises(PepysError, match="ended before it began"):
        read_report(b"")


def test_a_run_file_names_one_process(tmp_path: Path) -> None:
    clock = SystemClock()
    path = tmp_path / "run" / "x.json"
    told = write_run_file(path, "x", "/s", clock)
    assert read_run_file(path) == told and still_runs(told, clock)
    assert told.pid_start == process_start(os.getpid()) > 0
    for changed in (
        {"pid_start": told.pid_start + 1}, {"boot_id": "other"}, {"pid": 2**22 + 1},
    ):  # fmt: skip
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
        other = read_run_file(path)
        assert other is not None and not still_runs(other, clock)
        write_run_file(path, "x", "/s", clock)
    copied = tmp_path / "copy" / "x.json"
    copied.parent.mkdir()
    copied.write_text(path.read_text())
    assert read_run_file(copied) is None, "a copy of a home has no recorder"
    path.write_text("torn {")
    assert read_run_file(path) is None and read_run_file(tmp_path / "none") is None


def test_a_loop_serves_timers_in_order_and_posts_from_threads() -> None:
    loop = Loop(SystemClock())
    seen: list[str] = []
    now = loop.clock.now_ns()
    loop.set_timer("late", now + 40_000_000, lambda: seen.append("late"))
    loop.set_timer("last", now + 41_000_000, loop.stop)
    loop.set_timer("early", now + 10_000_000, lambda: seen.append("never"))
    loop.set_timer("early", now + 20_000_000, lambda: seen.append("early"))
    loop.set_timer("cleared", now + 10_000_000, lambda: seen.append("never"))
    loop.clear_timer("cleared")
    thread = threading.Thread(target=lambda: loop.post(lambda: seen.append("posted")))
    thread.start()
    loop.run()
    thread.join()
    loop.close()
    assert seen == ["posted", "early", "late"]


def test_a_reader_let_go_by_another_is_not_called() -> None:
    loop = Loop(FakeClock())
    pipes = [os.pipe() for _ in range(2)]
    seen: list[int] = []

    def hear(index: int) -> None:
        seen.append(index)
        loop.remove_reader(pipes[1 - index][0])

    for index, (reading, writing) in enumerate(pipes):
        os.write(writing, b"x")
        loop.add_reader(reading, lambda index=index: hear(index))  # type: ignore[misc] # bound for this round
    loop.turn(0)
    assert len(seen) == 1
    loop.close()
