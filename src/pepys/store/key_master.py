"""The master key: where it is kept, and how it is got from there.

It is 32 random bytes, one a device and user. `master.key` in the config folder, never in the home, is one line that
says where it is kept: in the line itself (`file`), in the system's keyring, or sealed under a passphrase. During a
change `master.key.new` is the line of the next one. A line that exists is never overwritten but by a change; what it
opens is left to `keys`.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pepys.errors import KeyProblem, StorageProblem
from pepys.store.files import locked, make_folder, remove_file, replace_file
from pepys.store.key_wrapping import KEY_BYTES
from pepys.store.trigger import reach

_IN_FILE: Final = "pepys-master-key-1"
_ELSEWHERE: Final = "pepys-master-key-2"
_LINE_CHARS: Final = 1024
_SUM_CHARS: Final = 8
_NAME_BYTES: Final = 8
_got: dict[tuple[str, ...], bytes] = {}
"""What keyring and passphrase gave, by the words of its line: asked once in the life of a process."""


class Kind(enum.StrEnum):
    """Where a master key is kept."""

    FILE = "file"
    KEYRING = "keyring"
    PASSPHRASE = "passphrase"


@dataclass(frozen=True, slots=True)
class Kept:
    """One master key, as its line tells of it.

    Attributes:
        path: the file of the line.
        kind: where the key is kept.
        words: of the line, without its checksum.
    """

    path: Path
    kind: Kind
    words: tuple[str, ...] = field(repr=False)

    def secret(self) -> bytes:
        """The master key.

        Raises:
            KeyProblem: keyring or passphrase do not give it.
        """
        if self.kind is Kind.FILE:
            return bytes.fromhex(self.words[1])
        if self.words not in _got:
            _got[self.words] = self._from_keyring() if self.kind is Kind.KEYRING else self._from_passphrase()
        return _got[self.words]

    def forget(self) -> None:
        """Remove the key from the keyring, where it is kept there.

        Raises:
            KeyProblem: the keyring does not answer.
        """
        if self.kind is Kind.KEYRING:
            from pepys.store.key_ring import ring_delete

            ring_delete(self.words[2])

    def _from_keyring(self) -> bytes:
        from pepys.store.key_ring import ring_get

        key = ring_get(self.words[2])
        if key is None or check_word(key) != self.words[3]:
            held = "no master key" if key is None else "another master key"
            raise KeyProblem(
                f"the system's keyring holds {held} under the name that {self.path} tells",
                "log in as the user who made it, or give your recovery code: pepys key import --new-master",
            )
        return key

    def _from_passphrase(self) -> bytes:
        from pepys.store.key_passphrase import ask, open_under

        try:
            key = open_under(ask(f"Passphrase for {self.path}: "), list(self.words[2:]))
        except ValueError as error:
            raise _damaged(self.path) from error
        if key is None:
            raise KeyProblem(
                f"the passphrase does not open {self.path}",
                "try again, or give your recovery code: pepys key import --new-master",
            )
        return key


def master_key_path(config_dir: Path) -> Path:
    """The file that says where the master key is kept."""
    return config_dir / "master.key"


def next_key_path(config_dir: Path) -> Path:
    """The same of the next master key, while a change is under way or was interrupted."""
    return config_dir / "master.key.new"


def read_kept(path: Path) -> Kept | None:
    """What the line at `path` says; None when there is no such file.

    Raises:
        KeyProblem: it cannot be read, or is no such line.
    """
    try:
        with path.open("rb") as file:
            line = file.read(_LINE_CHARS).decode("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        line = ""
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read: {error.strerror}", "make it readable for you (mode 0600)") from error
    kept = _parse(path, line.split())
    if kept is None:
        raise _damaged(path)
    return kept


def keep(path: Path, kind: Kind, key: bytes, passphrase: str = "") -> Kept:
    """Keep a master key at a place and write its line to `path`; durable when it returns.

    Raises:
        KeyProblem: the keyring does not take it.
        StorageProblem: the line cannot be written.
    """
    words: tuple[str, ...] = (_IN_FILE, key.hex())
    if kind is Kind.KEYRING:
        from pepys.store.key_ring import ring_set

        words = (_ELSEWHERE, kind.value, secrets.token_hex(_NAME_BYTES), check_word(key))
        ring_set(words[2], key)
        reach("master.ring")
    elif kind is Kind.PASSPHRASE:
        from pepys.store.key_passphrase import seal_under

        words = (_ELSEWHERE, kind.value, *seal_under(passphrase, key).split())
    total = check_word(key) if kind is Kind.FILE else _line_sum(words)
    replace_file(path, f"{' '.join(words)} {total}\n".encode("ascii"), "master")
    if kind is not Kind.FILE:
        _got[words] = key
    return Kept(path, kind, words)


def make_or_read(config_dir: Path) -> bytes:
    """The master key of this user, made when there is none; the caller holds `master_lock`.

    Raises:
        KeyProblem: there is one that does not open.
        StorageProblem: it cannot be made.
    """
    path = master_key_path(config_dir)
    kept = read_kept(path)
    return (kept or keep(path, Kind.FILE, secrets.token_bytes(KEY_BYTES))).secret()


def put_in_force(config_dir: Path) -> None:
    """Let the next master key take the place of the present one; between the two steps both lines are the same."""
    line = next_key_path(config_dir).read_bytes()
    replace_file(master_key_path(config_dir), line, "master.changed")
    remove_file(next_key_path(config_dir))


@contextlib.contextmanager
def master_lock(config_dir: Path) -> Iterator[None]:
    """Hold off who makes or changes the master key; taken before any home's `keys.lock`.

    A config folder that cannot be written needs no lock where it has a master key: nobody can change it there.
    """
    with contextlib.ExitStack() as held:
        try:
            make_folder(config_dir)
            held.enter_context(locked(config_dir / "master.key.lock"))
        except StorageProblem:
            if not master_key_path(config_dir).is_file():
                raise
        yield


def rights_problem(path: Path) -> str:
    """Who else can read the file of a master key, in words; empty when only its user can."""
    if os.name != "posix" or not path.is_file():
        return ""
    mode = path.stat().st_mode
    return f"{path} can be read by others on this machine" if mode & 0o077 else ""


def check_word(key: bytes) -> str:
    """Eight hexadecimal digits that tell one master key from another, and from a damaged one."""
    return hashlib.sha256(b"pepys master key check" + key).hexdigest()[:_SUM_CHARS]


def _parse(path: Path, words: list[str]) -> Kept | None:
    if len(words) == 3 and words[0] == _IN_FILE:
        with contextlib.suppress(ValueError):
            key = bytes.fromhex(words[1])
            if len(key) == KEY_BYTES and check_word(key) == words[2]:
                return Kept(path, Kind.FILE, tuple(words[:2]))
    elif len(words) > 2 and words[0] == _ELSEWHERE and _line_sum(tuple(words[:-1])) == words[-1]:
        lengths = {Kind.KEYRING.value: 5, Kind.PASSPHRASE.value: 10}
        if lengths.get(words[1]) == len(words):
            return Kept(path, Kind(words[1]), tuple(words[:-1]))
    return None


def _line_sum(words: tuple[str, ...]) -> str:
    return hashlib.sha256(" ".join(words).encode("ascii")).hexdigest()[:_SUM_CHARS]


def _damaged(path: Path) -> KeyProblem:
    return KeyProblem(
        f"{path} is damaged or is no master key",
        "put it back from your backup, or give your recovery code: pepys key import --new-master",
    )
