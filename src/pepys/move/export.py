"""One session to one file: words here, film and sound in a one-shot media child.

Invariants: the file is whole or is not there (it is written beside its place and renamed), and a file of that name is
replaced, as a program that is told where to write is expected to. No codec is imported in this process.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.errors import NotFound, PepysError, PermissionMissing, StorageProblem, Usage, from_json
from pepys.limits import NS_PER_MS
from pepys.model.session import Session
from pepys.move.parts import MIX, Part, film_parts, mix_parts, sound_tracks, track_parts
from pepys.move.words import WRITERS
from pepys.store.handover import start_child
from pepys.store.store import Store

MEDIA_FORMATS: Final = ("mp4", "wav")
FORMATS: Final = (*MEDIA_FORMATS, *WRITERS)
SUBTITLES: Final = ("srt", "vtt")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of a track, on the session's axis, that could not be read."""

    track: str
    start_ms: int
    end_ms: int
    problem: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written; `missing` are the stretches of tracks that are damaged, which it leaves out."""

    path: Path
    format: str
    bytes: int
    duration_ms: int
    missing: tuple[Missing, ...] = ()


def export(
    store: Store,
    session: Session,
    target: Path,
    *,
    format: str | None = None,
    track: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Exported:
    """Write `session` to the file `target`.

    Args:
        store: where the session lies.
        session: what to write.
        target: the file; replaced when it exists.
        format: one of `FORMATS`; by the file's suffix unless given.
        track: for wav, the one sound track to write (`mic`, `audio.mic`, ...); the mix as it was recorded unless given.
        progress: called with the share that is written, 0 to 1.

    Raises:
        Usage: no such format or track, or the target is no place for a file.
        NotFound: the folder is missing, or the session holds nothing of that kind.
        StorageProblem: the disk is full or the folder not writable.
        Damaged: what the file is made of does not verify; of film and sound, nothing does.
    """
    kind = _format(target, format)
    if track is not None and kind != "wav":
        raise Usage("--track chooses a sound track, and only wav takes one", "export to a .wav file")
    lines = _lines(session, kind, track)
    missing: list[Missing] = []
    with _written(target) as temporary:
        if kind in WRITERS:
            with temporary.open("wb") as file:
                file.write(WRITERS[kind](store, session))
                file.flush()
                os.fsync(file.fileno())
        else:
            order = {"session": session.id, "format": kind, "to": str(temporary), "lines": lines}
            missing = _in_child(store, order, progress)
        size = temporary.stat().st_size
    return Exported(target, kind, size, session.duration_ns // NS_PER_MS, tuple(missing))


def _format(target: Path, given: str | None) -> str:
    kind = (given or target.suffix.removeprefix(".")).lower()
    if kind in FORMATS:
        return kind
    known = ", ".join(FORMATS)
    if not kind:
        raise Usage(f"{target.name} has no suffix that tells the format", f"name one with --format: {known}")
    raise Usage(f"{kind} is no format of an export", f"choose one of {known}")


def _lines(session: Session, kind: str, wanted: str | None) -> list[list[Part]]:
    """What a format is made of: for wav, lines that are summed."""
    if kind in SUBTITLES and not any(ref.stage == "transcript" and not ref.error for ref in session.artifacts):
        raise NotFound(f"session {session.id} has no transcript", f"pepys enrich {session.id} makes one")
    if kind == "mp4":
        film = film_parts(session)
        if not film:
            raise NotFound(f"session {session.id} has no video", "export the sound to a .wav file")
        return [film]
    if kind != "wav":
        return []
    mix = mix_parts(session)
    if not mix:
        raise NotFound(f"session {session.id} has no sound", "export the film to an .mp4 file")
    if wanted is None:
        return mix
    sounds = sound_tracks(session)
    if found := next((name for name in sounds if wanted in (name, name.removeprefix("audio."))), None):
        return [track_parts(session, found)]
    known = f"it has {', '.join(sounds)}" if sounds else f"its sound is {MIX} in the film: leave --track out"
    raise NotFound(f"session {session.id} has no sound track {wanted}", known)


@contextlib.contextmanager
def _written(target: Path) -> Iterator[Path]:
    """A file to write beside `target`, which it becomes when the block ends well and which is gone otherwise."""
    place = target.expanduser().absolute()
    if place.is_symlink():
        place = place.resolve()
    if place.exists() and not place.is_file():
        raise Usage(f"{target} is not a file", "name a file with --to")
    if not place.parent.is_dir():
        raise NotFound(f"the folder {place.parent} does not exist", "make it, or name a file in another one")
    temporary = place.with_name(f".{place.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        # Made before the work begins: a folder that takes no file is told at once.
        temporary.touch()
        yield temporary
        temporary.replace(place)
    except OSError as error:
        told = f"{target} cannot be written: {error.strerror or error}"
        if isinstance(error, PermissionError):
            raise PermissionMissing(told, "choose a folder that you may write to") from error
        raise StorageProblem(told, "free some space, or choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _in_child(store: Store, order: dict[str, Any], progress: Callable[[float], None] | None) -> list[Missing]:
    """Run one order in `python -m pepys.move`, which answers in lines of JSON; what it left out."""
    child = start_child("pepys.move", store, order, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    answer: dict[str, Any] = {}
    try:
        for line in child.stdout:
            answer = json.loads(line)
            if progress is not None and "share" in answer:
                progress(answer["share"])
        child.wait()
    finally:
        # Whatever ended this process's wait (Ctrl-C too) ends the child: its file would never be renamed.
        if child.poll() is None:
            child.kill()
        _, printed = child.communicate()
    if "error" in answer:
        raise from_json(answer["error"])
    if child.returncode != 0 or "done" not in answer:
        last = printed.decode(errors="replace").strip().splitlines()[-1:] or [f"status {child.returncode}"]
        raise PepysError(f"the export failed: {last[0]}", "run pepys verify, then export again")
    return [Missing(**lost) for lost in answer["missing"]]
