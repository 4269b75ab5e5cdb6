"""Passphrases: how they are asked for, and what they seal.

Owns the one place where a passphrase comes in: an inherited descriptor where one was named, else the terminal, without
echo; never an argument, a variable of the environment or a file. Owns the sealing of a master key under it: argon2id,
whose costs are stored beside what it seals and are bounded when they are read, as the file may be hostile.
"""

from __future__ import annotations

import os
import secrets
import sys
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys import limits
from pepys.errors import KeyProblem, Usage
from pepys.store.sealing import derive

ALGORITHM: Final = "argon2id"
_INFO: Final = "pepys passphrase 1"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_SEALED_BYTES: Final = 32 + 16
_NO_TERMINAL: Final = "give it on an inherited descriptor: pepys --passphrase-fd 3 ... 3< <(your password program)"
_given: list[str] = []
"""The passphrase that came from a descriptor, for the life of this process: a descriptor can be read once."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What argon2id costs: memory in KiB, rounds over it, and lanes beside one another."""

    memory_kib: int = limits.PASSPHRASE_MEMORY_KIB
    rounds: int = 3
    lanes: int = 4

    def bounded(self) -> bool:
        """Whether they are neither too cheap to protect nor dear enough to bring the machine down."""
        in_memory = limits.PASSPHRASE_MEMORY_KIB <= self.memory_kib <= limits.PASSPHRASE_MEMORY_MAX_KIB
        in_time = self.rounds >= 1 and self.rounds * self.memory_kib <= limits.PASSPHRASE_WORK_MAX_KIB
        return in_memory and in_time and 1 <= self.lanes <= limits.PASSPHRASE_LANES_MAX


def take_from(fd: int) -> None:
    """Take the passphrase of this process from an inherited descriptor, up to its first line end.

    Raises:
        Usage: there is no such descriptor, or it gives no passphrase.
    """
    _given[:] = [read_passphrase(fd)]


def read_passphrase(fd: int) -> str:
    """The first line of a descriptor, which is then closed.

    Raises:
        Usage: there is no such descriptor, or it gives no passphrase.
    """
    try:
        with os.fdopen(fd, "rb") as file:
            data = file.readline(limits.PASSPHRASE_BYTES + 1)
        passphrase = data.rstrip(b"\r\n").decode("utf-8")
    except (OSError, ValueError) as error:
        raise Usage(f"no passphrase can be read from descriptor {fd}", "name one that is open for reading") from error
    if not passphrase or len(data) > limits.PASSPHRASE_BYTES:
        raise Usage(f"descriptor {fd} gives no passphrase", "write it there as one line")
    return passphrase


def ask(prompt: str) -> str:
    """The passphrase: from the descriptor that was named, else typed at the terminal without echo.

    Raises:
        KeyProblem: there is no terminal.
    """
    if _given:
        return _given[0]
    if not _has_terminal():
        raise KeyProblem(
            "the master key is kept under a passphrase, and there is no terminal to ask it on", _NO_TERMINAL
        )
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise KeyProblem("no passphrase was given", _NO_TERMINAL) from None


def ask_new(fd: int | None = None) -> str:
    """A new passphrase: from a descriptor, else typed twice.

    Raises:
        KeyProblem: there is no terminal.
        Usage: it is too short, or was typed differently.
    """
    if fd is None:
        if not _has_terminal():
            raise KeyProblem("there is no terminal to ask the new passphrase on", "name one with --new-passphrase-fd")
        import getpass

        passphrase = getpass.getpass("New passphrase for the master key: ")
        if getpass.getpass("Once more: ") != passphrase:
            raise Usage("the two passphrases differ", "try again")
    else:
        passphrase = read_passphrase(fd)
    if len(passphrase) < limits.PASSPHRASE_MIN_CHARS:
        raise Usage(
            f"the passphrase is shorter than {limits.PASSPHRASE_MIN_CHARS} characters", "take four or more random words"
        )
    return passphrase


def seal_under(passphrase: str, master: bytes) -> str:
    """The words that keep a master key: algorithm, salt, costs, nonce, sealed key."""
    salt, nonce, costs = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES), Costs()
    start = f"{ALGORITHM} {salt.hex()} {costs.memory_kib} {costs.rounds} {costs.lanes}"
    sealed = AESGCM(_stretched(passphrase, salt, costs)).encrypt(nonce, master, start.encode("ascii"))
    return f"{start} {nonce.hex()} {sealed.hex()}"


def open_under(passphrase: str, words: list[str]) -> bytes | None:
    """The master key that `seal_under` sealed; None when the passphrase is another.

    Raises:
        ValueError: the words are of another form, or their costs are out of bounds.
    """
    algorithm, salt, memory_kib, rounds, lanes, nonce, sealed = words
    costs = Costs(int(memory_kib), int(rounds), int(lanes))
    found = bytes.fromhex(salt), bytes.fromhex(nonce), bytes.fromhex(sealed)
    right_form = tuple(map(len, found)) == (_SALT_BYTES, _NONCE_BYTES, _SEALED_BYTES)
    if algorithm != ALGORITHM or not right_form or not costs.bounded():
        raise ValueError("no sealed master key, or one of costs that this pepys does not take")
    try:
        return AESGCM(_stretched(passphrase, found[0], costs)).decrypt(found[1], found[2], " ".join(words[:5]).encode())
    except InvalidTag:
        return None


def _stretched(passphrase: str, salt: bytes, costs: Costs) -> bytes:
    # Imported here: few keep their key so, and every command imports this module's neighbours.
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    typed = unicodedata.normalize("NFKC", passphrase).encode("utf-8")
    try:
        kdf = Argon2id(salt=salt, length=32, iterations=costs.rounds, lanes=costs.lanes, memory_cost=costs.memory_kib)
        return derive(kdf.derive(typed), _INFO)
    except (UnsupportedAlgorithm, MemoryError) as error:
        raise KeyProblem(
            f"argon2id cannot run here: {type(error).__name__}", f"it needs {costs.memory_kib // 1024} MiB of memory"
        ) from error


def _has_terminal() -> bool:
    if sys.platform == "win32":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
