"""The store key, the master key that wraps it, and every key derived from it.

The *store key* is 32 random bytes, one a store. The *master key* is 32 random bytes, one a device and user, in the
config folder and never in the home. A *wrapping* is the store key sealed under the master key, with a checksum; it
lies in two files of the home and in each journal's header, so that one damaged copy is told from a wrong key and is
restored from another. A missing or wrong master key never makes or overwrites anything in a home that exists.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys.errors import Damaged, KeyProblem, NotFound, StorageProblem
from pepys.model.ids import new_short_id
from pepys.store.files import locked, make_folder, replace_file, storage_errors
from pepys.store.sealing import derive

KEY_BYTES: Final = 32
DEVICE_CHARS: Final = 13
WRAPPING_BYTES: Final = 4 + 1 + DEVICE_CHARS + 12 + KEY_BYTES + 16 + 8
_MAGIC: Final = b"PPKW\x01"
_MASTER_WORD: Final = "pepys-master-key-1"
_NONCE_AT: Final = len(_MAGIC) + DEVICE_CHARS
_SUM_BYTES: Final = 8
_JOURNAL_WRAPPING_AT: Final = 5


@dataclass(frozen=True)
class StoreKeys:
    """What opens a store.

    Attributes:
        store_key: the secret from which the others are derived.
        device_id: this device's name in heads and edit logs.
        wrapping: the store key as journals carry it.
        notices: what was found damaged and restored on opening; for stderr.
    """

    store_key: bytes = field(repr=False)
    device_id: str
    wrapping: bytes = field(repr=False)
    notices: tuple[str, ...] = ()

    @cached_property
    def id_key(self) -> bytes:
        """Keys the hash that names blobs."""
        return derive(self.store_key, "pepys ids 1")

    @cached_property
    def blob_key(self) -> bytes:
        """Seals blobs."""
        return derive(self.store_key, "pepys blobs 1")

    @cached_property
    def journal_key(self) -> bytes:
        """Seals journals."""
        return derive(self.store_key, "pepys journals 1")

    @cached_property
    def head_key(self) -> bytes:
        """Seals heads and the lists of removals."""
        return derive(self.store_key, "pepys heads 1")

    def database_key(self, name: str) -> bytes:
        """The raw key of one database."""
        return derive(self.store_key, f"pepys database {name} 1")

    def api_token(self) -> str:
        """The token that programs send to the HTTP API."""
        return derive(self.store_key, "pepys api token 1").hex()

    def to_bytes(self) -> bytes:
        """For an inherited pipe; `from_bytes` reads it."""
        return self.store_key + self.wrapping

    @classmethod
    def from_bytes(cls, data: bytes) -> StoreKeys:
        """Read what `to_bytes` wrote.

        Raises:
            KeyProblem: these are other bytes.
        """
        wrapping = data[KEY_BYTES:]
        if not _is_whole(wrapping):
            raise KeyProblem("the keys on the pipe are not whole", "start the recording again")
        return cls(data[:KEY_BYTES], _device(wrapping), wrapping)


def master_key_path(config_dir: Path) -> Path:
    """Where the master key lies."""
    return config_dir / "master.key"


def open_keys(home: Path, config_dir: Path, *, create: bool) -> StoreKeys:
    """Unwrap the store key of `home`, making a new store's keys when `create` is set and there is no store yet.

    Raises:
        KeyProblem: the master key is missing, unreadable or not this home's.
        Damaged: no whole copy of the wrapping is left, or the master key file is damaged.
        NotFound: there is no store, and `create` is off.
        StorageProblem: the keys cannot be written.
    """
    folder = home / "keys"
    if is_store(home):
        return _open_existing(home, folder, config_dir)
    if not create:
        raise NotFound(f"there is no pepys home at {home}", "record something first, or name another with --home")
    with locked(home / "locks" / "keys.lock"):
        if is_store(home):
            return _open_existing(home, folder, config_dir)
        master = _read_master(config_dir) or _make_master(config_dir)
        store_key, wrapping = secrets.token_bytes(KEY_BYTES), b""
        wrapping = _wrap(master, store_key, new_short_id())
        keys = StoreKeys(store_key, _device(wrapping), wrapping)
        # The copy is written second: a store exists from the moment its first wrapping does.
        replace_file(folder / f"{keys.device_id}.wrap", wrapping, "wrap")
        replace_file(folder / f"{keys.device_id}.wrap.copy", wrapping, "wrap.copy")
        return keys


def is_store(home: Path) -> bool:
    """Whether a store was ever made at `home`: with a wrapping, or with data that had one."""
    with storage_errors(home):
        try:
            return any(
                any(True for entry in os.scandir(home / name) if not entry.name.startswith("."))
                for name in ("keys", "heads", "journals")
                if (home / name).is_dir()
            )
        except FileNotFoundError:
            return False


def damaged_copies(home: Path) -> list[Path]:
    """The files of wrappings that are not whole; a missing second file counts, as a crash may have left it out."""
    found = []
    for first in _wrap_files(home / "keys"):
        for path in (first, first.with_name(f"{first.name}.copy")):
            if not _is_whole(_read(path)):
                found.append(path)
    return found


def _open_existing(home: Path, folder: Path, config_dir: Path) -> StoreKeys:
    master = _read_master(config_dir)
    if master is None:
        raise KeyProblem(
            f"the master key {master_key_path(config_dir)} of this home is missing",
            "put it back from your backup; nothing in the home can be read without it",
        )
    whole = False
    for wrapping in _wrappings(home, folder):
        whole = True
        store_key = _unwrap(master, wrapping)
        if store_key is not None:
            return StoreKeys(store_key, _device(wrapping), wrapping, _restore(folder, wrapping))
    if whole:
        raise KeyProblem(
            f"the master key {master_key_path(config_dir)} is not the one that {home} was made with",
            "put the right key there, or name another folder with --home",
        )
    raise Damaged(f"no whole copy of the wrapped key is left in {folder}", "restore that folder from a backup")


def _restore(folder: Path, wrapping: bytes) -> tuple[str, ...]:
    """Write the whole wrapping over copies that are missing or damaged; where nothing can be written, only tell."""
    first = folder / f"{_device(wrapping)}.wrap"
    notices = []
    for path in (first, first.with_name(f"{first.name}.copy")):
        found = _read(path)
        if found == wrapping:
            continue
        try:
            replace_file(path, wrapping, "wrap.restored")
            done = "restored from another copy"
        except StorageProblem as error:
            done = f"not restored: {error.message}"
        notices.append(f"{path}: the wrapped key was {'damaged' if found else 'missing'}; {done}")
    return tuple(notices)


def _wrappings(home: Path, folder: Path) -> Iterator[bytes]:
    """Every whole copy: from the key files, then from the journals' headers."""
    for first in _wrap_files(folder):
        for path in (first, first.with_name(f"{first.name}.copy")):
            data = _read(path)
            if _is_whole(data):
                yield data
    for journal in sorted((home / "journals").glob("*.journal")):
        data = _read(journal, _JOURNAL_WRAPPING_AT + WRAPPING_BYTES)[_JOURNAL_WRAPPING_AT:]
        if _is_whole(data):
            yield data


