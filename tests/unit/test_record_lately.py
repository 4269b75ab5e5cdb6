"""What was refused lately, of a count that only grows."""

from __future__ import annotations

from pepys import limits
from pepys.limits import NS_PER_S
from pepys.record.lately import Lately


def test_only_what_came_lately_counts() -> None:
    refused = Lately(limits.REFUSED_LATELY_NS)
    assert refused.count(0, 5 * NS_PER_S) == 0
    assert refused.count(3, 10 * NS_PER_S) == 3
    assert refused.count(7, 40 * NS_PER_S) == 7, "one trouble, of which the last is half a minute ago"
    assert refused.count(7, 40 * NS_PER_S + limits.REFUSED_LATELY_NS - 1) == 7
    assert refused.count(7, 40 * NS_PER_S + limits.REFUSED_LATELY_NS) == 0
    assert refused.count(8, 600 * NS_PER_S) == 1, "the trouble before is over"


def test_trouble_anew_after_a_while_in_which_nobody_asked_counts_alone() -> None:
    refused = Lately(NS_PER_S)
    assert refused.count(4, 0) == 4
    assert refused.count(6, 100 * NS_PER_S) == 2
