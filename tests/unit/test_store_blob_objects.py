"""An object store that behaves badly: each fault is retried to success, or becomes one clear error in bounded time."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pepys.clock import FakeClock
from pepys.errors import Damaged, DeviceMissing, PepysError, PermissionMissing, StorageProblem, Usage
from pepys.limits import NS_PER_S
from pepys.store.adapters.counting import Counting
from pepys.store.adapters.objects import ObjectAdapter
from pepys.store.adapters.opening import open_remote
from pepys.store.adapters.retrying import Patience, Retrying
from pepys.store.adapters.timeouts import Timeouts
from pepys.store.blob_port import TransientFault
from tests.object_server import BUCKET, SECRET, ObjectServer
from tests.rude_server import RudeServer, rude_server

NAME = "blobs/aa/bb/one"
DATA = secrets.token_bytes(30_000)
SHORT = Timeouts(connect_s=0.5, read_s=0.2, request_s=0.5)
PATIENCE = Patience(tries=4, pause_s=0.001, pause_max_s=0.01)


@pytest.fixture
def rude(object_store: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RudeServer]:
    with rude_server(object_store.endpoint) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server


@pytest.fixture
def counting(rude: RudeServer) -> Counting:
    """The tries of one adapter whose bucket holds `DATA` as `NAME`."""
    adapter = ObjectAdapter("s3", BUCKET, f"rude-{secrets.token_hex(6)}", plain=True, host="127.0.0.1", timeouts=SHORT)
    assert adapter.put(NAME, DATA)
    return Counting(adapter)


def refused(error: PepysError) -> None:
    """An error that a user can act on, and that gives nothing away."""
    text = f"{error.message} {error.remedy}"
    assert error.remedy and "\n" not in text and len(text) < 400, text
    assert SECRET not in text and "Signature" not in text and "Debug" not in text


TRANSIENT = ["hang", "trickle", "slow_down", "too_many", "error", "drop", "cut", "garbage"]


@pytest.mark.parametrize("manner", TRANSIENT)
def test_what_may_pass_is_tried_again_until_it_does(rude: RudeServer, counting: Counting, manner: str) -> None:
    """Catches a fault that ends a sync for good though the next try would work, and one that is hidden as content."""
    heard: list[tuple[TransientFault, int, float]] = []
    adapter = Retrying(counting, patience=PATIENCE, told=lambda *told: heard.append(told))
    rude.behave(manner, manner)
    # What comes byte by byte has a length of its own.
    assert adapter.read(NAME, None if manner == "trickle" else len(DATA)) == DATA
    assert len(rude.seen) == 3, "the library tries again by itself"
    assert counting.statistics().kinds["read"].calls == 3
    assert [tried for _, tried, _ in heard] == [1, 2]
    for fault, _, _ in heard:
        refused(fault)


@pytest.mark.parametrize("manner", TRANSIENT)
def test_what_does_not_pass_ends_in_one_error_in_bounded_time(
    rude: RudeServer, counting: Counting, manner: str
) -> None:
    """Catches waiting for ever, and tries without end."""
    rude.behave(*[manner] * 50)
    began = time.monotonic()
    with pytest.raises(TransientFault, match="tried 2 times") as told:
        Retrying(counting, patience=Patience(tries=2, pause_s=0.001)).read(NAME)
    assert time.monotonic() - began < 10
    assert told.value.exit_code == 5 and told.value.code == "storage_problem"
    refused(told.value)


@pytest.mark.parametrize("call", ["put", "replace", "delete", "size", "read_range", "names"])
@pytest.mark.parametrize("manner", ["hang", "slow_down", "drop"])
def test_every_call_is_bounded_and_tried_again(rude: RudeServer, counting: Counting, call: str, manner: str) -> None:
    """Catches a call that was left out: writing is as safe to repeat as reading."""
    adapter = Retrying(counting, patience=PATIENCE)
    rude.behave(manner)
    if call == "put":
        assert adapter.put("blobs/aa/bb/two", b"2")
    elif call == "replace":
        assert adapter.replace("heads/a", b"2", None)
    elif call == "delete":
        assert adapter.delete(NAME)
    elif call == "size":
        assert adapter.size(NAME) == len(DATA)
    elif call == "read_range":
        assert adapter.read_range(NAME, 5, 7) == DATA[5:12]
    else:
        assert [held.name for held in adapter.names("blobs/aa")] == [NAME]
    assert rude.seen[0][2] == manner


def test_a_put_whose_answer_was_lost_is_there_once(rude: RudeServer, counting: Counting) -> None:
    """Catches a second try that fails because the first one had come through."""
    rude.behave("lose")
    assert not Retrying(counting, patience=PATIENCE).put("blobs/aa/bb/two", b"2")
    assert counting.read("blobs/aa/bb/two") == b"2"


def test_a_refusal_is_told_at_once(rude: RudeServer, counting: Counting) -> None:
    """Catches minutes of trying with credentials that do not suffice."""
    rude.behave(*["refuse"] * 50)
    adapter = Retrying(counting, patience=PATIENCE)
    for call in (lambda: adapter.read(NAME), lambda: list(adapter.names()), lambda: adapter.put(f"{NAME}2", b"")):
        with pytest.raises(PermissionMissing, match="403") as told:
            call()
        assert told.value.exit_code == 4 and "AWS_ACCESS_KEY_ID" in told.value.remedy
        refused(told.value)
    assert len(rude.seen) == 3


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_a_body_that_was_cut_is_never_taken_for_the_file(
    rude: RudeServer, counting: Counting, size: int | None
) -> None:
    """Catches half a blob that is taken for the whole, where the header tells the truth and where it lies."""
    rude.behave("cut")
    with pytest.raises(TransientFault):
        counting.read(NAME, size)
    rude.behave("cut")
    with pytest.raises(TransientFault):
        counting.read_range(NAME, 0, len(DATA))
    if size is not None:
        rude.behave("short")
        with pytest.raises(Damaged, match="15000 bytes instead of 30000"):
            counting.read(NAME, size)


def test_a_file_without_end_is_refused_before_it_is_read(rude: RudeServer, counting: Counting) -> None:
    """Catches memory that a server fills."""
    rude.behave("endless")
    with pytest.raises(Damaged, match="more than any sealed file"):
        counting.read(NAME)


def test_a_server_that_says_nothing_is_left_before_its_request_ends(rude: RudeServer) -> None:
    """Catches two minutes of waiting for a connection over which nothing comes."""
    rude.behave("hang")
    adapter = ObjectAdapter("s3", BUCKET, plain=True, timeouts=Timeouts(read_s=0.2, request_s=60))
    began = time.monotonic()
    with pytest.raises(TransientFault, match="no answer in time"):
        adapter.read(NAME)
    assert time.monotonic() - began < 10


def test_an_answer_that_drips_is_given_up(rude: RudeServer) -> None:
    """Catches a command that stands for minutes, without a word, over a hundred bytes that come one a second."""

    class Passing(FakeClock):
        """Half a minute passes from one look at it to the next."""

        def awake_ns(self) -> int:
            self.advance(30 * NS_PER_S)
            return super().awake_ns()

    adapter = ObjectAdapter("s3", BUCKET, plain=True, timeouts=Timeouts(read_s=5, request_s=60), clock=Passing())
    rude.behave("trickle")
    began = time.monotonic()
    with pytest.raises(TransientFault, match="no answer in time"):
        adapter.read(NAME)
    assert time.monotonic() - began < 10


def test_a_slow_answer_is_an_answer(rude: RudeServer, counting: Counting) -> None:
    """Catches a time-out that counts from the start of a body that still comes."""
    counting.put("blobs/aa/bb/few", DATA[:200])
    rude.behave("slow")
    assert counting.read("blobs/aa/bb/few") == DATA[:200]


@pytest.mark.parametrize("call", ["read", "put", "names", "size", "delete"])
def test_it_is_not_led_elsewhere(rude: RudeServer, counting: Counting, call: str) -> None:
    """Catches credentials and files that go where a server's answer points."""
    rude.behave(*["elsewhere"] * 20)
    with pytest.raises(StorageProblem) as told:
        if call == "put":
            counting.put(f"{NAME}2", b"secret")
        else:
            list(counting.names()) if call == "names" else getattr(counting, call)(NAME)
    assert not isinstance(told.value, TransientFault)
    refused(told.value)
    assert not rude.elsewhere


