"""A real HTTP server in an object store's place, that behaves as badly as it is told, and else hands requests on.

Each request takes the next manner from a list; when the list is empty, requests go to the real store behind it, with
their own Host header, which their signatures cover. It listens on this machine's own address.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

MANNERS = {
    "pass": "hand the request on",
    "hang": "take the request and never answer",
    "trickle": "answer byte by byte, for ever",
    "slow": "answer byte by byte, whole",
    "slow_down": "503 SlowDown with Retry-After",
    "too_many": "429",
    "error": "500 InternalError",
    "refuse": "403 AccessDenied",
    "drop": "close the connection without an answer",
    "lose": "hand the request on, and drop the connection instead of the answer",
    "cut": "the real answer, whose body ends half way to its Content-Length",
    "altered": "the real answer with one bit of the body changed",
    "short": "the real answer without its body's second half, and a Content-Length that says so",
    "endless": "a Content-Length of many gigabytes, and that many bytes",
    "elsewhere": "307 to another server",
    "garbage": "bytes that are no HTTP",
    "page": "200 with a page of HTML, as a captive portal sends",
}


@dataclass
class RudeServer:
    """One that runs.

    Attributes:
        endpoint: its address.
        manners: how the next requests are treated, first in first out.
        seen: method and path of each request, with how it was treated.
        elsewhere: the requests that came to where it redirects to.
    """

    endpoint: str
    manners: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def behave(self, *manners: str) -> None:
        """Treat the next requests so."""
        assert set(manners) <= set(MANNERS)
        self.manners[:], self.seen[:] = manners, []


@contextlib.contextmanager
def rude_server(behind: str) -> Iterator[RudeServer]:
    """Run one in front of the store at the address `behind`, for the moment of the block."""
    rude = RudeServer("")
    ended = threading.Event()
    elsewhere = _served(type("Elsewhere", (_Elsewhere,), {"rude": rude}))
    # Another host by its name, as a redirect to this one is no leak.
    address = f"http://localhost:{elsewhere.server_address[1]}"
    told = {"rude": rude, "behind": urlsplit(behind).netloc, "address": address, "ended": ended}
    front = _served(type("Front", (_Front,), told))
    rude.endpoint = f"http://127.0.0.1:{front.server_address[1]}"
    try:
        yield rude
    finally:
        ended.set()
        for server in (front, elsewhere):
            server.shutdown()
            server.server_close()


def _served(handler: type[http.server.BaseHTTPRequestHandler]) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Nothing."""

    def handle(self) -> None:
        # Clients that gave up close the connection under it.
        with contextlib.suppress(OSError):
            super().handle()


class _Elsewhere(_Quiet):
    rude: ClassVar[RudeServer]

    def do_GET(self) -> None:
        self.rude.elsewhere.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"stole")

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET


class _Front(_Quiet):
    rude: ClassVar[RudeServer]
    behind: ClassVar[str]
    address: ClassVar[str]
    ended: ClassVar[threading.Event]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        manner = self.rude.manners.pop(0) if self.rude.manners else "pass"
        self.rude.seen.append((self.command, self.path, manner))
        if manner in _ERRORS:
            status, code, headers = _ERRORS[manner]
            self._answer(status, f"<Error><Code>{code}</Code></Error>".encode(), headers)
        elif manner == "elsewhere":
            self._answer(307, b"", {"Location": f"{self.address}{self.path}"})
        elif manner == "page":
            self._answer(200, b"<html>Please accept our terms</html>", {"Content-Type": "text/html"})
        elif manner in _RAW:
            getattr(self, f"_{manner}")()
            self._close()
        else:
            self._real(body, manner)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET

    def _real(self, body: bytes, manner: str) -> None:
        link = http.client.HTTPConnection(self.behind, timeout=30)
        try:
            link.request(self.command, self.path, body, dict(self.headers))
            answer = link.getresponse()
            data, headers = answer.read(), dict(answer.getheaders())
        finally:
            link.close()
        if manner == "lose":
            self._close()
            return
        half = len(data) // 2
        told = half if manner == "short" else len(data)
        if self.command == "HEAD":
            told = int(headers.get("Content-Length", 0))
        if manner == "altered" and data:
            data = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
        kept = {k: v for k, v in headers.items() if k not in {"Content-Length", "Transfer-Encoding", "Connection"}}
        if manner in {"cut", "short"}:
            data = data[:half]
        self._answer(answer.status, data, kept, told, by=1 if manner == "slow" else 1 << 20)
        if manner == "cut":
            self._close()

    def _answer(
        self, status: int, data: bytes, headers: dict[str, str], told: int | None = None, by: int = 1 << 20
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if told is None else told))
        self.end_headers()
        for at in range(0, len(data), by):
            self.wfile.write(data[at : at + by])

    def _garbage(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP at all\r\n\r\n")

    def _endless(self) -> None:
        self.wfile.write(_HEADER % 99_000_000_000)
        while not self.ended.is_set():
            self.wfile.write(bytes(65536))

    def _trickle(self) -> None:
        self.wfile.write(_HEADER % 1000)
        while not self.ended.wait(0.05):
            self.wfile.write(b"x")

    def _hang(self) -> None:
        self.ended.wait(60)

    def _drop(self) -> None:
        """Nothing but the closing."""

    def _close(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


_RAW = {"garbage", "endless", "trickle", "hang", "drop"}
_HEADER = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "x"\r\nLast-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\n\r\n'
_ERRORS = {
    "slow_down": (503, "SlowDown", {"Retry-After": "1"}),
    "too_many": (429, "TooManyRequests", {"Retry-After": "1"}),
    "error": (500, "InternalError", {}),
    "refuse": (403, "AccessDenied", {}),
}
