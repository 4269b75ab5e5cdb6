"""Invariant 10 over real sockets: nothing without a proof, nothing for other sites, nothing kept by a browser."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pepys import limits
from tests.web_app import SHELL, Served, served
from tests.web_session import two_spans

pytestmark = pytest.mark.unhurried


@pytest.fixture
def server(home: Path) -> Iterator[Served]:
    with served(home) as running:
        yield running


def _routes(server: Served) -> list[tuple[str, str]]:
    with server.client() as client:
        document = client.get("/api/v1/openapi.json").json()
    return [
        (method.upper(), re.sub(r"\{[^}]+\}", "0", path))
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_every_route_needs_a_proof(server: Served) -> None:
    public = {("GET", "/healthz"), ("POST", "/api/v1/sign-in")}
    routes = _routes(server)
    assert len(routes) >= 22 and public <= set(routes)
    with server.client(signed_in=False) as client:
        for method, path in [*routes, ("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/none-such"), ("GET", "/api")]:
            if (method, path) in public:
                continue
            for headers in (
                {}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {server.token}"},
                {"Cookie": f"{server.desk.cookie}=wrong"}, {"Cookie": f"{server.desk.cookie}="},
            ):  # fmt: skip
                answer = client.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path, headers)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "signed_out" and answer.json()["remedy"]
    assert server.host.calls == [] and server.woken == 0


def test_health_and_shell_are_public_and_hold_nothing(server: Served) -> None:
    two_spans(server.store, name="secret name")
    with server.client(signed_in=False) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        for path in ("/", "/sign-in", "/s/0", "/search", "/live"):
            assert client.get(path).content == SHELL
        assert client.get("/assets/app-abc123.js").status_code == 200
        for path in ("/assets/none.js", "/favicon.ico", "/assets/%2e%2e/index.html", "/docs", "/s", "/s/",
                     "/s/0/1", "/live/x", "/index.html"):  # fmt: skip
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


def test_other_names_are_refused(server: Served) -> None:
    with server.client() as client:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", f"127.0.0.1:{server.port + 1}"):
            for path in ("/", "/healthz", "/api/v1/status"):
                answer = client.get(path, headers={"Host": host})
                assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")


def test_a_request_without_a_host_is_refused(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"GET /api/v1/status HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n" % server.token.encode())
        assert re.match(rb"HTTP/1.[01] 4", raw.recv(100))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "OWN", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_of_other_sites_are_refused(server: Served, headers: dict[str, str]) -> None:
    own = {name: server.url if value == "OWN" else value for name, value in headers.items()}
    with server.client() as client:
        for method, path in (("POST", "/api/v1/recording/stop"), ("DELETE", "/api/v1/sessions/0"),
                             ("POST", "/api/v1/sign-in"), ("PATCH", "/api/v1/sessions/0")):  # fmt: skip
            answer = client.request(method, path, headers=own, json={"token": server.token})
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), (method, path)
            assert "set-cookie" not in answer.headers
    assert server.host.calls == []


def test_our_own_page_may_write(server: Served) -> None:
    with server.client() as client:
        headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        assert client.post("/api/v1/recording", json={"name": "x"}, headers=headers).status_code == 201
    assert server.host.calls[0][1].name == "x"


def test_a_page_of_another_port_may_not_even_read(server: Served) -> None:
    with server.client() as client:
        assert client.get("/api/v1/status", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403


def test_every_answer_carries_the_headers(server: Served) -> None:
    session = two_spans(server.store).session
    with server.client() as client:
        paths = ["/", "/healthz", "/api/v1/status", f"/api/v1/sessions/{session}/media/segments/0", "/assets/none.js",
                 f"/api/v1/sessions/{session}/playback", "/api/v1/sessions/0/overview"]  # fmt: skip
        answers = [client.get(path) for path in paths] + [httpx.get(f"{server.url}/api/v1/status")]
        for answer in answers:
            _has_headers(answer)
            assert answer.headers["cache-control"] == "no-store"
        kept = client.get("/assets/app-abc123.js")
        _has_headers(kept)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert kept.headers["content-type"].startswith("text/javascript")


def _has_headers(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    for part in ("default-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers and "server" not in answer.headers


def test_the_printed_address_signs_in_once(server: Served) -> None:
    code = server.call(server.desk.new_code)
    with httpx.Client(base_url=server.url) as browser, httpx.Client(base_url=server.url) as thief:
        answer = browser.get(f"/sign-in?code={code}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert word.lower() in cookie.lower()
        assert "expires" not in cookie.lower() and "max-age" not in cookie.lower()
        assert browser.get("/api/v1/status").status_code == 200
        assert browser.get(f"/sign-in?code={code}").status_code == 303, "a reload is no error"
        again = thief.get(f"/sign-in?code={code}")
        assert again.status_code == 403 and "set-cookie" not in again.headers and again.content == SHELL
        assert thief.get("/api/v1/status").status_code == 401
        assert browser.post("/api/v1/sign-out").json() == {"ok": True}
        browser.cookies.set(server.desk.cookie, cookie.split("=", 1)[1].split(";")[0])
        assert browser.get("/api/v1/status").status_code == 401


@pytest.mark.parametrize(
    ("following", "target"),
    [
        ("/s/01abc", "/s/01abc"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/s/a%0d%0aX-Evil:1", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_own_pages_only(server: Served, following: str, target: str) -> None:
    code = server.call(server.desk.new_code)
    answer = httpx.get(f"{server.url}/sign-in?code={code}&next={following}")
    assert (answer.status_code, answer.headers["location"]) == (303, target)


def test_the_token_signs_in_and_wrong_ones_are_limited(server: Served) -> None:
    with httpx.Client(base_url=server.url) as browser:
        assert browser.post("/api/v1/sign-in", json={"token": f" {server.token}\n"}).json() == {"ok": True}
        assert browser.get("/api/v1/status").status_code == 200
        for _ in range(limits.SIGN_IN_TRIES):
            assert browser.post("/api/v1/sign-in", json={"token": "guess"}).json()["code"] == "wrong_token"
        limited = browser.post("/api/v1/sign-in", json={"token": server.token})
        assert limited.status_code == 429 and int(limited.headers["retry-after"]) > 0


def test_large_bodies_are_refused(server: Served) -> None:
    large: Any = b"x" * (limits.REQUEST_BODY_BYTES + 1)

    def pieces() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 8192

    with server.client() as client:
        for body in (large, pieces()):
            answer = client.post("/api/v1/recording", content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            _has_headers(answer)
