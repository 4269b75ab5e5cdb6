"""When a sound device that is gone is started again, and how that is counted, whoever asks for it."""

from __future__ import annotations

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing
from pepys.record.ports import SoundSource
from pepys.record.sound import SoundInput
from pepys.record.sound_change import SoundState


def _missing(_name: str) -> SoundSource:
    raise DeviceMissing("no such device")


def test_tries_that_others_ask_for_neither_count_nor_hurry() -> None:
    clock = FakeClock(now_ns=limits.NS_PER_S)
    sound = SoundInput("audio.mic", "fake", 1, _missing, clock)
    sound.open()
    began_ns, counts = clock.now_ns(), [0]
    while counts[-1] < limits.RESTART_TRIES:
        clock.advance(500 * limits.NS_PER_MS)
        sound.open()  # as when the recording rests because the display died too, and begins again and again
        if sound.seen.tries.count != counts[-1]:
            counts.append(sound.seen.tries.count)
    assert counts == [0, 1, 2, 3, 4, 5]
    assert clock.now_ns() - began_ns == (1 + 2 + 4 + 8 + 16) * limits.NS_PER_S


def test_a_device_that_is_back_before_its_first_try_was_started_again_once() -> None:
    seen = SoundState()
    seen.tried(1)
    seen.came(2)
    assert seen.tries.restarts == 0
    seen.went(3, "it died")
    seen.tried(4)
    seen.came(5)
    assert (seen.state, seen.tries.count, seen.tries.restarts) == ("healthy", 0, 1)
    seen.went(6, "it died")
    seen.tried(seen.retry_ns)
    seen.came(seen.retry_ns + 1)
    assert (seen.tries.count, seen.tries.restarts) == (1, 2)
