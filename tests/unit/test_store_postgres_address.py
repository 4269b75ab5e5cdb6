"""Where a PostgreSQL server may be, and what is said of it: no text in the clear on a network, no password shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pepys.errors import DeviceMissing, Usage
from pepys.store.postgres import _translated, connect
from pepys.store.postgres_address import address

SECRET = "v3ry-s3cret"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"postgresql://me:{SECRET}@localhost:5433/diary", "localhost:5433/diary"),
        ("postgresql://127.0.0.9/diary", "127.0.0.9:5432/diary"),
        ("postgresql://[::1]/diary", "::1:5432/diary"),
        ("postgresql:///diary", "this machine:5432/diary"),
        ("postgresql://me@/diary?host=/run/postgresql", "/run/postgresql:5432/diary"),
        ("host=localhost dbname=diary", "localhost:5432/diary"),
        (f"postgresql://me:{SECRET}@db.example.org/diary?sslmode=require", "db.example.org:5432/diary"),
        ("postgresql://db.example.org/diary?sslmode=verify-full&sslrootcert=system", "db.example.org:5432/diary"),
        (
            "postgresql://me@a.example.org,b.example.org/diary?sslmode=verify-ca",
            "a.example.org,b.example.org:5432/diary",
        ),
        ("postgresql://named.example.org/diary?hostaddr=127.0.0.1", "named.example.org:5432/diary"),
    ],
)
def test_what_is_taken(url: str, place: str) -> None:
    found = address(url)
    assert found.place == place
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@db.example.org/diary",
        f"postgresql://me:{SECRET}@db.example.org/diary?sslmode=disable",
        f"postgresql://me:{SECRET}@db.example.org/diary?sslmode=allow",
        f"postgresql://me:{SECRET}@db.example.org/diary?sslmode=prefer",
        f"postgresql://me:{SECRET}@192.0.2.7/diary",
        f"postgresql://me:{SECRET}@0.0.0.0/diary",
        f"postgresql://me:{SECRET}@localhost,db.example.org/diary",
        f"postgresql://me:{SECRET}@localhost/diary?hostaddr=192.0.2.7",
        "service=elsewhere",
    ],
)
def test_another_machine_needs_tls(url: str) -> None:
    """It would catch a server that texts are sent to in the clear: before anything is sent, not after."""
    with pytest.raises(Usage) as caught:
        connect(url, "pepys_x")
    assert "TLS" in caught.value.message and "sslmode=verify-full" in caught.value.remedy
    assert SECRET not in caught.value.message + caught.value.remedy


def test_another_machine_that_the_environment_names_needs_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.org")
    with pytest.raises(Usage, match=r"db\.example\.org"):
        address("postgresql:///diary")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    address("postgresql:///diary")
    with pytest.raises(Usage):
        address("postgresql:///diary?sslmode=disable")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@x@localhost/diary",
        f"postgresql://me:{SECRET}/{SECRET}@localhost/diary",
        f"postgresql://localhost:{SECRET}/diary",
        f"postgresql://me:1/{SECRET}@localhost/diary",
        f"postgresql://localhost/diary?pasword={SECRET}",
        f"mysql://me:{SECRET}@localhost/diary",
        f"postgresql://me:%zz{SECRET}@localhost/diary",
        f"{SECRET}",
    ],
)
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    """It would catch a message that quotes a URL, or a host that is half of a password with an @ in it."""
    with pytest.raises(Usage) as caught:
        connect(url, "pepys_x")
    assert SECRET not in caught.value.message + caught.value.remedy
    assert caught.value.exit_code == 2


def test_messages_lose_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    found = address("postgresql://me:a%40b%20c@localhost/diary?sslpassword=other")
    assert found.clean("bad: a@b c,\n  a%40b%20c; other\n") == "bad: ***,; ***; ***"
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert SECRET not in address("postgresql://localhost/diary").clean(f"about {SECRET}")


def test_marks_of_values() -> None:
    statement = """SELECT '?', '100%', "a?%", 'it''s ?', 5 % 2 FROM t WHERE a = ? AND b LIKE '%' || ?"""
    assert (
        _translated(statement)
        == b"""SELECT '?', '100%%', "a?%%", 'it''s ?', 5 %% 2 FROM t WHERE a = %s AND b LIKE '%%' || %s"""
    )


def test_without_psycopg_one_line_says_what_to_install(tmp_path: Path) -> None:
    """It would catch a traceback where the optional package is missing, and an import of it that comes too early."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('no pq wrapper available')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pepys.store.postgres import connect\n"
        "assert 'psycopg' not in sys.modules\n"
        "from pepys.errors import DeviceMissing\n"
        "try: connect('postgresql:///x', 'pepys_x')\n"
        "except DeviceMissing as error: print(error.message, '|', error.remedy)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True).stdout
    assert "psycopg is missing" in told and "pepys[postgres]" in told
    assert DeviceMissing.exit_code == 4
