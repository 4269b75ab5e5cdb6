"""Starts a recorder process and hears whether it began.

The child is `python -m pepys.record FD` in a session of its own, so that a Ctrl-C at the terminal reaches only the
host, and so that it outlives a killed host. The inherited descriptor is one end of a socket pair: the order goes in
(spec and keys), one line comes back (`{"ready": ...}` or `{"error": ...}`), then both sides close it. Keys are in no
argument, environment or file.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pepys import errors, limits
from pepys.modules import module_words
from pepys.record.spec import Order
from pepys.store.files import make_folder, private_file


@dataclass(slots=True)
class Launched:
    """A recorder that was started; `channel` gives its one report."""

    process: subprocess.Popen[bytes]
    channel: socket.socket

    def wait_ready(self, timeout_s: float = limits.RECORDER_START_S) -> dict[str, Any]:
        """Wait until it records: `{"pid", "session", "started_wall_ns", "socket", "tracks"}`.

        On an error nothing of the session is left, and the process has ended or is about to.

        Raises:
            PepysError: why it did not begin.
        """
        with self.channel:
            self.channel.settimeout(timeout_s)
            data = b""
            try:
                while not data.endswith(b"\n"):
                    part = self.channel.recv(65536)
                    if not part:
                        break
                    data += part
            except TimeoutError:
                self.process.kill()
                raise errors.DeviceMissing(
                    f"the recorder did not begin within {timeout_s:g} s", "run `pepys doctor`"
                ) from None
            except OSError:
                data = b""
        return read_report(data)


def read_report(line: bytes) -> dict[str, Any]:
    """The report in `line`, which is empty when the recorder ended without one.

    Raises:
        PepysError: why it did not begin.
    """
    try:
        report: dict[str, Any] = json.loads(line)
    except ValueError:
        raise errors.DeviceMissing(
            "the recorder ended before it began", "see logs/recorder.log in the home, or run `pepys doctor`"
        ) from None
    if "error" in report:
        raise errors.from_json(report["error"])
    ready: dict[str, Any] = report.get("ready", {})
    return ready


def launch(order: Order, log: Path) -> Launched:
    """Start a recorder; returns at once. What it prints goes to `log`.

    Raises:
        StorageProblem: the log cannot be written.
    """
    ours, theirs = socket.socketpair()
    try:
        make_folder(log.parent)
        with open(log, "ab", opener=private_file) as sink:
            process = subprocess.Popen(
                module_words("pepys.record", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise errors.StorageProblem(
            f"the recorder cannot be started: {error}", "free space, or check rights"
        ) from error
    finally:
        theirs.close()
    with contextlib.suppress(OSError):  # a child that died at once is told by its missing report
        ours.sendall(order.encode())
        ours.shutdown(socket.SHUT_WR)
    return Launched(process, ours)
