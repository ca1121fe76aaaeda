# SPDX-License-Identifier: GPL-2.0-only
"""Instructions summarized and compared."""

from __future__ import annotations

import pytest

from mermapctl.judge import cost
from mermapctl.judge.cost import CallCost, Cost, CostChange, TestCost
from mermapctl.judge.result_types import Severity


def counted(get: int, test: int) -> Cost:
    calls = cost.of_calls({"get": [get, get + 2, 9000], "put": [300], "flush": []})
    return Cost(7.5, "smp=1", calls, (TestCost("test_size", test),))


def test_a_usual_call_is_the_median() -> None:
    calls = cost.of_calls({"get": [430, 410, 9000, 412], "put": [300], "flush": []})
    assert calls == (
        CallCost("get", 4, 412, 410, 9000, 10252),
        CallCost("put", 1, 300, 300, 300, 300),
    )
    assert cost.worded(calls) == "instructions (median): a get 412, a put 300"
    assert cost.worded(()) == ""


@pytest.mark.parametrize(
    ("after", "limit", "named"),
    [
        (counted(400, 1000), 0.1, None),
        (counted(440, 1000), 9.9, "get takes 442 instructions, 10.0 % more than 402 in run A"),
        (counted(440, 1000), 10.0, None),
        (counted(400, 1100), 10.0,
         "test_size takes 1,100 instructions, 10.0 % more than 1,000 in run A"),
        (counted(300, 1000), 1.0, None),  # cheaper
        (counted(440, 1500), 5.0,
         "test_size takes 1,500 instructions, 50.0 % more than 1,000 in run A, and 1 more"),
    ],
)  # fmt: skip
def test_a_rise_is_a_warning_from_the_limit_on(
    after: Cost, limit: float, named: str | None
) -> None:
    found = cost.finding(cost.changes(counted(400, 1000), after), limit, "run A")
    if named is None:
        assert found is None
        return
    assert found is not None
    assert (found.code, found.severity, found.summary) == (cost.DEARER, Severity.WARNING, named)


def test_what_only_one_of_two_has_did_not_change() -> None:
    bare = Cost(1.0, "smp=1")
    assert cost.changes(bare, counted(1, 1)) == cost.changes(counted(1, 1), bare) == ()
    assert cost.changes(counted(400, 0), counted(402, 7)) == (CostChange("get", 402, 404),)
