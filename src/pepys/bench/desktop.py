"""A mixed desktop for half an hour: terminal, browser, film, speech; two pauses, a microphone unplugged, a kill.

Owns what goes on there and when. What is recorded of it is told as a table in which every second is recorded or in a
gap with its reason.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pepys.bench.desktop_table import table
from pepys.bench.faults_account import SOME, WHOLE, Happened
from pepys.bench.faults_scene import TRACKS, Scene, send
from pepys.bench.faults_witness import Witness
from pepys.bench.figures import Figure
from pepys.bench.health_kills import await_recording, come_back, end_session, host_of
from pepys.bench.plan import Bench
from pepys.demo.activity import SPOKEN, Activity
from pepys.demo.child import Child, program
from pepys.demo.servers import MIC_SINK, NULL_SINK, WindowManager
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S
from pepys.store import reader

SECONDS: Final = 1800.0
PROGRAMS: Final = {
    "ffmpeg": "ffmpeg", "ffplay": "ffmpeg", "chromium": "chromium", "xdotool": "xdotool", "openbox": "openbox",
    "espeak-ng": "espeak-ng", "paplay": "pulseaudio-utils",
}  # fmt: skip

_PAGES: Final = Path("/usr/share/doc")
_PAGES_MOST: Final = 40
_PAGE_BYTES: Final = 8_000
"""A page has at least so much to read."""
_SCROLLS: Final = 4
_AWAY_S: Final = 0.012
"""How long pauses and the unplugged microphone last, of the whole: 22 s of half an hour."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """When what happens, as shares of the whole."""

    at: float
    words: str
    do: Callable[[Scene, Witness, int], Happened]


def scenario(bench: Bench) -> list[Figure]:
    """Record it, and give the account; the table is told line by line and stands in the figure's detail."""
    bench.say(f"a mixed desktop for {bench.seconds / 60:.1f} min")
    away_ns = max(4 * NS_PER_S, int(bench.seconds * _AWAY_S * NS_PER_S))
    with Scene(bench, tone=False, size=(1920, 1080)) as scene, scene.witness() as witness, _desktop(scene):
        scene.start()
        begun_ns = await_recording(witness, "at the start")
        for each in _PLANS:
            witness.attend(max(0, begun_ns + int(each.at * bench.seconds * NS_PER_S) - bench.clock.now_ns()))
            bench.say(each.words)
            scene.happened.append(each.do(scene, witness, away_ns))
        witness.attend(max(NS_PER_S, begun_ns + int(bench.seconds * NS_PER_S) - bench.clock.now_ns()))
        witness.close()
        end_session(scene)
        store, session = scene.place.open_store(), scene.place.session()
        told, damages = scene.judge(session)
        seen = reader.load(store, session)
        lines = table(seen, TRACKS)
    for line in lines:
        bench.say(line)
    wrong = [*told.problems, *(f"verify: {each}" for each in damages)]
    size = sum(track.bytes for track in seen.tracks) / 1e6
    shots = f"{len(seen.shots)} shots, {len(seen.distinct_shots)} of them stored; {size:.1f} MB altogether"
    detail: dict[str, Any] = {"table": lines, "problems": wrong}
    return [
        Figure(
            "desktop", "mixed", "desktop_unaccounted",
            f"{seen.end_ns / NS_PER_S / 60:.1f} min of a mixed desktop: what is neither recorded nor in a gap with its"
            " cause", len(wrong), bar=0, said="; ".join(wrong[:8]) or shots, detail=detail,
        )
    ]  # fmt: skip


@contextlib.contextmanager
def _desktop(scene: Scene) -> Iterator[None]:
    """Terminal, browser, film and speech, until the block ends."""
    env = {**scene.display.env, **scene.sound.env}
    folder = scene.place.folder
    with contextlib.ExitStack() as around:
        around.enter_context(WindowManager(scene.display.env))
        around.enter_context(Activity(env, folder, spoken="", clock=scene.clock))
        children = [*_play_film(env, folder), *_speak(env, folder), _browse(env, folder)]
        for child in children:
            around.callback(child.stop)
        yield
        for child in children:
            if not child.alive:
                raise DeviceMissing(f"{child.name} ended during the scenario", f"see {child.log}")


def _play_film(env: dict[str, str], folder: Path) -> list[Child]:
    """A film with sound, made here and played again and again."""
    film = folder / "film.mkv"
    words = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i"]
    words += ["sine=frequency=330:beep_factor=3,volume=0.2", "-t", "30", "-c:v", "libx264", "-preset", "veryfast"]
    subprocess.run([program("ffmpeg", "ffmpeg"), *words, "-c:a", "aac", "-y", str(film)], check=True)
    play = [program("ffplay", "ffmpeg"), "-v", "error", "-loop", "0", "-noborder", "-left", "1240", "-top", "60"]
    where = {**env, "SDL_AUDIODRIVER": "pulse", "PULSE_SINK": NULL_SINK}
    return [Child([*play, str(film)], folder / "film.log", env=where)]


