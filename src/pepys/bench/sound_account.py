"""A recording with pauses, device changes, dead sound servers and killed recorders, and the account of its samples."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any, Final

from pepys.bench import heard
from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.bench.player import Playing, counting
from pepys.bench.recorders import command, daemon_recording
from pepys.bench.sound_faults import DEVICE, KILL, PAUSE, SECOND_SINK, SERVER, Done, Trouble, schedule
from pepys.bench.sound_sums import MIX, Loss, losses, span_errors, sums, table
from pepys.demo.servers import MIC_SINK, NULL_SINK, SoundServer, XServer
from pepys.limits import NS_PER_S

LOSS_BAR_MS: Final = 20.0
_WORDS: Final = ["--no-video", "--shots", "off", "--audio", "both"]


def account(bench: Bench) -> list[Figure]:
    """Record for `bench.seconds` with faults, then hold the account against what is heard."""
    faults = schedule(bench.seconds)
    bench.say(f"a recording of {bench.seconds:.0f} s with {len(faults)} faults")
    with contextlib.ExitStack() as around:
        display = around.enter_context(XServer(640, 480))
        server = around.enter_context(SoundServer())
        env = {**display.env, **server.env}
        place = bench.place(env)
        trouble = Trouble(place, server, bench.clock)
        players = around.enter_context(counting({MIC_SINK: 1.0, NULL_SINK: 0.6, SECOND_SINK: 1.0}, env, bench.folder))
        host = around.enter_context(daemon_recording(place, _WORDS))
        begun_ns = bench.clock.now_ns()
        for fault in faults:
            bench.clock.sleep_ns(max(0, begun_ns + int(fault.at_s * NS_PER_S) - bench.clock.now_ns()))
            host.check()
            trouble.bring(fault)
        bench.clock.sleep_ns(max(0, begun_ns + int(bench.seconds * NS_PER_S) - bench.clock.now_ns()))
    shown = json.loads(command(place, ["show", "last", "--json"]))
    return account_figures(bench, shown, heard.listen(place.open_store(), place.session()), trouble.done, players)


def account_figures(
    bench: Bench, shown: dict[str, Any], sound: Sequence[heard.Heard], done: Sequence[Done], players: Sequence[Playing]
) -> list[Figure]:
    """The figures; the account itself is told line by line and kept in the first one's detail."""
    begun = [each for player in players for each in player.begun_ns]
    steps = {f"{player.sink}.monitor": player.steps for player in players}
    costs = [(fault, losses(shown, sound, fault, begun, steps)) for fault in done]
    zero_ns = sound[0].boot_ns - sound[0].at_ns
    lines = table(shown, costs, zero_ns)
    for line in lines:
        bench.say(line)
    off = sums(shown, sound)
    wrong = [each for each in off if each.off]
    named = ", ".join(f"{each.track} {each.words} ({each.off})" for each in wrong) or "all exact"
    kinds = ", ".join(f"{sum(fault.kind == kind for fault in done)} {kind}" for kind in (PAUSE, DEVICE, SERVER, KILL))
    what = f"{bench.seconds:.0f} s with {kinds}: sums of the account that are not exact, of {len(off)}"
    detail = {
        "table": lines,
        "sums": [{"track": each.track, "sum": each.words, "off": each.off} for each in off],
        "faults": [_fault_shape(fault, found, zero_ns) for fault, found in costs],
        "account": {track["track"]: track.get("account") for track in shown["tracks"]},
    }
    spans = span_errors(sound, _killed(sound, done))
    judged = [loss for fault, found in costs if fault.kind in (SERVER, KILL) for loss in found]
    expected = sum(fault.kind in (SERVER, KILL) for fault in done) * len({each.track for each in sound} - {MIX})
    return [
        Figure(
            "account", "faults", "sums_off", what, len(wrong) if off else 1, bar=0, detail=detail,
            said=named if off else "there is no account",
        ),
        Figure(
            "account", "faults", "span_samples", "samples of a span against its length, most",
            max((abs(error) for error in spans), default=0), "samples", bar=1, detail={"spans": spans},
        ),
        Figure(
            "account", "faults", "losses_judged", "tracks whose loss is declared and heard, after a death or a kill",
            len(judged), bar=expected, least=True,
        ),
        _loss_figure("loss_error", "declared loss against the clock's, dead servers and killed recorders",
                     costs, (SERVER, KILL), LOSS_BAR_MS),
        _loss_figure("switch_error", "the same for pauses and changes of the device", costs, (PAUSE, DEVICE), None),
    ]  # fmt: skip


def _loss_figure(
    name: str, what: str, costs: Sequence[tuple[Done, Sequence[Loss]]], kinds: Sequence[str], bar: float | None
) -> Figure:
    found = [loss for fault, losses_of in costs if fault.kind in kinds for loss in losses_of]
    errors = [abs(loss.error_ms) for loss in found]
    moved = max((abs(loss.moved_ms) for loss in found), default=0.0)
    longest = max((loss.clock_ms for loss in found), default=0.0)
    said = f"of {len(found)}; longest loss {longest / 1000:.3f} s, sound moved by at most {moved:.1f} ms"
    return Figure("account", "faults", name, f"{what}: most", max(errors, default=0.0), "ms", bar=bar, said=said)


def _fault_shape(fault: Done, found: Sequence[Loss], zero_ns: int) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "detail": fault.detail,
        "at_ms": (fault.begun_ns - zero_ns) // 1_000_000,
        "lasted_ms": (fault.ended_ns - fault.begun_ns) // 1_000_000,
        "tracks": [
            {
                "track": loss.track,
                "declared_ms": round(loss.declared_ms, 2),
                "clock_ms": round(loss.clock_ms, 2),
                "moved_ms": round(loss.moved_ms, 2),
            }
            for loss in found
        ],
    }


def _killed(sound: Sequence[heard.Heard], done: Sequence[Done]) -> list[int]:
    """The spans that ended with a kill: the last that began before it."""
    return [
        max((each.span for each in sound if each.boot_ns < fault.begun_ns), default=-1)
        for fault in done
        if fault.kind == KILL
    ]
