"""The master key: where it is kept, and how it is got from there.

It is 32 random bytes, one a device and user. `master.key` in the config folder, never in the home, is one line that
says where it is kept: in the line itself (`file`), in the system's keyring, or sealed under a passphrase. During a
change `master.key.new` is the line of the next one. A line that exists is never overwritten but by a change, or when it
was set aside; what it opens is left to `keys`, former keys to `key_former`.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pepys.errors import KeyProblem, StorageProblem
from pepys.store.files import locked, make_folder, moved_away, remove_file, replace_file
from pepys.store.key_wrapping import KEY_BYTES
from pepys.store.trigger import reach

_IN_FILE: Final = "pepys-master-key-1"
_ELSEWHERE: Final = "pepys-master-key-2"
_ANY: Final = "pepys-master-key-"
_NEWEST: Final = 2
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

    def total(self) -> str:
        """The last word of the line, its checksum."""
        return check_word(bytes.fromhex(self.words[1])) if self.kind is Kind.FILE else _line_sum(self.words)

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


def replaced_path(config_dir: Path) -> Path:
    """The same of one that a change replaced, until it is removed from the keyring."""
    return config_dir / "master.key.replaced"


def read_kept(path: Path) -> Kept | None:
    """What the line at `path` says; None when there is no such file.

    Raises:
        KeyProblem: it cannot be read, or is no such line.
    """
    try:
        line = read_plain(path, _LINE_CHARS).decode("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        line = ""
    except OSError as error:
        raise _unreadable(path, error) from error
    words = line.split()
    kept = _parse(path, words)
    if kept is None:
        if _is_newer(words):
            raise KeyProblem(f"{path} is of a newer pepys: {words[0][:40]}", "update pepys; the key is not damaged")
        raise _damaged(path)
    return kept


def refuse_newer_line(path: Path) -> None:
    """See that the line at `path` is not the good key of a later pepys, which nothing here may set aside.

    Raises:
        KeyProblem: it is one; or something else than a file has its name.
    """
    try:
        words = read_plain(path, _LINE_CHARS).decode("ascii", "replace").split()
    except OSError as error:
        if not path.exists() or path.is_file():
            return
        raise _unreadable(path, error) from error
    if _is_newer(words):
        read_kept(path)


def _unreadable(path: Path, error: OSError) -> KeyProblem:
    if path.exists() and not path.is_file():
        then = "then put the key back, or give your recovery code: pepys key import"
        return KeyProblem(f"{path} is no file", f"move it away ({moved_away(path)}), {then}")
    return KeyProblem(f"{path} cannot be read: {error.strerror}", "make it a file that is readable for you (mode 0600)")


def _is_newer(words: list[str]) -> bool:
    version = words[0].removeprefix(_ANY) if words and words[0].startswith(_ANY) else ""
    return version.isascii() and version.isdecimal() and len(version) < 10 and int(version) > _NEWEST


def read_plain(path: Path, length: int) -> bytes:
    """At most `length` bytes of a file; a pipe in its place makes nobody wait.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        # A plain file gives all that there is at once, if it is less than was asked for.
        return os.read(fd, length)
    finally:
        os.close(fd)


def entrust(path: Path, kind: Kind, key: bytes, passphrase: str = "") -> Kept:
    """Give a master key to its place; it is kept when `write_line` wrote the line to `path`.

    Raises:
        KeyProblem: the keyring does not take it.
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
    if kind is not Kind.FILE:
        _got[words] = key
    return Kept(path, kind, words)


def write_line(kept: Kept) -> None:
    """Write the line of a master key to its file; durable when it returns.

    Raises:
        StorageProblem: it cannot be written.
    """
    replace_file(kept.path, f"{' '.join(kept.words)} {kept.total()}\n".encode("ascii"), "master")


def make_or_read(config_dir: Path) -> bytes:
    """The master key of this user, made when there is none; the caller holds `master_lock`.

    Raises:
        KeyProblem: there is one that does not open.
        StorageProblem: it cannot be made.
    """
    path = master_key_path(config_dir)
    kept = read_kept(path)
    if kept is None:
        kept = entrust(path, Kind.FILE, secrets.token_bytes(KEY_BYTES))
        write_line(kept)
    return kept.secret()


def put_in_force(config_dir: Path) -> None:
    """Let the next master key take the place of the present one; between the two steps both lines are the same."""
    line = next_key_path(config_dir).read_bytes()
    replace_file(master_key_path(config_dir), line, "master.changed")
    remove_file(next_key_path(config_dir))


@contextlib.contextmanager
def master_lock(config_dir: Path, within_s: float | None = None) -> Iterator[None]:
    """Hold off who makes or changes the master key; taken before any home's `keys.lock`.

    A config folder that cannot be written needs no lock where it has a master key: nobody can change it there.

    Raises:
        Busy: somebody held it for all of `within_s`; without it the wait has no end.
    """
    with contextlib.ExitStack() as held:
        try:
            make_folder(config_dir)
            held.enter_context(locked(config_dir / "master.key.lock", within_s=within_s))
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


def made_private(path: Path) -> str:
    """Take the file of a master key away from everybody but its user, and say that others could read it.

    Returns:
        What to tell; empty where only its user could read it, or there is none.
    """
    problem = rights_problem(path)
    if sys.platform != "win32" and problem and path.stat().st_uid == os.geteuid():
        with contextlib.suppress(OSError):
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)
            if not rights_problem(path):
                told = f"{path} could be read by others on this machine, and is yours alone now"
                return f"{told}; if somebody may have read it: pepys key change"
    return problem and f"{problem}: chmod 600 {path}"


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
