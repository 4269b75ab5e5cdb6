"""The stage `screen_text`: what could be read on every distinct shot.

A unit is a batch of shots in time order. The first shot of a batch is read whole; of the next ones only the rectangles
that changed, and the lines outside of them are carried over: a terminal that grew by a line costs a tenth of a shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pepys.enrich.pictures import Box, Gray, changed_boxes
from pepys.enrich.plan import screen_text_units
from pepys.enrich.stage import Item, Source, Unit
from pepys.model.artifacts import ScreenText, TextLine, to_json
from pepys.model.session import Session

LEAST_LETTERS: Final = 2
"""A line of one letter or none is an icon or a cursor."""
NEAR: Final = 1.5
"""Cells of one line stand nearer than this many heights."""
LEVEL: Final = 0.6
"""Cells of one line share this part of their height."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was recognised; the box is in pixels."""

    text: str
    box: Box


class TextReader(Protocol):
    """An engine that reads text in pictures."""

    def engine(self) -> str:
        """Name, version and model.

        Raises:
            EngineMissing: it is not there.
        """
        ...

    def decode(self, data: bytes) -> Gray:
        """The picture in shades of grey."""
        ...

    def read(self, picture: Gray) -> list[ReadLine]:
        """The lines of text, in any order."""
        ...


class ScreenTextStage:
    """Text of shots."""

    name = "screen_text"
    version = 2

    def __init__(self, reader: TextReader | None = None) -> None:
        self._reader = reader

    def units(self, session: Session) -> tuple[Unit, ...]:
        """Batches of distinct shots."""
        return screen_text_units(session)

    def engine(self) -> str:
        """The reader's name."""
        return self._engine().engine()

    def run(self, unit: Unit, source: Source) -> list[Item]:
        """Read the shots of a batch."""
        reader = self._engine()
        items: list[Item] = []
        before: Gray | None = None
        known: list[ReadLine] = []
        for shot in unit.inputs:
            picture = reader.decode(source.blob(shot))
            known = _read(reader, picture, before, known)
            before = picture
            items.append(to_json(ScreenText(shot, _text_lines(known, picture))))
        return items

    def _engine(self) -> TextReader:
        if self._reader is None:
            # The adapter needs the types of this module; engines load only when a unit runs.
            from pepys.enrich.adapters.tesseract import Tesseract

            self._reader = Tesseract()
        return self._reader


def _read(reader: TextReader, picture: Gray, before: Gray | None, known: list[ReadLine]) -> list[ReadLine]:
    """All lines of `picture`, those outside of what changed carried over from the picture before."""
    boxes = None if before is None else changed_boxes(before, picture, [line.box for line in known])
    if boxes is None:
        return reader.read(picture)
    lines = [line for line in known if not any(line.box.meets(box) for box in boxes)]
    for box in boxes:
        part = picture[box.top : box.bottom, box.left : box.right]
        lines.extend(ReadLine(line.text, _moved(line.box, box)) for line in reader.read(part))
    return lines


def _moved(box: Box, by: Box) -> Box:
    return Box(box.left + by.left, box.top + by.top, box.right + by.left, box.bottom + by.top)


def _text_lines(lines: Sequence[ReadLine], picture: Gray) -> tuple[TextLine, ...]:
    """Join the cells of each line, drop crumbs, and turn pixels into shares of the picture."""
    height, width = picture.shape
    return tuple(
        TextLine(
            line.text,
            round(line.box.left / width, 5),
            round(line.box.top / height, 5),
            round((line.box.right - line.box.left) / width, 5),
            round((line.box.bottom - line.box.top) / height, 5),
        )
        for line in _join(lines)
        if sum(letter.isalnum() for letter in line.text) >= LEAST_LETTERS
    )


def _join(lines: Sequence[ReadLine]) -> list[ReadLine]:
    """Sparse recognition gives words apart; those that stand side by side are one line. In reading order."""
    rows: list[list[ReadLine]] = []
    for line in sorted(lines, key=lambda line: (line.box.top + line.box.bottom, line.box.left)):
        row = next((row for row in reversed(rows[-8:]) if _level(row[-1].box, line.box)), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    joined: list[ReadLine] = []
    for row in rows:
        cells = sorted(row, key=lambda line: line.box.left)
        current = cells[0]
        for cell in cells[1:]:
            tall = max(current.box.bottom - current.box.top, cell.box.bottom - cell.box.top)
            if cell.box.left - current.box.right <= NEAR * tall:
                current = ReadLine(f"{current.text} {cell.text}", current.box.with_box(cell.box))
            else:
                joined.append(current)
                current = cell
        joined.append(current)
    return joined


def _level(one: Box, other: Box) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared >= LEVEL * max(one.bottom - one.top, other.bottom - other.top)
