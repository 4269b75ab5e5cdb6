"""The median that the recorder uses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from pepys.record.drift_slope import median

_NUMBERS = st.one_of(
    arrays.arrays(np.uint8, arrays.array_shapes(max_dims=2, max_side=9)),
    arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e9, 1e9)),
)


@given(_NUMBERS)
def test_it_is_that_of_numpy(values: NDArray[Any]) -> None:
    assert median(values) == float(np.median(values))


def test_what_a_recorder_judges_by_loads_no_masked_arrays() -> None:
    """Catches a megabyte and 30 ms of the recorder's loop in the middle of a recording: numpy loads them late."""
    script = """
import sys
from pepys.record.drift_slope import slope_of
assert slope_of([(t * 10e9, 3.0 * t) for t in range(200)]) is not None
print("numpy.ma" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False"]
