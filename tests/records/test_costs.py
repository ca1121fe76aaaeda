# SPDX-License-Identifier: GPL-2.0-only
"""Costs of runs in the store: compared with the run before, over time, never across QEMUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mermapctl.commands import history as questions
from mermapctl.errors import UserError
from mermapctl.judge import cost
from mermapctl.judge.cost import CallCost, Cost, TestCost
from mermapctl.records import comparison, costs
from mermapctl.records.comparison import Moved
from mermapctl.records.record import Cell, RunRecord, State
from mermapctl.records.rows import Filters
from mermapctl.records.store import Store
from mermapctl.render.terminal import comparison as table
from mermapctl.render.terminal import costs as tables
from mermapctl.render.terminal.plain import PlainLook
from mermapctl.render.terminal.runs import Sheet
from tests import sample_records as samples

GUEST = "suite=mermap smp=1 seed=1 shift=0"


def cell(get: int, test: int = 1000, guest: str = GUEST) -> Cell:
    calls = (CallCost("get", 512, get, get - 2, 9000, 512 * get),)
    counted = Cost(7.5, guest, calls, (TestCost("test_size", test),), cost.worded(calls))
    return replace(samples.cell_passed(), cost=counted)


def run(
    number: int, cell: Cell, qemu: str | None = "QEMU 7.2.22", path: str = "/src/linux"
) -> RunRecord:
    made = samples.record(cell, id=f"20261123-07051{number}-000abcd")
    assert made.run.host is not None
    host = replace(made.run.host, qemu=qemu)
    return replace(made, run=replace(made.run, host=host), tree=replace(made.tree, path=path))


def stored(record: RunRecord) -> RunRecord:
    running = replace(record, run=replace(record.run, state=State.RUNNING))
    Store.open().begin(running)
    Store.open().finish(running)
    return record


@pytest.mark.parametrize(
    ("before", "than"),
    [
        ([run(1, cell(400))], "run 20261123-070511-000abcd (commit fcf46f19ecac)"),
        ([run(1, cell(300)), run(2, cell(400))], "run 20261123-070512-000abcd (commit "),
        ([run(1, cell(400)), run(2, samples.cell_passed())], "run 20261123-070511-000abcd"),
        ([run(1, cell(400)), run(2, cell(1), qemu="QEMU 10.0.2")], "run 20261123-070511-000abcd"),
        ([run(1, cell(400)), run(2, cell(1, guest="smp=2"))], "run 20261123-070511-000abcd"),
        ([run(1, cell(400)), run(2, cell(1), path="/src/other")], "run 20261123-070511-000abcd"),
        ([run(1, cell(400), qemu="QEMU 10.0.2")], None),
        ([run(1, cell(400), qemu=None)], None),
        ([run(8, cell(400))], None),  # later
        ([], None),
    ],
)  # fmt: skip
def test_a_cost_is_compared_with_the_last_run_of_the_same_kind(
    before: list[RunRecord], than: str | None
) -> None:
    for each in before:
        stored(each)
    now = run(5, cell(440))
    judged = costs.judged(now.cells[0], now, Store.open(), 5.0)
    if than is None:
        assert judged.findings == ()
        assert judged.notes[-1].startswith("the cost has nothing to be compared with")
        return
    (found,) = judged.findings
    assert found.code == cost.DEARER
    assert found.summary.startswith(f"get takes 440 instructions, 10.0 % more than 400 in {than}")
    assert found.evidence == {"get": "400 to 440 (+10.0 %)"}
    assert judged.verdict is now.cells[0].verdict


def test_below_the_limit_nothing_is_said() -> None:
    stored(run(1, cell(400)))
    now = run(5, cell(440))
    assert costs.judged(now.cells[0], now, Store.open(), 10.1) == now.cells[0]
    bare = samples.cell_passed()
    assert costs.judged(bare, now, Store.open(), 1.0) == bare


def test_two_runs_are_compared_in_per_cent() -> None:
    compared = comparison.compare(run(1, cell(400)), run(2, cell(440, test=990)))
    name = "x86_64/base"
    assert compared.costs == (
        Moved("get", name, 400, 440),
        Moved("test_size", name, 1000, 990),
    )
    text = table.render(compared, Sheet(PlainLook()))
    assert "+10.0 %" in text
    assert "-1.0 %" in text
    assert not compared.worse


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (run(2, cell(440), qemu="QEMU 10.0.2"), "QEMU differs (QEMU 7.2.22, QEMU 10.0.2)"),
        (run(2, cell(440, guest="smp=2")), "their guests differ"),
        (run(2, samples.cell_passed()), None),
    ],
)
def test_what_cannot_be_compared_is_not(other: RunRecord, words: str | None) -> None:
    compared = comparison.compare(run(1, cell(400)), other)
    assert compared.costs == ()
    said = [note for note in compared.notes if "costs" in note]
    assert said == ([f"what x86_64/base costs is not compared: {words}"] if words else [])


def test_a_cost_over_time() -> None:
    for each in (
        run(1, cell(400)), run(2, cell(440)), run(3, cell(100), qemu="QEMU 10.0.2"),
        run(4, samples.cell_passed()), run(5, cell(418)), run(6, cell(7), path="/src/other"),
    ):  # fmt: skip
        stored(each)
    points = questions.cost_history(Store.open(), "get", Filters())
    assert [(each.run[13:15], each.instructions, each.change) for each in points] == [
        ("16", 7, None), ("15", 418, -5.0), ("13", 100, None), ("12", 440, 10.0), ("11", 400, None),
    ]  # fmt: skip
    text = tables.history(points, Sheet(PlainLook()))
    assert "+10.0 %" in text
    assert "7 to 440" in text
    assert questions.cost_history(Store.open(), "get", Filters(limit=1)) == points[:1]
    (first, *_) = questions.cost_history(Store.open(), "mermap.test_size", Filters())
    assert (first.what, first.instructions) == ("test_size", 1000)


@pytest.mark.parametrize(("runs", "hint"), [([], "run --cost"), ([run(1, cell(4))], "get, test")])
def test_a_name_that_was_never_counted(runs: list[RunRecord], hint: str) -> None:
    for each in runs:
        stored(each)
    with pytest.raises(UserError, match="no stored run has counted") as raised:
        questions.cost_history(Store.open(), "test_sise", Filters())
    assert hint in (raised.value.hint or "")
