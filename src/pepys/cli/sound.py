"""The options and the words of sound: what is heard now, how loud, and where every sample went.

Owns the words and the meters of a line. Invariants: a graph is read here and judged by `model.sound_graph`, without any
codec; a terminal that cannot show blocks gets plain characters. What is changed is the recorder's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from pepys import limits
from pepys.cli.say import clock_text, counted
from pepys.errors import Usage

MuteOption = Annotated[
    list[str] | None,
    typer.Option("--mute", metavar="T", help="Record silence of mic, system or a gain of the graph (repeatable)."),
]
UnmuteOption = Annotated[list[str] | None, typer.Option("--unmute", metavar="T", help="Hear it again (repeatable).")]
BalanceOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=100, help="The mix: 0 is the microphone alone, 100 the system, 50 both."),
]
SoundGraphOption = Annotated[
    Path | None,
    typer.Option("--sound-graph", metavar="FILE", help="Send sound through the graph in this file (JSON)."),
]

_TRACKS: Final = {"audio.mic": "mic", "audio.system": "system"}
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_PLAIN: Final = "_.-:=+*#"
_COLUMNS: Final = 5
_FLOOR_DB: Final = -60.0
_SILENT_DB: Final = -90.0
_DEAD: Final = frozenset({"restarting", "failed", "off"})
_A_FILE: Final = "name a file with a graph in JSON; `pepys show ID --graph --json` has one"


def read_graph(path: Path | None) -> dict[str, Any] | None:
    """The graph in a file, with paths of sound files made whole; None without one.

    Raises:
        Usage: there is no such file, it is too large, no JSON, or no graph; or a node's path means nothing.
    """
    if path is None:
        return None
    from pepys.model import sound_graph
    from pepys.record.sound_plan import file_path

    what = f"--sound-graph {path}"
    try:
        if not path.exists():
            raise Usage(f"{what}: there is no such file", _A_FILE)
        if not path.is_file():
            raise Usage(f"{what} is no regular file", _A_FILE)
        with path.open("rb") as file:
            data = file.read(limits.SOUND_GRAPH_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is none"
        raise Usage(f"{what} cannot be read: {reason}", _A_FILE) from error
    if len(data) > limits.SOUND_GRAPH_BYTES:
        raise Usage(f"{what} is larger than {limits.SOUND_GRAPH_BYTES // 1024} KiB", "a graph has a few nodes")
    graph = sound_graph.parse(data)
    for node in graph.of_kind("file"):
        # A path counts from the folder of the file that says it; the recorder works in another one.
        if not str(node.params["path"]).startswith("~"):
            graph = graph.changed(node.name, path=str(path.absolute().parent / str(node.params["path"])))
        graph = graph.changed(node.name, path=str(file_path(graph.node(node.name))))
    return graph.to_json()


def check_names(mute: Sequence[str], unmute: Sequence[str]) -> None:
    """Judge the names of what is to be heard; which exist only the recorder knows.

    Raises:
        Usage: one is no name, or is to be both.
    """
    for name in (*mute, *unmute):
        if not name.strip() or len(name) > limits.SOUND_NAME_CHARS or not name.isprintable():
            raise Usage("a name of sound is empty or too long", "name mic, system or a gain of the sound graph")
    both = [name for name in mute if name in unmute]
    if both:
        raise Usage(f"{both[0]} is to be muted and heard at once", "leave out one of --mute and --unmute")


def heard_text(status: Mapping[str, Any]) -> str:
    """What is heard now, such as `mic muted, system on, balance 50`; empty where no sound is recorded."""
    sound = status.get("sound") or {}
    words = []
    for name, gain in (sound.get("gains") or {}).items():
        by = gain.get("gain_db") or 0
        words.append(f"{name} {'muted' if gain.get('muted') else f'on ({by:+g} dB)' if by else 'on'}")
    if sound.get("balance") is not None:
        words.append(f"balance {sound['balance']}")
    return ", ".join(words)


def short_name(track: str) -> str:
    """The word for a track of sound that `set --mute` takes."""
    return _TRACKS.get(track, track)


class Meters:
    """How loud each track of sound is, in a few columns of a line.

    Args:
        stream: where the line is written; its encoding says which characters it can show.
    """

    def __init__(self, stream: TextIO) -> None:
        self._ramp = _PLAIN
        try:
            _BLOCKS.encode(stream.encoding or "ascii")
            self._ramp = _BLOCKS
        except (LookupError, UnicodeEncodeError):
            pass  # plain characters say it too
        self._peaks: dict[str, list[float]] = {}
        self._loudest: dict[str, float] = {}

    def hear(self, levels: Mapping[str, Mapping[str, Any]]) -> None:
        """Take the levels of the last second, twenty a track."""
        for track, level in levels.items():
            peaks = [float(peak) for peak in level.get("peaks") or ()]
            if not peaks:
                continue
            self._loudest[track] = max(peaks)
            step = max(1, len(peaks) // _COLUMNS)
            self._peaks[track] = [max(peaks[at : at + step]) for at in range(0, len(peaks), step)][-_COLUMNS:]

    def see(self, tracks: Sequence[Mapping[str, Any]]) -> None:
        """Take one level a track from a status, for those of which nobody told more."""
        for track in tracks:
            if track.get("level"):
                before = self._peaks.get(track["track"], ())
                self._peaks[track["track"]] = [*before, track["level"]["peak_db"]][-_COLUMNS:]

    def word(self, status: Mapping[str, Any], track: Mapping[str, Any]) -> str:
        """How loud one track is, such as `▃▅▂▁▁ -23 dB`, `muted`; empty while nothing is taken."""
        name = short_name(track["track"])
        gain = ((status.get("sound") or {}).get("gains") or {}).get(name) or {}
        # A device that is gone has no level, and what was heard last is none of now.
        if not track.get("level") or track.get("state") in _DEAD or status.get("state") == "paused":
            return ""
        if gain.get("muted"):
            return "muted"
        # The figure is of what the bars show: a level of this very moment may be the breath between two words.
        peak_db = self._loudest.get(track["track"], track["level"]["peak_db"])
        peaks = self._peaks.get(track["track"]) or [peak_db]
        bars = "".join(self._bar(peak) for peak in peaks).rjust(_COLUMNS, self._ramp[0])
        return f"{bars} {f'{peak_db:.0f} dB' if peak_db > _SILENT_DB else 'silent'}"

    def words(self, status: Mapping[str, Any]) -> list[str]:
        """Each track of sound that is taken, such as `mic ▃▅▂▁▁ -23 dB`, `system muted`."""
        told = [(short_name(track["track"]), self.word(status, track)) for track in status.get("tracks") or ()]
        return [f"{name} {word}" for name, word in told if word]

    def _bar(self, peak_db: float) -> str:
        share = 1 - min(max(peak_db, _FLOOR_DB), 0.0) / _FLOOR_DB
        return self._ramp[round(share * (len(self._ramp) - 1))]


def sound_lines(track: Mapping[str, Any]) -> list[str]:
    """Where the samples of one ended track went: its account, what was corrected, what it was recorded from."""
    account, lines = track.get("account"), []
    if account:
        lines.append(f"account: {_account_text(account)}")
        lines += [
            f"lost at {clock_text(loss['at_ms'])}: {loss['samples']:,} samples, {loss['reason']}"
            + (f" ({loss['detail']})" if loss.get("detail") else "")
            for loss in account["lost"]
        ]
    drift = track.get("corrections")
    if drift and (drift["inserted"] or drift["dropped"] or drift["steps"]):
        # The speed is told where it is known: a single hole or surplus tells nothing about it.
        what = f"drift {drift['ppm']:+d} ppm" if drift["ppm"] else "corrected"
        lines.append(f"{what}: {_corrected_text(drift)}")
    devices = list(track.get("devices") or ())
    if len(devices) > 1:
        first, *others = devices
        then = "; ".join(f"{one['device']} from {clock_text(one['from_ms'])} ({one['reason']})" for one in others)
        lines.append(f"recorded from {first['device']}; {then}")
    return lines


def _account_text(account: Mapping[str, Any]) -> str:
    parts = [f"{account['captured']:,} recorded"]
    if account["inserted"]:
        parts.append(f"{account['inserted']:,} put in")
    if account["silent"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in account["silent_by"].items())
        parts.append(f"{account['silent']:,} silent" + (f" ({reasons})" if reasons else ""))
    if account["untold"]:
        parts.append(f"{account['untold']:,} {_untold_text(account)}")
    text = f"{account['samples']:,} samples = {' + '.join(parts)}".replace("+ -", "- ")
    if account["muted"]:
        text += f"; {account['muted']:,} of them muted"
    if account["dropped"]:
        text += f"; {account['dropped']:,} of {account['delivered']:,} delivered left out"
    if account["refused"]:
        text += f"; {account['refused']:,} refused by the disk"
    if not account["exact"]:
        return f"{text}; NOT exact"
    return f"{text}; {'exact up to the crash' if account['crashed'] else 'exact'}"


def _untold_text(account: Mapping[str, Any]) -> str:
    """What samples are that no account tells of; fewer than none were told and had not come to the disk."""
    if account["crashed"]:
        return "up to the crash" if account["untold"] > 0 else "not durable at the crash"
    return "not told yet" if account["untold"] > 0 else "not written yet"


def _corrected_text(drift: Mapping[str, Any]) -> str:
    words = [
        f"{drift[key]:,} {'sample' if drift[key] == 1 else 'samples'} {done}"
        for key, done in (("inserted", "put in"), ("dropped", "left out"))
        if drift[key]
    ]
    return ", ".join([*words, *([f"in {counted(drift['steps'], 'hard step')}"] if drift["steps"] else [])])
