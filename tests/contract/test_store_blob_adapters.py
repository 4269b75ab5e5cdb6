"""One contract for every place that keeps sealed files: folder, memory, a real S3 server, and whatever is around one.

What only one of them does is tested in tests/unit/test_store_blob_*.py.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.errors import Damaged, NotFound, Usage
from pepys.remote_limits import REMOTE_FILE_BYTES, REMOTE_NAME_BYTES
from pepys.store.adapters.caching import Caching
from pepys.store.adapters.counting import Counting
from pepys.store.adapters.faulty import Faulty
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.adapters.objects import ObjectAdapter
from pepys.store.adapters.retrying import Patience, Retrying
from pepys.store.blob_port import BlobAdapter, Held, Overtaken, blob_name, blob_of, check_name, is_name
from tests.object_server import BUCKET

Make = Callable[[Path], BlobAdapter]

QUICK = Patience(tries=3, pause_s=0.001)


def s3(_: Path) -> BlobAdapter:
    return ObjectAdapter("s3", BUCKET, f"test-{secrets.token_hex(8)}", plain=True)


class MemoryObjects(ObjectAdapter):
    """The object adapter over the library's own memory."""

    def __init__(self) -> None:
        super().__init__("s3", "memory")
        self._objects = obstore.store.MemoryStore()  # type: ignore[assignment] # the same methods


MAKERS: dict[str, Make] = {
    "folder": lambda folder: FolderAdapter(folder / "kept"),
    "memory": lambda _: MemoryAdapter(),
    "obstore-memory": lambda _: MemoryObjects(),
    "s3": s3,
    "retrying": lambda _: Retrying(MemoryAdapter(), patience=QUICK),
    "caching": lambda folder: Caching(MemoryAdapter(), folder / "cache"),
    "faulty": lambda _: Faulty(MemoryAdapter(), ""),
    "counting": lambda _: Counting(MemoryAdapter()),
    "retrying-faulty": lambda _: Retrying(Faulty(MemoryAdapter(), "t5s." * 50), patience=Patience(4, 0, 0, 9)),
    "caching-retrying-counting-s3": lambda folder: Caching(Retrying(Counting(s3(folder))), folder / "cache"),
}
NEEDS_SERVER = {name for name in MAKERS if "s3" in name}


@pytest.fixture(params=list(MAKERS))
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobAdapter]:
    if request.param in NEEDS_SERVER:
        request.getfixturevalue("object_store")
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def blob(number: int) -> str:
    return blob_name(f"b3-{blake3(b'%d' % number).hexdigest()}")


def listed(adapter: BlobAdapter, prefix: str = "", after: str = "") -> dict[str, int]:
    found = list(adapter.names(prefix, after))
    assert len(found) == len({held.name for held in found}), "a name was told twice"
    return {held.name: held.size for held in found}


@pytest.mark.parametrize("size", [0, 1, 65_536, 3 * 1024 * 1024 + 1])
def test_what_is_put_is_read_back_whole(adapter: BlobAdapter, size: int) -> None:
    """Catches bytes changed, cut or joined on the way, at sizes around nothing and around a library's parts."""
    data = secrets.token_bytes(size)
    assert adapter.put(blob(1), data)
    for _ in range(2):
        assert adapter.read(blob(1)) == adapter.read(blob(1), size) == data
    assert adapter.size(blob(1)) == size
    assert listed(adapter) == {blob(1): size}


def test_a_second_put_changes_nothing(adapter: BlobAdapter) -> None:
    """Catches a put that overwrites: another device's sealing of a blob would change under who reads it."""
    assert adapter.put(blob(1), b"the first")
    assert not adapter.put(blob(1), b"another")
    assert adapter.read(blob(1)) == b"the first"


def test_of_many_who_put_at_once_one_makes_it(adapter: BlobAdapter) -> None:
    """Catches a put that looks first and writes then, without holding anything in between."""
    wrote: list[bytes] = []
    begin = threading.Barrier(6)

    def put(data: bytes) -> None:
        begin.wait()
        if adapter.put(blob(7), data):
            wrote.append(data)

    threads = [threading.Thread(target=put, args=(bytes([n]) * 100_000,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(wrote) == 1
    assert adapter.read(blob(7)) == wrote[0]


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 4, b"0123"), (3, 4, b"3456"), (8, 9, b"89"), (10, 5, b""), (11, 5, b""), (5, 0, b""), (0, 10, b"0123456789")],
)
def test_a_range_is_what_it_says(adapter: BlobAdapter, offset: int, length: int, expected: bytes) -> None:
    """Catches ranges that count their last byte, and an error where a file merely ends."""
    adapter.put(blob(1), b"0123456789")
    assert adapter.read_range(blob(1), offset, length) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, 4), (0, -1), (0, REMOTE_FILE_BYTES + 1)])
