"""No nonce is ever used twice under one key: every sealing of a rough life is looked at, and the files that it left."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys.errors import StorageProblem
from pepys.limits import BLOB_BYTES, SEALED_FRAMES
from pepys.store import key_passphrase, key_wrapping, sealing
from pepys.store.disk import Disk
from pepys.store.edits import apply_edit
from pepys.store.journal_reader import HEADER_BYTES as JOURNAL_HEADER
from pepys.store.key_change import change_master
from pepys.store.key_master import Kind
from pepys.store.recover import recover_all
from pepys.store.sealing import HEADER_BYTES, LENGTH, SALT_BYTES, Sealer
from pepys.store.store import open_store
from tests.stored_session import Recording, complete_session, make_store, reopen

MAGICS = {b"PPBL", b"PPHD", b"PPRM"}
SALT_RECORD = 0xFFFFFFFF


class Watched:
    """The real cipher, with every (key, nonce) that it sealed under."""

    sealed: ClassVar[Counter[tuple[bytes, bytes]]] = Counter()

    def __init__(self, key: bytes) -> None:
        self._key, self._cipher = key, AESGCM(key)

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        self.sealed[self._key, nonce] += 1
        return self._cipher.encrypt(nonce, data, associated)

    def encrypt_into(self, nonce: bytes, data: memoryview, associated: bytes, room: memoryview) -> int:
        self.sealed[self._key, nonce] += 1
        return self._cipher.encrypt_into(nonce, data, associated, room)

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        return self._cipher.decrypt(nonce, data, associated)


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "sealed", Counter())
    for module in (sealing, key_wrapping, key_passphrase):
        monkeypatch.setattr(module, "AESGCM", Watched)


class Refusing(Disk):
    """A disk that takes half of a write and then is full, while it is told to."""

    full = False

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.full:
            os.write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data)


def salts(home: Path) -> list[bytes]:
    """Every salt in the files of a home: of sealed files, and of the openings of journals."""
    found = []
    for path in home.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data[:4] in MAGICS:
            found.append(data[5:HEADER_BYTES])
        elif data[:4] == b"PPJL":
            at = JOURNAL_HEADER
            while at + LENGTH.size <= len(data):
                (length,) = LENGTH.unpack_from(data, at)
                if length == SALT_RECORD:
                    found.append(data[at + LENGTH.size :][:SALT_BYTES])
                    length = SALT_BYTES + 12
                at += LENGTH.size + length
    return found


def rough_life(folder: Path) -> None:
    """Sessions, kills, torn tails, a full disk, recoveries, edits, changes of the master key, many reopenings."""
    store = make_store(folder)
    session = complete_session(store)
    dying = Recording.begin(store)
    for round_ in range(6):
        dying.segment()
        dying.open_segment()
        dying.fragment()
        dying.die()
        journal = store.journal_path(dying.session)
        if round_ % 2:
            with journal.open("r+b") as file:
                file.truncate(journal.stat().st_size - 5)
        store = reopen(folder)
        recover_all(store)
        apply_edit(store, session, ("set", {"field": "name", "value": f"name {round_}"}))
        change_master(store.path, folder / "config", Kind.FILE, str)
        dying = Recording.begin(store)
    dying.die()


def test_in_a_rough_life_no_nonce_comes_twice_under_a_key(tmp_path: Path) -> None:
    """Catches a salt that stays the same over a reopening, and a number that is used again after a torn write."""
    rough_life(tmp_path)
    assert Watched.sealed.most_common(1)[0][1] == 1
    assert len(Watched.sealed) > 150
    left = salts(tmp_path / "home")
    assert len(left) > 30 and all(len(salt) == 16 for salt in left)
    # A head and its copy are the same bytes: one sealing.
    heads = sorted(path for path in (tmp_path / "home" / "heads").rglob("*.copy"))
    assert len(set(left)) == len(left) - sum(
        path.read_bytes() == path.with_name(path.name.removesuffix(".copy")).read_bytes() for path in heads
    )


def test_a_write_that_failed_half_way_uses_its_numbers_up(tmp_path: Path) -> None:
    """Catches the number of a torn frame being given to other plaintext: two frames under one nonce tell their XOR."""
    disk = Refusing()
    store = open_store(tmp_path / "home", config_dir=tmp_path / "config", disk=disk)
    for _ in range(3):
        writer = store.blobs.writer(f"put-{os.urandom(6).hex()}")
        writer.append(b"whole")
        disk.full = True
        with pytest.raises(StorageProblem):
            writer.append(b"torn")
        disk.full = False
        with pytest.raises(StorageProblem):
            writer.append(b"other bytes")
        writer.discard()
    recording = Recording.begin(store)
    for _ in range(3):
        recording.note("whole")
        disk.full = True
        with pytest.raises(StorageProblem):
            recording.note("torn")
        disk.full = False
    recording.note("whole again")
    recording.die()
    assert Watched.sealed.most_common(1)[0][1] == 1


def test_a_key_seals_no_more_frames_than_it_may(tmp_path: Path) -> None:
    sealer = Sealer(bytes(32), "a test")
    sealer.count = SEALED_FRAMES - 1
    sealer.seal(b"the last")
    with pytest.raises(OverflowError):
        sealer.seal(b"one too many")
    # What a file may hold lies far below: a frame carries a byte at least.
    assert BLOB_BYTES < SEALED_FRAMES


def test_the_argument_of_the_page_is_the_code_s(tmp_path: Path) -> None:
    """Catches a new place that seals: the page's argument names each of them."""
    source = Path(sealing.__file__).parents[1]
    # A benchmark's disk makes again what was sealed before, to be read: the same bytes under the same salt.
    sources = [path for path in source.rglob("*.py") if path.parent.name != "bench"]
    places = [path.name for path in sources if re.search(r"\bAESGCM\(", path.read_text(encoding="utf-8"))]
    assert sorted(places) == ["key_former.py", "key_passphrase.py", "key_wrapping.py", "sealing.py"]
