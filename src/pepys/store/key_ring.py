"""The system's keyring: keeps a master key where the login unlocks it.

Owns the way there and its deadline. The library talks to services that hang, show prompts or crash, so it is imported
and called in a child process only, this module by name, which is killed at the deadline; secrets cross on its pipes and
stand in no argument, environment or file. Backends that keep secrets in plain files, or nowhere, are not taken: only
those of the system.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from pepys import limits
from pepys.errors import KeyProblem
from pepys.modules import module_words

SERVICE: Final = "pepys"
_SYSTEM_BACKENDS: Final = frozenset(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
)
_LOCKED: Final = "unlock it (log in at the desktop, or open its passwords program), then try again"
_ABSENT: Final = (
    "log in at a desktop that has a keyring, or open the home with your recovery code: pepys key import --new-master"
)
_ELSEWHERE: Final = "log in at a desktop that has a keyring, or keep the key in a file or under a passphrase"


def ring_get(name: str) -> bytes | None:
    """The secret kept as `name`; None when the keyring has none of that name.

    Raises:
        KeyProblem: there is no safe keyring, it is locked, or it does not answer in time.
    """
    secret = _ask({"op": "get", "name": name}).get("secret")
    try:
        return None if secret is None else bytes.fromhex(secret)
    except (TypeError, ValueError):
        return None


def ring_set(name: str, secret: bytes) -> None:
    """Keep a secret as `name`, and read it back.

    Raises:
        KeyProblem: as `ring_get`, or what is read back is something else.
    """
    try:
        given_back = _ask({"op": "set", "name": name, "secret": secret.hex()}).get("secret")
    except KeyProblem as error:
        # The key that was to be kept here is at hand: no home needs its recovery code.
        raise KeyProblem(error.message, _ELSEWHERE if error.remedy == _ABSENT else error.remedy) from error
    if given_back != secret.hex():
        raise KeyProblem("the system's keyring does not give back what it was given", "keep the key in a file")


def ring_delete(name: str) -> None:
    """Remove the secret kept as `name`; one that is not there is fine.

    Raises:
        KeyProblem: as `ring_get`.
    """
    _ask({"op": "delete", "name": name})


def _ask(order: dict[str, str]) -> dict[str, Any]:
    """One answer of the child, or its error, within the deadline."""
    try:
        done = subprocess.run(
            module_words("pepys.store.key_ring"),
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=limits.KEYRING_S,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        told = f"the system's keyring, which keeps the master key, did not answer within {limits.KEYRING_S:g} s"
        raise KeyProblem(told, _LOCKED) from None
    except OSError as error:
        raise KeyProblem(f"the system's keyring cannot be asked: {error.strerror}", "end other programs") from error
    except (IndexError, ValueError):
        raise KeyProblem("the system's keyring, which keeps the master key, gave no answer", _ABSENT) from None
    if "error" in answer:
        raise KeyProblem(str(answer["error"]), str(answer.get("remedy", "")))
    return answer


def _backend() -> Any:
    """The system's keyring of this login, or None; with what was found instead."""
    import keyring

    chosen = keyring.get_keyring()
    several = list(getattr(chosen, "backends", ())) or [chosen]
    safe = [one for one in several if type(one).__module__ in _SYSTEM_BACKENDS]
    return safe[0] if safe else None


def _do(order: dict[str, str]) -> dict[str, Any]:
    """In the child: what was asked."""
    try:
        backend = _backend()
    except ImportError:
        return {"error": "the library keyring is not installed", "remedy": "install pepys with all it needs"}
    if backend is None:
        return {"error": "there is no keyring of the system here that keeps secrets sealed", "remedy": _ABSENT}
    name = order["name"]
    if order["op"] == "set":
        backend.set_password(SERVICE, name, order["secret"])
    elif order["op"] == "delete":
        if backend.get_password(SERVICE, name) is not None:
            backend.delete_password(SERVICE, name)
        return {}
    return {"secret": backend.get_password(SERVICE, name)}


def main() -> int:
    """In the child: answer the one order on stdin with one line of JSON on stdout."""
    try:
        answer = _do(json.loads(sys.stdin.buffer.read()))
    except Exception as error:  # noqa: BLE001 - backends raise what their services' libraries raise
        kind = type(error).__name__
        if "Lock" in kind or "Prompt" in kind:
            answer = {"error": "the system's keyring, which keeps the master key, is locked", "remedy": _LOCKED}
        else:
            words = " ".join(str(error).split())[:200]
            answer = {"error": f"the system's keyring failed: {kind}: {words}", "remedy": _ABSENT}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
