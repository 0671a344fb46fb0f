"""The guard's comparison: what counts as slower, and how it is said. Nothing is timed here."""

import pytest
from benchmarks.guard import find_falls

STORED = {"kernel": 40.0, "step": 2.5}


def test_as_fast_or_faster_is_no_fall():
    assert find_falls(STORED, STORED) == []
    assert find_falls({"kernel": 400.0, "step": 2.6}, STORED) == []


@pytest.mark.parametrize(("ratio", "n_falls"), [(28.1, 0), (27.9, 1)])
def test_thirty_per_cent_is_the_border(ratio, n_falls):
    assert len(find_falls({**STORED, "kernel": ratio}, STORED)) == n_falls


def test_only_what_fell_is_named_with_both_ratios():
    assert find_falls({"kernel": 41.0, "step": 1.0}, STORED) == [
        "step: 1.0 times as fast, stored 2.5 (60 % less)"
    ]


def test_what_is_not_measured_any_more_is_a_fall():
    assert find_falls({"kernel": 40.0}, STORED) == ["step: stored, and not measured any more"]


def test_what_is_new_has_nothing_to_fall_from():
    assert find_falls({**STORED, "new": 0.1}, STORED) == []
