# SPDX-License-Identifier: GPL-2.0-only
"""When a watch starts and cancels runs, on a clock of the test."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.series_facts import Column, Series, SeriesCommit
from mermapctl.series.watch_schedule import Key, Narrowed, Schedule, narrowed, pressed
from tests import sample_records


def test_a_run_starts_when_the_last_save_has_settled() -> None:
    schedule = Schedule(settle=0.2)
    schedule.saved(10.0)
    schedule.saved(10.1)
    assert not schedule.is_due(10.25)
    assert schedule.is_due(10.31)


def test_a_save_cancels_a_run_whose_result_then_does_not_count() -> None:
    schedule = Schedule(settle=0.2)
    schedule.started()
    schedule.saved(10.0)
    assert schedule.cancelled
    assert not schedule.is_due(11.0)  # it has not ended yet
    assert not schedule.ended(12.0)
    assert schedule.is_due(12.0)
    schedule.started()
    assert schedule.ended(13.0)
    assert not schedule.is_due(99.0)


def test_a_commit_that_left_the_range_cancels_and_a_new_one_waits() -> None:
    schedule = Schedule()
    schedule.started(["a", "b"])
    schedule.moved(["a", "b", "c"], 10.0)
    assert not schedule.cancelled
    assert schedule.ended(20.0)
    assert schedule.is_due(20.0)
    schedule.started(["a", "b", "c"])
    schedule.moved(["a", "b2", "c2"], 21.0)
    assert schedule.cancelled
    assert not schedule.ended(22.0)
    assert schedule.is_due(22.0)


def test_a_save_after_a_new_commit_is_waited_for() -> None:
    schedule = Schedule(settle=1.0)
    schedule.started(["a"])
    schedule.moved(["a", "b"], 10.0)
    schedule.saved(10.5)
    assert not schedule.ended(10.6)
    assert not schedule.is_due(11.4)
    assert schedule.is_due(11.5)


def test_keys_choose_what_the_next_run_is() -> None:
    schedule = Schedule()
    schedule.pressed(Key.FAILED, 1.0)
    assert (schedule.plan.failed, schedule.plan.rerun) == (True, True)
    schedule.started()
    schedule.ended(2.0)
    schedule.saved(3.0)
    assert (schedule.plan.failed, schedule.plan.rerun) == (True, False)  # as it was said before
    schedule.pressed(Key.AGAIN, 4.0)
    assert schedule.plan.rerun
    schedule.pressed(Key.ALL, 5.0)
    assert (schedule.plan.failed, schedule.plan.rerun) == (False, True)


def test_a_cancelled_run_of_all_again_stays_one() -> None:
    schedule = Schedule()
    schedule.pressed(Key.ALL, 1.0)
    schedule.started()
    schedule.saved(2.0)
    schedule.ended(3.0)
    assert schedule.plan.rerun


@pytest.mark.parametrize(
    ("sent", "keys"),
    [("fA\r", [Key.FAILED, Key.ALL, Key.AGAIN]), ("x\x1b[Bq", [Key.QUIT]), ("\x04", [Key.QUIT])],
)
def test_other_keys_mean_nothing(sent: str, keys: list[Key]) -> None:
    assert pressed(sent) == keys


def _cell(variant: str, verdict: Verdict, commit: str | None = None) -> Cell:
    return Cell(target="x86_64", variant=variant, verdict=verdict, commit=commit)


def test_only_what_did_not_pass_is_run() -> None:
    bad = sample_records.record(
        _cell("base", Verdict.PASSED), _cell("smp", Verdict.FAILED), _cell("rt", Verdict.NO_VERDICT)
    )
    assert narrowed(bad) == Narrowed(("x86_64",), ("smp", "rt"))
    assert narrowed(sample_records.record(_cell("base", Verdict.PASSED))) is None
    assert narrowed(None) is None


def _series(*cells: Cell, work_tree: bool) -> RunRecord:
    commits = tuple(SeriesCommit(name, name) for name in "abc")
    series = Series("0", "c", commits, (Column("x86_64", "base"),), work_tree=work_tree)
    return dataclasses.replace(sample_records.record(*cells), series=series)


def test_of_a_series_the_commits_that_failed_and_those_between() -> None:
    absent = dataclasses.replace(_cell("smp", Verdict.NO_VERDICT, "a"), reason=Reason.ABSENT)
    first, middle, last = (_cell("base", Verdict.FAILED, name) for name in "abc")
    good = _cell("base", Verdict.PASSED, "c")
    one = narrowed(_series(absent, middle, good, work_tree=False))
    assert one == Narrowed(("x86_64",), ("base",), "a..b")
    assert narrowed(_series(first, last, work_tree=True)) == Narrowed(("x86_64",), ("base",), "0..")
    assert narrowed(_series(_cell("base", Verdict.FAILED, "0"), work_tree=True)) is None


EVENTS = st.lists(
    st.tuples(
        st.floats(0.01, 3.0),  # seconds since the event before
        st.sampled_from(["save", "amend", "commit", *Key]),
    ),
    max_size=12,
)


@given(EVENTS, st.floats(0.05, 4.0), st.sampled_from([0.2, 1.0]))
def test_whatever_comes_the_last_result_is_of_the_last_state(
    events: list[tuple[float, str]], lasting: float, settle: float
) -> None:
    schedule = Schedule(settle=settle, due=0.0)
    now, state, commits = 0.0, 0, ("a",)
    todo = [(sum(gap for gap, _ in events[: n + 1]), what) for n, (_, what) in enumerate(events)]
    running: tuple[float, int, bool] | None = None  # its end, the state that it has read, cancelled
    shown = None
    while todo or running or schedule.due is not None:
        now += 0.1
        assert now < 200
        while todo and todo[0][0] <= now:
            _, what = todo.pop(0)
            if what == "save":
                state += 1
                schedule.saved(now)
            elif what in {"amend", "commit"}:
                state += 1
                kept = commits if what == "commit" else commits[:-1]
                commits = (*kept, f"{state}")
                schedule.moved(commits, now)
            elif what is not Key.QUIT:
                schedule.pressed(Key(what), now)
        if running and schedule.cancelled:
            running = (now, running[1], True)
        if running and now >= running[0]:
            assert schedule.ended(now) is not running[2]
            shown = shown if running[2] else running[1]
            running = None
        if schedule.is_due(now):
            assert running is None
            schedule.started(commits)
            running = (now + lasting, state, False)
    assert shown == state
