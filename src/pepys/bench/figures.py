"""Figures as data: what was measured, its spread, and the bar it is held to."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value.

    Attributes:
        measure: the measure it comes from, such as `cpu`.
        load: what was shown or done meanwhile.
        name: what it is, short and stable, such as `cpu_ratio`.
        what: the same in words.
        value: the median, or the one value there is.
        unit: of value, low, high and bar; empty for a ratio.
        low: the least of several.
        high: the most of several.
        bar: what it must not pass; None for what is only reported.
        below: whether it must stay below the bar (else it may reach it).
        least: whether the bar is the least that the value must reach.
        detail: what it was made of.
        said: the detail in words.
    """

    measure: str
    load: str
    name: str
    what: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    below: bool = False
    least: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the bar is held; None without one."""
        if self.bar is None:
            return None
        if self.least:
            return self.value >= self.bar
        return self.value < self.bar if self.below else self.value <= self.bar

    @property
    def bar_text(self) -> str:
        """The bar as people read it."""
        if self.bar is None:
            return "-"
        sign = ">=" if self.least else "<" if self.below else "<="
        return f"{sign} {self.bar:g}{_spaced(self.unit)}"

    @property
    def figure_text(self) -> str:
        """The value as people read it, with spread and detail."""
        told = f"{_number(self.value)}{_spaced(self.unit)}"
        if self.low is not None and self.high is not None and self.low != self.high:
            told += f" ({_number(self.low)} to {_number(self.high)})"
        return f"{told}; {self.said}" if self.said else told

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "measure": self.measure, "load": self.load, "name": self.name, "what": self.what, "value": self.value,
            "unit": self.unit, "low": self.low, "high": self.high, "bar": self.bar, "held": self.held,
            "detail": dict(self.detail),
        }  # fmt: skip


def compared(
    mine: Sequence[float], peer: Sequence[float], measure: str, load: str, what: str, bar: float | None
) -> Figure:
    """The ratio of two medians; the spread is that of the runs' own ratios.

    Args:
        mine: seconds of pepys, one a run.
        peer: seconds of the peer, one a run, in the same order.
        measure: the measure.
        load: the load.
        what: the figure in words.
        bar: the bar, if there is one.
    """
    ratios = [own / other for own, other in zip(mine, peer, strict=True)]
    return Figure(
        measure, load, "cpu_ratio", what, statistics.median(mine) / statistics.median(peer),
        low=min(ratios), high=max(ratios), bar=bar,
        detail={"pepys_s": list(mine), "ffmpeg_s": list(peer)},
        said=f"pepys {spread(mine, '.2f')} s, ffmpeg {spread(peer, '.2f')} s",
    )  # fmt: skip


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """The median, with minimum and maximum behind it."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of a hundred values do not pass; 0 of no values."""
    ranked = sorted(values)
    if not ranked:
        return 0.0
    index = -(-len(ranked) * percent // 100) - 1
    return ranked[min(len(ranked) - 1, max(0, int(index)))]


def machine() -> str:
    """What the figures were measured on: processor, cores, system, Python."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
