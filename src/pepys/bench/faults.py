"""The faults that a recording must survive: how each is brought about and undone, and what it may cost.

Owns the table. What came of a fault is judged by `faults_account`, when it was told by `faults_witness`; the order and
the figures are `faults_course`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pepys.bench.faults_account import NONE, SOME, WHOLE
from pepys.bench.faults_disk import SmallDisk
from pepys.bench.faults_scene import Scene, send, wait_gone
from pepys.bench.sound_told import reader_of
from pepys.demo.servers import MIC_SINK, NULL_SINK
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S

AUDIO: Final = {"audio.mic": f"{MIC_SINK}.monitor", "audio.system": f"{NULL_SINK}.monitor"}
STOP_S: Final = 10.0
"""How long what is stopped stands still."""

STEPS_NS: Final = (3600 * NS_PER_S, -1800 * NS_PER_S)
"""What the wall clock is set by, in turn."""

_PICTURES: Final = ("video", "shots", "activity")
_DEAD_S: Final = 2.0
_READER_NS: Final = 20 * NS_PER_S
_ASK_NS: Final = 50 * NS_PER_MS
_LOST: Final = frozenset({"device_lost"})
_CLOSED: Final = frozenset({"source_closed", "device_lost"})
_FULL: Final = frozenset({"disk_full"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        words: what it is.
        begin: brings it about; gets the number of the turn.
        end: undoes it.
        lasts_s: how long it is left.
        tracks: what cannot be recorded meanwhile, by the number of the turn; nothing for the whole session.
        reasons: what the gaps may be called.
        also: what other gaps of tracks it may leave.
        hole: whether gaps must hold the whole of it, see `faults_account`.
        ends: whether the session ends of it.
        disk: whether it needs a disk of its own.
        most: how many turns a session has, 0 for any number: of kills only so many are answered within ten minutes.
    """

    words: str
    begin: Callable[[Scene, int], None]
    end: Callable[[Scene, int], None]
    lasts_s: float = 0.0
    tracks: tuple[tuple[str, ...], ...] = ((),)
    reasons: frozenset[str] = frozenset()
    hole: str = NONE
    also: frozenset[str] = frozenset()
    ends: bool = False
    disk: bool = False
    most: int = 0

    def tracks_of(self, turn: int) -> tuple[str, ...]:
        """The tracks that a turn concerns."""
        return self.tracks[turn % len(self.tracks)]


def _nothing(_scene: Scene, _turn: int) -> None:
    """What died is brought back by pepys itself."""


def _kill_recorder(scene: Scene, _turn: int) -> None:
    send(scene.recorder, "SIGKILL")


def _stop_recorder(scene: Scene, _turn: int) -> None:
    send(scene.recorder, "SIGSTOP")


def _go_on_recorder(scene: Scene, _turn: int) -> None:
    send(scene.recorder, "SIGCONT")


def _kill_host(scene: Scene, _turn: int) -> None:
    scene.host.kill()


def _start_host(scene: Scene, _turn: int) -> None:
    scene.serve()


def _track(turn: int) -> str:
    return tuple(AUDIO)[turn % len(AUDIO)]


def _reader(scene: Scene, turn: int) -> int:
    until_ns = scene.clock.now_ns() + _READER_NS
    while (pid := reader_of(scene.place, AUDIO[_track(turn)])) is None:
        if scene.clock.now_ns() > until_ns:
            raise DeviceMissing(f"nobody reads {AUDIO[_track(turn)]}", "see the recorder's log")
        scene.clock.sleep_ns(_ASK_NS)
    return pid


def _kill_parec(scene: Scene, turn: int) -> None:
    send(_reader(scene, turn), "SIGKILL")


def _stop_parec(scene: Scene, turn: int) -> None:
    send(_reader(scene, turn), "SIGSTOP")


def _go_on_parec(scene: Scene, _turn: int) -> None:
    """One that was replaced meanwhile is gone; one that was not goes on."""
    for device in AUDIO.values():
        pid = reader_of(scene.place, device)
        if pid is not None:
            send(pid, "SIGCONT")


