"""Where a PostgreSQL server is: reading its URL, the rule about TLS, and what may be said of it in a message.

Invariants: nothing is sent to another machine in the clear, not even the first byte; no message shows a password, nor a
piece of one that a wrongly written URL puts elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from pepys.errors import DeviceMissing, Usage
from pepys.limits import POSTGRES_CONNECT_S

_SETTING: Final = "store.catalog"
_FORM: Final = "write it as postgresql://USER@HOST:PORT/DATABASE, and %40 for an @ in a name or password"
_ENCRYPTED: Final = ("require", "verify-ca", "verify-full")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+|[/@].*")
_PORT: Final = re.compile(r"\d{1,5}")


@dataclass(frozen=True, slots=True)
class Address:
    """A server and database that may be connected to.

    Attributes:
        parameters: what psycopg connects with.
        place: "host:port/database", for messages.
        secrets: what no message may show.
    """

    parameters: dict[str, str] = field(repr=False)
    place: str
    secrets: tuple[str, ...] = field(repr=False)

    def clean(self, text: str) -> str:
        """A message of the server or of libpq in one line, without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def address(url: str) -> Address:
    """Read a URL, or libpq's own form, with what the environment and the service file say beside it.

    Raises:
        Usage: it cannot be understood, or names another machine without asking for TLS.
        DeviceMissing: the package psycopg is not installed.
    """
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
        from psycopg.pq import Conninfo
    except ImportError as error:
        raise DeviceMissing(
            f"the catalog is on a PostgreSQL server ({_SETTING}), and the package psycopg is missing",
            "install it: pip install 'pepys[postgres]'",
        ) from error
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError:
        # Not even its text: it quotes the URL.
        raise Usage(f"{_SETTING} is no address of a PostgreSQL server", _FORM) from None
    defaults = {one.keyword.decode(): one.val.decode() for one in Conninfo.get_defaults() if one.val}
    known = defaults | {name: value for name, value in given.items() if value}
    hosts = known.get("host", "").split(",")
    ports = [one or "5432" for one in known.get("port", "").split(",")]
    database = known.get("dbname") or known.get("user", "")
    if not all(map(_HOST.fullmatch, filter(None, hosts))) or not all(map(_PORT.fullmatch, ports)) or "@" in database:
        raise Usage(f"{_SETTING} has a host, port or database that is none", _FORM)
    _refuse_clear(known, hosts, "service" in given)
    place = f"{known.get('host') or 'this machine'}:{','.join(dict.fromkeys(ports))}/{database}"
    told = [known[name] for name in ("password", "sslpassword") if known.get(name)]
    secrets = tuple(dict.fromkeys(form for one in told for form in (one, quote(one, safe=""), quote(one))))
    settings = {"connect_timeout": str(POSTGRES_CONNECT_S), "client_encoding": "UTF8", "application_name": "pepys"}
    return Address(given | settings, place, secrets)


def _refuse_clear(known: dict[str, str], hosts: list[str], elsewhere: bool) -> None:
    """Let nothing go to another machine in the clear.

    Raises:
        Usage: a host is not this machine, and TLS is not asked for.
    """
    asked = known.get("sslmode", "prefer")
    if asked in _ENCRYPTED:
        return
    addresses = [one for one in known.get("hostaddr", "").split(",") if one]
    remote = [one for one in addresses or hosts if not _is_here(one)]
    if elsewhere and not hosts[0]:
        remote = ["the server of that service"]  # only libpq reads its file
    if remote:
        raise Usage(
            f"{_SETTING} names {remote[0]}, which is not this machine, and does not ask for TLS (sslmode={asked}):"
            " the texts of your sessions would cross the network in the clear",
            "add ?sslmode=verify-full to it (and sslrootcert=FILE where its certificate is your own)",
        )


def _is_here(host: str) -> bool:
    """Whether a host is this machine: none or a folder stands for a socket."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
