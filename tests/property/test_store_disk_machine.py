"""The store on a disk that fails, forgets and tears, against a model of what it acknowledged.

Catches: a file that gets its name before its bytes are durable, a name that is acknowledged before its folder is, an
event that is acknowledged after a sync that failed, a torn tail that hides what comes after it, a head that steps back,
a recovery that cannot be repeated, a full disk that costs what was there before, a flipped bit that nobody names, or
that costs more than the piece it hit.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from tests.disk_flips import OnARottingDisk

TestOnABadDisk = OnARottingDisk.TestCase
# What fails is told as it is: salts differ from run to run, so that making it smaller can take minutes.
TestOnABadDisk.settings = settings(
    max_examples=24,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
