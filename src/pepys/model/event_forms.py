"""What the fields of an event may hold, whoever wrote it: what decoding gives is of the form that the field is told of.

Integers lie within 64 bits, texts are texts, rows have their columns; anything else is refused, so that no fold, path,
column or sum meets it. Where a field may hold several things, or a whole number was written as a fraction, that is
looked at by `fitting`; the plain cases by `fitting_fields` itself, which is asked for every event of an hour, and by
`refuse_unfit`, which is asked for each that is written: what reading would refuse is never acknowledged.
"""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import chain
from typing import Any, Final

from pepys.model.ids import is_blob_id, is_open_name

END: Final = 2**63
"""What a database keeps in a column lies below."""
_DEEPEST: Final = 50
"""How deeply what a user set may be nested: far more than pepys writes."""
_PLAIN: Final[dict[str, type]] = {"str": str, "int": int, "bool": bool}
_FRAGMENT: Final = (int, int, int, int)
_ROWS: Final[dict[str, tuple[type, ...]]] = {
    "Sequence[Fragment]": _FRAGMENT,
    "tuple[tuple[int, int, int, int], ...]": _FRAGMENT,
    "tuple[tuple[str, str, int, int, int, int], ...]": (str, str, int, int, int, int),
}
_TEXTS: Final = "tuple[str, ...]"
_ANYTHING: Final = "dict[str, Any]"
_BY_NAME: Final[dict[str, type]] = {"dict[str, int]": int, "dict[str, str]": str}
_OPTIONAL: Final = " | None"
to_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=tuple).encode
"""How events are written."""
_BLOB: Final = "blob"
"""The id of a blob, or nothing where there is none; it becomes a path."""
_OPEN: Final = "open"
"""The name of an open file; it becomes a path."""


def forms_of(kind: type[Any]) -> dict[str, Any]:
    """The form of each field of a type of events."""
    found = {field.name: form_of(field.name, str(field.type)) for field in fields(kind)}
    return {**found, "name": _OPEN} if kind.__name__ == "SegmentOpened" else found


def form_of(name: str, annotation: str) -> Any:
    """The form of a field: the type of what it holds, or a word of its own where that is none of the plain ones.

    Raises:
        TypeError: no form is known for it; events hold nothing else.
    """
    if name == "blob":
        return _BLOB
    bare = annotation.removesuffix(_OPTIONAL)
    if bare not in _PLAIN and bare not in _ROWS and bare not in _BY_NAME and bare not in {_TEXTS, _ANYTHING}:
        raise TypeError(f"no field of an event: {annotation}")
    return _PLAIN.get(annotation, annotation)


def encodable(data: bytes, value: Any) -> None:
    """Refuse texts that UTF-8 cannot write: halves of surrogate pairs, which only an escape in `data` can bring.

    Raises:
        ValueError: there is one.
    """
    if b"\\u" in data:
        json.dumps(value, ensure_ascii=False).encode()


def fitting_fields(forms: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """The fields of a parsed event that this version knows, each of its form.

    Raises:
        TypeError, ValueError, OverflowError, AttributeError: one is of another, as `fitting` says.
    """
    known = {}
    for key, item in value.items():
        form = forms.get(key)
        if form is None:
            continue
        # What is plainly of its form, as nearly everything is, is looked at here: a call each would cost more.
        if type(item) is not form or (form is int and not -END < item < END):
            item = fitting(form, item)
        known[key] = item
    return known


def refuse_unfit(kind: str, forms: dict[str, Any], values: dict[str, Any]) -> None:
    """Refuse an event that is to be written, of `kind`, where reading would refuse what was written of its fields.

    Raises:
        ValueError: one is of another form than its field.
    """
    try:
        for key, item in values.items():
            form = forms[key]
            if type(item) is not form or (form is int and not -END < item < END):
                # Rows are tuples until they are written, and what is more than a text may be written as one.
                fitting(form, item if item is None or type(item) is str else json.loads(to_json(item)))
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no {kind}: {error}") from error


def fitting(form: Any, item: Any) -> Any:
    """What a field takes of a value that is not plainly of its form.

    Args:
        form: as `form_of` tells.
        item: as JSON gave it.

    Raises:
        TypeError: it is of none that the field may have.
        ValueError, OverflowError, AttributeError: the same, of what is no number or no object.
    """
    if form is int and isinstance(item, int | float) and -END < item < END and item == int(item):
        return int(item)
    if form is bool and type(item) is int:
        return bool(item)
    if form is str and type(item) is str:
        return item
    if isinstance(form, str):
        if form.endswith(_OPTIONAL):
            bare = form.removesuffix(_OPTIONAL)
            return None if item is None else fitting(_PLAIN.get(bare, bare), item)
        if form == _BLOB and type(item) is str and (item == "" or is_blob_id(item)):
            return item
        if form == _OPEN and type(item) is str and is_open_name(item):
            return item
        if form in _BY_NAME:
            return {key: fitting(_BY_NAME[form], one) for key, one in item.items()}
        if form == _ANYTHING and type(item) is dict and _is_flat(item):
            return item
        if type(item) is list and form == _TEXTS:
            return tuple([fitting(str, one) for one in item])
        if type(item) is list and form in _ROWS:
            return _rows(_ROWS[form], item)
    raise TypeError(f"{str(item)[:40]!r} in a field of {form}")


def _rows(columns: tuple[type, ...], item: list[Any]) -> tuple[tuple[Any, ...], ...]:
    if columns == _FRAGMENT:
        # Most of an hour's numbers stand here: the usual ones are looked at together.
        rows = tuple(map(tuple, item))
        numbers = list(chain.from_iterable(rows))
        if set(map(len, rows)) <= {len(columns)} and set(map(type, numbers)) <= {int}:
            if not numbers or (min(numbers) > -END and max(numbers) < END):
                return rows
            raise ValueError("a number of a row is out of range")
    return tuple([_row(columns, one) for one in item])


def _row(columns: tuple[type, ...], row: Any) -> tuple[Any, ...]:
    if type(row) is not list or len(row) != len(columns):
        raise TypeError(f"{str(row)[:40]!r} is no row of {len(columns)}")
    return tuple([fitting(column, one) for column, one in zip(columns, row, strict=True)])


def _is_flat(value: Any, depth: int = 0) -> bool:
    """Whether it is nested no deeper than what can be walked and written again anywhere."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < _DEEPEST and all(_is_flat(part, depth + 1) for part in parts)
