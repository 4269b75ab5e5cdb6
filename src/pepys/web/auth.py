"""Who may ask: sign-in codes, browser sessions, the API token.

Three proofs lead in. A *code* is printed in the sign-in address, good once and for ten minutes; it is exchanged for a
*browser session*, a random cookie kept in memory alone, so that a restart of the daemon asks again; the *token* of
`pepys key token` serves programs, as a Bearer header or typed into the sign-in page; tokens that were issued beside it
serve as a header alone, until they are revoked. All comparisons take constant time and every collection is bounded.
Which requests need a proof is the guard's to know.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256

from pepys import limits
from pepys.clock import Clock


class SignIn:
    """Codes, browser sessions and tries of one daemon. Used from the event loop only.

    Attributes:
        cookie: the name of the session cookie. Browsers share cookies between the ports of one host, so that the
            name carries the port: two daemons do not sign each other's pages out.
    """

    def __init__(
        self, token: str, clock: Clock, port: int, issued: Callable[[str], bool] = lambda token: False
    ) -> None:
        """`token` is the one of the store key, `issued` judges those that were issued beside it; port: see `cookie`."""
        self.cookie = f"pepys_{port}"
        self._token = token.encode()
        self._issued = issued
        self._clock = clock
        self._codes: OrderedDict[bytes, int] = OrderedDict()
        self._sessions: OrderedDict[bytes, int] = OrderedDict()
        self._failures: deque[int] = deque(maxlen=limits.SIGN_IN_TRIES)

    def new_code(self) -> str:
        """Make a code that is good once, for ten minutes; the oldest goes when there are too many."""
        code = secrets.token_urlsafe(24)
        self._codes[_digest(code)] = self._clock.now_ns() + limits.SIGN_IN_CODE_NS
        while len(self._codes) > limits.SIGN_IN_CODES:
            self._codes.popitem(last=False)
        return code

    def use_code(self, code: str) -> bool:
        """Take a code: true once, and never again."""
        until = self._codes.pop(_digest(code), 0)
        return self._clock.now_ns() < until

    def is_token(self, token: str) -> bool:
        """Whether a program may come in with `token`: the one of the store key, or one issued and not revoked."""
        return self._is_own(token) or self._issued(token)

    def _is_own(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def try_token(self, token: str) -> bool | None:
        """Judge a token that somebody typed; None when there were too many wrong ones within a minute.

        Only the store key's own counts: a browser session would outlive the revocation of another one.
        """
        now = self._clock.now_ns()
        while self._failures and now - self._failures[0] > limits.SIGN_IN_TRIES_NS:
            self._failures.popleft()
        if len(self._failures) == limits.SIGN_IN_TRIES:
            return None
        if self._is_own(token):
            return True
        self._failures.append(now)
        return False

    def open_session(self) -> str:
        """Begin a browser session and return the cookie's value; the one unused longest goes when there are many."""
        value = secrets.token_urlsafe(32)
        self._sessions[_digest(value)] = self._clock.now_ns() + limits.BROWSER_SESSION_NS
        while len(self._sessions) > limits.BROWSER_SESSIONS:
            self._sessions.popitem(last=False)
        return value

    def is_session(self, value: str) -> bool:
        """Whether a cookie's value is a live browser session; one that is used lives on."""
        key, now = _digest(value), self._clock.now_ns()
        if now >= self._sessions.get(key, 0):
            self._sessions.pop(key, None)
            return False
        self._sessions[key] = now + limits.BROWSER_SESSION_NS
        self._sessions.move_to_end(key)
        return True

    def close_session(self, value: str) -> None:
        """End a browser session; one that is not there is no error."""
        self._sessions.pop(_digest(value), None)


def _digest(value: str) -> bytes:
    """The key of a secret in memory: looking up its hash tells an attacker's clock nothing about the secret."""
    return sha256(value.encode("utf-8", "replace")).digest()
