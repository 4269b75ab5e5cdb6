"""A recorder without devices: writes a real session and speaks the real protocol, so that hosts can be tested.

`FAKE_RECORDER` in the environment tells how it misbehaves: words such as `slow`, `dead`, `refuse:pause`, `hang:pause`,
`die:pause`, `cut:pause` (lets go of the host, once), `broken:set` (its disk fails for good), `stuck:stop` (stands
still as it ends), `fails:audio.mic`, `warns:audio.mic`, `full`, `gone`, `crash`, `anew` (asks to be started again),
`locked`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import SystemClock
from pepys.errors import Busy, DeviceMissing, PepysError, StorageProblem, Usage
from pepys.model import events as ev
from pepys.record.launch import Launched
from pepys.record.runfile import write_run_file
from pepys.record.spec import Order, RecordSpec, decode_order
from pepys.record.wire import Message, Peer, Server, encode_line, reply_error, reply_ok
from pepys.store.keys import StoreKeys
from pepys.store.store import Store
from pepys.store.writer import SessionWriter

LEVEL = {"peak_db": -23.4, "loudness_lufs": -30.0, "voice": True}
SEGMENT = b"not really media " * 100


def launch_fake(order: Order, log: Path, env: dict[str, str] | None = None) -> Launched:
    """Stands in for `pepys.record.launch.launch`."""
    ours, theirs = socket.socketpair()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_recorder", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    ours.sendall(order.encode())
    ours.shutdown(socket.SHUT_WR)
    return Launched(process, ours)


class FakeRecorder:
    """One session of beats."""

    def __init__(self, spec: RecordSpec, store: Store, words: set[str]) -> None:
        self.spec, self.words, self.clock = spec, words, store.clock
        self.selector = selectors.DefaultSelector()
        self.state = "recording"
        self.done = False
        self.held = ""
        self.tracks = {"video": "healthy", "audio.mic": "healthy", "shots": "healthy"}
        self.tracks.update({track: "off" for track, _ in spec.absent})
        self.sources, self.layout = list(spec.sources), spec.layout
        self.sound = {"gains": {"mic": {"muted": False, "gain_db": 0.0}}, "balance": 50}
        self.warned: set[str] = set()
        self.notes = 0
        self.base_ns = self.clock.now_ns()
        self.writer = self._open(store)
        self.server = Server(spec.socket, self.selector, self.on_request)
        write_run_file(Path(spec.run_file), spec.session, spec.socket, self.clock)

    def _open(self, store: Store) -> SessionWriter:
        spec, wall_ns = self.spec, self.clock.wall_ns()
        self.span, self.at_ns, self.media_ns = 0, 0, 0
        if spec.resume:
            writer = SessionWriter.resume(store, spec.session)
            assert writer.view is not None
            self.span, self.at_ns = len(writer.view.spans), writer.view.end_ns
            self.media_ns = writer.view.duration_ns
            writer.append(
                *(ev.GapNoted(gap.start_ns, self.at_ns, gap.reason, None, gap.detail) for gap in writer.view.gaps)
            )
        else:
            device = store.keys.device_id
            header = ev.SessionStarted(spec.session, spec.name, wall_ns, device, spec.tags, spec.config)
            writer = SessionWriter.create(store, header)
            writer.append(ev.TrackStarted("video", "video", ":9", "h264", 64, 48))
        self.start_span(writer)
        return writer

    def start_span(self, writer: SessionWriter) -> None:
        self.base_ns = self.clock.now_ns() - self.at_ns
        boot = self.clock.boot_id()
        writer.append(ev.SpanStarted(self.span, self.at_ns, self.media_ns, boot, self.base_ns, self.clock.wall_ns()))
        segment = writer.open_segment("video", self.span)
        segment.append(SEGMENT)
        segment.sync()
        writer.append(ev.SegmentOpened("video", self.span, self.span, segment.name))
        writer.append(ev.FragmentWritten("video", self.span, 0, len(SEGMENT), self.media_ns, 800_000_000, self.at_ns))
        writer.sync()
        self.segment, self.span_start_ns = segment, self.at_ns

    def end_span(self) -> None:
        self.at_ns = max(self.clock.now_ns() - self.base_ns, self.span_start_ns + 800_000_000)
        blob = self.segment.seal()
        start = (0, len(SEGMENT), self.media_ns, 800_000_000)
        self.writer.append(
            ev.SegmentSealed(
                "video", self.span, self.span, blob, len(SEGMENT), self.media_ns, 800_000_000, self.span_start_ns,
                (start,),
            ),
        )  # fmt: skip
        self.media_ns += self.at_ns - self.span_start_ns
        self.writer.append(ev.SpanEnded(self.span, self.at_ns, self.media_ns))
        self.writer.sync()
        self.span += 1

    def status(self) -> Message:
        details = dict(self.spec.absent)
        tracks = [
            {
                "track": track, "source": "fake", "state": state, "detail": details.get(track, ""),
                "attempt_ms_ago": 1, "capture_ms_ago": 1, "write_ms_ago": 1, "captured": 0, "encoded": 0, "dropped": 0,
                **({"level": LEVEL} if track.startswith("audio.") and state == "healthy" else {}),
            }
            for track, state in self.tracks.items()
        ]  # fmt: skip
        return {
            "session": self.spec.session, "state": self.state, "held": self.held,
            "started_wall_ns": self.clock.wall_ns(),
            "recorded_ms": 1000, "wall_ms": 1000, "bytes": len(SEGMENT), "spans": self.span + 1, "tracks": tracks,
            "sources": self.sources, "layout": self.layout, "sound": self.sound, "gaps_open": [],
            "disk": {"free_bytes": 10**12, "seconds_left": None},
        }  # fmt: skip

    def hear(self, args: dict[str, Any]) -> None:
        gains: Any = self.sound["gains"]
        for word, muted in (("mute", True), ("unmute", False)):
            for name in args.get(word, []):
                if name not in gains:
                    raise Usage(f"there is no gain {name}", f"these are there: {', '.join(gains)}")
                gains[name] = {"muted": muted, "gain_db": 0.0}
        self.sound = {"gains": gains, "balance": args.get("balance", self.sound["balance"])}

    def on_request(self, peer: Peer, request: Message) -> None:
        do = str(request.get("do"))
        if f"die:{do}" in self.words:
            os.kill(os.getpid(), signal.SIGKILL)
        if f"cut:{do}" in self.words:
            self.words.discard(f"cut:{do}")
            self.server.drop(peer)
            return
        if f"broken:{do}" in self.words:
            self.enter("ending")
            os._exit(StorageProblem.exit_code)
        if f"stuck:{do}" in self.words:
            self.enter("ending")
            os.kill(os.getpid(), signal.SIGSTOP)
        if f"hang:{do}" in self.words:
            return
        try:
            if f"refuse:{do}" in self.words:
                raise DeviceMissing(f"the fake refuses to {do}", "take another one")
            peer.send(reply_ok(request, self.answer(peer, do, request.get("args", {}))))
        except PepysError as error:
            peer.send(reply_error(request, error))

    def answer(self, peer: Peer, do: str, args: dict[str, Any]) -> Message:
        if do == "subscribe":
            peer.subscribed = True
        elif do == "set":
            self.sources = args.get("sources", self.sources)
            self.layout = args.get("layout", self.layout)
            self.hear(args)
        elif do == "pause" and self.held:
            self.held = ""
        elif do == "resume" and self.held:
            raise Busy("the screen is locked", "unlock it")
        elif do == "pause" and self.state == "recording":
            self.end_span()
            self.enter("paused")
        elif do == "resume" and self.state == "paused":
            self.at_ns = self.clock.now_ns() - self.base_ns
            self.start_span(self.writer)
            self.enter("recording")
        elif do == "stop":
            self.finish()
            return {"session": self.spec.session, "state": "completed", "recorded_ms": 1000}
        elif do in {"note", "mark"}:
            self.notes += 1
            kind = "note" if do == "note" else "marker"
            text = args.get("text", args.get("label", ""))
            self.writer.append(ev.NoteAdded(f"n{self.notes}", self.at_ns, text, kind))
            self.writer.sync()
            return {"id": f"n{self.notes}", "at_ms": self.at_ns // 1_000_000}
        elif do not in {"status", "pause", "resume"}:
            raise Usage(f"no command {do}", "")
        return self.status()

    def enter(self, state: str) -> None:
        self.state = state
        self.server.push({"push": "state", "state": state, "status": self.status()})

    def finish(self) -> None:
        self.enter("ending")
        if self.span_start_ns >= self.at_ns:
            self.end_span()
        self.writer.end(self.at_ns)
        self.done = True

    def beat(self) -> None:
        if not self.server.subscribers:
            return
        for word in self.words:
            kind, _, track = word.partition(":")
            if kind == "fails" and self.tracks.get(track) == "healthy":
                self.tracks[track] = "failed"
                self.server.push({"push": "track", "track": track, "state": "failed", "detail": "the cable is out"})
            elif kind == "warns" and track not in self.warned:
                self.warned.add(track)
                told = {"track": track, "kind": "quiet", "text": "recording, but nothing is heard", "at_ms": 30_000}
                self.server.push({"push": "track", "track": track, "state": "degraded", "detail": told["text"]})
                self.server.push({"push": "warning", **told})
                self.server.push({"push": "warning", **told, "kind": "switched", "text": "switched from a to b"})
        peaks = [-60] * 4 + [-23] * 4 + [0] * 4 + [-23] * 4 + [-60] * 4
        self.server.push(
            {"push": "levels", "levels": {"audio.mic": {"peaks": peaks, "loudness": peaks, "voice": [1] * 20}}}
        )
        if "crash" in self.words:
            os.kill(os.getpid(), signal.SIGKILL)
        if "anew" in self.words and not self.spec.resume:
            self.end_span()
            self.writer.append(ev.GapNoted(self.at_ns, None, "crash", None, "started anew: it used 900 MiB"))
            self.writer.sync()
            os._exit(limits.RECORDER_ANEW)
        if "locked" in self.words and not self.held:
            self.held = "locked"
            self.end_span()
            self.enter("paused")
        error: PepysError | None = None
        if "full" in self.words:
            error = StorageProblem("the disk reserve is reached", "free")
        if "gone" in self.words:
            error = DeviceMissing("display :9: the X server has ended", "start it")
        if error is not None:
            self.server.push({"push": "error", "error": error.to_json()})
            self.finish()
        self.server.push({"push": "beat", **self.status()})

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.finish())
        while not self.done:
            for key, mask in self.selector.select(0.1):
                key.data(mask)
            if not self.done:
                self.beat()
        Path(self.spec.run_file).unlink(missing_ok=True)
        self.server.push({"push": "state", "state": "completed"})
        self.server.close()


def main() -> None:
    """The child's side."""
    words = set(os.environ.get("FAKE_RECORDER", "").split())
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        data = b""
        while part := channel.recv(65536):
            data += part
        if "dead" in words:
            return
        if "slow" in words:
            with contextlib.suppress(OSError):
                Path(os.environ["FAKE_RECORDER_MARK"]).touch()
            signal.pause()
        order = decode_order(data)
        if order.spec.rehearsal:
            channel.sendall(encode_line({"ready": {"session": order.spec.session, "tracks": []}}))
            return
        store = Store(Path(order.spec.home), StoreKeys.from_bytes(order.keys), SystemClock())
        recorder = FakeRecorder(order.spec, store, words)
        told = recorder.status()["tracks"]
        tracks = [{key: track[key] for key in ("track", "state", "detail")} for track in told]
        ready = {"session": order.spec.session, "socket": order.spec.socket, "tracks": tracks}
        channel.sendall(encode_line({"ready": ready}))
    recorder.run()


if __name__ == "__main__":
    main()
