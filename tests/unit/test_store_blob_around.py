"""What is put around an adapter: tries, a cache, scripted faults, counts."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from pepys.clock import FakeClock
from pepys.errors import NotFound, PermissionMissing, StorageProblem
from pepys.limits import NS_PER_S, STRAY_NS
from pepys.store.adapters.caching import Caching
from pepys.store.adapters.counting import Counting, Traffic
from pepys.store.adapters.faulty import SIGNS, Faulty
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.adapters.retrying import Patience, Retrying
from pepys.store.blob_port import Overtaken, TransientFault, blob_name

MIB = 1 << 20


class Sleeper(FakeClock):
    """A clock whose sleepers wake at once, later: it keeps how long each slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep_ns(self, duration_ns: int) -> None:
        self.slept.append(duration_ns / NS_PER_S)
        self.advance(duration_ns)


def blob(number: int) -> str:
    return f"b3-{blake3(b'%d' % number).hexdigest()}"


def name(number: int) -> str:
    return blob_name(blob(number))


def tried(script: str, patience: Patience, chance: float = 1.0) -> tuple[Sleeper, Counting, Retrying]:
    clock = Sleeper()
    inner = MemoryAdapter()
    inner.put(name(1), b"content")
    counting = Counting(Faulty(inner, script))
    return clock, counting, Retrying(counting, patience=patience, clock=clock, chance=lambda: chance)


# --- retrying


def test_pauses_double_up_to_the_longest() -> None:
    """Catches a client that hammers a server in trouble, or waits for hours."""
    clock, _, adapter = tried("tttttt", Patience(tries=7, pause_s=1, pause_max_s=5, deadline_s=1000))
    assert adapter.read(name(1)) == b"content"
    assert clock.slept == [1, 2, 4, 5, 5, 5]


def test_half_of_a_pause_is_chance() -> None:
    """Catches clients that come back all together."""
    clock, _, adapter = tried("ttt", Patience(tries=4, pause_s=1, pause_max_s=9, deadline_s=1000), chance=0.0)
    adapter.read(name(1))
    assert clock.slept == [0.5, 1, 2]


def test_who_is_asked_to_wait_waits() -> None:
    """Catches a Retry-After that is not heeded; and one of a year that is."""
    clock, _, adapter = tried("s", Patience(pause_s=0.01, pause_max_s=9))
    adapter.read(name(1))
    assert clock.slept == [1.0]
    clock, _, adapter = tried("s", Patience(pause_s=0.01, pause_max_s=0.5))
    adapter.read(name(1))
    assert clock.slept == [0.5]


def test_tries_and_time_are_bounded() -> None:
    """Catches tries without end, and a last pause that nobody waits for any more."""
    clock, counting, adapter = tried("t" * 99, Patience(tries=4, pause_s=1, deadline_s=1000))
    with pytest.raises(TransientFault, match="tried 4 times"):
        adapter.read(name(1))
    assert len(clock.slept) == 3 and counting.statistics().calls == 4
    clock, counting, adapter = tried("t" * 99, Patience(tries=99, pause_s=1, pause_max_s=60, deadline_s=10))
    with pytest.raises(TransientFault):
        adapter.read(name(1))
    assert sum(clock.slept) <= 10 and clock.slept == [1, 2, 4]


@pytest.mark.parametrize(("sign", "error"), [("x", PermissionMissing), ("n", NotFound)])
def test_what_will_not_pass_is_asked_once(sign: str, error: type[Exception]) -> None:
    """Catches trying again what no try mends."""
    clock, counting, adapter = tried(sign * 9, Patience())
    with pytest.raises(error):
        adapter.read(name(1))
    assert counting.statistics().calls == 1 and not clock.slept


def test_an_answer_that_was_lost_is_told_as_what_it_is() -> None:
    """Catches a replaced head that is overwritten blindly: the second try finds its own first one."""
    _, _, adapter = tried("l", Patience())
    assert not adapter.put(name(2), b"2") and adapter.read(name(2)) == b"2"
    _, _, adapter = tried("l", Patience())
    with pytest.raises(Overtaken):
        adapter.replace("heads/a", b"1", None)
    assert adapter.read("heads/a") == b"1"


@given(st.text("".join(sorted(SIGNS - set("xnCF"))), max_size=12), st.integers(1, 5))
def test_any_faults_end_in_the_content_or_one_error(script: str, tries: int) -> None:
    """Catches an order of faults after which a call returns something else, or is made too often."""
    clock, counting, adapter = tried(script, Patience(tries=tries, pause_s=0.1, deadline_s=1e6))
    bad = len(script) - len(script.lstrip("".join(SIGNS - {"."})))
    try:
        assert adapter.read(name(1)) == b"content"
        assert bad < tries
    except TransientFault as fault:
        assert bad >= tries and fault.message.count("tried") == 1
    assert counting.statistics().calls == min(bad + 1, tries) == len(clock.slept) + 1


