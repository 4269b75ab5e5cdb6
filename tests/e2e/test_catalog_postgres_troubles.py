"""A PostgreSQL server that is away, hangs, dies or refuses: one clear line, and no session is out of reach for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.store import catalog_server
from pepys.store.catalog import Catalog
from pepys.store.catalog_database import FileDatabase
from pepys.store.edits import add_artifacts
from pepys.store.postgres import PostgresDatabase
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.postgres import PASSWORD, USER, PostgresServer
from tests.stored_session import SECOND, WALL_NS, complete_session, screen_text

pytestmark = pytest.mark.unhurried


@pytest.fixture(autouse=True)
def no_rest() -> None:
    """What another test's server did is no reason to leave this one's alone."""
    catalog_server._resting.clear()


@pytest.fixture
def store(home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A home of three sessions with text, whose catalog is to be on the server."""
    store = open_store(home)
    for number, name in enumerate(("Alpha", "Beta", "Gamma")):
        session = complete_session(store, name, wall_ns=WALL_NS + number * SECOND)
        shot = load(store, session).shots[0].blob
        add_artifacts(store, session, [screen_text(shot, f"the quokka report {number}")])
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_url)
    return store


class Ran:
    """A command that ran in this process: its exit code and what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        capsys.readouterr()
        self.code = main(list(words))
        self.out, self.err = capsys.readouterr()
        assert PASSWORD not in self.out + self.err and "Traceback" not in self.err

    @property
    def names(self) -> list[str]:
        return [row.get("name") or row["session_name"] for row in json.loads(self.out)]


def refused(capsys: pytest.CaptureFixture[str], *said: str, code: int = 5) -> None:
    """Nothing is answered from elsewhere, and one line with its remedy says why."""
    for words in (["list"], ["search", "quokka"], ["rebuild"]):
        ran = Ran(capsys, *words)
        assert ran.code == code, (words, ran.err)
        assert not ran.out
        assert len(ran.err.strip().splitlines()) <= 2
        for part in said:
            assert part in ran.err, (words, ran.err)


def test_commands_work_on_the_server(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that still asks the file, or that PostgreSQL cannot answer."""
    assert Ran(capsys, "list", "--json").names == ["Gamma", "Beta", "Alpha"]
    assert not store.database_path("catalog").exists()
    assert Ran(capsys, "search", "quokka", "--json").names == ["Gamma", "Beta", "Alpha"]
    first = json.loads(Ran(capsys, "list", "--json").out)[0]["id"]
    assert "Gamma" in Ran(capsys, "show", "last").out
    assert Ran(capsys, "edit", first, "--name", "Renamed", "--tag", "new").code == 0
    assert Ran(capsys, "list", "--tag", "new", "--json").names == ["Renamed"]
    assert Ran(capsys, "verify").code == 0
    assert Ran(capsys, "rm", first, "--yes").code == 0
    assert Ran(capsys, "list", "--json").names == ["Beta", "Alpha"]
    ran = Ran(capsys, "rebuild", "--json")
    assert ran.code == 0 and json.loads(ran.out.splitlines()[-1])["sessions"] == 2
    assert not store.database_path("catalog").exists()


