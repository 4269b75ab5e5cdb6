"""The kinds of nodes a sound graph is made of, and the parameters each takes: names, types, bounds, defaults.

Invariant: what `checked` gives is whole and safe to hand to the runtime: every parameter of the kind is there, of its
type and within its bounds; numbers are finite. Leaves how nodes fit together to `sound_graph`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pepys import limits
from pepys.errors import Usage

Value = bool | int | float | str

RATES: Final = (8_000, 12_000, 16_000, 24_000, 32_000, 44_100, limits.SOUND_RATE)
_TRACK = re.compile(r"audio\.[a-z][a-z0-9_-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its type, its bounds, and what it is when nothing is said (None: it has to be said)."""

    type: type[bool] | type[int] | type[float] | type[str]
    default: Value | None = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Value, ...] = ()
    pattern: re.Pattern[str] | None = None

    def expects(self) -> str:
        """What a value has to be, in words."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        if self.type is bool:
            return "true or false"
        if self.pattern is not None:
            return "a name such as audio.mic"
        if self.type is str:
            return f"text of at most {limits.SOUND_GRAPH_TEXT_CHARS} characters without control characters"
        number = "a whole number" if self.type is int else "a number"
        return f"{number} of {self.low:g} to {self.high:g}"

    def read(self, value: object) -> Value | None:
        """The value in the parameter's type; None when it is none of its values."""
        read: Value
        if self.type is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            if not self.low <= value <= self.high:  # before float(): a whole number may be too large for it
                return None
            read = float(value)
        elif self.type is str and isinstance(value, str):
            if len(value) > limits.SOUND_GRAPH_TEXT_CHARS or not _is_line(value):
                return None
            read = value
        elif type(value) is self.type and isinstance(value, (bool, int)):
            read = value
        else:
            return None
        if self.type is int and not self.low <= read <= self.high:  # type: ignore[operator]  # an int here
            return None
        if (self.choices and read not in self.choices) or (self.pattern and not self.pattern.fullmatch(str(read))):
            return None
        return read


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of node: how many edges may lead in, whether any must lead out, and its parameters."""

    params: Mapping[str, Param]
    inputs: tuple[int, int] = (1, 1)
    gives: bool = True
    may_end: bool = False


_CHANNELS: Final = (1, 2)
_FOLLOW: Final = Param(bool, False)


def _source(**params: Param) -> Kind:
    return Kind(params, inputs=(0, 0))


def _filter(**params: Param) -> Kind:
    return Kind(params)


def _sink(**params: Param) -> Kind:
    return Kind(params, gives=False, may_end=True)


def _device(channels: int) -> Kind:
    return _source(device=Param(str, ""), channels=Param(int, channels, choices=_CHANNELS), follow_default=_FOLLOW)


KINDS: Final[Mapping[str, Kind]] = {
    "microphone": _device(1),
    "system": _device(2),
    "file": _source(path=Param(str), loop=Param(bool, False), channels=Param(int, 2, choices=_CHANNELS)),
    "tone": _source(
        frequency_hz=Param(float, 440.0, 10, 20_000),
        level_db=Param(float, -20.0, -90, 0),
        channels=Param(int, 1, choices=_CHANNELS),
    ),
    "silence": _source(channels=Param(int, 1, choices=_CHANNELS)),
    "gain": _filter(gain_db=Param(float, 0.0, -60, 40), muted=Param(bool, False)),
    "resample": _filter(rate=Param(int, choices=RATES)),
    "downmix": _filter(channels=Param(int, 1, choices=_CHANNELS)),
    "high_pass": _filter(frequency_hz=Param(float, 80.0, 10, 4_000)),
    "denoise": _filter(reduction_db=Param(float, 12.0, 0.01, 97), floor_db=Param(float, -45.0, -80, -20)),
    "loudness": _filter(target_lufs=Param(float, -16.0, -70, -5)),
    "limiter": _filter(ceiling_db=Param(float, -1.0, -20, 0)),
    "voice": _filter(),
    "meter": Kind({}, may_end=True),
    "mix": Kind({"balance": Param(int, 50, 0, 100)}, inputs=(2, limits.SOUND_MIX_INPUTS)),
    "encoder": _sink(
        codec=Param(str, "opus", choices=("opus", "aac")),
        bit_rate=Param(int, 32_000, 6_000, 320_000),
        track=Param(str, pattern=_TRACK),
    ),
    "tap": _sink(rate=Param(int, 16_000, choices=RATES)),
    "null": _sink(),
}
"""A device named "" is the default one."""

SOURCES: Final = frozenset(name for name, kind in KINDS.items() if kind.inputs == (0, 0))
DEVICES: Final = frozenset({"microphone", "system"})


def kind_of(node: str, name: object) -> Kind:
    """The kind of a node.

    Raises:
        Usage: there is no such kind.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise Usage(f"sound graph: node {node} is of an unknown kind: {shown(name)}", "kinds: " + ", ".join(KINDS))
    return KINDS[name]


def checked(node: str, name: str, params: object) -> dict[str, Value]:
    """All parameters of a node, defaults filled in.

    Raises:
        Usage: a parameter is unknown, missing, of another type or out of its bounds.
    """
    kind = kind_of(node, name)
    if not isinstance(params, Mapping):
        raise Usage(f"sound graph: the params of node {node} are no object", f"{name} takes {_takes(kind)}")
    unknown = next((key for key in params if key not in kind.params), None)
    if unknown is not None:
        raise Usage(
            f"sound graph: node {node} has an unknown parameter: {shown(unknown)}", f"{name} takes {_takes(kind)}"
        )
    whole: dict[str, Value] = {}
    for key, param in kind.params.items():
        if key not in params and param.default is None:
            raise Usage(f"sound graph: node {node} needs {key}", f"give {param.expects()}")
        value = param.read(params[key]) if key in params else param.default
        if value is None:
            raise Usage(
                f"sound graph: {key} of node {node} cannot be {_quoted(params[key])}", f"give {param.expects()}"
            )
        whole[key] = value
    return whole


def shown(value: object) -> str:
    """A value of somebody else's file for one line of text: short, and without anything that moves a cursor."""
    if isinstance(value, (Mapping, list, tuple)):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a huge number"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _quoted(value: object) -> str:
    """A value as its file has it: text that looks like a number is not one."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f'"{shown(value)}"' if isinstance(value, str) else shown(value)


def _takes(kind: Kind) -> str:
    return ", ".join(kind.params) or "no parameters"


def _is_line(text: str) -> bool:
    """Whether it has no control characters, no ends of lines, and no halves of characters, which cannot be stored."""
    return not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
