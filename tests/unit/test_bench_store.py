"""The pure parts of `pepys bench store`, and a short run of each measure: shapes, bars, and that nothing is left."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from pepys.bench import store, store_memory
from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.cli import main
from pepys.errors import Usage


def test_what_is_measured_can_be_chosen() -> None:
    assert store.choose([]) == tuple(store.MEASURES)
    assert store.choose(["events", "ingest"]) == ("ingest", "events")
    assert store.lasts_s(["ingest"], 4) == 2 * store.lasts_s(["ingest"], 2)
    with pytest.raises(Usage):
        store.choose(["boredom"])


@pytest.mark.parametrize("words", [["--sound"], ["--load", "idle"], ["--seconds", "3"], ["--measure", "cpu"]])
def test_what_is_of_other_measures_is_refused(home: Path, words: list[str]) -> None:
    assert main(["bench", "store", *words]) == 2
    assert not home.exists()


def test_a_short_run_gives_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Would catch a measure that cannot run, or a figure without the bar that it is held to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said: list[str] = []
    figures: dict[str, Figure] = {}
    for figure in store.run(("ingest", "events"), 1, said.append, size=2):
        figures[figure.name] = figure
    assert {name: (figure.bar, figure.least) for name, figure in figures.items()} == {
        "ingest_ratio": (0.7, True), "events_a_second": (5_000, True), "events_p99_ms": (20, False),
        "events_one_client": (None, False), "disk_syncs": (None, False),
    }  # fmt: skip
    assert all(figure.value > 0 for figure in figures.values())
    # Many who share a sync get more than one alone, on any disk.
    assert figures["events_a_second"].value > figures["events_one_client"].value
    assert len(figures["ingest_ratio"].detail["pepys_mib_s"]) == 1
    assert not list(tmp_path.iterdir())
    assert not home.exists()


def test_a_short_run_of_the_catalog_gives_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Would catch a measure of the catalog that cannot run, or one that takes a bar for another."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said: list[str] = []
    figures = {one.name: one for one in store.run(("list", "rebuild", "index"), 1, said.append, size=2)}
    assert {name: (figure.bar, figure.least) for name, figure in figures.items()} == {
        "list_ms": (50, False), "overview_ms": (20, False), "overview_again_ms": (20, False),
        "rebuild_s": (60, False), "rebuild_mb": (100, False), "index_ratio": (0.8, True), "index_mb": (100, False),
    }  # fmt: skip
    assert all(figure.value > 0 for figure in figures.values())
    assert not list(tmp_path.iterdir())
    assert not home.exists()


def test_memory_is_told_of_a_hundred_gigabytes(tmp_path: Path) -> None:
    """Would catch memory that grows with what is written, told as if it stayed what it was."""
    assert store_memory.slope_of([(0.0, 50.0), (1.0, 52.0), (2.0, 54.0)]) == pytest.approx(2)
    assert store_memory.slope_of([(1.0, 50.0)]) == 0
    figures = {one.name: one for one in store_memory.memory(Bench(tmp_path, 0.0, 1, print), 0)}
    assert set(figures) == {"ingest_mb", "verify_mb"}
    assert all(10 < figure.value < 1000 and figure.bar == 100 for figure in figures.values())