@given(st.text(".tl5", max_size=8))
def test_a_broken_listing_goes_on_where_it_was(script: str) -> None:
    """Catches names that are told twice, or not at all, when a page fails."""
    clock = Sleeper()
    inner = MemoryAdapter()
    names = [name(n) for n in range(9)]
    for each in names:
        inner.put(each, b"")
    adapter = Retrying(Faulty(inner, script), patience=Patience(tries=9, deadline_s=1e6), clock=clock)
    assert [held.name for held in adapter.names("blobs/")] == sorted(names)


# --- caching


def cache(folder: Path, limit: int = 4 * MIB, inner: MemoryAdapter | None = None) -> tuple[Caching, Counting]:
    counting = Counting(inner or MemoryAdapter())
    return Caching(counting, folder / "cache", limit), counting


def test_what_was_read_once_is_not_asked_for_again(tmp_path: Path) -> None:
    """Catches a cache that never serves; another process finds what the first one kept."""
    inner = MemoryAdapter()
    inner.put(name(1), b"sealed")
    for expected in (1, 0):
        adapter, counting = cache(tmp_path, inner=inner)
        for _ in range(3):
            assert adapter.read(name(1)) == b"sealed"
            assert adapter.read_range(name(1), 2, 3) == b"ale"
        assert counting.statistics().calls == expected
    assert adapter.statistics().hits == 6 and adapter.statistics().misses == 0


def test_what_may_change_is_always_asked_for(tmp_path: Path) -> None:
    """Catches a head that is served as it was last week."""
    adapter, _ = cache(tmp_path)
    version = adapter.replace("heads/a", b"1", None)
    assert adapter.read("heads/a") == b"1"
    adapter.replace("heads/a", b"2", version)
    assert adapter.read("heads/a") == b"2" == adapter.read_range("heads/a", 0, 9)
    assert not (tmp_path / "cache").exists()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_a_file_that_is_not_whole_is_read_anew(tmp_path: Path, damage: str) -> None:
    """Catches a file that a power cut, a full disk or a bad one left, served as the blob."""
    adapter, counting = cache(tmp_path)
    adapter.put(name(1), b"sealed" * 1000)
    adapter.read(name(1))
    DAMAGE[damage](tmp_path / "cache" / blob(1))
    for _ in range(2):
        assert adapter.read(name(1)) == b"sealed" * 1000
    assert counting.statistics().kinds["read"].calls == (3 if damage == "folder" else 2)


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """Catches a folder that grows without end, and one that throws out what is looked at."""
    adapter, counting = cache(tmp_path, limit=5 * MIB)
    for number in range(12):
        adapter.put(name(number), secrets.token_bytes(MIB))
    for number in range(12):
        adapter.read(name(number))
        adapter.read(name(0))
        on_disk = sum(path.stat().st_blocks * 512 for path in (tmp_path / "cache").iterdir())
        assert on_disk <= 5 * MIB + 8192
    reads = counting.statistics().kinds["read"].calls
    adapter.read(name(0))
    adapter.read(name(11))
    assert counting.statistics().kinds["read"].calls == reads == 12
    assert adapter.statistics().evicted == 8 and adapter.statistics().kept_bytes <= 5 * MIB


def test_what_was_just_looked_at_is_not_the_next_to_go(tmp_path: Path) -> None:
    """Catches an order of use that is only known after the folder was looked at again."""
    size = 16_000
    adapter, counting = cache(tmp_path, limit=32 * 16_384)
    for number in range(96):
        adapter.put(name(number), bytes(size))
    for number in range(32):
        adapter.read(name(number))
    for number in range(32, 64):
        adapter.read(name(number - 32))
        adapter.read(name(number))
        before = counting.statistics().kinds["read"].calls
        adapter.read(name(number - 32))
        assert counting.statistics().kinds["read"].calls == before, number


def test_a_file_larger_than_the_cache_is_read_past_it(tmp_path: Path) -> None:
    adapter, counting = cache(tmp_path, limit=MIB)
    adapter.put(name(1), bytes(2 * MIB))
    assert adapter.read(name(1)) == adapter.read(name(1)) == bytes(2 * MIB)
    assert counting.statistics().kinds["read"].calls == 2


def test_a_cache_that_cannot_be_written_keeps_nobody_from_reading(tmp_path: Path) -> None:
    """Catches a full or read-only home in which nothing of the remote can be shown."""
    (tmp_path / "cache").write_bytes(b"a file in the folder's place")
    adapter, _ = cache(tmp_path)
    adapter.put(name(1), b"sealed")
    assert adapter.read(name(1)) == adapter.read(name(1)) == b"sealed"


