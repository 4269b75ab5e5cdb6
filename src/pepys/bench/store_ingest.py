"""Segments of 1 MiB in four fragments, written as the recorder writes them, against plain files.

The peer gives the same promises for plain bytes with the same calls: a file that is made in one folder (synced), four
writes each followed by fdatasync, a rename into the folder of its final name, and that folder synced. Both write the
same bytes to the same disk, in turn; a run is the ratio of their times. What the store does more is seal, hash and
keep the open name until something refers to the blob.
"""

from __future__ import annotations

import os
import secrets
import statistics
from pathlib import Path
from typing import Final

from pepys.bench.figures import Figure, spread
from pepys.bench.plan import Bench
from pepys.limits import NS_PER_S
from pepys.store.files import make_folder, sync_data, sync_folder, write_all
from pepys.store.store import Store, open_store

SEGMENTS: Final = 100
FRAGMENTS: Final = 4
FRAGMENT_BYTES: Final = 256 * 1024
BAR: Final = 0.7
_MIB: Final = FRAGMENTS * FRAGMENT_BYTES / (1 << 20)


def ingest(bench: Bench, segments: int) -> list[Figure]:
    """The speed of the store as a share of plain files' speed, and both in MiB a second."""
    store = open_store(bench.folder / "home", config_dir=bench.folder / "config")
    plain_folder = bench.folder / "plain"
    mine, other = [], []
    # The first run makes folders and warms the disk's journal; it does not count.
    for number in range(bench.runs + 1):
        content = [secrets.token_bytes(FRAGMENTS * FRAGMENT_BYTES) for _ in range(segments)]
        took = {}
        for who in ("store", "plain") if number % 2 else ("plain", "store"):
            begun_ns = bench.clock.now_ns()
            if who == "store":
                _sealed(store, number, content)
            else:
                _plain(plain_folder, number, content)
            took[who] = (bench.clock.now_ns() - begun_ns) / NS_PER_S
        if number:
            mine.append(segments * _MIB / took["store"])
            other.append(segments * _MIB / took["plain"])
    ratios = [own / peer for own, peer in zip(mine, other, strict=True)]
    return [
        Figure(
            "ingest", "", "ingest_ratio",
            "ingest of 1 MiB segments in 4 fragments, sealed, each synced: of plain files' speed with the same syncs",
            statistics.median(ratios), low=min(ratios), high=max(ratios), bar=BAR, least=True,
            detail={"pepys_mib_s": mine, "plain_mib_s": other, "segments": segments},
            said=f"pepys {spread(mine, '.0f')} MiB/s, plain {spread(other, '.0f')} MiB/s",
        )
    ]  # fmt: skip


def _sealed(store: Store, number: int, content: list[bytes]) -> None:
    for index, data in enumerate(content):
        writer = store.blobs.writer(f"run{number}-video-{index}")
        for at in range(0, len(data), FRAGMENT_BYTES):
            writer.append(data[at : at + FRAGMENT_BYTES])
            writer.sync()
        writer.seal()
        store.blobs.forget_intent(writer.name)


def _plain(folder: Path, number: int, content: list[bytes]) -> None:
    for index, data in enumerate(content):
        # Folders as the store has them: fanned out over so many, most of which are there already.
        made, kept = folder / "open", folder / f"{data[0]:02x}" / f"{data[1]:02x}"
        make_folder(made)
        path = made / f"run{number}-video-{index}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            sync_folder(made)
            for at in range(0, len(data), FRAGMENT_BYTES):
                write_all(fd, data[at : at + FRAGMENT_BYTES])
                sync_data(fd)
        finally:
            os.close(fd)
        make_folder(kept)
        path.replace(kept / path.name)
        sync_folder(kept)
