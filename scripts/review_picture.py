"""`python scripts/review_picture.py FILE`: the review page of a real session, as Debian's Chromium shows it.

Starts a display with three terminals, a sound server and somebody who speaks; records them through the command line
with two notes and a pause, reads text and speech, and takes a picture of the page. It is docs/images/review.png.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pepys.demo.child import Child, program
from pepys.demo.desktop import Desktop
from pepys.demo.servers import MIC_SINK, NO_BUS, NULL_SINK, SoundServer, WindowManager, XServer

SIZE = {"width": 1440, "height": 900}
START_S = 20.0
NAME = "Why the nightly import stalls"
SAID = (
    "There it is, a sequential scan on the ledger, two hundred thousand rows for every single match.",
    "So the index was never used.",
    "Before I add it again, I want a test that reads the plan.",
    "The budget review moved to Thursday.",
)
HEARD = "Your meal has finished. Two jobs have passed."
EDITOR = (
    "def test_link_uses_index(db, explain):",
    "    seed(db, ledger=200_000)",
    "    plan = explain(LINK_SQL, ids=[1, 2, 3])",
    "    assert plan.uses('ledger_source_key_idx')",
    "    assert plan.sequential_scans == []",
)
NOTES = ("Release notes for Friday", "- the index is back: 12 ms instead of 1.8 s", "- budget review moved to Thursday")
SHELL = ("$ pytest -q tests/test_batch.py", "..........                         [100%]", "10 passed in 1.32s")
TERMINALS = {
    "shell": ("Terminal", "88x20+60+560", "#10141c", "#d8dee9", SHELL),
    "test_batch.py": ("Editor", "88x20+60+60", "#1c2028", "#e5e9f0", EDITOR),
    "release notes": ("Notes", "56x16+1080+120", "#fffdf5", "#1c1a17", NOTES),
}
STEPS = (
    (1, "front", "test_batch.py"), (2, MIC_SINK, SAID[0]), (10, "note", "only batches with old keys"),
    (11, MIC_SINK, SAID[1]), (14, "front", "shell"), (15, NULL_SINK, HEARD), (20, "pause", ""), (25, "resume", ""),
    (26, "front", "test_batch.py"), (27, MIC_SINK, SAID[2]), (33, "note", "the test fails first"),
    (34, "front", "release notes"), (36, MIC_SINK, SAID[3]), (42, "front", "shell"), (45, "stop", ""),
)  # fmt: skip


def main(picture: Path) -> None:
    """Record, then show it and write the picture."""
    with contextlib.ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="pepys-picture-")))
        display = started.enter_context(XServer())
        started.enter_context(WindowManager(display.env))
        sound = started.enter_context(SoundServer())
        env = {**os.environ, **display.env, **sound.env, **NO_BUS, "PEPYS_HOME": str(folder / "home")}
        Desktop(display.env).paint(0x3E4C59)
        for title, look in TERMINALS.items():
            started.callback(_terminal(title, *look, folder=folder, env=env).stop)
        _record(env, folder)
        _show(env, picture)


def _terminal(
    title: str, app: str, geometry: str, ground: str, ink: str, lines: tuple[str, ...], *, folder: Path,
    env: dict[str, str],
) -> Child:  # fmt: skip
    shown = "; ".join(f"printf '%s\\n' {shlex.quote(line)}; sleep 6" for line in lines)
    look = ["-fa", "DejaVu Sans Mono:size=14", "-bg", ground, "-fg", ink, "-geometry", geometry]
    argv = [program("xterm", "xterm"), "-class", app, "-title", title, *look, "-e", "sh", "-c", f"{shown}; sleep 1000"]
    return Child(argv, folder / title, env=env)


def _say(words: str, sink: str, said: Path, env: dict[str, str]) -> None:
    """Say it, and do not wait until it is said."""
    speak = [program("espeak-ng", "espeak-ng"), "-v", "en-us", "-s", "140", "-w", str(said), words]
    subprocess.run(speak, env=env, check=True)
    subprocess.Popen([program("paplay", "pulseaudio-utils"), f"--device={sink}", str(said)], env=env)


def _pepys(env: dict[str, str], *words: str) -> str:
    asked = subprocess.run([sys.executable, "-m", "pepys", *words], env=env, check=True, stdout=subprocess.PIPE)
    return asked.stdout.decode()


def _record(env: dict[str, str], folder: Path) -> None:
    words = [sys.executable, "-m", "pepys", "record", NAME, "--tag", "importer", "--tag", "postgres", "--enrich"]
    with subprocess.Popen([*words, "--shots", "4"], env=env, stderr=subprocess.PIPE) as recording:
        assert recording.stderr is not None
        recording.stderr.readline()  # it records
        began = time.monotonic()
        for at_s, step, what in STEPS:
            time.sleep(max(0.0, began + at_s - time.monotonic()))
            if step == "front":
                activate = [program("xdotool", "xdotool"), "search", "--name", what, "windowactivate"]
                subprocess.run(activate, env=env, check=True)
            elif step in {MIC_SINK, NULL_SINK}:
                _say(what, step, folder / f"{at_s}.wav", env)
            else:
                _pepys(env, step, *([what] if what else []))


def _show(env: dict[str, str], picture: Path) -> None:
    words = [sys.executable, "-m", "pepys", "serve", "--port", "0"]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE) as serving, sync_playwright() as playwright:
        assert serving.stdout is not None
        serving.stdout.readline()
        address = _pepys({**env, "DISPLAY": ""}, "open", "last").split()[-1]
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport=SIZE)  # type: ignore[arg-type] # a typed dict of playwright
        page.goto(address)
        _look(page)
        page.screenshot(path=picture)
        chromium.close()
        serving.terminate()


def _look(page: Page) -> None:
    """The transcript, and a place where something is said."""
    page.get_by_role("tab", name="Transcript").click()
    page.get_by_text("Thursday").first.click()
    ready = (
        "() => { const film = document.querySelector('video'); return film && film.readyState > 2 && !film.seeking }"
    )
    page.wait_for_function(ready, timeout=START_S * 1000)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(2000)
    page.mouse.move(SIZE["width"] / 2, SIZE["height"] * 0.645)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