def _wrap_files(folder: Path) -> list[Path]:
    """The first file of each device's pair, also where only the second is left."""
    names = {path.name.removesuffix(".copy") for path in folder.glob("*.wrap*") if not path.name.startswith(".")}
    return [folder / name for name in sorted(names)]


def _read(path: Path, limit: int = 4096) -> bytes:
    try:
        with storage_errors(path), path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return b""


def _is_whole(wrapping: bytes) -> bool:
    body, total = wrapping[:-_SUM_BYTES], wrapping[-_SUM_BYTES:]
    right_form = len(wrapping) == WRAPPING_BYTES and wrapping.startswith(_MAGIC)
    return right_form and hashlib.sha256(body).digest()[:_SUM_BYTES] == total


def _device(wrapping: bytes) -> str:
    return wrapping[len(_MAGIC) : _NONCE_AT].decode("ascii")


def _wrap(master: bytes, store_key: bytes, device: str) -> bytes:
    start, nonce = _MAGIC + device.encode("ascii"), secrets.token_bytes(12)
    body = start + nonce + AESGCM(derive(master, "pepys wrapping 1")).encrypt(nonce, store_key, start)
    return body + hashlib.sha256(body).digest()[:_SUM_BYTES]


def _unwrap(master: bytes, wrapping: bytes) -> bytes | None:
    start, nonce = wrapping[:_NONCE_AT], wrapping[_NONCE_AT : _NONCE_AT + 12]
    try:
        cipher = AESGCM(derive(master, "pepys wrapping 1"))
        return cipher.decrypt(nonce, wrapping[_NONCE_AT + 12 : -_SUM_BYTES], start)
    except InvalidTag:
        return None


def _read_master(config_dir: Path) -> bytes | None:
    path = master_key_path(config_dir)
    try:
        words = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        words = []
    except OSError as error:
        raise KeyProblem(f"{path} cannot be read: {error.strerror}", "make it readable for you (mode 0600)") from error
    with contextlib.suppress(ValueError):
        if len(words) == 3 and words[0] == _MASTER_WORD:
            key = bytes.fromhex(words[1])
            if len(key) == KEY_BYTES and _check_word(key) == words[2]:
                return key
    raise KeyProblem(f"{path} is damaged or is no master key", "put it back from your backup")


def _make_master(config_dir: Path) -> bytes:
    path = master_key_path(config_dir)
    make_folder(config_dir)
    with locked(config_dir / "master.key.lock"):
        found = _read_master(config_dir)
        if found is not None:
            return found
        key = secrets.token_bytes(KEY_BYTES)
        replace_file(path, f"{_MASTER_WORD} {key.hex()} {_check_word(key)}\n".encode("ascii"), "master")
        return key


def _check_word(key: bytes) -> str:
    return hashlib.sha256(b"pepys master key check" + key).hexdigest()[:8]
