"""A private PostgreSQL server: a real one, in a folder of its own, on a free port of this machine and on a socket.

It runs the server's own programs, as the user `postgres` where the tests run as root (they refuse root), and it is
ended by its process id. It stands on no disk's promises (`fsync = off`): it may be killed, but not the machine.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pepys.clock import SystemClock
from tests.waiting import wait_until

USER = "pepys"
PASSWORD = "open s3same/7%@:x"
"""Of the user that owns the databases; no message and no log may ever show it."""
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "listen_addresses": "127.0.0.1",
    "logging_collector": "off",
}


def programs() -> Path:
    """The folder of the server's programs; Debian keeps them in one for each version, which no PATH has."""
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version, reverse=True):
        return found.parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise AssertionError("the program initdb of a PostgreSQL server is missing: install the package postgresql")


def _version(program: Path) -> float:
    found = re.fullmatch(r"\d+(\.\d+)?", program.parts[-3])
    return float(found[0]) if found else 0.0


class PostgresServer:
    """A running server.

    Attributes:
        folder: all that it writes, its log `log` and its socket too.
        port: on 127.0.0.1, and in the socket's name.
    """

    def __init__(self) -> None:
        self._programs = programs()
        # Not in pytest's own folder, which nobody but its user may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="pepys-pg-", dir="/tmp" if Path("/tmp").is_dir() else None))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.port = _free_port()
        try:
            self._run("initdb", "-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                      "--auth-local=trust", "--auth-host=scram-sha-256")  # fmt: skip
            self.start()
            self.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        except BaseException:
            self.end()
            raise

    def url(self, database: str = "postgres", *, password: str = PASSWORD, over_socket: bool = False) -> str:
        """Where a database is, for the user `USER`."""
        if over_socket:
            return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}&port={self.port}"
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def new_database(self, more: str = "") -> str:
        """The url of a new, empty database that `USER` owns; `more` goes on the statement that makes it."""
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f"CREATE DATABASE {name} OWNER {USER} {more}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the server's administrator; its rows."""
        import psycopg

        where = f"host={self.folder} port={self.port} user=postgres dbname={database} connect_timeout=5"
        with contextlib.closing(psycopg.connect(where, autocommit=True)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Run it, unless it runs, and wait until it answers."""
        if self._server is not None:
            return
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        place = ["-D", "data", "-k", str(self.folder), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*_ends_with_us(), self._programs / "postgres", *place, *settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=self._environment, **self._as,
            )  # fmt: skip
        wait_until(self._answers, 20, f"PostgreSQL to start; see {self.folder / 'log'}")

    def stop(self) -> None:
        """End it in an orderly way, at once: who is connected is sent away."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and all that it started as kill -9 does; what was not committed is gone when it starts again."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)  # it is to begin no more of them
        children = self._children()
        for process in self._processes():
            _send(process, signal.SIGKILL)
        self._end(signal.SIGKILL)
        # The next one would not begin while one of them still has the memory that they share.
        wait_until(lambda: not any(map(_lives, children)), 10, "the server's processes to end")

    def freeze(self) -> None:
        """Let it hang: it takes connections and answers nothing."""
        for process in self._processes():
            _send(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            _send(process, signal.SIGCONT)

    @contextlib.contextmanager
    def tls(self) -> Iterator[Path]:
        """Let it speak TLS, as `localhost`; its certificate."""
        certificate, key = _certificate("localhost")
        for name, content in (("server.crt", certificate), ("server.key", key)):
            path = self.folder / "data" / name
            path.write_bytes(content)
            path.chmod(0o600)
            if self._as:
                shutil.chown(path, "postgres", "postgres")
        try:
            self._set("ssl", "on")
            yield self.folder / "data" / "server.crt"
        finally:
            self._set("ssl", "off")

    def _set(self, name: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {name} = {value}")
        self.execute("SELECT pg_reload_conf()")
        wait_until(lambda: self.execute(f"SHOW {name}") == [(value,)], 5, f"{name} to be {value}")

    def end(self) -> None:
        """End it and delete its folder."""
        self.thaw()
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        self.thaw()
        self._server.send_signal(how)
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(5)
        self._server = None

    def _processes(self) -> list[int]:
        return [] if self._server is None else [self._server.pid, *self._children()]

    def _children(self) -> list[int]:
        if self._server is None:
            return []
        pid = self._server.pid
        with contextlib.suppress(OSError):
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def _answers(self) -> bool:
        import psycopg

        assert self._server is not None
        if self._server.poll() is not None:
            self._server = None
            raise AssertionError(f"PostgreSQL ended: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.execute("SELECT 1"))
        return False

    def _run(self, program: str, *words: str) -> None:
        told = subprocess.run(
            [self._programs / program, *words],
            cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False, **self._as,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout + told.stderr


@contextlib.contextmanager
def running() -> Iterator[PostgresServer]:
    """A server that ends with the block."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.end()


def _ends_with_us() -> list[str]:
    """What lets a program end when the tests are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "QUIT", "--"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _send(process: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, what)


def _certificate(host: str) -> tuple[bytes, bytes]:
    """A certificate that a server signed for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    begins = datetime.fromtimestamp(SystemClock().wall_ns() / 1e9, UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(encoding), key.private_bytes(encoding, *plain)