def test_the_setting_may_stand_in_the_file(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a setting that only the environment gives; an empty one there means the file in the home."""
    monkeypatch.delenv("PEPYS_STORE_CATALOG")
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "pepys" / "config.toml"
    config.write_text(f'[store]\ncatalog = "{postgres_url}"\n')
    assert len(Ran(capsys, "list", "--json").names) == 3 and not store.database_path("catalog").exists()
    monkeypatch.setenv("PEPYS_STORE_CATALOG", "")
    assert len(Ran(capsys, "list", "--json").names) == 3 and store.database_path("catalog").exists()
    monkeypatch.delenv("PEPYS_STORE_CATALOG")
    config.write_text(f'[store]\ncatalog = "mysql://me:{PASSWORD}@host/db"\n')
    ran = Ran(capsys, "list")
    assert ran.code == 2 and "store.catalog" in ran.err


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_server_that_does_not_answer_is_done_without(
    how: str,
    store: Store,
    postgres_server: PostgresServer,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Catches a command that fails or hangs with the server; `freeze` stops its processes (SIGSTOP)."""
    assert len(Ran(capsys, "list", "--json").names) == 3
    getattr(postgres_server, how)()
    complete_session(store, "Delta", wall_ns=WALL_NS + 9 * SECOND)
    for words, names in ((["list", "--json"], ["Delta", "Gamma", "Beta", "Alpha"]),
                         (["search", "quokka", "--json"], ["Gamma", "Beta", "Alpha"])):  # fmt: skip
        caplog.clear()
        catalog_server._away.clear()  # each command is a process of its own
        assert Ran(capsys, *words).names == names
        (told,) = caplog.messages
        assert "cannot be reached" in told and "the answer comes from the catalog in the home" in told
        assert PASSWORD not in told
    assert "Delta" in Ran(capsys, "show", "last").out
    if how == "stop":
        ran = Ran(capsys, "rebuild")
        assert ran.code == 5 and "cannot be reached" in ran.err
    postgres_server.thaw()
    postgres_server.start()
    catalog_server._resting.clear()
    catalog_server._away.clear()
    caplog.clear()
    assert Ran(capsys, "list", "--json").names == ["Delta", "Gamma", "Beta", "Alpha"] and not caplog.messages


def test_the_user_is_told_once(store: Store, postgres_server: PostgresServer) -> None:
    """Catches a line for each try, a traceback, and an answer of which nobody says where it comes from."""
    postgres_server.stop()
    asked = "from pepys.cli import main; main(['list', '--json'])"
    process = child(asked, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert len(json.loads(out)) == 3
    assert len(err.splitlines()) == 1 and err.startswith("pepys: the PostgreSQL server") and PASSWORD not in err


def test_after_one_try_a_server_is_left_alone_a_while(
    store: Store, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a daemon each of whose pages waits five seconds for a server that hangs."""
    postgres_server.stop()
    tries: list[str] = []
    connect = catalog_server.connect
    monkeypatch.setattr(catalog_server, "connect", lambda *more: (tries.append("x"), connect(*more))[1])
    for _ in range(3):
        with Catalog(store) as catalog:
            catalog.refresh_rows()
            assert isinstance(catalog.held.open(), FileDatabase) and catalog.count() == 3
    assert len(tries) == 1
    postgres_server.start()
    resting = catalog_server._resting
    for url, (_, said) in list(resting.items()):
        resting[url] = store.clock.now_ns(), said
    with Catalog(store) as catalog:
        catalog.refresh_rows()
        assert isinstance(catalog.held.open(), PostgresDatabase) and catalog.count() == 3


def test_a_schema_dropped_under_an_open_catalog_is_made_anew(store: Store, postgres_server: PostgresServer) -> None:
    """Catches a daemon that answers with errors until it is started again."""
    with Catalog(store) as catalog:
        catalog.refresh()
        database = catalog.held.open()
        assert isinstance(database, PostgresDatabase)
        for what in (f'DROP SCHEMA "{database.schema}" CASCADE', f'DROP TABLE "{database.schema}".sessions CASCADE',
                     f'DROP TABLE "{database.schema}".documents CASCADE'):  # fmt: skip
            postgres_server.execute(what, database.place.rpartition("/")[2])
            assert [hit.session_name for hit in catalog.search("quokka")] == ["Gamma", "Beta", "Alpha"]
            assert catalog.count() == 3


def test_wrong_password(
    store: Store, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a password that is shown, and a catalog that goes on elsewhere unnoticed."""
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_server.url(password="hush-this-0ne"))
    refused(capsys, "password", "pgpass")
    assert "hush-this-0ne" not in Ran(capsys, "list").err


def test_missing_database(
    store: Store, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a database that is missing being taken for a server that is down."""
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_server.url("no_such_database"))
    refused(capsys, "no_such_database", "createdb")


def test_no_right_to_create(
    store: Store, postgres_server: PostgresServer, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a missing right without its remedy; a schema that the administrator made is enough."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} OWNER TO postgres")
    postgres_server.execute("CREATE EXTENSION pg_trgm", name)
    refused(capsys, "CREATE")
    postgres_server.execute(f"CREATE SCHEMA pepys_{store.keys.fingerprint()} AUTHORIZATION {USER}", name)
    assert len(Ran(capsys, "list", "--json").names) == 3
    assert Ran(capsys, "rebuild").code == 0


def test_pg_trgm_that_cannot_be_made(
    store: Store, postgres_server: PostgresServer, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a search that would find less than in the home: it is refused until the extension is there."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} OWNER TO postgres")
    postgres_server.execute(f"GRANT CREATE ON DATABASE {name} TO {USER}")
    postgres_server.execute("DROP SCHEMA public CASCADE", name)
    refused(capsys, "CREATE EXTENSION pg_trgm")
    postgres_server.execute("CREATE SCHEMA more", name)
    postgres_server.execute("CREATE EXTENSION pg_trgm SCHEMA more", name)
    postgres_server.execute(f"GRANT USAGE ON SCHEMA more TO {USER}", name)
    assert Ran(capsys, "search", "quokka", "--json").names == ["Gamma", "Beta", "Alpha"]


def test_another_encoding(
    store: Store, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a database that holds no Chinese: found when the first such note is indexed, or never."""
    url = postgres_server.new_database("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("PEPYS_STORE_CATALOG", url)
    refused(capsys, "SQL_ASCII", "UTF8")


REBUILD = """
import sys
from pathlib import Path
from pepys.errors import PepysError
from pepys.store.rebuild import Rebuilding
from pepys.store.store import open_store
def told(done, total):
    print(done, flush=True)
    if sys.argv[1] == "wait" and done == 2:
        sys.stdin.readline()
try:
    with Rebuilding(open_store(Path(sys.argv[2]), create=False)) as making:
        making.rows(told)
        print("made", making.text().sessions, flush=True)
except PepysError as error:
    print(error.message, flush=True)
    sys.exit(error.exit_code)
"""


def child(code: str, *words: str, stderr: int | None = None) -> subprocess.Popen[str]:
    """A real process that runs a few lines with this one's pepys and environment."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


@pytest.mark.parametrize("started_again", [True, False])
def test_a_server_killed_in_mid_rebuild(
    started_again: bool, store: Store, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches rows of before the kill that are taken for all, and a rebuild that ends as if it were whole."""
    process = child(REBUILD, "wait", str(store.path))
    assert process.stdout is not None and process.stdin is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["1", "2"]
    postgres_server.kill()
    if started_again:
        postgres_server.start()
    out, _ = process.communicate("\n", timeout=60)
    if started_again:
        assert process.returncode == 0 and "made 3" in out
    else:
        assert process.returncode == 5 and "cannot be reached" in out
        postgres_server.start()
    assert len(Ran(capsys, "list", "--json").names) == 3
    assert len(Ran(capsys, "search", "quokka", "--json").names) == 3


REFRESH = """
import sys
from pathlib import Path
from pepys.store.catalog import Catalog
from pepys.store.store import open_store
with Catalog(open_store(Path(sys.argv[1]), create=False)) as catalog:
    sys.stdin.readline()
    for _ in range(3):
        catalog.refresh()
        if sys.argv[2] == "clear":
            catalog.clear()
            catalog.refresh()
    print(type(catalog.held.open()).__name__, catalog.count(), len(catalog.search("quokka")))
"""


def test_two_processes_at_once(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a refresh or a rebuild that another one's makes fail, hang or see half a catalog for good."""
    for number in range(6):
        complete_session(store, f"More {number}", wall_ns=WALL_NS + (100 + number) * SECOND)
    both = [child(REFRESH, str(store.path), how) for how in ("clear", "refresh")]
    answers = [process.communicate("\n", timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [answer[0] for answer in answers] == ["PostgresDatabase"] * 2
    assert len(Ran(capsys, "list", "--json").names) == 9
    assert len(Ran(capsys, "search", "quokka", "--json").names) == 3
    with Catalog(store) as catalog:
        doubled = "SELECT session, text, count(*) FROM documents GROUP BY 1, 2, kind, at_ns HAVING count(*) > 1"
        assert catalog.held.open().execute(doubled) == []
        assert catalog.held.open().execute("SELECT count(*) FROM sessions WHERE text_stamp != stamp") == [(0,)]


def test_the_doctor_tells_where_the_catalog_is(
    store: Store, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    """Catches a doctor that says nothing of a server that is away, or of what it sees."""
    from pepys.doctor.catalog import catalog as look

    (found,) = look(home)
    assert found.state == "ok" and "in the clear" in found.found and PASSWORD not in found.found
    postgres_server.stop()
    (found,) = look(home)
    assert found.state == "missing" and "cannot be reached" in found.found and found.remedy
    assert PASSWORD not in found.found


def test_no_process_without_the_setting_loads_a_driver(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list that pays for PostgreSQL, or for the settings, where nobody uses them."""
    # What measures the coverage of a child has loaded some of it before.
    begun = "import sys; begun = set(sys.modules); from pepys.cli import main; main(['list'])"
    asked = f"{begun}; print(*(set(sys.modules) - begun))"
    slow = {"psycopg", "pydantic", "tomllib", "pepys.store.catalog_server"}
    for url, loaded in (("", False), (None, False), (os.environ["PEPYS_STORE_CATALOG"], True)):
        monkeypatch.delenv("PEPYS_STORE_CATALOG", raising=False)
        if url is not None:
            monkeypatch.setenv("PEPYS_STORE_CATALOG", url)
        Catalog(store).refresh()  # the tables are there: making them takes SQLAlchemy
        modules = set(child(asked).communicate(timeout=60)[0].split())
        assert bool(modules & slow) is loaded, modules & slow
        assert "sqlalchemy" not in modules
