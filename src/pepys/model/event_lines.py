"""Many events at once, as chunks hold them: one JSON object a line.

What is read is what `pepys.model.events.decode` gives of each line; it takes half of the time, since lines are parsed
together and the fragments of sealed segments, which are most of an hour's bytes, only once somebody asks for them.
Their form is proven at once, so that a line that is no event is refused here and not later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

from pepys.model.events import Event, Fragment, SegmentSealed, decode, event_of


def beginning(kind: type[Event]) -> bytes:
    """How `encode` begins every event of that type: readers pass over types by it without reading what follows."""
    return json.dumps({"t": kind.__name__}, separators=(",", ":"))[:-1].encode() + b","


_LINES: Final = 256
_SEALED: Final = beginning(SegmentSealed)
_FRAGMENTS: Final = b',"fragments":[['
_NAME: Final = b'"fragments"'
_scan: Final[Callable[[str, int], tuple[Any, int]]] = vars(json.JSONDecoder())["scan_once"]
"""Parses what begins at a place of a text, and tells where it ends; `json.loads` does the same with more around it."""
_NUMBER: Final = rb"(?!0[0-9])[0-9]{1,18}+"
_FOUR: Final = rb"\[%b,%b,%b,%b\]" % ((_NUMBER,) * 4)
_PACKED: Final = re.compile(rb"\[%b(?:,%b)*+\]" % (_FOUR, _FOUR))


class PackedFragments(Sequence[Fragment]):
    """The fragments of a sealed segment, as they were written until the first of them is asked for.

    Equal to a tuple of the same. Safe in several threads: each would make the same of it.
    """

    __slots__ = ("_parts", "_text")

    def __init__(self, text: bytes) -> None:
        """`text` is a list of lists of four numbers, as `is_packed` proves."""
        self._text = text
        self._parts: tuple[Fragment, ...] | None = None

    def _all(self) -> tuple[Fragment, ...]:
        text, parts = self._text, self._parts  # in this order: another thread may be doing the same
        if parts is None:
            numbers = iter(map(int, text.translate(None, b"[]").split(b",")))
            self._parts = parts = tuple(zip(numbers, numbers, numbers, numbers, strict=True))
            self._text = b""
        return parts

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Fragment]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Fragment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Fragment, ...]: ...
    def __getitem__(self, index: int | slice) -> Fragment | tuple[Fragment, ...]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedFragments):
            return self._all() == other._all()
        return self._all() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


def is_packed(text: bytes) -> bool:
    """Whether it is `[[n,n,n,n],...]`, at least one of four numbers of at most 18 digits and nothing else."""
    return _PACKED.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Choice:
    """Some types of events: of each line, by how it begins, whether it is one of them.

    Attributes:
        begin: how the lines of one type begin.
        inside: whether that one is chosen; else all others are.
    """

    begin: bytes
    inside: bool

    def __call__(self, line: bytes) -> bool:
        """Whether this line is chosen."""
        return line.startswith(self.begin) is self.inside

    def of(self, lines: list[bytes]) -> list[bytes]:
        """The chosen ones of many, in a quarter of the time that a call for each takes."""
        begin, inside = self.begin, self.inside
        return [line for line in lines if line.startswith(begin) is inside]


def decode_lines(lines: list[bytes], refused: Callable[[int], None] | None = None) -> list[Event]:
    """Read events.

    Args:
        lines: of each event its JSON object, as `pepys.model.events.encode` writes it; used up.
        refused: told the index of each line that is no event, which is then left out.

    Raises:
        ValueError: one is no event, and nobody is told.
    """
    events: list[Event] = []
    for at in range(0, len(lines), _LINES):
        events += _decoded(lines[at : at + _LINES], at, refused)
    return events


def _decoded(lines: list[bytes], first: int, refused: Callable[[int], None] | None) -> list[Event]:
    shorter, packed = list(lines), dict[int, PackedFragments]()
    for index, line in enumerate(lines):
        if line.startswith(_SEALED) and (found := _packed(line)) is not None:
            shorter[index], packed[index] = found
    events: list[Event] = []
    for index, text in enumerate(_texts(shorter)):
        try:
            # Each is parsed by itself: nothing of a line reaches into another.
            value, end = _scan(text, 0)
            plain = end == len(text)
        except (StopIteration, RecursionError, ValueError):
            plain = False
        try:
            events.append(event_of(value, packed.get(index)) if plain else decode(lines[index]))
        except ValueError:
            if refused is None:
                raise
            refused(first + index)
    return events


def _packed(line: bytes) -> tuple[bytes, PackedFragments] | None:
    """The line of a sealed segment without its fragments, and these; None where they have to be parsed with it."""
    at = line.find(_FRAGMENTS)
    text = line[at + len(_FRAGMENTS) - 2 : -1]
    # A name that is there twice, or written in another way, counts as JSON says.
    if at > 0 and line.endswith(b"}") and b"\\" not in line and line.count(_NAME) == 1 and is_packed(text):
        return line[:at] + b"}", PackedFragments(text)
    return None


def _texts(lines: list[bytes]) -> list[str]:
    """The lines as text, by one call for all; an empty one for each that is to be read by itself."""
    joined = b"\n".join(lines)
    try:
        texts = joined.decode().split("\n")
    except UnicodeDecodeError:
        texts = []
    if len(texts) != len(lines):
        return [""] * len(lines)
    # Half of a surrogate pair can stand in an escape alone.
    return ["" if "\\u" in text else text for text in texts] if b"\\u" in joined else texts
