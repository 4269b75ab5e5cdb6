"""Whole segments put into a store, and read back, against restic and borg that save and restore the same as files.

All three encrypt, and all end with everything durable. The store is given its blobs as an importer gives them, each
whole (`SessionWriter.put`, one ahead of the next as `store.ahead` does it), and a session that names a hundred of them;
they are read back as an export reads them. The programs get a folder of those segments. Contents are random: media do
not compress, and no segment is another's. Read back means: every byte decrypted, proven, and written into a folder.
Bytes are those that the files of each repository take. What one made is deleted before the next begins.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pepys.bench.figures import Figure, spread
from pepys.bench.plan import Bench
from pepys.errors import StorageProblem, Usage
from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.ahead import ahead
from pepys.store.reader import events
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter

MEGABYTES: Final = 1024
PROGRAMS: Final = ("restic", "borg")
_MIB: Final = 1 << 20
_A_SESSION: Final = 100
_BYTES_BAR: Final = 1.01
_WANT_S: Final = 1800


def backups(bench: Bench, megabytes: int) -> list[Figure]:
    """The speed of putting and of reading back, and the bytes, each of that of the better program.

    Raises:
        Usage: one of the programs is missing.
    """
    need_programs()
    put: dict[str, list[float]] = {}
    got: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    for number in range(bench.runs):
        folder = bench.folder / f"backups{number}"
        source = folder / "source"
        source.mkdir(parents=True)
        for index in range(megabytes):
            (source / f"segment-{index:05d}").write_bytes(secrets.token_bytes(_MIB))
        # Each is the first once: what comes first finds a disk that rested less, or a source that was read less.
        turns = deque(("pepys", *PROGRAMS))
        turns.rotate(number)
        for name in turns:
            save, restore, kept = _pepys(bench, folder) if name == "pepys" else _program(name, folder)
            restored = folder / f"{name}-restored"
            bench.say(f"{name}, run {number + 1}")
            put.setdefault(name, []).append(_seconds(bench, partial(save, source)))
            got.setdefault(name, []).append(_seconds(bench, partial(restore, restored)))
            sizes[name] = _bytes_in(kept)
            shutil.rmtree(restored)
            shutil.rmtree(kept)
        shutil.rmtree(folder)
    return [
        _speed("put_ratio", f"{megabytes} MiB put whole", put),
        _speed("restore_ratio", f"{megabytes} MiB read back", got),
        Figure(
            "backups", "", "bytes_ratio", f"bytes that {megabytes} MiB take: of the least of restic and borg",
            sizes["pepys"] / min(sizes[name] for name in PROGRAMS), bar=_BYTES_BAR, detail=sizes,
            said=", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()),
        ),
    ]  # fmt: skip


def need_programs() -> None:
    """Refuse where one is missing.

    Raises:
        Usage: it is.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise Usage(f"{', '.join(missing)} is missing", "install restic and borgbackup, or name other measures")


Way = tuple[Callable[[Path], None], Callable[[Path], None], Path]
"""How a folder is saved, how it is restored into another, and where it is kept."""


def _pepys(bench: Bench, folder: Path) -> Way:
    home = folder / "home"
    store = open_store(home, config_dir=folder / "config")
    return (lambda source: _import(store, source)), (lambda target: _export(store, target)), home


def _import(store: Store, source: Path) -> None:
    files = sorted(source.iterdir())
    for first in range(0, len(files), _A_SESSION):
        wall_ns = store.clock.wall_ns()
        session = new_session_id(wall_ns)
        writer = SessionWriter.create(store, ev.SessionStarted(session, "put", wall_ns, store.keys.device_id))
        writer.append(ev.SpanStarted(0, 0, 0, "boot", 0, wall_ns), ev.TrackStarted("video", "video", "made up"))
        stored = ahead(files[first : first + _A_SESSION], partial(_put, writer))
        for n, (blob, size) in enumerate(stored):
            at_ns = n * NS_PER_S
            fragments = ((0, size, at_ns, NS_PER_S),)
            writer.append(ev.SegmentSealed("video", n, 0, blob, size, at_ns, NS_PER_S, at_ns, fragments))
        writer.end(_A_SESSION * NS_PER_S)


def _put(writer: SessionWriter, file: Path) -> tuple[str, int]:
    data = file.read_bytes()
    return writer.put(data), len(data)


def _export(store: Store, target: Path) -> None:
    target.mkdir()
    for session in store.heads.sessions():
        sealed = [event for event in events(store, session) if isinstance(event, ev.SegmentSealed)]
        for event, data in zip(sealed, ahead((event.blob for event in sealed), store.blobs.read), strict=True):
            (target / f"{session}-{event.segment}").write_bytes(data)


def _program(name: str, folder: Path) -> Way:
    kept = folder / f"{name}-repository"
    secret = secrets.token_hex(16)
    env = {
        **os.environ, "RESTIC_REPOSITORY": str(kept), "RESTIC_PASSWORD": secret, "BORG_REPO": str(kept),
        "BORG_PASSPHRASE": secret, "BORG_BASE_DIR": str(folder / "borg"),
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
    }  # fmt: skip

    def run(*words: str, at: Path = folder) -> None:
        done = subprocess.run(words, env=env, cwd=at, capture_output=True, timeout=_WANT_S, check=False)
        if done.returncode:
            raise StorageProblem(f"{words[0]} {words[1]} ended with {done.returncode}", "see that the disk has space")

    if name == "restic":
        run("restic", "init")
        return (
            (lambda source: run("restic", "backup", str(source))),
            (lambda target: run("restic", "restore", "latest", "--target", str(target))),
            kept,
        )
    run("borg", "init", "--encryption", "repokey-blake2")

    def extract(target: Path) -> None:
        target.mkdir()
        run("borg", "extract", "::one", at=target)

    return (lambda source: run("borg", "create", "--compression", "none", "::one", str(source))), extract, kept


def _seconds(bench: Bench, work: Callable[[], None]) -> float:
    if sys.platform != "win32":
        os.sync()  # what was written before is written on nobody's time
    begun_ns = bench.clock.now_ns()
    work()
    return (bench.clock.now_ns() - begun_ns) / NS_PER_S


def _speed(name: str, what: str, took: dict[str, list[float]]) -> Figure:
    """Of the speed of whichever program was quicker in the same run."""
    peers: Sequence[tuple[float, ...]] = list(zip(*(took[program] for program in PROGRAMS), strict=True))
    ratios = sorted(min(peer) / own for own, peer in zip(took["pepys"], peers, strict=True))
    return Figure(
        "backups", "", name, f"{what}: of the speed of the quicker of restic and borg", ratios[len(ratios) // 2],
        low=ratios[0], high=ratios[-1], bar=1.0, least=True, detail=took,
        said=", ".join(f"{program} {spread(seconds, '.1f')} s" for program, seconds in took.items()),
    )  # fmt: skip


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