@pytest.mark.parametrize("call", ["names", "put", "replace", "read_version"])
def test_a_page_is_no_answer_of_a_store(rude: RudeServer, counting: Counting, call: str) -> None:
    """Catches a captive portal that is taken for an empty bucket, or for one that keeps what is put there."""
    rude.behave(*["page"] * 9)
    with pytest.raises(StorageProblem) as told:
        if call == "names":
            list(counting.names())
        elif call == "put":
            counting.put(f"{NAME}2", b"2")
        elif call == "replace":
            counting.replace("heads/a", b"2", None)
        else:
            counting.read_version(NAME)
    refused(told.value)


def test_nobody_there_is_one_error(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientFault, match="cannot be reached") as told:
        ObjectAdapter("s3", BUCKET, plain=True, timeouts=SHORT).read(NAME)
    refused(told.value)


def test_a_wrong_bucket_is_named(object_store: ObjectServer) -> None:
    """Catches a missing bucket that looks like a missing file: a pull would find nothing, and say so."""
    adapter = open_remote("s3://no-such-bucket/pepys", patience=PATIENCE)
    for call in (
        lambda: adapter.read(NAME),
        lambda: adapter.size(NAME),
        lambda: adapter.put(NAME, b""),
        lambda: adapter.replace("heads/a", b"", None),
        lambda: adapter.delete(NAME),
        lambda: list(adapter.names()),
    ):
        with pytest.raises(StorageProblem, match="s3://no-such-bucket/pepys: there is no such bucket") as told:
            call()
        assert not isinstance(told.value, TransientFault)
        refused(told.value)


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_credentials_are_refused_without_telling_them(
    object_store: ObjectServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "not-the-one")
    adapter = open_remote(f"s3://{BUCKET}", patience=PATIENCE)
    for call in (lambda: adapter.read(NAME), lambda: list(adapter.names()), lambda: adapter.put(NAME, b"")):
        with pytest.raises(PermissionMissing, match="access is refused") as told:
            call()
        assert "not-the-one" not in f"{told.value.message}{told.value.remedy}"


