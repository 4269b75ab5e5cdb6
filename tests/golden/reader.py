"""A reader of format 1 written from docs/FORMAT.md alone: it imports nothing of pepys, so that the page is proven."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blake3
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Json = dict[str, Any]


def hkdf(key: bytes, info: str, salt: bytes = b"") -> bytes:
    """RFC 5869 with SHA-256, one block."""
    pseudorandom = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    return hmac.new(pseudorandom, info.encode() + b"\x01", hashlib.sha256).digest()


class Home:
    """A home, opened with a master key file."""

    def __init__(self, home: Path, master_key: Path) -> None:
        self.home = home
        word, key, check = master_key.read_text().split()
        master = bytes.fromhex(key)
        assert word == "pepys-master-key-1"
        assert hashlib.sha256(b"pepys master key check" + master).hexdigest()[:8] == check
        (wrap,) = (home / "keys").glob("*.wrap")
        self.store_key = self.unwrap(master, wrap.read_bytes())
        self._master = master

    @staticmethod
    def unwrap(master: bytes, wrapping: bytes) -> bytes:
        """The store key in a wrapping."""
        assert len(wrapping) == 86 and wrapping[:5] == b"PPKW\x01"
        assert hashlib.sha256(wrapping[:-8]).digest()[:8] == wrapping[-8:]
        cipher = AESGCM(hkdf(master, "pepys wrapping 1"))
        return cipher.decrypt(wrapping[18:30], wrapping[30:78], wrapping[:18])

    def sealed(self, path: Path, magic: bytes, key: str, info: str) -> bytes:
        """The plaintext of a sealed file."""
        data = path.read_bytes()
        assert data[:5] == magic + b"\x01"
        salt = data[5:21]
        cipher = AESGCM(hkdf(hkdf(self.store_key, key), info, salt))
        at, number, pieces = 21, 0, []
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            assert 16 <= length <= 65_552
            nonce = bytes(4) + struct.pack(">Q", number)
            pieces.append(cipher.decrypt(nonce, data[at + 4 : at + 4 + length], salt))
            at, number = at + 4 + length, number + 1
        return b"".join(pieces)

    def blob(self, blob: str) -> bytes:
        """The content of a blob, proven by its name."""
        path = self.home / "blobs" / blob[3:5] / blob[5:7] / blob
        data = self.sealed(path, b"PPBL", "pepys blobs 1", "pepys blob")
        assert blob == "b3-" + blake3.blake3(data, key=hkdf(self.store_key, "pepys ids 1")).hexdigest()
        return data

    def sessions(self) -> list[str]:
        """All sessions."""
        return sorted(path.name for path in (self.home / "heads").iterdir())

    def head(self, session: str) -> Json:
        """The current head."""
        heads = []
        for path in (self.home / "heads" / session).iterdir():
            head = json.loads(self.sealed(path, b"PPHD", "pepys heads 1", f"pepys head {session}"))
            heads.append((head["sequence"], path.name, head))
        return dict(max(heads)[2])

    def manifest(self, session: str) -> Json:
        """The current manifest."""
        manifest = json.loads(self.blob(self.head(session)["manifest"]))
        assert manifest["format"] == 1
        return dict(manifest)

    def events(self, session: str) -> Iterator[Json]:
        """All events, from chunks and journal."""
        manifest, expected = self.manifest(session), 0
        for chunk in manifest["chunks"]:
            assert chunk["first"] == expected
            expected = chunk["end"]
            yield from (json.loads(line) for line in unpacked(self.blob(chunk["blob"])).splitlines())
        path = self.home / "journals" / f"{session}.journal"
        if path.exists():
            for number, event in self.journal(path.read_bytes(), session):
                if number >= manifest["next_event"]:
                    yield event

    def journal(self, data: bytes, session: str) -> Iterator[tuple[int, Json]]:
        """The numbered events of a journal, up to its torn tail."""
        assert data[:5] == b"PPJL\x01" and data[91:117] == session.encode()
        assert self.unwrap(self._master, data[5:91]) == self.store_key
        at, count, number, cipher, salt = 117, 0, 0, AESGCM(bytes(32)), b""
        while at + 4 <= len(data):
            (length,) = struct.unpack_from("<I", data, at)
            if length == 0xFFFFFFFF:
                body, (check,) = data[at + 4 : at + 28], struct.unpack_from("<I", data, at + 28)
                assert zlib.crc32(body) == check
                salt, number, count = body[:16], struct.unpack("<Q", body[16:])[0], 0
                cipher = AESGCM(hkdf(hkdf(self.store_key, "pepys journals 1"), f"pepys journal {session}", salt))
                at += 32
                continue
            if at + 4 + length > len(data):
                return
            nonce = bytes(4) + struct.pack(">Q", count)
            yield number, json.loads(cipher.decrypt(nonce, data[at + 4 : at + 4 + length], salt))
            at, count, number = at + 4 + length, count + 1, number + 1


def unpacked(data: bytes) -> bytes:
    """Undo zstd."""
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
