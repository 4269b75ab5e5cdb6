"""Settings come in one order, mistakes are told with their place, folders fit their purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys import config
from pepys.errors import PermissionMissing, Usage


def write_config(text: str) -> None:
    config.config_dir().mkdir(parents=True, exist_ok=True)
    (config.config_dir() / "config.toml").write_text(text, encoding="utf-8")


def test_flags_beat_environment_beats_file_beats_defaults(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.load_settings().record.fps is None  # then the quality has one
    write_config('[record]\nfps = 10\nquality = "low"\naudio = "mic"\n')
    assert config.load_settings().record.fps == 10
    monkeypatch.setenv("PEPYS_RECORD_FPS", "12")
    monkeypatch.setenv("PEPYS_RECORD_QUALITY", "high")
    settings = config.load_settings({"record": {"fps": 15, "quality": None}})
    assert (settings.record.fps, settings.record.quality, settings.record.audio) == (15, "high", "mic")


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("[record]\nfsp = 3\n", "no setting record.fsp", "record.fps"),
        ("[recrod]\nfps = 3\n", "no setting recrod", "record.fps"),
        ("[record]\nfps = 0\n", "record.fps = 0", "leave out record.fps"),
        ("[record]\nfps = 1000\n", "record.fps = 1000", "leave out record.fps"),
        ('[record]\nencoder = "best"\n', "record.encoder = 'best'", "auto"),
        ('[record]\nshots = "of"\n', "record.shots = 'of'", "'adaptive'"),
        ("[serve]\nport = 99999\n", "serve.port = 99999", "7331"),
        ("not toml", "is no TOML", "correct"),
        ("record = 3\n", "record is no section", "[record]"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place_and_a_hint(home: Path, text: str, told: str, hint: str) -> None:
    write_config(text)
    with pytest.raises(Usage) as caught:
        config.load_settings()
    assert "config.toml" in caught.value.message
    assert told in caught.value.message
    assert hint in caught.value.remedy
    assert caught.value.exit_code == 2


def test_an_unknown_variable_of_a_section_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEPYS_RECORD_FSP", "3")
    with pytest.raises(Usage, match=r"environment: there is no setting record\.fsp"):
        config.load_settings()


@pytest.mark.parametrize(
    "patterns", ['["*secret*", ""]', '["*secret*", "  "]', '["*secret*", 7]', '"*secret*"', f'["secret{"x" * 300}"]']
)
def test_a_wrong_pattern_is_told_without_any_pattern(home: Path, patterns: str) -> None:
    write_config(f"[record]\nexclude = {patterns}\n")
    with pytest.raises(Usage, match=r"record\.exclude: ") as caught:
        config.load_settings()
    assert "secret" not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        '[[record]]\nexclude = ["*secret*"]\n', 'record = "exclude=*secret*"\n', 'record = ["*secret*"]\n',
        '[record.exclude]\n"*secret*" = 1\n', '[record]\nexclude = [["*secret*"]]\n',
    ],
)  # fmt: skip
def test_a_section_that_is_none_is_told_without_what_it_holds(home: Path, text: str) -> None:
    write_config(text)
    with pytest.raises(Usage) as caught:
        config.load_settings()
    told = [caught.value.message, caught.value.remedy, str(caught.value.__cause__)]
    assert "record" in told[0] and "secret" not in "".join(told)


def test_patterns_come_from_the_environment_as_json(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEPYS_RECORD_EXCLUDE", '["*bank*", "mail"]')
    assert config.load_settings().record.exclude == ("*bank*", "mail")
    monkeypatch.setenv("PEPYS_RECORD_EXCLUDE", "*secret*")
    with pytest.raises(Usage, match="JSON") as caught:
        config.load_settings()
    assert "secret" not in caught.value.message + caught.value.remedy


def test_an_unreadable_file_is_usage(home: Path) -> None:
    (config.config_dir() / "config.toml").mkdir(parents=True)
    with pytest.raises(Usage, match="cannot be read"):
        config.load_settings()


def test_home_is_flag_then_variable_then_platform(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.home_dir() == home
    assert config.home_dir("elsewhere") == Path.cwd() / "elsewhere"
    monkeypatch.delenv("PEPYS_HOME")
    assert str(config.home_dir()).startswith(os.environ["XDG_DATA_HOME"])


def test_runtime_dir_is_private_and_short_even_where_the_platform_one_is_long(
    home: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = config.runtime_dir(home)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.is_relative_to(os.environ["XDG_RUNTIME_DIR"])
    assert folder == config.runtime_dir(home)
    assert folder != config.runtime_dir(home / "other")
    long = short_folder / ("l" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    folder = config.runtime_dir(home)
    assert len(os.fsencode(folder / f"{'0' * 26}.sock")) < 104
    folder.rmdir()


def test_a_runtime_dir_that_cannot_be_made_is_told(home: Path) -> None:
    (Path(os.environ["XDG_RUNTIME_DIR"]) / "pepys").write_text("a file")
    with pytest.raises(PermissionMissing, match="cannot be made"):
        config.runtime_dir(home)


def test_folders_cost_no_validation_library() -> None:
    script = "import pepys.config, sys; pepys.config.home_dir(); print([m for m in sys.modules if 'pydantic' in m])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
