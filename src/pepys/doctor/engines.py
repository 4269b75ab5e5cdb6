"""Checks of codecs, of the engines that read and hear, of the database and of the page."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pepys
from pepys import limits
from pepys.config import load_settings
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.errors import Usage
from pepys.modules import module_words

_INSTALL = "install pepys again: make demo"
# SQLite's page on the write-ahead log names the versions in which a reset of that log can lose pages.
_WAL_RESET_FIRST = (3, 7, 0)
_WAL_RESET_LAST = (3, 51, 2)


def codecs() -> Iterator[Finding]:
    """What a child process can encode and decode, and how it converts colours."""
    wish = _wished_encoder()
    try:
        facts = _child("pepys.media", wish)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield missing("codecs", f"the codec library does not work: {type(error).__name__}", _INSTALL)
        return
    absent = facts["absent"]
    if absent:
        yield missing("codecs", f"PyAV {facts['av']} without {', '.join(absent)}", _INSTALL)
    else:
        yield ok("codecs", f"PyAV {facts['av']}: H.264, AAC, Opus, WebP, PNG")
    if facts["colour"] == "libyuv":
        yield ok("colour conversion", "libyuv")
    else:
        yield less("colour conversion", f"{facts['colour']}: recording costs more CPU", "apt-get install libyuv0")
    yield _encoder(facts["encoder"], wish)


def _wished_encoder() -> str:
    try:
        return load_settings().record.encoder
    except Usage:
        return "auto"  # that the settings cannot be read is a finding of its own


def _encoder(choice: dict[str, Any], wish: str) -> Finding:
    """What codes pictures: there is always x264, less is only what a driver failed to give."""
    told = f"{choice['name']} ({choice['reason']})" if choice["reason"] else choice["name"]
    if choice["failed"] or wish not in ("auto", choice["name"]):
        return less("encoder", told, 'mend the graphics driver, or set [record] encoder = "x264"')
    return ok("encoder", told)


def reading() -> Iterator[Finding]:
    """The engines that read the screen and hear speech, with their data."""
    try:
        facts = _child("pepys.enrich.adapters")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield missing("engines", f"the engines cannot be looked at: {type(error).__name__}", _INSTALL)
        return
    for name, fact in facts.items():
        if "engine" in fact:
            yield ok(name, fact["engine"])
        else:
            yield missing(name, fact["missing"], fact["remedy"])


def database() -> Iterator[Finding]:
    """SQLite inside SQLCipher, its full-text search, and a fault that some versions have."""
    try:
        from sqlcipher3 import dbapi2
    except ImportError as error:
        yield missing("database", f"SQLCipher cannot be loaded: {error}", _INSTALL)
        return
    try:
        connection = dbapi2.connect(":memory:")
        try:
            (version,) = connection.execute("select sqlite_version()").fetchone()
            (cipher,) = connection.execute("pragma cipher_version").fetchone()
            connection.execute("create virtual table words using fts5(text, tokenize = 'trigram')")
        finally:
            connection.close()
    except dbapi2.Error as error:
        yield missing("database", f"SQLCipher does not work: {error}", _INSTALL)
        return
    found = f"SQLite {version}, SQLCipher {cipher}, FTS5"
    if wal_reset_race(version):
        yield less(
            "database", f"{found}: may lose pages of catalog or jobs", "install sqlcipher3 with SQLite 3.51.3 or later"
        )
    else:
        yield ok("database", found)


def wal_reset_race(version: str) -> bool:
    """Whether this SQLite can lose pages when one connection resets the write-ahead log while another writes."""
    numbers = tuple(int(part) for part in version.split(".")[:3])
    return _WAL_RESET_FIRST <= numbers <= _WAL_RESET_LAST


def page() -> Iterator[Finding]:
    """The review page and what serves it."""
    built = Path(pepys.__file__).parent / "web" / "static" / "index.html"
    absent = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if absent:
        yield missing("page", f"{', '.join(absent)} not installed", "install the extra `server`")
    elif not built.is_file():
        yield missing("page", "the page was not built", "make ui, or install the wheel")
    else:
        yield ok("page", "built, with FastAPI and uvicorn")


def _child(module: str, *words: str) -> dict[str, Any]:
    """What a module run as a program tells."""
    argv = module_words(module, *words)
    told = subprocess.run(argv, capture_output=True, check=True, timeout=limits.DOCTOR_CHILD_S)
    facts: dict[str, Any] = json.loads(told.stdout)
    return facts
