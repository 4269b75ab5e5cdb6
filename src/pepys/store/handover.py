"""Hands a store to a child process: its home and keys go through an inherited pipe, with an order for the child.

Keys stand in no argument, environment or file. The child is a module of pepys by name and gets the pipe's descriptor
as its one argument. What the order says is left to the two ends.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from pepys.clock import Clock, SystemClock
from pepys.errors import StorageProblem, Usage
from pepys.modules import module_words
from pepys.store.keys import StoreKeys
from pepys.store.store import Store


def start_child(
    module: str,
    store: Store,
    order: Mapping[str, Any],
    *,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start `python -P -m module FD` in a session of its own, so that a Ctrl-C reaches only its parent.

    Args:
        module: the module to run.
        store: the store it works on.
        order: JSON values for the child; at most as much as a pipe takes without a reader (16 KiB).
        stdout: as for `subprocess.Popen`.
        stderr: as for `subprocess.Popen`.

    Raises:
        StorageProblem: the system starts no more processes.
    """
    message = {"home": str(store.path), "keys": store.keys.to_bytes().hex(), "order": dict(order)}
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            process = subprocess.Popen(
                module_words(module, str(reading)),
                pass_fds=[reading],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            pipe.write(json.dumps(message).encode())
    except OSError as error:
        raise StorageProblem(
            f"the process {module} cannot be started: {error.strerror}", "end other programs"
        ) from error
    finally:
        os.close(reading)
    return process


def receive(arguments: list[str], clock: Clock | None = None) -> tuple[Store, dict[str, Any]]:
    """In the child: the store and the order.

    Args:
        arguments: the words after the module's name.
        clock: the time; the system's unless given.

    Raises:
        Usage: the process was not started by `start_child`.
        KeyProblem: the keys are not whole.
    """
    try:
        with os.fdopen(int(arguments[0]), "rb") as pipe:
            message = json.loads(pipe.read())
        home, keys, order = Path(message["home"]), bytes.fromhex(message["keys"]), message["order"]
    except (IndexError, KeyError, TypeError, ValueError, OSError) as error:
        raise Usage("this process is started by pepys, not by hand", "see pepys --help") from error
    return Store(home, StoreKeys.from_bytes(keys), clock or SystemClock()), order
