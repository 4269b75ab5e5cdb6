"""The socket and the HTTP server on it.

Owns what uvicorn is told: no access log (addresses hold ids), no name of the server, no trust in forwarded headers,
bounded connections, and no hold on the process's signals, which are the daemon's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from pepys import limits
from pepys.errors import Busy, PermissionMissing, Usage


class Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def make_server(app: ASGIApp) -> Server:
    """A server for `app`; `serve(sockets=[...])` runs it until `should_exit` is set."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", http="h11", loop="asyncio",
        server_header=False, proxy_headers=False, timeout_keep_alive=limits.HTTP_KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.HTTP_GOODBYE_S, limit_concurrency=limits.HTTP_CONNECTIONS,
    )  # fmt: skip
    return Server(config)


def bind(bound: str, port: int) -> socket.socket:
    """Bind and listen.

    Raises:
        Busy: the port is in use.
        PermissionMissing: this user may not bind it.
        Usage: the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    # Named as TCP: asyncio turns Nagle's delay off only for sockets that say so, and an answer in two writes would wait
    # 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((bound, port))
        listener.listen(limits.HTTP_CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Busy(
                f"port {port} is in use by another program", "choose one with --port, or --port 0 for any free one"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PermissionMissing(f"port {port} may not be bound", "choose one above 1023 with --port") from error
        raise Usage(f"{bound} cannot be bound: {error.strerror or error}", "use 127.0.0.1") from error
    return listener
