"""`pepys sync push` and `pull`: sessions to and from a remote.

Owns the words and what a person reads of it. A remote is told from an id by its form: it has a slash or a colon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.cli.say import clock_text, counted, size_text
from pepys.errors import Damaged, Partial, StorageProblem, Usage

if TYPE_CHECKING:
    from pepys.move.sync_told import Left, Result
    from pepys.store.blob_port import BlobAdapter, TransientFault
    from pepys.store.store import Store

_SHOWN: Final = 20
_WORDS: Final = "The remote: s3://BUCKET/PREFIX, gs://..., az://... or a folder; then ids, or none for all sessions."
WordsArgument = Annotated[list[str] | None, typer.Argument(metavar="[REMOTE] [ID...]", help=_WORDS)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    sync = typer.Typer(help="Exchange sessions with an object store or a folder.", no_args_is_help=True)
    for command in (push, pull):
        sync.command()(command)
    app.add_typer(sync, name="sync")


def push(
    words: WordsArgument = None, *, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Bring sessions to a remote, encrypted as they lie in the home; what is there already is not sent again.

    A session that is being recorded is left for the next time. Nothing is deleted at the remote.
    """
    from pepys.move.sync_push import push as run
    from pepys.store.catalog import resolve_session
    from pepys.store.recover import recover_all
    from pepys.store.store import open_store

    out = Output(as_json)
    address, ids = _parted(words or [])
    store = open_store(home, create=False)
    if store.writable:
        recover_all(store)
    chosen = [resolve_session(store, text) for text in ids] or None
    with _opened(out, address) as adapter, _progress(out, "pushing") as told:
        result = run(store, adapter, chosen, told)
    _tell(out, "pushed", adapter.place, result)


