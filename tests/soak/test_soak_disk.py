"""The store on a bad disk for minutes: the same machine as in `make test`, thousands of other examples.

Catches: the faults of tests/property/test_store_disk_machine.py that need a rarer order of calls.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.disk_flips import COSTS, OnARottingDisk

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

TestOnABadDiskForLong = OnARottingDisk.TestCase
TestOnABadDiskForLong.settings = settings(
    max_examples=4000, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_every_kind_of_fault_struck() -> None:
    """The run above was no idle one."""
    struck = {kind.split()[0] for kind in OnARottingDisk.seen}
    assert struck >= {"open", "write", "sync_data", "replace", "unlink", "sync_folder", "read", "touch"}
    hit = set(OnARottingDisk.flips)
    assert hit >= set(COSTS) - {"list"}, "each kind of file that is often there was hit by a flipped bit"
