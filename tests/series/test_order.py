# SPDX-License-Identifier: GPL-2.0-only
"""Segments and budget: nothing left out, nothing twice, neighbours together."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.series import budget, order


def test_the_last_commit_of_a_long_range_comes_first() -> None:
    assert order.first([0, 1, 2], 1) == []
    assert order.first([0, 1, 2, 3, 4], 1) == [4]
    assert order.segments(list(range(6)), 1) == [[0, 1, 2, 3, 4, 5]]


def test_where_lanes_are_several_one_fills_the_cache_first() -> None:
    assert order.first([0, 1], 2) == [1]
    assert order.segments(list(range(6)), 2) == [[3, 4, 5], [0, 1, 2]]
    assert order.first([], 2) == []


@given(st.lists(st.integers(0, 99), min_size=1, max_size=60, unique=True), st.integers(1, 12))
def test_each_row_is_in_one_segment_of_neighbours(rows: list[int], lanes: int) -> None:
    rows = sorted(rows)
    made = order.segments(rows, lanes)
    assert sorted(row for segment in made for row in segment) == rows
    assert len(made) == min(lanes, len(rows))
    for segment in made:
        whole = sorted(segment)
        start = rows.index(whole[0])
        assert rows[start : start + len(whole)] == whole
        assert whole
    assert max(map(len, made)) - min(map(len, made)) <= 1


def test_jobs_are_divided_among_the_lanes() -> None:
    assert budget.of(10, 8, 3) == budget.Budget(3, 2)
    assert budget.of(2, 8, 3) == budget.Budget(2, 4)
    assert budget.of(10, 1, 4) == budget.Budget(4, 1)
    assert budget.of(11, 4) == budget.of(0, 4) == budget.Budget(1, 4)


def test_memory_and_cores_bound_the_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))
    monkeypatch.setattr(budget, "available_kb", lambda: 100_000_000)
    assert budget.of(52, 16) == budget.Budget(4, 4)
    assert budget.of(52, 16, cached=True) == budget.Budget(9, 1)
    assert budget.of(14, 16, cached=True) == budget.Budget(2, 8)
    assert budget.of(1000, 16) == budget.Budget(9, 1)
    monkeypatch.setattr(budget, "available_kb", lambda: 5_000_000)
    assert budget.of(1000, 16) == budget.Budget(2, 8)
    monkeypatch.setattr(budget, "available_kb", lambda: 500_000)
    assert budget.of(1000, 16) == budget.Budget(1, 16)