def test_without_a_library_one_line_says_so() -> None:
    """Catches a traceback where the extra is not installed; a folder needs none."""
    script = (
        "import sys; sys.modules['obstore'] = None\n"
        "from pepys.store.adapters.opening import open_remote\n"
        "open_remote('/tmp')\n"
        "try: open_remote('s3://bucket/prefix')\n"
        "except Exception as error: print(type(error).__name__, error.message, error.remedy)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout.startswith(f"{DeviceMissing.__name__} the library obstore") and "pepys[objects]" in told.stdout


def test_a_folder_loads_no_library_of_object_stores() -> None:
    script = "import sys, pepys.store.adapters.opening as o; o.open_remote('/tmp'); print('obstore' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert told.stdout == "False\n"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bucket",
        "relative/folder",
        "ftp://host/folder",
        "http://host/bucket",
        "s3://",
        "s3:///prefix",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/prefix?token=secret",
        "file://host/folder",
        "file://",
        "/a\0b",
        "s3://[::1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Catches an address that is taken for a folder here, and secrets in messages."""
    with pytest.raises(Usage) as told:
        open_remote(address)
    assert "secret" not in told.value.message and told.value.remedy


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/a/b", "/tmp/x", "gs://bucket/p", "az://container/p"])
def test_an_address_is_the_place(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    assert open_remote(address).place == address


def test_an_endpoint_without_tls_is_only_taken_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches names and sizes sent in the clear over a network by a slip in a variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(Usage, match="https") as told:
        open_remote("s3://bucket", patience=PATIENCE).read(NAME)
    assert "AWS_ALLOW_HTTP" in told.value.remedy


_NONE = "AWS_ENDPOINT_URL"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((_NONE, value) for value in ("localhost:8333", "127.0.0.1:8333", "http://", "http://127.0.0.1:99999")),
        *((_NONE, value) for value in ("http://a b", "http://127.0.0.1:0", "http://h?x=y", "https://me:secret@h", "h")),
        ("AWS_ACCESS_KEY_ID", "new\nline"),
        ("AWS_SECRET_ACCESS_KEY", " secret"),
        ("AWS_SESSION_TOKEN", "bad\ntoken"),
        ("AWS_REGION", "eu central"),
        ("AZURE_STORAGE_ENDPOINT", "localhost:1"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches the panic in which the library of object stores ends at them: a page of traceback, and exit 1."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    monkeypatch.setenv(name, value)
    address = "az://container/p" if name.startswith("AZURE") else "s3://bucket/p"
    with pytest.raises(Usage, match=name) as told:
        open_remote(address, patience=PATIENCE).read(NAME)
    assert "secret" not in told.value.message and "\n" not in told.value.message and told.value.remedy


def test_what_is_set_and_empty_is_not_set(object_store: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an empty variable of a service file taken for an address, which ends the library."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")
    assert open_remote(f"s3://{BUCKET}/empty", patience=PATIENCE).put(NAME, DATA)


def test_a_panic_of_the_library_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an end of the library, which is no `Exception`, that takes a command or a daemon with it."""
    for name, value in (
        ("AWS_ENDPOINT_URL", "localhost:8333"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", SECRET),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    adapter = ObjectAdapter("s3", BUCKET, plain=True, timeouts=SHORT)
    with pytest.raises(StorageProblem, match="the library"):
        adapter.read(NAME)
