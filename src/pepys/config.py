"""Where pepys keeps things, and the way to its settings.

Owns the three folders: home (the data), config (settings and the master key, never inside the home) and runtime (the
sockets, whose paths end at 108 bytes). Cheap to import: every command needs a folder, few need settings, so the
settings model with its validation library lives in `settings` and is imported only when `load_settings` is called.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from pepys.errors import PermissionMissing

if TYPE_CHECKING:
    from pepys.settings import Settings

_APP = "pepys"
# Room for the longest socket name within the 104 bytes that the strictest system allows.
_RUNTIME_PATH_BYTES = 104 - len("/" + "0" * 26 + ".sock") - 4


def home_dir(flag: str | os.PathLike[str] | None = None) -> Path:
    """The data folder in force: the flag, else PEPYS_HOME, else the platform's place. Absolute; need not exist."""
    chosen = flag or os.environ.get("PEPYS_HOME") or platformdirs.user_data_path(_APP, appauthor=False)
    return Path(chosen).expanduser().absolute()


def config_dir() -> Path:
    """The folder of `config.toml` and of the master key; need not exist."""
    return platformdirs.user_config_path(_APP, appauthor=False).absolute()


def runtime_dir(home: Path) -> Path:
    """The folder for the sockets of one home: made, private to the user, short enough for socket paths.

    Raises:
        PermissionMissing: the folder cannot be made, or somebody else owns it.
    """
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    base = _runtime_base()
    folder = base / name
    try:
        for part in (base, folder):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = folder.lstat()
    except OSError as error:
        raise PermissionMissing(
            f"the runtime folder {folder} cannot be made: {error.strerror}", "set XDG_RUNTIME_DIR to a folder of yours"
        ) from error
    uid = getattr(os, "getuid", lambda: seen.st_uid)()
    if seen.st_uid != uid or base.lstat().st_uid != uid:
        raise PermissionMissing(f"the runtime folder {base} belongs to somebody else", "set XDG_RUNTIME_DIR")
    return folder


def _runtime_base() -> Path:
    told = os.environ.get("XDG_RUNTIME_DIR")
    if told and Path(told).is_dir() and os.access(told, os.W_OK):
        base = Path(told).absolute() / _APP
        if len(os.fsencode(base)) + 13 <= _RUNTIME_PATH_BYTES:
            return base
    uid = getattr(os, "getuid", lambda: 0)()
    short = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    return short / f"{_APP}-{uid}"


def catalog_url() -> str:
    """The URL of the database that keeps the catalog (`settings.Store`); empty where it is a file in the home.

    `PEPYS_STORE_CATALOG`, else `config.toml`; the settings are only loaded where that names it.

    Raises:
        Usage: as `load_settings` says.
    """
    return load_settings().store.catalog if _may_be_set("PEPYS_STORE_CATALOG") else ""


def remote_address() -> str:
    """The address of the remote in force (`settings.Store`); empty where there is none.

    `PEPYS_STORE_REMOTE`, else `config.toml`; the settings are only loaded where that names it.

    Raises:
        Usage: as `load_settings` says.
    """
    return load_settings().store.remote.strip() if _may_be_set("PEPYS_STORE_REMOTE") else ""


def _may_be_set(variable: str) -> bool:
    """Whether a setting of the section `store` may be other than its default; loads no settings."""
    told = os.environ.get(variable)
    if told is not None:
        return bool(told.strip())
    try:
        return b"store" in (config_dir() / "config.toml").read_bytes()
    except OSError:
        return False  # none; of one that cannot be read, what needs a setting tells


def load_settings(flags: Mapping[str, Mapping[str, object]] | None = None) -> Settings:
    """The settings in force: flags, then PEPYS_... variables, then `config.toml`, then defaults.

    Args:
        flags: by section, as in the file, such as `{"record": {"fps": 10}}`; a value of None counts as not given.

    Raises:
        Usage: the file is no TOML, has a key that does not exist, or a value is not of its kind.
    """
    from pepys.settings import load

    return load(config_dir() / "config.toml", flags or {})
