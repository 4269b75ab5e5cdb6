"""The gate in front of every request: Host, Origin, proof, body size; and the headers of every response.

Pure ASGI, so that media stream through it untouched. It denies by default: what is not named public here needs a
proof, whether a route exists or not. Invariants: a name that is not ours is refused (DNS rebinding), an unsafe request
of another site is refused (cross-site forgery), and nothing but the hashed bundle may be kept by a browser.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final

from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pepys import limits
from pepys.web.auth import SignIn
from pepys.web.problems import problem_response

API: Final = "/api/"
METRICS: Final = "/metrics"
SIGN_IN_API: Final = "/api/v1/sign-in"
_SAFE: Final = frozenset({"GET", "HEAD"})
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_TOO_LARGE: Final = f"a request holds at most {limits.REQUEST_BODY_BYTES} bytes"
_CSP: Final = "; ".join((
    "default-src 'self'", "img-src 'self' blob: data:", "media-src 'self' blob:", "style-src 'self'",
    "script-src 'self'", "connect-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "base-uri 'none'",
    "form-action 'self'",
))  # fmt: skip
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
}


class Guard:
    """ASGI middleware: lets through what may pass and dresses every response.

    Args:
        app: the application behind it.
        sign_in: judges proofs.
        allowed_host: whether a `Host` header's value names this server; see `host_rule`.
    """

    def __init__(self, app: ASGIApp, sign_in: SignIn, allowed_host: Callable[[str], bool]) -> None:
        self._app = app
        self._sign_in = sign_in
        self._allowed_host = allowed_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        dressed = _dress(scope["path"], send)
        refusal = self._refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            await refusal(scope, receive, dressed)
            return
        if token := _bearer(headers):
            dressed = _while_good(lambda: self._sign_in.is_token(token), dressed)
        await self._app(scope, _limited(receive), dressed)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._allowed_host(hosts[0]):
            return problem_response(403, "foreign_host", "this name is not served here", "use the printed address")
        if not _same_site(method, path, headers, hosts[0]):
            return problem_response(403, "foreign_origin", "requests of other sites are refused", "use pepys' own page")
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limits.REQUEST_BODY_BYTES:
            return _too_large()
        if needs_proof(path) and not self.is_proven(headers):
            return problem_response(
                401, "signed_out", "this needs a sign-in or the token",
                "run `pepys open`, or send the token of `pepys key token` as Authorization: Bearer",
                {"WWW-Authenticate": 'Bearer realm="pepys"'},
            )  # fmt: skip
        return None

    def is_proven(self, headers: Headers) -> bool:
        """Whether the request carries the token or a live browser session."""
        token = _bearer(headers)
        if token is not None:
            return self._sign_in.is_token(token)
        return self._sign_in.is_session(session_cookie(headers, self._sign_in.cookie))


def _bearer(headers: Headers) -> str | None:
    """The token that a program sent; None where it sent none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def needs_proof(path: str) -> bool:
    """Whether a path needs a proof: metrics, and all of the API but signing in; shell and bundle hold nothing."""
    return _holds(path) and path != SIGN_IN_API


def _holds(path: str) -> bool:
    """Whether what is there is no part of the page."""
    return path.startswith("/api") or path == METRICS or path.startswith(f"{METRICS}/")


def session_cookie(headers: Headers, name: str) -> str:
    """The value of the session cookie, or nothing."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def host_rule(bound: str, port: int) -> Callable[[str], bool]:
    """Make the test of `Host` headers for a server bound to `bound`.

    Loopback names always count. A server bound to one other address answers to it; one bound to all addresses answers
    to any address written in numbers: a rebound name is never one.
    """
    suffix = f":{port}"
    names = {*_LOOPBACK, f"[{bound}]" if ":" in bound else bound.lower()}
    everywhere = bound in {"0.0.0.0", "::"}

    def allowed(host: str) -> bool:
        name = host.lower().removesuffix(suffix)
        if not host.endswith(suffix) and port != 80:
            return False
        if name in names:
            return True
        return everywhere and _is_address(name.strip("[]"))

    return allowed


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_site(method: str, path: str, headers: Headers, host: str) -> bool:
    """Whether the request comes from our own page, or from no page at all.

    A page on another port of this machine is of the same *site* and brings the cookie along, hence the look at where
    the request was made; navigation to the shell is free, as it holds nothing.
    """
    fetch_site = headers.get("sec-fetch-site", "none")
    if _holds(path) and fetch_site not in {"same-origin", "none"}:
        return False
    if method in _SAFE:
        return True
    origin = headers.get("origin")
    return fetch_site in {"same-origin", "none"} and (origin is None or origin == f"http://{host}")


def _too_large() -> Response:
    return problem_response(413, "too_large", _TOO_LARGE)


def _limited(receive: Receive) -> Receive:
    """Count the body as it comes: a chunked one declares no length."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limits.REQUEST_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return limited


def _while_good(is_good: Callable[[], bool], send: Send) -> Send:
    """End a response that goes on and on, such as the feed, when the token that let it in was revoked."""
    endless = ended = False

    async def watched(message: Message) -> None:
        nonlocal endless, ended
        if ended:
            return
        if message["type"] == "http.response.start":
            endless = not any(name.lower() == b"content-length" for name, _ in message["headers"])
        elif endless and message.get("more_body") and not is_good():
            ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(message)

    return watched


def _dress(path: str, send: Send) -> Send:
    """Put the headers of every response on."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            lasting = path.startswith("/assets/") and message["status"] == 200
            headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-store"
        await send(message)

    return dressed
