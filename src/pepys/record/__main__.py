"""`python -m pepys.record FD`: one recorder process, started by `launch`.

Reads its order from the inherited channel, reports once on it, and runs until the session has ended. SIGTERM ends in
order; SIGINT is ignored, because a Ctrl-C is for the host to judge.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from pepys import heap
from pepys.clock import SystemClock
from pepys.errors import PepysError, Usage
from pepys.record.commands import Commands
from pepys.record.loop import Loop
from pepys.record.recorder import Recorder
from pepys.record.rehearsal import Rehearsal
from pepys.record.spec import Order, decode_order
from pepys.record.wire import Message, Server, encode_line
from pepys.store.keys import StoreKeys
from pepys.store.store import Store


class Channel:
    """The starter's end of it: an order in, one report out."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket: socket.socket | None = socket.socket(fileno=fd)

    def read(self) -> Order:
        """The order.

        Raises:
            Usage: it cannot be read.
        """
        assert self._socket is not None
        data = b""
        while part := self._socket.recv(65536):
            data += part
        return decode_order(data)

    def report(self, message: Message) -> None:
        """Tell the starter, once; it may be gone."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(encode_line(message))
            self._socket.close()
            self._socket = None


def run(channel: Channel, order: Order) -> int:
    """Record; the exit status."""
    clock = SystemClock()
    loop = Loop(clock)
    store = Store(Path(order.spec.home), StoreKeys.from_bytes(order.keys), clock)
    commands: list[Commands] = []

    def report(message: Message) -> None:
        channel.report(message)
        # What loading the sources' libraries left free, and opening them: the one time that there is much.
        loop.set_timer("heap", clock.now_ns(), heap.give_back)

    server = Server(order.spec.socket, loop.selector, lambda peer, request: commands[0].serve(peer, request))
    try:
        kind = Rehearsal if order.spec.rehearsal else Recorder
        recorder = kind(order.spec, store, loop, lambda message: commands[0].push(message), report)
        commands.append(Commands(recorder, server, loop))
        signal.set_wakeup_fd(loop.wake_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: loop.post_from_signal(recorder.terminate))
        try:
            recorder.start()
        except PepysError as error:
            recorder.fail_start(error)
            return recorder.exit_code
        loop.run()
        return recorder.exit_code
    finally:
        server.close()
        signal.set_wakeup_fd(-1)
        loop.close()


def main(argv: list[str]) -> int:
    """Run with the descriptor that `argv` names."""
    heap.keep_small()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        channel = Channel(int(argv[1]))
    except (IndexError, ValueError, OSError):
        print("pepys.record is started by pepys, not by hand", file=sys.stderr)
        return Usage.exit_code
    try:
        return run(channel, channel.read())
    except PepysError as error:
        channel.report({"error": error.to_json()})
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it was, the starter is told and the log has the traceback
        traceback.print_exc()
        channel.report({"error": PepysError(f"the recorder failed: {error}", "see logs/recorder.log").to_json()})
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