def _speak(env: dict[str, str], folder: Path) -> list[Child]:
    """Somebody speaks into the microphone, with pauses, over its absence."""
    said = folder / "said.wav"
    subprocess.run([program("espeak-ng", "espeak-ng"), "-v", "en-us", "-w", str(said), SPOKEN], check=True)
    loop = 'while :; do "$0" --device="$1" "$2"; sleep 3; done'
    words = ["sh", "-c", loop, program("paplay", "pulseaudio-utils"), MIC_SINK, str(said)]
    return [Child(words, folder / "speech.log", env=env)]


def _browse(env: dict[str, str], folder: Path) -> Child:
    """A browser that reads pages of the system's own documentation, one after the other."""
    pages = folder / "pages"
    pages.write_text("\n".join(f"file://{page}" for page in pages_here()) + "\n", encoding="utf-8")
    profile = folder / "chromium"
    start = [program("chromium", "chromium"), f"--user-data-dir={profile}", "--no-first-run", "--disable-gpu"]
    start += ["--disable-background-networking", "--disable-sync", "--password-store=basic", "--window-size=1100,900"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        start.append("--no-sandbox")
    # The page's tab is closed again: half an hour of pages would be a browser of two hundred tabs.
    scroll = "; ".join([*["sleep 1.5; xdotool key --clearmodifiers Next"] * _SCROLLS, "xdotool key ctrl+w"])
    read = f'while read -r page; do "$@" "$page" < /dev/null; {scroll}; done < "{pages}"'
    script = f'"$@" about:blank & sleep 4; while :; do {read}; done'
    return Child(["sh", "-c", script, "browse", *start], folder / "browser.log", env=env)


def pages_here() -> list[Path]:
    """Pages that the system's packages brought, the longest first.

    Raises:
        DeviceMissing: there is none.
    """
    found = [page for page in sorted(_PAGES.rglob("*.html")) if page.is_file() and page.stat().st_size > _PAGE_BYTES]
    if not found:
        raise DeviceMissing(f"there is no page to read below {_PAGES}", "install a package's documentation")
    return sorted(found, key=lambda page: -page.stat().st_size)[:_PAGES_MOST]


def _pause(scene: Scene, witness: Witness, away_ns: int) -> Happened:
    begun_ns = scene.clock.now_ns()
    with host_of(scene) as client:
        client.call("pause")
        witness.attend(away_ns)
        client.call("resume")
    ended_ns = scene.clock.now_ns()
    well_ns = await_recording(witness, "after a pause")
    return Happened("pause", begun_ns, ended_ns, well_ns, (), frozenset({"pause"}), WHOLE)


def _unplug(scene: Scene, witness: Witness, away_ns: int) -> Happened:
    begun_ns = scene.clock.now_ns()
    modules = [row.split("\t") for row in _pactl(scene, "list", "short", "modules").splitlines()]
    number = next(row[0] for row in modules if f"sink_name={MIC_SINK}" in "\t".join(row))
    _pactl(scene, "unload-module", number)
    witness.attend(away_ns)
    _pactl(scene, "load-module", "module-null-sink", f"sink_name={MIC_SINK}", "rate=48000", "channels=2")
    _pactl(scene, "set-default-source", f"{MIC_SINK}.monitor")
    ended_ns = scene.clock.now_ns()
    well_ns = await_recording(witness, "after the microphone was plugged in")
    return Happened("microphone", begun_ns, ended_ns, well_ns, ("audio.mic",), frozenset({"device_lost"}), WHOLE)


def _kill(scene: Scene, witness: Witness, _away_ns: int) -> Happened:
    pid, begun_ns = scene.recorder, scene.clock.now_ns()
    send(pid, "SIGKILL")
    come_back(witness, pid, scene)
    well_ns = await_recording(witness, "after the recorder was killed")
    return Happened("kill", begun_ns, begun_ns, well_ns, (), frozenset({"crash"}), SOME)


def _pactl(scene: Scene, *words: str) -> str:
    env = {**os.environ, **scene.sound.env}
    told = subprocess.run(
        [program("pactl", "pulseaudio-utils"), *words], env=env, capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise DeviceMissing(f"pactl {words[0]} failed: {told.stderr.strip()}", "measure again")
    return told.stdout


_PLANS: Final = (
    _Plan(0.20, "a pause", _pause),
    _Plan(0.40, "the microphone is unplugged", _unplug),
    _Plan(0.60, "a pause", _pause),
    _Plan(0.80, "the recorder is killed", _kill),
)
