"""Who may ask: codes, sessions, tries, and names of the server."""

from __future__ import annotations

import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.web.auth import SignIn
from pepys.web.guard import host_rule, needs_proof


def test_a_code_is_good_once() -> None:
    desk = SignIn("token", FakeClock(), 1)
    code = desk.new_code()
    assert not desk.use_code(code + "x")
    assert desk.use_code(code)
    assert not desk.use_code(code)


def test_a_code_is_good_for_ten_minutes() -> None:
    clock = FakeClock()
    desk = SignIn("token", clock, 1)
    early, late = desk.new_code(), desk.new_code()
    clock.advance(limits.SIGN_IN_CODE_NS - 1)
    assert desk.use_code(early)
    clock.advance(1)
    assert not desk.use_code(late)


def test_codes_are_bounded() -> None:
    desk = SignIn("token", FakeClock(), 1)
    codes = [desk.new_code() for _ in range(limits.SIGN_IN_CODES + 1)]
    assert not desk.use_code(codes[0]) and desk.use_code(codes[1]) and desk.use_code(codes[-1])


def test_a_browser_session_lives_while_it_is_used() -> None:
    clock = FakeClock()
    desk = SignIn("token", clock, 1)
    used, idle = desk.open_session(), desk.open_session()
    clock.advance(limits.BROWSER_SESSION_NS - 1)
    assert desk.is_session(used)
    clock.advance(1)
    assert desk.is_session(used) and not desk.is_session(idle)
    desk.close_session(used)
    assert not desk.is_session(used) and not desk.is_session("")


def test_browser_sessions_are_bounded() -> None:
    desk = SignIn("token", FakeClock(), 1)
    sessions = [desk.open_session() for _ in range(limits.BROWSER_SESSIONS + 1)]
    assert not desk.is_session(sessions[0]) and desk.is_session(sessions[1])


def test_wrong_tokens_are_limited_and_the_right_one_waits_too() -> None:
    clock = FakeClock()
    desk = SignIn("token", clock, 1)
    assert desk.try_token("token") is True
    assert [desk.try_token("guess") for _ in range(limits.SIGN_IN_TRIES)] == [False] * limits.SIGN_IN_TRIES
    assert desk.try_token("token") is None
    clock.advance(limits.SIGN_IN_TRIES_NS + 1)
    assert desk.try_token("token") is True


@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:7331", True),
        ("127.0.0.1", "localhost:7331", True),
        ("127.0.0.1", "LOCALHOST:7331", True),
        ("::1", "[::1]:7331", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1:80", False),
        ("127.0.0.1", "evil.example:7331", False),
        ("127.0.0.1", "127.0.0.1.evil.example:7331", False),
        ("127.0.0.1", "localhost.evil.example:7331", False),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "192.0.2.7:7331", False),
        ("192.0.2.7", "192.0.2.7:7331", True),
        ("0.0.0.0", "192.0.2.7:7331", True),
        ("0.0.0.0", "evil.example:7331", False),
    ],
)
def test_only_own_names_are_answered(bound: str, host: str, allowed: bool) -> None:
    assert host_rule(bound, 7331)(host) is allowed


def test_port_80_is_left_out_by_browsers() -> None:
    assert host_rule("127.0.0.1", 80)("localhost") and not host_rule("127.0.0.1", 80)("evil.example")


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/api/v1/sessions", True),
        ("/api/v1/none-such", True),
        ("/api/v1/openapi.json", True),
        ("/api", True),
        ("/api/v1/sign-in/", True),
        ("/api/v1/sign-in", False),
        ("/healthz", False),
        ("/metrics", True),
        ("/", False),
        ("/assets/app.js", False),
    ],
)
def test_all_of_the_api_needs_a_proof(path: str, needed: bool) -> None:
    assert needs_proof(path) is needed