def test_two_processes_share_one_folder(tmp_path: Path) -> None:
    """Catches a limit that each process has for itself for ever, and files that one takes from under the other."""
    inner = MemoryAdapter()
    for number in range(64):
        inner.put(name(number), secrets.token_bytes(MIB // 4))
    first, second = (cache(tmp_path, limit=4 * MIB, inner=inner)[0] for _ in range(2))
    for number in range(64):
        for adapter in (first, second) if number % 2 else (second, first):
            assert len(adapter.read(name(number))) == MIB // 4
    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())
    assert on_disk <= 4 * MIB * 5 // 4


def test_what_a_killed_process_left_is_taken_away(tmp_path: Path) -> None:
    """Catches parts of files that stay for ever; those of a process at work are left alone."""
    adapter, _ = cache(tmp_path)
    old, new = (tmp_path / "cache" / f".part-{kind}" for kind in ("old", "new"))
    old.parent.mkdir()
    for part in (old, new):
        part.write_bytes(b"half")
    long_ago = old.stat().st_mtime_ns - 2 * STRAY_NS
    os.utime(old, ns=(long_ago, long_ago))
    adapter.put(name(1), b"sealed")
    adapter.read(name(1))
    assert not old.exists() and new.exists()


_KILLED = """
import os, pathlib, sys
from blake3 import blake3
from pepys.store import trigger
from pepys.store.adapters.caching import Caching
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.blob_port import blob_name
inner = MemoryAdapter()
for n in range(4):
    inner.put(blob_name("b3-" + blake3(b"%d" % n).hexdigest()), b"sealed %d" % n * 5000)
killed = 0
for point in range(1, 40):
    child = os.fork()
    if not child:
        adapter = Caching(inner, pathlib.Path(sys.argv[1]) / str(point), 120_000)
        trigger.aim(f"any:{point}")
        for held in inner.names():
            adapter.read(held.name)
        os._exit(0)
    killed += os.waitpid(child, 0)[1] != 0
print(killed)
"""


def test_a_cache_that_was_killed_anywhere_serves_only_whole_files(tmp_path: Path) -> None:
    """Catches a file under its name before it is whole. Killed at each of its steps in turn."""
    argv = [sys.executable, "-c", _KILLED, str(tmp_path)]
    told = subprocess.run(argv, timeout=60, check=True, capture_output=True, text=True).stdout
    assert int(told) >= 12
    inner = MemoryAdapter()
    for n in range(4):
        inner.put(name(n), b"sealed %d" % n * 5000)
    for folder in tmp_path.iterdir():
        adapter = Caching(inner, folder, 120_000)
        for n in range(4):
            assert adapter.read(name(n)) == b"sealed %d" % n * 5000
        assert adapter.statistics().kept_bytes <= 120_000


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_a_cache_never_tells_anything_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    """Catches a mixture of files, and a limit that is passed, after any order of reads and deletes."""
    adapter, _ = cache(tmp_path_factory.mktemp("c"), limit=3 * 8192)
    for number, delete in steps:
        content = b"%d" % number * 6000
        adapter.put(name(number), content)
        assert adapter.read(name(number)) == content
        if delete:
            adapter.delete(name(number))
            with pytest.raises(NotFound):
                adapter.read(name(number))
        assert adapter.statistics().kept_bytes <= 3 * 8192


# --- faulty and counting


def test_a_script_reads_as_what_happens() -> None:
    """Catches a sign that does something else than its table says."""
    inner = MemoryAdapter()
    adapter = Faulty(inner, ".t5slcxnCF.")
    assert adapter.put("a", b"0123")
    for _ in range(5):
        with pytest.raises(TransientFault):
            adapter.read("a")
    with pytest.raises(PermissionMissing):
        adapter.read("a")
    with pytest.raises(NotFound):
        adapter.read("a")
    assert [adapter.read("a") for _ in range(4)] == [b"01", b"0133", b"0123", b"0123"]
    with pytest.raises(ValueError, match="other signs"):
        Faulty(inner, "?")


def test_counts_tell_calls_faults_and_bytes_and_do_not_change() -> None:
    """Catches bytes that are counted the wrong way round, and statistics that move under who reads them."""
    adapter = Counting(Faulty(MemoryAdapter(), "..t"))
    adapter.put("a", b"0123")
    before = adapter.statistics()
    adapter.read("a")
    with pytest.raises(StorageProblem):
        adapter.read_range("a", 0, 2)
    adapter.read_range("a", 0, 2)
    list(adapter.names())
    after = adapter.statistics()
    assert before.kinds == {"put": Traffic(1, 0, 4, 0)} and (before.calls, before.bytes_up) == (1, 4)
    assert after.kinds["read_range"] == Traffic(2, 1, 0, 2)
    assert (after.calls, after.faults, after.bytes_up, after.bytes_down) == (5, 1, 4, 6)
    with pytest.raises(TypeError):
        after.kinds["put"] = Traffic()  # type: ignore[index] # that it cannot be changed is the test
