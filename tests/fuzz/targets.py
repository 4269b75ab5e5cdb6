"""What is fuzzed: every parser of the store, behind its seal, so that a fuzzer reaches it and not only the AEAD.

A target takes any bytes. It may refuse them with what its docstring tells (`ValueError`, a `PepysError` with a remedy);
anything else that is raised, a file outside the home or much memory is a finding. Homes are in `homes`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pepys.errors import KeyProblem, PepysError
from pepys.model import events as ev
from pepys.model.edits import in_order, joined
from pepys.model.manifest import Manifest, decode_edits, decode_head, decode_manifest, encode_edits, encode_manifest
from pepys.model.projection import project
from pepys.store import chunks, frames
from pepys.store.journal_framing import SALT, SALT_MARK
from pepys.store.journal_reader import HEADER_BYTES, MAGIC, JournalReader, journal_info
from pepys.store.key_code import read_recovery_code, recovery_code
from pepys.store.key_former import opened_by
from pepys.store.key_master import read_kept
from pepys.store.key_wrapping import is_whole, unwrap, whole_wrappings, wrap
from pepys.store.keys import StoreKeys
from pepys.store.ledger_anchor import MAGIC as ANCHOR_MAGIC
from pepys.store.ledger_anchor import read_anchor
from pepys.store.ledger_chain import BEFORE_FIRST, link, problems
from pepys.store.removals import MAGIC as LIST_MAGIC
from pepys.store.removals import MERGE, REMOVAL, read_list
from pepys.store.sealing import LENGTH, Sealer, open_small, seal_small
from pepys.store.store import Store
from tests.fuzz.seeds import CHUNK, EDITS, ENTRIES, HEAD, JOURNAL, MANIFEST, SESSION

KEY: Final = bytes(range(32))
DEVICE: Final = "0123456789abc"
_MANIFEST: Final = Manifest(SESSION, "recording", "fuzzed", 0)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to be fuzzed.

    Attributes:
        run: given any bytes; raises where they are a finding.
        seeds: what the store itself writes there.
        rss_mb: what the process may hold while it runs.
    """

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    rss_mb: int = 512


@cache
def keys() -> StoreKeys:
    """Keys that are always the same, so that a finding can be replayed."""
    return StoreKeys(KEY, DEVICE, wrap(KEY, KEY, DEVICE))


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="pepys-fuzz-")


def _file(data: bytes, name: str) -> Path:
    path = Path(_folder().name) / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return path


def manifest(data: bytes) -> None:
    """What a manifest's blob holds: refused, or of the form that is told, and written again the same."""
    with contextlib.suppress(ValueError):
        found = decode_manifest(data)
        assert decode_manifest(encode_manifest(found)) == found


def head(data: bytes) -> None:
    """What a head seals."""
    with contextlib.suppress(ValueError):
        decode_head(SESSION, data)


def edits(data: bytes) -> None:
    """An edit log, merged with another device's and applied."""
    with contextlib.suppress(ValueError):
        log = decode_edits(data)
        both = joined({"a": log}, {"a": log, "b": decode_edits(EDITS)})
        project(_MANIFEST, (), in_order(both))
        encode_edits(log)


def chunk(data: bytes) -> None:
    """The text of a chunk: whole events or none, which fold into a session, pack and encode."""
    with contextlib.suppress(ValueError):
        chunks.owner(data)
    with contextlib.suppress(ValueError):
        chunks.decode_json(chunks.compress(data))
    with contextlib.suppress(ValueError):
        found = list(chunks.decode_chunk(chunks.compress(data)))
        project(_MANIFEST, found)
        for count, packed in chunks.pack_lines(SESSION, [ev.encode(event) for event in found]):
            assert count >= 0 and chunks.decompress(packed)
        chunks.pack(SESSION, [data])


def zstd(data: bytes) -> None:
    """A chunk before it is unpacked: what unpacks to too much is refused early."""
    with contextlib.suppress(ValueError):
        list(chunks.decode_chunk(data))
    with contextlib.suppress(ValueError):
        chunks.decode_json(data)


def journal(data: bytes) -> None:
    """A journal whose lines are sealed records; a line that begins with `!` stands there as it is."""
    path = _file(MAGIC + keys().wrapping + SESSION.encode() + b"".join(_records(data)), f"journals/{SESSION}.journal")
    _read_journal(path)


def journal_bytes(data: bytes) -> None:
    """A journal of any bytes, behind a right header or without one."""
    _read_journal(_file(MAGIC + keys().wrapping + SESSION.encode() + data, f"journals/{SESSION}.journal"))
    _read_journal(_file(data, f"journals/{SESSION}.journal"))


def _records(data: bytes) -> Iterator[bytes]:
    sealer = Sealer(KEY, "")
    for number, line in enumerate(data.split(b"\n")):
        if line.startswith(b"!"):
            yield line[1:]
            continue
        if number % 8 == 0:
            sealer = Sealer(keys().journal_key, journal_info(SESSION))
            yield _salt_record(sealer.salt, number)
        yield sealer.seal(line)


def _salt_record(salt: bytes, first: int) -> bytes:
    body = SALT.pack(salt, first)
    return LENGTH.pack(SALT_MARK) + body + LENGTH.pack(zlib.crc32(body))


