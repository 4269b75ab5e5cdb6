"""The recorder's control socket: requests in, replies and pushes out.

Owns the words of the protocol and what a status looks like. Invariants: a reply to a command comes when it has
happened; a client that is gone changes nothing; when nobody has been connected for `spec.orphan_ns`, the recording ends
in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pepys import limits
from pepys.errors import PepysError, StorageProblem, Usage
from pepys.model import events as ev
from pepys.model.ids import new_short_id
from pepys.record.lately import Lately
from pepys.record.loop import Loop
from pepys.record.recorder import Recorder
from pepys.record.taps import Taps
from pepys.record.wire import Message, Peer, Server, reply_error, reply_ok


class Commands:
    """Serves one recorder."""

    def __init__(self, recorder: Recorder, server: Server, loop: Loop) -> None:
        self._recorder, self._server, self._loop = recorder, server, loop
        self._taps = Taps(recorder.capture.sounds, server)
        recorder.hosted = lambda: bool(server.subscribers)
        self._alone_ns = loop.clock.now_ns()
        self._refused = Lately(limits.REFUSED_LATELY_NS)
        self._doing: dict[str, Callable[[Peer, Message, dict[str, Any]], None]] = {
            "status": self._status,
            "subscribe": self._subscribe,
            "pause": self._pause,
            "resume": self._resume,
            "stop": self._stop,
            "note": self._note,
            "mark": self._mark,
            "set": self._set,
            "shot": self._shot,
            "listen": self._listen,
        }
        self._look_for_clients()

    def serve(self, peer: Peer, request: Message) -> None:
        """Do one request."""
        do, args = request.get("do"), request.get("args", {})
        try:
            serve = self._doing.get(do) if isinstance(do, str) else None
            if serve is None or not isinstance(args, dict):
                raise Usage(f"a recorder knows no command {do!r}", f"known are {', '.join(self._doing)}")
            serve(peer, request, args)
        except PepysError as error:
            peer.send(reply_error(request, error))

    def push(self, message: Message) -> None:
        """Tell all subscribers; a change of state carries the whole status."""
        if self._server.subscribers:
            whole = {**message, "status": self.status()} if message["push"] == "state" else message
            self._server.push(whole)

    def status(self) -> Message:
        """The recorder's status."""
        recorder, now_ns = self._recorder, self._loop.clock.now_ns()
        spans, writer = recorder.spans, recorder.writer
        recorder.capture.count()
        written = writer.written_ns if writer is not None else {}
        return {
            "session": recorder.spec.session,
            "name": recorder.spec.name,
            "state": recorder.state,
            "started_wall_ns": recorder.started_wall_ns,
            "recorded_ms": spans.recorded_by(now_ns) // limits.NS_PER_MS,
            "wall_ms": spans.axis(now_ns) // limits.NS_PER_MS if writer is not None else 0,
            "bytes": writer.bytes if writer is not None else 0,
            "spans": spans.count,
            "layout": recorder.capture.layout,
            "sources": recorder.capture.sources,
            "sound": recorder.capture.sounds.desk.to_json(),
            "tracks": [r.to_json(now_ns, written.get(r.track, 0)) for r in recorder.health.tracks.values()],
            "gaps_open": [
                {"reason": gap.reason, "track": gap.track, "detail": gap.detail} for gap in recorder.health.open_gaps
            ],
            "held": recorder.holding.held if recorder.state != "recording" else "",
            "disk": recorder.rounds.disk.to_json(),
            "write_queue": {
                "items": writer.waiting if writer is not None else 0,
                "refused": writer.refused if writer is not None else 0,
                "refused_lately": self._refused_lately(now_ns),
                "oldest_ms": writer.waits_ns(now_ns) // limits.NS_PER_MS if writer is not None else 0,
            },
            "memory": recorder.rounds.memory.to_json(),
            "loop": self._loop.lags.to_json(),
        }

    def _refused_lately(self, now_ns: int) -> int:
        writer = self._recorder.writer
        return self._refused.count(writer.refused if writer is not None else 0, now_ns)

    # --- requests

    def _status(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        peer.send(reply_ok(request, self.status()))

    def _subscribe(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        peer.subscribed = True
        peer.send(reply_ok(request, self.status()))
        self._loop.set_timer("push", self._loop.clock.now_ns() + limits.NS_PER_S, self._on_push)

    def _pause(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        self._recorder.pause(lambda error: self._answer(peer, request, error))

    def _resume(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        self._recorder.resume(lambda error: self._answer(peer, request, error))

    def _stop(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        self._recorder.stop(lambda error: self._answer(peer, request, error))

    def _set(self, peer: Peer, request: Message, args: dict[str, Any]) -> None:
        recorder = self._recorder
        layout, sources = args.get("layout"), _words(args, "sources")
        mute, unmute, balance = _words(args, "mute"), _words(args, "unmute"), args.get("balance")
        heard = bool(mute or unmute) or balance is not None
        if (layout is None and sources is None and not heard) or not isinstance(layout, str | None):
            raise Usage("there is nothing to set", "give a layout, sources, or what is to be heard")
        if balance is not None and type(balance) is not int:
            raise Usage(f"{balance!r} is no balance", "give a whole number of 0 to 100")

        def compose(error: PepysError | None) -> None:
            if error is not None or (layout is None and sources is None):
                self._answer(peer, request, error)
                return
            try:
                recorder.compose(layout, sources, lambda problem: self._answer(peer, request, problem))
            except PepysError as problem:
                self._answer(peer, request, problem)

        # What is heard is judged first: it takes no time, and is refused as a whole.
        if heard:
            recorder.set_sound(mute or (), unmute or (), balance, compose)
        else:
            compose(None)

    def _listen(self, peer: Peer, request: Message, args: dict[str, Any]) -> None:
        peer.send(reply_ok(request, self._taps.listen(peer, str(args.get("tap", "")))))

    def _note(self, peer: Peer, request: Message, args: dict[str, Any]) -> None:
        self._add(peer, request, args.get("id"), str(args.get("text", "")), "note")

    def _mark(self, peer: Peer, request: Message, args: dict[str, Any]) -> None:
        self._add(peer, request, args.get("id"), str(args.get("label", "")), "marker")

    def _add(self, peer: Peer, request: Message, given: object, text: str, kind: str) -> None:
        recorder = self._recorder
        if recorder.writer is None or recorder.state in {"ending", "completed"}:
            raise Usage(f"the recording is {recorder.state}: it takes no {kind}", "add it with --session")
        if len(text) > limits.NOTE_CHARS:
            raise Usage(f"a {kind} has at most {limits.NOTE_CHARS} characters", "shorten it")
        at_ns = recorder.spans.axis(self._loop.clock.now_ns())
        note = ev.NoteAdded(str(given) if given else new_short_id(), at_ns, text, kind)

        def done(error: PepysError | None) -> None:
            if error is not None:
                peer.send(reply_error(request, error))
            else:
                peer.send(reply_ok(request, {"id": note.id, "at_ms": note.at_ns // limits.NS_PER_MS}))

        if not recorder.note(note, done):
            raise StorageProblem("the disk does not keep up with the recording", "try again in a moment")

    def _shot(self, peer: Peer, request: Message, _args: dict[str, Any]) -> None:
        def done(error: PepysError | None, taken: Message) -> None:
            peer.send(reply_ok(request, taken) if error is None else reply_error(request, error))

        self._recorder.shoot(done)

    def _answer(self, peer: Peer, request: Message, error: PepysError | None) -> None:
        peer.send(reply_ok(request, self.status()) if error is None else reply_error(request, error))

    # --- by the clock

    def _on_push(self) -> None:
        if self._server.subscribers:
            self._server.push({"push": "beat", **self.status()})
            slack_ns = limits.LOOP_SLACK_NS
            at_ns = self._loop.clock.now_ns() + limits.NS_PER_S - slack_ns
            self._loop.set_timer("push", at_ns, self._on_push, slack_ns)

    def _look_for_clients(self) -> None:
        now_ns = self._loop.clock.now_ns()
        self._refused_lately(now_ns)  # with nobody there who asks, its time passes all the same
        if self._server.peers or self._recorder.state == "starting":
            self._alone_ns = now_ns
        orphan_ns = self._recorder.spec.orphan_ns
        if now_ns - self._alone_ns >= orphan_ns and self._recorder.state in {"recording", "paused"}:
            self._recorder.stop(lambda _error: None)
            return
        wait_ns = min(limits.ORPHAN_LOOK_NS, max(limits.NS_PER_MS, orphan_ns // 2))
        self._loop.set_timer("orphan", now_ns + wait_ns, self._look_for_clients)


def _words(args: dict[str, Any], name: str) -> list[str] | None:
    """A list of words that a client sent; None where it sent none.

    Raises:
        Usage: it is no list of words.
    """
    value = args.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(word, str) for word in value)):
        raise Usage(f"{name} is no list of words", "give each by itself")
    return value
