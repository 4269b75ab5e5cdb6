"""The options that name what is shown, for `record`, `start` and `set`.

Owns the way from words to `KIND:ARG`, in the order in which they stand on the line: the first source is the large one
of a picture in picture. What a source or a layout may be is judged by `sessions.sources`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from typer.core import TyperCommand

MonitorOption = Annotated[
    list[str] | None, typer.Option("--monitor", metavar="NAME", help="A monitor by its RandR name (repeatable).")
]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", metavar="WxH+X+Y", help="A part of the display (repeatable).")
]
WindowOption = Annotated[
    list[str] | None,
    typer.Option("--window", metavar="TITLE/ID", help="A window, also while others cover it (repeatable)."),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="KIND:ARG",
        help="A source of any kind: display, monitor, region, window, mss, webcam, file, pattern (repeatable).",
    ),
]
WebcamOption = Annotated[bool, typer.Option("--webcam", help="Show the first camera too.")]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        metavar="LAYOUT",
        help="How sources are composed: passthrough, grid[:1-4], side-by-side, pip[:CORNER[:SIZE]].",
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude", metavar="PATTERN", help="Black out windows of this title, application or process (repeatable)."
    ),
]
NoExcludeOption = Annotated[
    bool, typer.Option("--no-exclude", help="Black out nothing, not even private browsing and password managers.")
]

_KINDS: Final = ("monitor", "region", "window", "source")
_ORDER: Final = "pepys.order"


class SourcesCommand(TyperCommand):
    """A command that remembers the order of its options: repeatable ones arrive as one list each."""

    # typer.Context is what typer makes; its base class names a private one.
    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse, and keep the names of parameters as they follow one another."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


def in_order(
    context: typer.Context,
    monitor: list[str] | None,
    region: list[str] | None,
    window: list[str] | None,
    source: list[str] | None,
) -> tuple[str, ...]:
    """All sources as `KIND:ARG`, in the order of the line."""
    given = {name: iter(values or ()) for name, values in zip(_KINDS, (monitor, region, window, source), strict=True)}
    order = [name for name in context.meta[_ORDER] if name in given]
    return tuple(_named(name, next(given[name])) for name in order)


def _named(option: str, value: str) -> str:
    if option != "source":
        return f"{option}:{value}"
    kind, _, argument = value.partition(":")
    # The recorder works in another folder than the one in which the word was written.
    return f"{kind}:{Path(argument).expanduser().absolute()}" if kind == "file" and argument.strip() else value