def _read_journal(path: Path) -> None:
    size = path.stat().st_size
    for offset in (0, HEADER_BYTES + 3, size // 2):
        with contextlib.suppress(PepysError):
            reader = JournalReader(path, keys(), offset)
            found = [event for _, event in reader.read()]
            assert reader.offset <= size and all(first < end for first, end in reader.lost)
            project(_MANIFEST, found)
            assert reader.is_current() and not list(reader.read())


def sealed(data: bytes) -> None:
    """A file of frames, of any bytes; and a small one."""
    for magic in (b"PPBL", b"PPHD"):
        with contextlib.suppress(ValueError):
            list(frames.open_all(magic + b"\x01" + data, KEY, "x", magic))
    with contextlib.suppress(PepysError):
        open_small(KEY, b"PPHD", "x", b"PPHD\x01" + data, "the head")
    with contextlib.suppress(PepysError):
        open_small(KEY, b"PPHD", "x", data, "the head")


def removal(data: bytes) -> None:
    """The list of a removal or a merge, behind its seal: ids of blobs, whatever else stands there."""
    store = Store(Path(_folder().name), keys(), _Clock())
    for kind in (REMOVAL, MERGE):
        info = f"{kind.info} {SESSION}"
        _file(seal_small(keys().head_key, LIST_MAGIC, info, data), f"removing/{SESSION}{kind.suffix}")
        with contextlib.suppress(PepysError):
            for blob in read_list(store, SESSION, kind) or ():
                assert not store.blobs.exists(blob)


class _Clock:
    def wall_ns(self) -> int:
        return 0

    def boot_ns(self) -> int:
        return 0


def anchor(data: bytes) -> None:
    """The anchor of the ledger, behind its seal."""
    store = Store(Path(_folder().name), keys(), _Clock())
    _file(seal_small(keys().ledger_key, ANCHOR_MAGIC, "pepys ledger anchor", data), "ledger.anchor")
    with contextlib.suppress(PepysError):
        read_anchor(store)


def wrapping(data: bytes) -> None:
    """A file of a wrapping, in its place, alone and at the beginning of a journal."""
    home = Path(_folder().name) / "wrapped"
    _file(data, f"wrapped/keys/{DEVICE}.wrap")
    _file(MAGIC + data, f"wrapped/journals/{SESSION}.journal")
    is_whole(data)
    with contextlib.suppress(PepysError):
        for _, found in whole_wrappings(home):
            unwrap(KEY, found)
    with contextlib.suppress(KeyProblem):
        StoreKeys.from_bytes(KEY + data)


def master(data: bytes) -> None:
    """The line of a master key, of former ones, and a recovery code."""
    for line in (data, _summed(data)):
        with contextlib.suppress(KeyProblem):
            kept = read_kept(_file(line, "master.key"))
            assert kept is not None
            kept.total()
    list(opened_by(KEY, data.decode("ascii", "replace").splitlines()))
    with contextlib.suppress(KeyProblem):
        read_recovery_code(data.decode("utf-8", "replace"))


def _summed(data: bytes) -> bytes:
    words = data.split()
    return b" ".join([*words, hashlib.sha256(b" ".join(words)).hexdigest()[:8].encode()])


def ledger(data: bytes) -> None:
    """Rows of the ledger, a JSON list a line; the last column is put right where it is no text."""
    rows: list[Any] = []
    before = BEFORE_FIRST
    for line in data.split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(row, list) or len(row) != 8 or not isinstance(row[0], int) or not -(2**63) <= row[0] < 2**63:
            continue  # SQLite's own column
        if any(isinstance(column, list | dict) for column in row):
            continue
        with contextlib.suppress(ValueError, AttributeError):
            row[7] = before = link(KEY, before, tuple(row[:7])) if row[7] is None else row[7]
        before = before if isinstance(before, bytes) else b""
        rows.append(tuple(row))
    for problem in problems(KEY, rows):
        assert problem


def _zstd_seeds() -> tuple[bytes, ...]:
    return (chunks.compress(CHUNK), chunks.compress(b"{}"), chunks.compress(bytes(1 << 22)))


def _journal_seed() -> bytes:
    return b"".join(_records(JOURNAL))


_LINE: Final = f"argon2id {bytes(16).hex()} 65536 3 4 {bytes(12).hex()} {bytes(48).hex()}"
"""A passphrase's words; nothing is stretched while a line is only read."""

TARGETS: Final[dict[str, Target]] = {
    "manifest": Target(manifest, (MANIFEST,)),
    "head": Target(head, (HEAD,)),
    "edits": Target(edits, (EDITS,)),
    "chunk": Target(chunk, (CHUNK,)),
    "zstd": Target(zstd, _zstd_seeds()),
    "journal": Target(journal, (JOURNAL,)),
    "journal_bytes": Target(journal_bytes, (_journal_seed(),)),
    "sealed": Target(sealed, (seal_small(KEY, b"PPHD", "x", b"plain" * 100)[5:],)),
    "removal": Target(removal, (json.dumps(["b3-" + "0" * 64]).encode(),)),
    "anchor": Target(anchor, (json.dumps({"number": 3, "hash": "00" * 32}).encode(),)),
    "wrapping": Target(wrapping, (keys().wrapping,)),
    "master": Target(
        master,
        (
            b"pepys-master-key-1 " + KEY.hex().encode(),
            b"pepys-master-key-2 passphrase " + _LINE.encode(),
            b"pepys-master-key-2 keyring name 01234567",
            recovery_code(KEY).encode(),
        ),
    ),
    "ledger": Target(ledger, (ENTRIES,)),
}