def pull(
    words: WordsArgument = None,
    *,
    without_media: Annotated[
        bool, typer.Option("--without-media", help="Leave film, sound and shots at the remote.")
    ] = False,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Bring sessions from a remote; each piece is proven before it is kept.

    The home needs the remote's store key: `pepys key export` there, `pepys key import` here. What was changed here and
    on other devices is put together; what another device deleted is deleted here.
    """
    from pepys.move.sync_pull import pull as run
    from pepys.store.recover import recover_all
    from pepys.store.store import open_store

    out = Output(as_json)
    address, ids = _parted(words or [])
    store = open_store(home, create=False)
    recover_all(store)
    try:
        with _opened(out, address) as adapter, _progress(out, "pulling") as told:
            result = run(store, adapter, ids or None, told, with_media=not without_media)
    finally:
        _refresh(store)  # also of what came before it was interrupted
    _tell(out, "pulled", adapter.place, result)


def _parted(words: list[str]) -> tuple[str, list[str]]:
    """The remote's address, and the ids."""
    if words and (set("/:\\") & set(words[0]) or words[0] in {".", ".."}):
        address, ids = words[0], words[1:]
    else:
        from pepys.config import remote_address

        address, ids = remote_address(), words
    if not address:
        remedy = "name one: pepys sync push s3://BUCKET/PREFIX, or a folder such as /mnt/disk/pepys"
        raise Usage("no remote is named", f"{remedy}; or set [store] remote in the config file")
    if ":/" not in address:
        folder = Path(address).expanduser().absolute()
        if folder.is_file():
            raise StorageProblem(f"{folder} is a file, not a folder", "name a folder")
        address = str(folder)
    return address, ids


@contextmanager
def _opened(out: Output, address: str) -> Iterator[BlobAdapter]:
    from pepys.store.adapters.opening import open_remote
    from pepys.store.media_blobs import nameless

    shown: dict[str, int] = {}

    def told(fault: TransientFault, attempt: int, pause_s: float) -> None:
        # Several pieces are on their way at once, and of each the same is told: a line a try is enough.
        why = nameless(fault.message)
        before = shown.get(why, 0)
        if attempt > before or attempt == 1 < before:
            shown[why] = attempt
            out.warn(f"pepys: {why}; trying again in {pause_s:.1f} s ({attempt})")

    with closing(open_remote(address, told=told)) as adapter:
        yield adapter


@contextmanager
def _progress(out: Output, what: str) -> Iterator[Callable[[str, int, int | None, Result], None]]:
    """A bar on a terminal, else a line now and then."""
    import sys

    from pepys.clock import SystemClock
    from pepys.remote_limits import SYNC_TOLD_NS

    clock = SystemClock()
    last = clock.now_ns()
    with out.progress(what) as update:

        def told(session: str, done: int, of: int | None, result: Result) -> None:
            nonlocal last
            update(done, of)
            if not sys.stderr.isatty() and clock.now_ns() - last >= SYNC_TOLD_NS:
                last = clock.now_ns()
                sessions = counted(done, "session") if of is None else f"{done} of {counted(of, 'session')}"
                out.warn(f"pepys: {what}: {sessions}, {size_text(result.bytes)}")

        yield told


def _refresh(store: Store) -> None:
    """Bring the catalog up to date: what came is listed and found when the command ends."""
    from pepys.store.catalog import Catalog

    with Catalog(store) as catalog:
        catalog.refresh()


def _tell(out: Output, what: str, place: str, result: Result) -> None:
    out.document(_document(place, result))
    if not out.as_json:
        for line in _lines(what, place, result):
            out.text(line)
    for left in result.left[:_SHOWN]:
        out.warn(f"pepys: left out: {_where(left)}: {left.reason}")
    if result.left_count > min(len(result.left), _SHOWN):
        out.warn(f"pepys: left out: {result.left_count - min(len(result.left), _SHOWN):,} more (--json lists them)")
    if result.damaged:
        out.warn("pepys: a push from a home where the damaged pieces are whole brings them back to the remote")
        raise typer.Exit(Damaged.exit_code)
    if result.left_count:
        raise typer.Exit(Partial.exit_code)


def _lines(what: str, place: str, result: Result) -> Iterator[str]:
    from pepys.store.media_blobs import remedy_for

    way = "to" if what == "pushed" else "from"
    if result.sessions:
        blobs = f"{counted(result.blobs, 'file')}, {size_text(result.bytes)}"
        yield f"{what} {counted(result.sessions, 'session')} {way} {place} ({blobs})"
    else:
        yield f"nothing to be {what} {way} {place}"
    if result.deleted:
        yield f"  {result.deleted} of them deleted"
    if result.skipped:
        where = "there" if what == "pushed" else "here"
        yield f"  {counted(result.skipped, 'session')} {'was' if result.skipped == 1 else 'were'} {where} already"
    if result.mended:
        yield f"  {counted(result.mended, 'damaged file')} at the remote replaced"
    if result.media_blobs:
        media = f"{counted(result.media_blobs, 'file')}, {size_text(result.media_bytes)}"
        yield f"  media left at the remote: {media}; {remedy_for(place)}"
    if result.unnamed_blobs:
        others = f"{counted(result.unnamed_blobs, 'file')}, {size_text(result.unnamed_bytes)}"
        yield f"  at the remote and of no session here: {others} (of deleted sessions, or not yet pulled)"


def _where(left: Left) -> str:
    parts = [f"session {left.session}" if left.session else "", left.track or "", left.what]
    if left.start_ns is not None:
        start, end = _ms(left.start_ns), _ms(left.end_ns)
        parts.append(
            clock_text(start or 0) if end in {None, start} else f"{clock_text(start or 0)} to {clock_text(end or 0)}"
        )
    return ", ".join(part for part in parts if part)


def _document(place: str, result: Result) -> dict[str, Any]:
    return {
        "remote": place,
        "sessions": result.sessions,
        "blobs": result.blobs,
        "bytes": result.bytes,
        "skipped": result.skipped,
        "deleted": result.deleted,
        "mended": result.mended,
        "media_left": {"blobs": result.media_blobs, "bytes": result.media_bytes},
        "unnamed": None
        if result.unnamed_blobs is None
        else {"blobs": result.unnamed_blobs, "bytes": result.unnamed_bytes},
        "left_count": result.left_count,
        "left": [
            {
                "session": left.session, "what": left.what, "track": left.track, "start_ms": _ms(left.start_ns),
                "end_ms": _ms(left.end_ns), "reason": left.reason, "damaged": left.damaged,
            }
            for left in result.left
        ],
    }  # fmt: skip


def _ms(at_ns: int | None) -> int | None:
    return None if at_ns is None else at_ns // 1_000_000
