"""The checks in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pepys.doctor import catalog, engines, home
from pepys.doctor.away import away
from pepys.doctor.devices import Sound
from pepys.doctor.findings import Finding, missing
from pepys.doctor.pictures import Pictures
from pepys.doctor.remote import remote

Check = Callable[[], Iterator[Finding]]


def checks(folder: Path, pictures: Pictures, sound: Sound) -> dict[str, Check]:
    """Every check by its name, most needed first; `pictures` and `sound` keep the sources that were found."""
    return {
        "home": lambda: home.folder(folder),
        "key": lambda: home.key(folder),
        "sockets": lambda: home.sockets(folder),
        "clock": home.clock,
        "display": pictures.display,
        "sources": pictures.listed,
        "exclusions": pictures.exclusions,
        "sound": sound.check,
        "away": away,
        "codecs": engines.codecs,
        "database": engines.database,
        "catalog": lambda: catalog.catalog(folder),
        "remote": remote,
        "engines": engines.reading,
        "page": engines.page,
    }


def run(name: str, check: Check) -> list[Finding]:
    """The findings of one check; a check that breaks is a finding itself."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - the doctor looks at what is broken: whatever breaks is what it tells
        told = " ".join(str(error).split())
        return [missing(name, f"the check broke: {type(error).__name__}: {told}", "please report this")]
