"""What every kind of test shares: a home of one's own, a real display and sound server, and when it is run.

`make test` runs the suite in two parts: what does not mind a busy machine on all its cores, then what is marked `quiet`
alone. Whatever holds a running recorder to its times is `quiet`, by where it lies; a file there that proves no times
is marked `unhurried`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.demo.servers import Server, SoundServer, WindowManager, XServer
from pepys.demo.sound_servers import PipeWireServer
from tests import postgres
from tests.object_server import ObjectServer, object_server
from tests.postgres import PostgresServer

_QUIET = ("e2e/", "contract/test_record_", "crash/test_recorder_")
_HERE = {"COLUMNS", "LINES", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a machine of its own, before `-m` chooses by the marks."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).as_posix()
        if place.startswith(_QUIET) and item.get_closest_marker("unhurried") is None:
            item.add_marker("quiet")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting, terminal, display or sound server of the machine under test reaches a test by accident."""
    for name in list(os.environ):
        if name.startswith(("PEPYS_", "PULSE_", "PIPEWIRE_", "PG", "AWS_")) or name in _HERE:
            monkeypatch.delenv(name)
    # Empty stands for no bus: a screen that is locked here would pause what the tests record.
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path: socket paths end at 108 bytes, pytest's own folders come near."""
    folder = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp" if Path("/tmp").is_dir() else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty pepys home (not yet made), with the user's home, config and runtime folders isolated too."""
    user = short_folder / "user"
    for name, folder in {
        "HOME": user,
        "XDG_CONFIG_HOME": user / ".config",
        "XDG_DATA_HOME": user / ".local",
        "XDG_CACHE_HOME": user / ".cache",
        "XDG_RUNTIME_DIR": short_folder / "run",
    }.items():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PEPYS_HOME", str(short_folder / "home"))
    return short_folder / "home"


@pytest.fixture
def xserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    """A virtual display of 1920x1080, in force for this process and its children."""
    with XServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def window_manager(xserver: XServer) -> Iterator[WindowManager]:
    """A window manager on the virtual display."""
    with WindowManager(xserver.env) as server:
        yield server


@pytest.fixture
def sound_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A private PulseAudio with `pepys_null` (system) and `pepys_mic`, in force for this process and its children."""
    with SoundServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def pipewire_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeWireServer]:
    """A private PipeWire with the same devices as `sound_server`, in force for this process and its children."""
    with PipeWireServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(params=[SoundServer, PipeWireServer], ids=["pulseaudio", "pipewire"])
def any_sound_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Each of the two sound servers in turn, in force for this process and its children."""
    kind: type[SoundServer | PipeWireServer] = request.param
    with kind() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    with postgres.running() as server:
        yield server


@pytest.fixture
def postgres_server(_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A private PostgreSQL server, started when the first test asks for it; each test finds it running."""
    yield _postgres
    _postgres.thaw()
    _postgres.start()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """A new, empty database on the private PostgreSQL server."""
    return postgres_server.new_database()


@pytest.fixture(scope="session")
def _object_server() -> Iterator[ObjectServer]:
    with object_server() as server:
        yield server


@pytest.fixture
def object_store(_object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    """A private S3 server, started when the first test asks for it; its credentials are in force for this process."""
    for name, value in _object_server.environment().items():
        monkeypatch.setenv(name, value)
    return _object_server
