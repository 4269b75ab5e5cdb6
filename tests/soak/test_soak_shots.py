"""The labelled sessions of shots, many more of them than a usual run plays."""

from __future__ import annotations

import pytest

from tests.near_measured import measured


@pytest.mark.soak
@pytest.mark.parametrize("seed", [101, 202, 303])
def test_of_text_that_changes_all_is_kept_and_little_besides(seed: int) -> None:
    found = measured(rounds=25, seed=seed)
    print(found.table())
    assert found.cases >= 1000
    assert found.recall >= 0.99, found.table()
    assert found.precision >= 0.9, found.table()
