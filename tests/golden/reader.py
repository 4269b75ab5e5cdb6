"""A reader of format 1 in sixty lines, made from docs/FORMAT.md alone and without pepys: it proves that page."""

import hmac
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blake3
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Json = dict[str, Any]


def hkdf(key: bytes, info: str, salt: bytes = b"") -> bytes:
    return hmac.digest(hmac.digest(salt or bytes(32), key, "sha256"), info.encode() + b"\x01", "sha256")


class Home:
    def __init__(self, home: Path, master_key: Path) -> None:
        self.home, master = home, bytes.fromhex(master_key.read_text().split()[1])
        wrapping = next((home / "keys").glob("*.wrap")).read_bytes()
        cipher = AESGCM(hkdf(master, "pepys wrapping 1"))
        self.store_key = cipher.decrypt(wrapping[18:30], wrapping[30:78], wrapping[:18])

    def opened(self, key: str, info: str, salt: bytes, frames: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that follow a salt, each with where it ends; what is cut off counts for nothing."""
        cipher, at, number = AESGCM(hkdf(hkdf(self.store_key, key), info, salt)), 0, 0
        while at + 4 <= len(frames) and (end := at + 4 + struct.unpack_from("<I", frames, at)[0]) <= len(frames):
            yield end, cipher.decrypt(struct.pack(">4xQ", number), frames[at + 4 : end], salt)
            at, number = end, number + 1

    def sealed(self, path: Path, key: str, info: str) -> bytes:
        data = path.read_bytes()
        return b"".join(piece for _, piece in self.opened(key, info, data[5:21], data[21:]))

    def blob(self, blob: str) -> bytes:
        plain = self.sealed(self.home / "blobs" / blob[3:5] / blob[5:7] / blob, "pepys blobs 1", "pepys blob")
        assert blob == f"b3-{blake3.blake3(plain, key=hkdf(self.store_key, 'pepys ids 1')).hexdigest()}"
        return plain

    def manifest(self, session: str) -> Json:
        info, paths = f"pepys head {session}", (self.home / "heads" / session).iterdir()
        heads = [json.loads(self.sealed(path, "pepys heads 1", info)) for path in paths]
        return dict(json.loads(self.blob(max(heads, key=lambda head: int(head["sequence"]))["manifest"])))

    def events(self, session: str) -> Iterator[Json]:
        manifest, path, at = self.manifest(session), self.home / "journals" / f"{session}.journal", 117
        for chunk in manifest["chunks"]:
            lines = zstandard.ZstdDecompressor().decompressobj().decompress(self.blob(chunk["blob"])).splitlines()
            yield from (event for event in map(json.loads, lines) if event["t"] != "Chunk")
        data = path.read_bytes() if path.exists() else b""
        while data[at : at + 4] == b"\xff\xff\xff\xff":
            (salt, number), begin = struct.unpack_from("<16sQ", data, at + 4), (at := at + 32)
            for end, record in self.opened("pepys journals 1", f"pepys journal {session}", salt, data[begin:]):
                at, number = begin + end, number + 1
                if number > manifest["next_event"]:
                    yield json.loads(record)
