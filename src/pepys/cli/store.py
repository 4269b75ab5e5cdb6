"""`pepys verify` and `pepys rebuild`: proof and repair of a home."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.cli.say import counted
from pepys.errors import Damaged, Partial

if TYPE_CHECKING:
    from pepys.store.verify import Damage, Report


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verify)
    app.command()(rebuild)


def verify(
    session: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this session.")] = None,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Prove that every session, blob and key file is what was stored; exit 6 and a list where one is not."""
    from pepys.store.catalog import resolve_session
    from pepys.store.store import open_store
    from pepys.store.verify import verify as prove

    out = Output(as_json)
    store = open_store(home, create=False)
    chosen = None if session is None else resolve_session(store, session)
    with out.progress("verifying") as update:
        report = prove(store, chosen, update)
    out.document(_document(report))
    if not as_json:
        _tell(out, report, "" if chosen else "; keys and ledger too")
    if report.damages:
        raise typer.Exit(Damaged.exit_code)
    if report.unreached:
        raise typer.Exit(Partial.exit_code)


def rebuild(*, home: HomeOption, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Make the catalog and the search index anew from what is stored; exit 9 where a part cannot be read.

    All sessions can be listed and shown before the search index is made. What lies twice (heads, chunks of events,
    manifests, edit logs) is restored from its copy where it is damaged. With --json, lines
    `{"progress": {"what": "rows", "copies" or "text", "done": N, "total": N}}` come before the result.
    """
    from pepys.store.rebuild import Rebuilding
    from pepys.store.recover import recover_all
    from pepys.store.store import open_store

    out = Output(as_json)
    store = open_store(home, create=False)
    recover_all(store)
    with Rebuilding(store) as making:
        with out.progress("rebuilding the catalog") as update:
            listed = making.rows(_counting(out, "rows", update))
        out.warn(f"pepys: {counted(listed, 'session')} can be used; making the search index")
        with out.progress("looking at the copies") as update:
            making.copies(_counting(out, "copies", update))
        with out.progress("making the search index") as update:
            made = making.text(_counting(out, "text", update))
    problems = [{"session": session, "problem": problem} for session, problem in made.unread.items()]
    out.record({"sessions": made.sessions, "restored": [str(path) for path in made.restored], "problems": problems})
    for path in made.restored:
        out.warn(f"pepys: {path} was damaged and is restored from its copy")
    if not as_json:
        out.text(f"the catalog holds {counted(made.sessions, 'session')} again")
    for session, problem in made.unread.items():
        out.warn(f"pepys: not all of session {session} could be read: {problem}")
    if problems:
        out.warn("pepys: pepys verify tells all that does not open, and what to do")
        raise typer.Exit(Partial.exit_code)


def _counting(out: Output, what: str, update: Callable[[float, float | None], None]) -> Callable[[int, int], None]:
    """Tell both people and machines of a step's progress; machines at each percent, so that a line costs nothing."""
    told = -1

    def progress(done: int, total: int) -> None:
        nonlocal told
        update(done, total)
        if done * 100 // total != told:
            told = done * 100 // total
            out.record({"progress": {"what": what, "done": done, "total": total}})

    return progress


def _document(report: Report) -> dict[str, Any]:
    return {
        "ok": not report.damages,
        "sessions": report.sessions,
        "blobs": report.blobs,
        "bytes": report.bytes,
        "unreferenced": {"blobs": report.unreferenced, "bytes": report.unreferenced_bytes},
        "remote": {
            "blobs": report.elsewhere, "left": report.left, "left_at": list(report.left_at),
            "problem": report.unreached,
        },
        "damage": [_shape(damage) for damage in report.damages],
        "lost": [_shape(damage) for damage in report.lost],
    }  # fmt: skip


def _shape(damage: Damage) -> dict[str, Any]:
    return {
        "session": damage.session, "what": damage.what, "problem": damage.problem, "track": damage.track,
        "start_ms": _ms(damage.start_ns), "end_ms": _ms(damage.end_ns), "blob": damage.blob, "remedy": damage.remedy,
    }  # fmt: skip


def _tell(out: Output, report: Report, beside: str) -> None:
    from pepys.store.media_blobs import remedy_for

    sizes = counted(report.blobs, "blob"), f"{report.bytes:,} bytes", counted(report.sessions, "session")
    told = ", ".join(sizes)
    if report.unreferenced:
        belong = "belongs" if report.unreferenced == 1 else "belong"
        told += f"; {counted(report.unreferenced, 'blob')} ({report.unreferenced_bytes:,} bytes) {belong} to nothing"
        told += " that opens" if report.damages else ""
    if report.elsewhere:
        told += f"; {counted(report.elsewhere, 'blob')} only at the remote"
    if report.unreached:
        out.warn(f"pepys: the remote could not be asked for what is not here: {report.unreached}")
    if report.left:
        were = "piece of film, sound or shots was" if report.left == 1 else "pieces of film, sound or shots were"
        at = ", ".join(report.left_at)
        out.warn(f"pepys: {report.left:,} {were} left at {at}; {remedy_for(at)}")
    for damage in report.lost:
        out.warn(f"pepys: lost earlier: {_where(damage)}: {damage.problem}")
    if not report.damages:
        out.text(f"all whole: {told}{beside}")
        return
    out.text(f"looked at {told}")
    for damage in report.damages:
        out.warn(f"pepys: damaged: {_where(damage)}: {damage.problem}")
    remedies = list(dict.fromkeys(damage.remedy for damage in report.damages))
    for remedy in remedies:
        concerned = dict.fromkeys(_where(damage) for damage in report.damages if damage.remedy == remedy)
        out.warn(f"pepys: {remedy}" + (f" ({'; '.join(concerned)})" if len(remedies) > 1 else ""))
    out.warn("pepys: what is not listed is whole and can still be shown and exported")


def _where(damage: Damage) -> str:
    from pepys.cli.say import clock_text

    parts = [f"session {damage.session}" if damage.session else "", damage.track or "", damage.what]
    start, end = _ms(damage.start_ns), _ms(damage.end_ns)
    if start is not None:
        parts.append(clock_text(start) if end in {None, start} else f"{clock_text(start)} to {clock_text(end or 0)}")
    return ", ".join(part for part in parts if part)


def _ms(at_ns: int | None) -> int | None:
    return None if at_ns is None else at_ns // 1_000_000
