"""The pure parts of `pepys bench store`, and a short run of each measure: shapes, bars, and that nothing is left."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest

from pepys.bench import store, store_memory
from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.bench.store_hours import make_home
from pepys.bench.store_virtual import FRAGMENTS, SEGMENT_BYTES, Virtual, fragment
from pepys.cli import main
from pepys.errors import Damaged, Usage
from pepys.store.store import Store


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
    assert set(figures) == {"ingest_mb", "verify_mb", "rebuilt_mb"}
    assert all(10 < figure.value < 1000 and figure.bar == 100 for figure in figures.values())
    assert sum(path.stat().st_size for path in (tmp_path / "home" / "blobs").rglob("b3-*")) > 100 << 20


def test_gigabytes_go_through_a_store_whose_disk_keeps_none(tmp_path: Path) -> None:
    """Would catch a virtual disk that gives back what was not written, or that keeps what it should let go."""
    home = make_home(tmp_path)
    disk = Virtual(home.keys.blob_key)
    store = Store(home.path, home.keys, home.clock, disk=disk)
    blobs = []
    for number in range(3):
        disk.segment = number
        writer = store.blobs.writer(f"session-video-{number}")
        for part in range(FRAGMENTS):
            writer.append(fragment(number, part))
        writer.sync()
        blobs.append(writer.seal())
        store.blobs.forget_intent(writer.name)
    small = store.blobs.put(b"a chunk")
    assert disk.counted > 3 * SEGMENT_BYTES
    assert sum(path.stat().st_size for path in (store.path / "blobs").rglob("b3-*")) < 1000
    for number, blob in enumerate(blobs):
        assert store.blobs.read(blob) == b"".join(fragment(number, part) for part in range(FRAGMENTS))
    assert store.blobs.read(small) == b"a chunk"
    path = next((store.path / "blobs").rglob(blobs[0]))
    path.write_bytes(path.read_bytes()[:-24] + struct.pack("<Q", 7) + path.read_bytes()[-16:])
    with pytest.raises(Damaged):
        store.blobs.read(blobs[0])


def test_how_much_is_streamed_is_of_the_memory_alone(home: Path) -> None:
    """Would catch `--gib` that is taken and changes nothing."""
    assert main(["bench", "store", "--measure", "list", "--gib", "3"]) == 2
    assert main(["bench", "capture", "--gib", "3"]) == 2
    assert not home.exists()
