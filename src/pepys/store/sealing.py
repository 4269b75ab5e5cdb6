"""How bytes are sealed: the one construction that blobs, journals, heads and small files share.

Each opening of a file draws a random salt; HKDF makes of the file kind's key and that salt a key of its own, under
which frames are sealed with AES-256-GCM, the nonce being the frame's number from 0. A number therefore never recurs
under one key, also when a frame was torn by a crash. The salt is authenticated with every frame.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys.errors import Damaged, NewerFormat
from pepys.limits import SEALED_FRAME_BYTES, SEALED_FRAMES

SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
LENGTH: Final = struct.Struct("<I")
FRAME_OVERHEAD: Final = LENGTH.size + TAG_BYTES
FILE_VERSION: Final = 1
HEADER_BYTES: Final = 4 + 1 + SALT_BYTES
_NONCE: Final = struct.Struct(">4xQ")


def derive(key: bytes, info: str, salt: bytes = b"") -> bytes:
    """HKDF with SHA-256 (RFC 5869), one block of 32 bytes.

    Written out because it is three lines: the library's own form costs another import in every short command.
    """
    pseudorandom = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    return hmac.digest(pseudorandom, info.encode() + b"\x01", hashlib.sha256)


class Sealer:
    """Seals the frames of one opening of a file, in order."""

    def __init__(self, key: bytes, info: str) -> None:
        self.salt = secrets.token_bytes(SALT_BYTES)
        self.count = 0
        self._cipher = AESGCM(derive(key, info, self.salt))

    def seal(self, plaintext: bytes) -> bytes:
        """The next frame: its length, then ciphertext and tag.

        Raises:
            OverflowError: as many frames as one key may seal are sealed; nothing in pepys seals as many.
        """
        sealed = self._cipher.encrypt(self._next_nonce(), plaintext, self.salt)
        return LENGTH.pack(len(sealed)) + sealed

    def seal_into(self, plaintext: memoryview, room: memoryview) -> memoryview:
        """The next frame, as `seal` gives it, in the first bytes of `room`: media take no memory of their own for it.

        Raises:
            OverflowError: as `seal`.
        """
        end = FRAME_OVERHEAD + len(plaintext)
        LENGTH.pack_into(room, 0, end - LENGTH.size)
        self._cipher.encrypt_into(self._next_nonce(), plaintext, self.salt, room[LENGTH.size : end])
        return room[:end]

    def _next_nonce(self) -> bytes:
        if self.count >= SEALED_FRAMES:
            raise OverflowError("this opening of a file has sealed all the frames that its key may seal")
        # Counted first: a number that was tried is used up, whatever becomes of it.
        number, self.count = self.count, self.count + 1
        return _NONCE.pack(number)


class Opener:
    """Opens frames of one opening, in any order."""

    def __init__(self, key: bytes, info: str, salt: bytes) -> None:
        self._salt = salt
        self._cipher = AESGCM(derive(key, info, salt))

    def open(self, number: int, sealed: bytes) -> bytes:
        """The plaintext of frame `number` (without its length field).

        Raises:
            ValueError: these bytes were not sealed under this key at this place.
        """
        try:
            return self._cipher.decrypt(_NONCE.pack(number), sealed, self._salt)
        except InvalidTag:
            raise ValueError("a sealed frame does not open") from None


def header(magic: bytes, salt: bytes) -> bytes:
    """The first bytes of a sealed file: magic, version, salt."""
    return magic + bytes((FILE_VERSION,)) + salt


def read_header(magic: bytes, data: bytes) -> bytes:
    """The salt of a sealed file.

    Raises:
        NewerFormat: it is one of a later version.
        ValueError: the bytes are no such file.
    """
    if len(data) < HEADER_BYTES or data[:4] != magic:
        raise ValueError("not a file of this kind")
    if data[4] > FILE_VERSION:
        raise NewerFormat.of("the file", data[4], FILE_VERSION)
    if data[4] != FILE_VERSION:
        raise ValueError(f"there is no file version {data[4]}")
    return data[5:HEADER_BYTES]


def opener_of(key: bytes, info: str, magic: bytes, data: bytes) -> Opener:
    """The opener of a sealed file whose first bytes are `data`, best with its first frame.

    Raises:
        NewerFormat: it is one of a later version.
        ValueError: the bytes are no such file; or a bit of its version is wrong, as its first frame opens.
    """
    try:
        return Opener(key, info, read_header(magic, data))
    except NewerFormat:
        if (data[4] ^ FILE_VERSION).bit_count() == 1 and len(data) >= HEADER_BYTES + LENGTH.size:
            (length,) = LENGTH.unpack_from(data, HEADER_BYTES)
            at = HEADER_BYTES + LENGTH.size
            if _opens(Opener(key, info, data[5:HEADER_BYTES]), data[at : at + length]):
                raise ValueError("a bit of its version is wrong") from None
        raise


def _opens(opener: Opener, first: bytes) -> bool:
    try:
        opener.open(0, first)
    except ValueError:
        return False
    return True


def seal_small(key: bytes, magic: bytes, info: str, plaintext: bytes) -> bytes:
    """A whole small file (a head, a list): header and frames."""
    sealer = Sealer(key, info)
    step = SEALED_FRAME_BYTES
    pieces = [plaintext[at : at + step] for at in range(0, len(plaintext), step)] or [b""]
    return header(magic, sealer.salt) + b"".join(sealer.seal(piece) for piece in pieces)


def open_small(key: bytes, magic: bytes, info: str, data: bytes, what: str) -> bytes:
    """The plaintext of a whole small file.

    Raises:
        NewerFormat: it is of a later version.
        Damaged: it is cut off, altered or of another kind; `what` names it.
    """
    try:
        opener = opener_of(key, info, magic, data)
        at, number, pieces = HEADER_BYTES, 0, []
        while at < len(data):
            (length,) = LENGTH.unpack_from(data, at)
            at += LENGTH.size
            if at + length > len(data):
                raise ValueError("it is cut off")
            pieces.append(opener.open(number, data[at : at + length]))
            at, number = at + length, number + 1
        if not pieces:
            raise ValueError("it has no content")
        return b"".join(pieces)
    except NewerFormat as error:
        raise error.about(what) from error
    except (ValueError, struct.error) as error:
        raise Damaged(f"{what} is damaged: {error}", "restore it from a backup; see pepys verify") from error