def _stop_x(scene: Scene, _turn: int) -> None:
    send(x_pid(scene), "SIGSTOP")


def _go_on_x(scene: Scene, _turn: int) -> None:
    send(x_pid(scene), "SIGCONT")


def x_pid(scene: Scene) -> int:
    """The display's process."""
    return scene.display.pid


def _kill_x(scene: Scene, _turn: int) -> None:
    scene.display.kill()


def _start_x(scene: Scene, _turn: int) -> None:
    scene.display.start()
    scene.type()


def _kill_sound(scene: Scene, _turn: int) -> None:
    scene.sound.kill()


def _start_sound(scene: Scene, _turn: int) -> None:
    scene.sound.start()


def _disk(scene: Scene) -> SmallDisk:
    assert scene.disk is not None, "a fault of a disk needs one"
    return scene.disk


def _fill(scene: Scene, _turn: int) -> None:
    _disk(scene).fill()


def _free(scene: Scene, _turn: int) -> None:
    _disk(scene).free()


def _fail(scene: Scene, _turn: int) -> None:
    _disk(scene).fail()


def _mend(scene: Scene, _turn: int) -> None:
    """Nobody may use it meanwhile; the daemon that starts again recovers what was left."""
    scene.host.stop()
    for run in scene.place.recorders():
        send(run.pid, "SIGTERM")
        wait_gone(run.pid, scene.clock)
    _disk(scene).mend()
    scene.serve()


def _hold(scene: Scene, _turn: int) -> None:
    _disk(scene).hold()


def _let_go(scene: Scene, _turn: int) -> None:
    _disk(scene).let_go()


def _step(scene: Scene, turn: int) -> None:
    scene.set_wall_clock(sum(STEPS_NS[each % len(STEPS_NS)] for each in range(turn + 1)))


FAULTS: Final = {
    "recorder-kill": Fault("kill -9 of the recorder", _kill_recorder, _nothing,
                           reasons=frozenset({"crash"}), hole=WHOLE, also=_CLOSED, most=4),
    "host-kill": Fault("kill -9 of the host", _kill_host, _start_host, 1.0),
    "parec-kill": Fault("kill -9 of parec", _kill_parec, _nothing, tracks=tuple((name,) for name in AUDIO),
                        reasons=_LOST, hole=SOME),
    "recorder-stop": Fault("SIGSTOP of the recorder, 10 s", _stop_recorder, _go_on_recorder, STOP_S,
                           reasons=frozenset({"suspended"}), hole=WHOLE, also=_LOST),
    "x-stop": Fault("SIGSTOP of the X server, 10 s", _stop_x, _go_on_x, STOP_S, (_PICTURES,), _CLOSED, WHOLE),
    "parec-stop": Fault("SIGSTOP of parec, 10 s", _stop_parec, _go_on_parec, STOP_S,
                        tuple((name,) for name in AUDIO), _LOST, SOME),
    "x-kill": Fault("X server killed and started again", _kill_x, _start_x, _DEAD_S, (_PICTURES,), _CLOSED, WHOLE),
    "sound-kill": Fault("sound server killed and started again", _kill_sound, _start_sound, _DEAD_S,
                        (tuple(AUDIO),), _LOST, WHOLE),
    "disk-full": Fault("full disk", _fill, _free, reasons=_FULL, hole=SOME, ends=True, disk=True),
    "disk-read-only": Fault("read-only disk", _fail, _mend, reasons=_FULL | {"crash"}, hole=SOME, ends=True, disk=True),
    "disk-slow": Fault("slow disk, held for 2.5 s again and again, 10 s", _hold, _let_go, STOP_S,
                       reasons=_FULL, disk=True),
    "clock-step": Fault("wall clock set by an hour and back by half of it", _step, _nothing),
}  # fmt: skip
"""The faults by the names that `--measure` takes."""
