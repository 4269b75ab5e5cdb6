"""The settings a user may change, their defaults and their sources.

Owns names, kinds and bounds of settings; the order is flags, then environment (`PEPYS_RECORD_FPS`), then the TOML
file (`[record]` `fps = 10`), then the defaults here. A name that does not exist is refused with the nearest one that
does. Imported only through `config.load_settings`: pydantic costs more than most commands do. What is no setting but
a bound of the program stands in `limits`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from pepys.errors import Usage
from pepys.limits import PATTERN_CHARS, PATTERNS_MAX

Seconds = Annotated[float, Field(ge=0.5, le=3600)]
Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN_CHARS, pattern=r"\S")]


class _Section(BaseModel):
    # Patterns name what must not be seen: no error of the library quotes what it was given either.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Record(_Section):
    """Defaults of `pepys record` and `pepys start`.

    Without `fps` the quality has its own; a `layout` holds where it fits the sources; patterns of `exclude` are added
    to those of the command line. `shots` are `adaptive`, `off`, or so many seconds apart. While the screen is locked
    the recording pauses, unless `when_locked` says `record`. A recorder that needs more than `memory_mb` MiB is started
    anew.
    """

    fps: int | None = Field(default=None, ge=1, le=60)
    quality: Literal["low", "medium", "high", "ultra"] = "medium"
    layout: str | None = Field(default=None, min_length=1, max_length=64)
    encoder: Literal["auto", "x264", "h264_vaapi", "h264_nvenc", "h264_qsv"] = "auto"
    exclude: tuple[Pattern, ...] = Field(default=(), max_length=PATTERNS_MAX)
    audio: Literal["mic", "system", "both", "off"] = "both"
    shots: Seconds | Literal["adaptive", "off"] = "adaptive"
    when_locked: Literal["pause", "record"] = "pause"
    memory_mb: int = Field(default=512, ge=200, le=8192)


class Serve(_Section):
    """Defaults of `pepys serve`; port 0 takes any free one."""

    port: int = Field(default=7331, ge=0, le=65535)


class Store(_Section):
    """Where what is derived from a home lies.

    `catalog` is the URL of a PostgreSQL database, `postgresql://user@host/database`; empty: a file in the home. The
    server sees titles, notes and text in the clear. `remote` is where `pepys sync` goes, and where blobs are read that
    this home does not have: `s3://bucket/prefix`, `gs://...`, `az://...` or a folder; it sees sealed files only.
    """

    catalog: str = Field(default="", pattern=r"^(postgres(ql)?://.*)?$")
    remote: str = Field(default="", max_length=1024)


class Settings(_Section):
    """All settings, validated."""

    record: Record = Record()
    serve: Serve = Serve()
    store: Store = Store()


class _Environment(Settings, BaseSettings):
    """Tells the environment source the names; never made, so that it reads nothing by itself."""

    model_config = SettingsConfigDict(env_prefix="PEPYS_", env_nested_delimiter="_", env_nested_max_split=1)


def load(file: Path, flags: Mapping[str, Mapping[str, object]]) -> Settings:
    """Merge the sources and validate.

    Raises:
        Usage: as `config.load_settings` says.
    """
    merged: dict[str, dict[str, object]] = {}
    sources: list[tuple[str, Mapping[str, object]]] = [
        (str(file), _read_file(file)),
        ("the environment", _read_environment()),
        ("the command line", {name: {k: v for k, v in part.items() if v is not None} for name, part in flags.items()}),
    ]
    for place, values in sources:
        # Each source is judged alone: a wrong value is an error also where a stronger source covers it.
        try:
            Settings.model_validate(values)
        except ValidationError as error:
            raise _usage(place, error.errors()[0]) from error
        for name, section in values.items():
            merged.setdefault(name, {}).update(section if isinstance(section, dict) else {})
    return Settings.model_validate(merged)


def _read_file(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{file} is no TOML: {error}", "correct that line or move the file away") from error
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}", "make it readable or move it away") from error


def _read_environment() -> Mapping[str, object]:
    try:
        found: dict[str, object] = EnvSettingsSource(_Environment)()
    except SettingsError as error:
        raise Usage("the environment: a list is not written as JSON", 'write it as ["one", "two"]') from error
    return found


def _usage(place: str, problem: ErrorDetails) -> Usage:
    # An item of a list is told by the list's name.
    path = [part for part in problem["loc"] if isinstance(part, str) and part not in {"float", "constrained-float"}]
    path = [part for part in path if not part.startswith(("literal[", "function-"))]
    name = ".".join(path)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"these exist: {', '.join(_names())}"
        return Usage(f"{place}: there is no setting {name}", hint)
    if name in Settings.model_fields:
        return Usage(f"{place}: {name} is no section", f"write [{name}] on its own line, its settings below")
    told = problem["msg"][:1].lower() + problem["msg"][1:]
    if name == "store.catalog" and problem["type"] == "string_pattern_mismatch":
        told = "it is no address of a PostgreSQL server"
        return Usage(f"{place}: {name}: {told}", "write postgresql://USER@HOST/DATABASE, or leave it empty")
    default = _default(path)
    hint = f"leave out {name}, or correct it" if default in (None, ()) else f"the default is {default!r}"
    # No message repeats patterns and passwords, nor what may hold them.
    value = "" if name in {"record.exclude", "store.catalog", "store.remote"} else f" = {problem['input']!r}"
    return Usage(f"{place}: {name}{value}: {told}", hint)


def _names() -> list[str]:
    return [
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", {})
    ]


def _default(path: list[str]) -> object:
    value: object = Settings.model_construct()
    for part in path:
        value = getattr(value, part, None)
    return value