def test_no_range_is_refused(adapter: BlobAdapter, offset: int, length: int) -> None:
    adapter.put(blob(1), b"0123456789")
    with pytest.raises(Usage):
        adapter.read_range(blob(1), offset, length)


def test_what_is_not_there_is_not_found(adapter: BlobAdapter) -> None:
    """Catches a missing file told as a fault, which would be tried again for minutes."""
    adapter.put(blob(2), b"a neighbour")
    asked: list[Callable[[], object]] = [
        lambda: adapter.read(blob(1)),
        lambda: adapter.read_version(blob(1)),
        lambda: adapter.read_range(blob(1), 0, 4),
        lambda: adapter.read_range(blob(1), 0, 0),
        lambda: adapter.size(blob(1)),
        lambda: adapter.size("blobs"),
        lambda: adapter.read("blobs/nothing"),
    ]
    for ask in asked:
        with pytest.raises(NotFound) as told:
            ask()
        assert told.value.remedy


def test_a_length_that_was_told_is_proven(adapter: BlobAdapter) -> None:
    """Catches a file that was cut where it lies, taken for the whole one."""
    adapter.put(blob(1), b"only half of")
    with pytest.raises(Damaged, match="12 bytes instead of 24"):
        adapter.read(blob(1), 24)


def test_a_file_longer_than_any_sealed_one_is_refused(adapter: BlobAdapter) -> None:
    """Catches memory that grows with what is given."""
    with pytest.raises(Usage):
        adapter.put(blob(1), bytes(REMOTE_FILE_BYTES + 1))
    assert listed(adapter) == {}


def test_deleted_is_gone_and_may_be_put_again(adapter: BlobAdapter) -> None:
    """Catches a cache that goes on serving what was deleted."""
    adapter.put(blob(1), b"one")
    assert adapter.read(blob(1)) == b"one"
    assert adapter.delete(blob(1))
    adapter.delete(blob(1))
    with pytest.raises(NotFound):
        adapter.read(blob(1))
    assert listed(adapter) == {}
    assert adapter.put(blob(1), b"anew")
    assert adapter.read(blob(1)) == b"anew"


def test_replacing_goes_only_from_the_version_that_was_read(adapter: BlobAdapter) -> None:
    """Catches a head that overwrites another device's news."""
    name = "heads/s/d"
    first = adapter.replace(name, b"1", None)
    assert adapter.read_version(name) == (b"1", first)
    second = adapter.replace(name, b"22", first)
    assert second != first
    assert adapter.read_version(name) == (b"22", second)
    for version in (first, None):
        with pytest.raises(Overtaken) as told:
            adapter.replace(name, b"3", version)
        assert told.value.code == "busy" and told.value.exit_code == 8
    with pytest.raises(Overtaken):
        adapter.replace("heads/s/none", b"3", second)
    adapter.delete(name)
    with pytest.raises(Overtaken):
        adapter.replace(name, b"3", second)
    assert listed(adapter) == {}


def test_of_many_who_replace_at_once_one_wins_each_time(adapter: BlobAdapter) -> None:
    """Catches lost updates: every success must have seen the one before it."""
    adapter.replace("heads/count", b"0", None)

    def add() -> None:
        done = 0
        while done < 5:
            data, version = adapter.read_version("heads/count")
            try:
                adapter.replace("heads/count", b"%d" % (int(data) + 1), version)
                done += 1
            except Overtaken:
                continue

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert adapter.read("heads/count") == b"20"


def test_names_are_told_by_any_prefix_and_go_on_behind_a_name(adapter: BlobAdapter) -> None:
    """Catches prefixes that only work at slashes, and a broken listing that begins anew or leaves one out."""
    names = ["a/b", "a/c/d", "a/e/f", "ab/c", "b/a", "blobs/00/11/x", "blobs/00/12/y", "blobs/0a/z", "c-d"]
    for name in names:
        adapter.put(name, name.encode())
    for prefix in ("", "a", "a/", "a/b", "a/b/", "ab", "blobs/0", "blobs/00/1", "blobs/00/12/y", "c", "c-", "d"):
        expected = {name: len(name) for name in names if name.startswith(prefix)}
        assert listed(adapter, prefix) == expected, prefix
        order = [held.name for held in adapter.names(prefix)]
        for at, name in enumerate(order):
            assert [held.name for held in adapter.names(prefix, name)] == order[at + 1 :], (prefix, name)


def test_a_listing_has_more_than_one_page(adapter: BlobAdapter) -> None:
    """Catches listings that end after the first thousand names."""
    # A folder has no pages, and a thousand durable files take it seconds.
    many, last = (70, "0019") if adapter.capabilities.kind == "folder" else (1_050, "0999")
    for number in range(many):
        adapter.put(f"many/{number:04}", b"")
    assert len(listed(adapter, "many/")) == many
    assert len(listed(adapter, "many/", after=f"many/{last}")) == 50


