"""Samples of a recording under way, from a tap of its sound graph: for a program that listens along.

They come straight from the recorder, so that neither a host nor the disk is in between.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pepys import limits
from pepys.errors import DeviceMissing, NotFound
from pepys.record.wire import Message, connect
from pepys.sessions.control import orphans


@contextmanager
def listen(home: Path, tap: str) -> Iterator[tuple[Message, Callable[[], bytes | None]]]:
    """Listen to a tap.

    Yields:
        The format (`rate`, `channels`), and what gives the next samples, 16 bits, little endian, channels interleaved;
        None when the recording is over, empty when none came for a while.

    Raises:
        NotFound: nothing is being recorded.
        Usage: the graph has no such tap.
    """
    running = orphans(home)
    if not running:
        raise NotFound("nothing is being recorded on this home", "start a recording with `pepys record --sound-graph`")
    with connect(running[0].socket) as client:
        form = client.call("listen", limits.CONTROL_CONNECT_S, tap=tap)

        def following() -> bytes | None:
            try:
                push = client.next_push(limits.TAP_LOOK_S)
            except DeviceMissing:
                return None
            return base64.b64decode(push["data"]) if push is not None and push.get("push") == "samples" else b""

        yield form, following
