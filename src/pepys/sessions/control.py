"""The way to whichever host runs: files that tell where it listens, and a synchronous client.

Owns `run/host.json` (socket, pid and its start time) and the order in which somebody is looked for: the host; else a
recorder that outlived its host, which understands the same commands. Imports no database and no event loop, because
`pepys status` and `pepys note` are called often. What a command does is left to the host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pepys import limits
from pepys.clock import SystemClock, rfc3339
from pepys.config import config_dir
from pepys.errors import Busy, DeviceMissing, NotFound, PepysError
from pepys.record.runfile import RunFile, place_of, read_run_file, still_runs
from pepys.record.wire import Client, connect
from pepys.sessions.room import room

# What a recorder without a host answers by itself; everything else needs a host.
_RECORDER_COMMANDS: Final = frozenset({"status", "set", "pause", "resume", "stop", "note", "mark", "shot"})
# What a status may tell besides, and is passed on as it comes: a recorder or host of another version tells less.
_TOLD_BESIDES: Final = (
    "countdown_s", "held", "restarts", "last_restart", "notices", "recorder", "write_queue", "loop", "memory", "host",
)  # fmt: skip


_BEFORE: Final = frozenset({"validating", "checking"})  # a session is asked for, and nothing of it exists


class NoHost(NotFound):
    """Neither a daemon nor a foreground recording runs on this home."""


def run_dir(home: Path) -> Path:
    """The folder of lock, host file and run files."""
    return home / "run"


def host_file(home: Path) -> Path:
    """Where a host tells its socket."""
    return run_dir(home) / "host.json"


def run_files(home: Path) -> list[tuple[Path, RunFile]]:
    """The run files of sessions, newest session first; the recorders may be dead."""
    found = ((path, read_run_file(path)) for path in sorted(run_dir(home).glob("*.json"), reverse=True))
    return [(path, run) for path, run in found if run is not None and path != host_file(home)]


def orphans(home: Path) -> list[RunFile]:
    """The recorders that run, newest session first."""
    clock = SystemClock()
    return [run for _, run in run_files(home) if still_runs(run, clock)]


def connect_host(home: Path) -> Client | None:
    """A connection to the host, None when there is none."""
    try:
        told = json.loads(host_file(home).read_bytes())
        if told["place"] != place_of(host_file(home)):
            return None  # this home is a copy; the host is the other one's
        return connect(told["socket"], limits.CONTROL_CONNECT_S)
    except (OSError, ValueError, KeyError, TypeError, DeviceMissing):
        return None


def host_running(home: Path) -> bool:
    """Whether a host answers on this home."""
    client = connect_host(home)
    if client is None:
        return False
    client.close()
    return True


def ask_host(home: Path, do: str, *, timeout_s: float | None = None, **args: Any) -> dict[str, Any]:
    """Ask the host, or a recorder without one, to do a command; returns when it has happened.

    Args:
        home: the data folder.
        do: the command's name.
        timeout_s: how long the answer may take; what the command is given by default.
        args: its arguments, JSON values; None counts as not given.

    Raises:
        NoHost: nobody runs here.
        PepysError: what the other side answered.
    """
    client = connect_host(home)
    hosted = client is not None
    if timeout_s is None:
        timeout_s = _patience_s(do, hosted)
    if client is None and do in _RECORDER_COMMANDS:
        client = _connect_orphan(home)
    if client is None:
        raise NoHost(_nobody(do), _remedy(do))
    with client:
        try:
            return client.call(do, timeout_s, **{key: value for key, value in args.items() if value is not None})
        except DeviceMissing as error:
            raise _explained(home, do, error, timeout_s, hosted) from error


def status_of(home: Path) -> dict[str, Any]:
    """The status of whatever runs on the home, in the host's shape; `idle` when nothing does.

    Raises:
        StorageProblem: the home is gone: what would be told is of the disk below.
    """
    try:
        told = ask_host(home, "status", timeout_s=limits.STATUS_S)
    except NoHost:
        _refuse_gone(home)
        told = {}
    if told and "host" not in told:
        told["notices"] = [*(told.get("notices") or ()), {"kind": "no_host", "text": _hostless(home)}]
    started = told.get("started_wall_ns")
    return {
        "state": told.get("state", "idle"),
        "session": told.get("session"),
        "name": told.get("name"),
        "since": told.get("since") or (rfc3339(started) if started else None),
        "recorded_ms": told.get("recorded_ms", 0),
        "wall_ms": told.get("wall_ms", 0),
        "bytes": told.get("bytes", 0),
        "tracks": told.get("tracks", []),
        "left_out": told.get("left_out", []),
        "sources": told.get("sources", []),
        "layout": told.get("layout", ""),
        "sound": told.get("sound"),
        "gaps_open": told.get("gaps_open", []),
        "disk": told.get("disk") or room(home),
        "last": told.get("last"),
        **{name: told[name] for name in _TOLD_BESIDES if name in told},
    }


def _refuse_gone(home: Path) -> None:
    """Say of a home that there was that it is gone; loads the store only where none is there and there were some."""
    if (home / "keys").is_dir() or not (config_dir() / "homes").exists():
        return
    from pepys.store.keys import is_store
    from pepys.store.store import refuse_gone

    if not is_store(home):
        refuse_gone(home, config_dir())


def start_session(home: Path, hear: Callable[[dict[str, Any]], None], **request: Any) -> dict[str, Any]:
    """Have the daemon begin a session; returns its status when it records.

    Ctrl-C while it counts down, or makes the checks before that, stops the countdown; nothing is left then.

    Args:
        home: the data folder.
        hear: told every push until then, `{"push": "countdown", "left_s"}` among them.
        request: as `StartRequest.to_json` gives it.

    Raises:
        NoHost: no daemon runs here.
        PepysError: why it did not begin.
    """
    client = connect_host(home)
    if client is None:
        raise _no_daemon(home)
    counting = False

    def heard(push: dict[str, Any]) -> None:
        nonlocal counting
        if push.get("push") == "status":
            counting = bool(request.get("countdown_s")) and push["status"]["state"] in _BEFORE
        hear(push)

    timeout_s = limits.START_S + float(request.get("countdown_s") or 0)
    with client:
        client.call("subscribe", limits.CONTROL_CONNECT_S)
        try:
            return client.call("start", timeout_s, hear=heard, **request)
        except KeyboardInterrupt:
            if counting:
                with suppress(PepysError):
                    ask_host(home, "stop")
            raise
        except DeviceMissing as error:
            raise _explained(home, "start", error, timeout_s, hosted=True) from error


def wake_host(home: Path) -> bool:
    """Tell a daemon that jobs wait; False when there is none that takes them. Never raises."""
    with suppress(PepysError):
        return bool(ask_host(home, "wake", timeout_s=limits.CONTROL_CONNECT_S).get("taken"))
    return False


def watch_host(home: Path) -> Iterator[dict[str, Any]]:
    """The status now and then each time the host tells it; ends with the host.

    Raises:
        NoHost: nobody runs here.
    """
    client = connect_host(home)
    if client is None:
        raise NoHost(_nobody("status"), _remedy("status"))
    with client:
        yield client.call("subscribe", limits.CONTROL_S)
        while True:
            try:
                push = client.next_push(limits.CONTROL_S)
            except DeviceMissing:
                return
            if push is not None and push.get("push") == "status":
                yield push["status"]


def refuse_second_host(home: Path) -> None:
    """Refuse what needs to be the host of a home that has one.

    Raises:
        Busy: a host answers there.
    """
    if not host_running(home):
        return
    if _host_kind(home) == "foreground":
        raise Busy(f"a recording in the foreground holds {home}", "end it with `pepys stop` first; it serves no page")
    raise Busy(f"{home} has a daemon already", "end it first, or use its page with `pepys open`")


def _host_kind(home: Path) -> str:
    try:
        return str(json.loads(host_file(home).read_bytes())["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _patience_s(do: str, hosted: bool) -> float:
    """How long an answer may take: a host waits for its recorder, and for the command before this one."""
    own = {
        "set": limits.SET_S, "pause": limits.PAUSE_S, "resume": limits.PAUSE_S, "stop": limits.STOP_S,
        "shot": limits.SHOT_S,
    }.get(do, limits.CONTROL_S)  # fmt: skip
    return own if not hosted or do not in _RECORDER_COMMANDS else own + limits.PAUSE_S + limits.ANSWER_SLACK_S


def _explained(home: Path, do: str, error: DeviceMissing, timeout_s: float, hosted: bool) -> PepysError:
    """What an error on the line means for a command; one that the other side answered is itself."""
    if connect_host(home) is None and error.message.startswith("the other side"):
        return NoHost(f"the host ended before it answered to {do}", "see `pepys list`")
    return _no_answer(home, do, timeout_s, hosted) if error.message.startswith("no answer") else error


def _no_answer(home: Path, do: str, timeout_s: float, hosted: bool) -> DeviceMissing:
    """The error of a command that nobody answered in time, with the process that should have."""
    try:
        pid = json.loads(host_file(home).read_bytes())["pid"] if hosted else orphans(home)[0].pid
    except (OSError, ValueError, KeyError, IndexError):
        pid = "?"
    who = "host" if hosted else "recorder"
    return DeviceMissing(
        f"the {who} (process {pid}) has not answered to {do} for {timeout_s:g} s",
        f"try again, or end it with `kill -9 {pid}`: what is stored is safe, `pepys list` shows it",
    )


def _no_daemon(home: Path) -> NoHost:
    """The error of a start that nobody takes, with the recorder that lives without a host."""
    for run in orphans(home):
        return NoHost(
            f"no daemon runs on this home, but a recorder does (process {run.pid}): it records session {run.session}",
            "`pepys serve` takes it over, `pepys stop` ends it",
        )
    return NoHost(_nobody("start"), _remedy("start"))


def _hostless(home: Path) -> str:
    who = next((f"the recorder (process {run.pid})" for run in orphans(home)), "the recorder")
    return f"no host runs, {who} goes on by itself: `pepys serve` takes it over, `pepys stop` ends it"


def _connect_orphan(home: Path) -> Client | None:
    for run in orphans(home):
        with suppress(DeviceMissing):
            return connect(run.socket, limits.CONTROL_CONNECT_S)
    return None


def _nobody(do: str) -> str:
    if do == "start":
        return "no daemon runs on this home"
    return "nothing is being recorded on this home"


def _remedy(do: str) -> str:
    if do == "start":
        return "start one with `pepys serve`, or record in the foreground with `pepys record`"
    if do == "shot":
        return "start a recording with `pepys record`; shots are taken of what is recorded"
    if do in {"note", "mark"}:
        return f"add it to a session with `pepys {do} --session ID`"
    return "start a recording with `pepys record`; name a session to go on with one that was interrupted"