BAD_NAMES = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../outside",
    "a/../../outside",
    "a/..",
    "./a",
    "a//b",
    "a/",
    ".hidden",
    "a/.hidden",
    "a\0b",
    "a\\b",
    "a\nb",
    "c:a",
    "a b",
    "é",
    "a?b",
    "a" * 300,
    "a/" * 150 + "a",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=[repr(name[:12]) for name in BAD_NAMES])
def test_a_name_that_leads_elsewhere_is_refused(adapter: BlobAdapter, name: str) -> None:
    """Catches writing or reading outside of the place, and names that one file system takes for another's."""
    asked: list[Callable[[], object]] = [
        lambda: adapter.put(name, b"x"),
        lambda: adapter.replace(name, b"x", None),
        lambda: adapter.read(name),
        lambda: adapter.read_version(name),
        lambda: adapter.read_range(name, 0, 1),
        lambda: adapter.size(name),
        lambda: adapter.delete(name),
    ]
    for ask in asked:
        with pytest.raises(Usage):
            ask()
    assert listed(adapter) == {}


@pytest.mark.parametrize("prefix", ["/", "..", "a/../b", "a\0", "a" * 300])
def test_a_prefix_of_no_name_is_refused(adapter: BlobAdapter, prefix: str) -> None:
    with pytest.raises(Usage):
        list(adapter.names(prefix))


def test_it_says_what_it_is(adapter: BlobAdapter) -> None:
    can = adapter.capabilities
    assert can == adapter.capabilities and can.at_once >= 1
    assert adapter.place and "secret" not in adapter.place
    assert can.lasting or can.kind == "memory"


@given(st.text(max_size=REMOTE_NAME_BYTES + 20))
def test_a_name_that_is_taken_stays_below_any_folder(name: str) -> None:
    """Catches a form of `..`, of a root, of a drive or of a device that the rule lets through."""
    if not is_name(name):
        with pytest.raises(Usage):
            check_name(name)
        return
    path = Path("/of/all") / name
    assert path.resolve().is_relative_to("/of/all") and str(path).isascii()
    assert len(name) <= REMOTE_NAME_BYTES and not any(part.startswith(".") for part in name.split("/"))


@given(st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_a_blob_has_one_name(digest: str) -> None:
    name = blob_name(f"b3-{digest}")
    assert blob_of(name) == f"b3-{digest}" and is_name(name)
    assert blob_of(f"other/{name}") is None and blob_of(name + "x") is None


_NAMES = st.sampled_from([blob(1), blob(2), blob(3), "heads/a/b", "heads/a-b", "heads/a/b-c"])
_STEPS = st.one_of(
    st.tuples(st.sampled_from(["put", "replace"]), _NAMES, st.binary(max_size=20)),
    st.tuples(st.sampled_from(["read", "size", "delete"]), _NAMES, st.just(b"")),
    st.tuples(st.just("names"), st.sampled_from(["", "heads/a", "blobs/"]), st.just(b"")),
)
_COUNT = itertools.count()


def outcome(adapter: BlobAdapter, step: tuple[str, str, bytes]) -> object:
    """What a step returns or raises, in a form that two places can be compared in."""
    kind, name, data = step
    try:
        if kind == "put":
            return adapter.put(name, data)
        if kind == "replace":
            try:
                version = adapter.read_version(name)[1]
            except NotFound:
                version = None
            return adapter.replace(name, data, version) is not None
        if kind == "names":
            return sorted(adapter.names(name))
        if kind == "delete":
            adapter.delete(name)
            return None
        result: bytes | int = getattr(adapter, kind)(name)
        return result
    except NotFound:
        return NotFound


@pytest.mark.parametrize(
    "kind", ["folder", "caching", "retrying-faulty", "obstore-memory", "caching-retrying-counting-s3"]
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_STEPS, max_size=25))
def test_every_place_answers_as_memory_does(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, steps: list[tuple[str, str, bytes]]
) -> None:
    """Catches any order of calls after which a place tells something else than the plain model of it."""
    if kind in NEEDS_SERVER:
        request.getfixturevalue("object_store")
    folder = tmp_path / str(next(_COUNT))
    folder.mkdir()
    model, place = MemoryAdapter(), MAKERS[kind](folder)
    for step in steps:
        # A blob's bytes never change: who puts other ones under its name is wrong, so here they are of the name.
        name = step[1]
        made = (step[0] if not name.startswith("blobs/") else step[0].replace("replace", "put"), name, step[2])
        made = (made[0], name, name.encode()) if name.startswith("blobs/") else made
        assert outcome(place, made) == outcome(model, made), made
    assert sorted(place.names()) == sorted(model.names())
    assert all(isinstance(held, Held) for held in place.names())
