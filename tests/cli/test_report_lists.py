# SPDX-License-Identifier: GPL-2.0-only
"""`report list`, `compare`, `history` and `flaky`: what is asked of several runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rich.cells import cell_len

from mermapctl.commands import history as questions
from mermapctl.commands.compare import compare
from mermapctl.commands.history import bytes_of
from mermapctl.commands.moments import moment
from mermapctl.console.ktap import Status
from mermapctl.errors import Exit, UserError
from mermapctl.judge.repeats import wilson
from mermapctl.records.bisect_facts import Bisect, BisectOutcome
from mermapctl.records.previous import previous
from mermapctl.records.record import Cell, Phases, RunRecord, new_run
from mermapctl.records.store import Filters, Store
from mermapctl.render.terminal import comparison, runs
from mermapctl.render.terminal.columns import columns
from mermapctl.render.terminal.runs import Sheet
from mermapctl.render.terminal.text import Look
from tests import sample_records as samples
from tests.cli.stored_runs import document, kept, report

# Lists.


def test_list_as_a_table_and_as_json() -> None:
    kept(samples.passed(), "20260101-a")
    kept(samples.failed(), "20260102-b")
    kept(samples.multi_cell(), "20260103-c")
    kept(samples.no_verdict(), "20260104-d")
    result = report("list")
    assert result.exit_code == Exit.PASSED
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == ["Run", "20260104-d", "20260103-c", "20260102-b",
                                           "20260101-a", "4 runs"]  # fmt: skip
    assert "~ boot-failed" in lines[1]
    assert "✗ failed" in lines[2]
    assert "x86_64/base +7  7.3.4   fcf46f19ecac" in result.stdout
    assert "2.1+33.9+1.4 s" in lines[4][-1]
    assert [run["id"] for run in document("list", "--failed")["runs"]] == [
        "20260103-c",
        "20260102-b",
    ]
    assert document("list", "--variant", "rt")["runs"][0]["cells"][-1]["reason"] == "boot-failed"
    assert "1 of 4 runs" in report("list", "--limit", "1").stdout


def test_an_empty_list() -> None:
    assert report("list").stdout == "0 runs\n"
    assert document("list") == {"schema": 1, "runs": []}


def test_an_unreadable_run_is_listed_with_the_reason() -> None:
    record = kept(samples.passed(), "20260101-a")
    Store.open().folder(record.run.id).record.write_bytes(b"{")
    (Store.open().root / "store.sqlite3").unlink()
    result = report("list")
    assert "~ unreadable" in result.stdout
    assert "is damaged" in result.stdout


@pytest.mark.parametrize(
    ("text", "start"),
    [("2026-01-31", "2026-01-3"), ("2026-01-31T12:00+00:00", "2026-01-31T12:00:00.000Z")],
)
def test_points_in_time(text: str, start: str) -> None:
    assert moment(text).startswith(start)


def test_ages_and_dates_become_moments() -> None:
    now = new_run(("x",)).started
    assert moment("2w") < moment("7d") < moment("36h") < moment("5m") < now
    for text in ("the day before", "7x", "2026-13-01", "-3d"):
        with pytest.raises(UserError, match="no point in time"):
            moment(text)


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("2K", 2048), ("1.5M", 1_572_864), ("5G", 5 << 30)]
)
def test_sizes_become_bytes(text: str, size: int) -> None:
    assert bytes_of(text) == size
    with pytest.raises(UserError, match="is no size"):
        bytes_of(text + "x")


# Comparison.


def test_compare_lists_new_and_fixed_failures() -> None:
    kept(samples.passed(), "1")
    slow = samples.cell_missing_flush()
    slow = dataclasses.replace(slow, phases=Phases(2.1, 80.0, 1.4))
    kept(samples.record(slow), "2")
    result = report("compare", "1", "2")
    assert result.exit_code == Exit.FAILED
    assert "A  1  ✓ PASSED" in result.stdout
    assert "B  2  ✗ FAILED" in result.stdout
    row = "✗ newly failing  mermap.test_tlb_flushed  passed → failed  x86_64/base  missing-flush"
    assert row in result.stdout
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["test_tlb_flushed,", "counted", "1", "0", "x86_64/base"] in rows
    assert ["build", "33.9", "s", "80.0", "s", "2.4", "x", "x86_64/base"] in rows
    moved = ["mermap.test_tlb_flushed", "0.030", "s", "0.310", "s", "10.3", "x", "x86_64/base"]
    assert moved in rows
    assert "1 newly failing" in result.stdout
    back = report("compare", "2", "1")
    assert back.exit_code == Exit.PASSED
    assert "✓ fixed" in back.stdout
    same = report("compare", "2", "2")
    assert same.exit_code == Exit.PASSED
    assert "1 still failing" in same.stdout


def bisected(outcome: BisectOutcome, run_id: str, **facts: Any) -> None:
    found = Bisect("a" * 40, "b" * 40, 7, 0.95, "x86_64", "base", outcome, **facts)
    kept(dataclasses.replace(samples.failed(), bisect=found), run_id)


def test_compare_passes_over_a_bisect() -> None:
    kept(samples.passed(), "1")
    bisected(BisectOutcome.FOUND, "2", culprit="c" * 40)
    only = report("compare")
    assert isinstance(only.exception, UserError)
    assert "the others are bisects" in only.exception.message
    kept(samples.failed(), "3")
    bisected(BisectOutcome.FOUND, "4", culprit="c" * 40)
    for words in ((), ("1",), ("1", "3")):
        made = document("compare", *words)["comparison"]
        assert (made["a"], made["b"]) == ("1", "3")
        assert ("4 is a bisect, and is passed over" in made["notes"]) == (len(words) < 2)
        assert report("compare", *words).exit_code == Exit.FAILED
    for words in (("2",), ("1", "2"), ("latest", "3")):
        refused = report("compare", *words)
        assert isinstance(refused.exception, UserError)
        assert "is a bisect: its kernels are those of many commits" in refused.exception.message


def test_a_bisect_is_listed_with_what_it_found() -> None:
    bisected(BisectOutcome.FOUND, "1", culprit="c" * 40)
    bisected(BisectOutcome.RANGE, "2", suspects=("c" * 40, "d" * 40))
    bisected(BisectOutcome.WRONG_ENDS, "3")
    kept(samples.failed(), "4")
    said = report("list").stdout
    for words in ("first bad cccccccccccc", "first bad: one of 2", "bisect: wrong ends"):
        assert words in said
    assert said.count("failed") == 1
    assert "first bad cccccccccccc" in report("list", "--format=html").stdout
    outcomes = [row["outcome"] for row in document("list")["runs"]]
    assert outcomes[0] is None
    assert outcomes[-1] == "first bad cccccccccccc"
    first = Store.open().get("1")
    assert previous(first) is None
    assert previous(Store.open().get("4")) is None


def test_no_verdict_is_not_newly_failing() -> None:
    kept(samples.passed(), "1")
    kept(samples.no_verdict(), "2")
    made = document("compare", "1", "2")["comparison"]
    assert made["tests"] == []
    assert made["notes"] == ["B has no verdict for x86_64/base -> x86_64/rt (boot-failed)"]
    assert "\nnothing to compare\n" in report("compare", "1", "2").stdout
    assert report("compare", "1", "2").exit_code == Exit.PASSED


def test_cells_are_matched_by_name() -> None:
    kept(samples.multi_cell(), "1")
    kept(samples.record(samples.cell_warning(), samples.cell_passed(variant="new")), "2")
    made = document("compare", "1", "2")["comparison"]
    assert "x86_64/new is only in B" in made["notes"]
    assert "x86_64/base is only in A" in made["notes"]
    assert [(row["change"], row["codes"]) for row in made["findings"]] == [
        ("still failing", ["kernel-warning"])
    ]


# History.


def clean(record: RunRecord, commit: str) -> RunRecord:
    cells = tuple(dataclasses.replace(cell, commit=commit) for cell in record.cells)
    tree = dataclasses.replace(record.tree, commit=commit)
    return dataclasses.replace(record, cells=cells, tree=tree)


def test_history_of_a_test() -> None:
    kept(clean(samples.passed(), "a" * 40), "1")
    kept(clean(samples.failed(), "b" * 40), "2")
    kept(samples.no_verdict(), "3")
    result = report("history", "test_tlb_flushed")
    rows = result.stdout.splitlines()
    assert rows[1].split() == ["2", *rows[1].split()[1:3], "b" * 12, "x86_64/base", "✗", "failed",
                               "0", "of", "1", "0.310"]  # fmt: skip
    assert rows[2].split()[-5:] == ["of", "1,", "1", "observed", "0.030"]
    assert "outcomes  ✓✗" in result.stdout
    assert "seconds   ▁█  0.030 to 0.310" in result.stdout
    made = document("history", "mermap.test_size", "--commit", "aaaa")["history"]
    assert [(row["run"], row["status"]) for row in made] == [("1", "passed")]


def test_an_unknown_test_gets_a_hint() -> None:
    kept(samples.passed())
    result = report("history", "test_tlb_flush")
    assert isinstance(result.exception, UserError)
    assert "Did you mean test_tlb_flushed" in str(result.exception.hint)


@pytest.mark.parametrize(
    ("bad", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 1000, 0.0002, 0.0056),
    ],
)
def test_the_wilson_interval(bad: int, total: int, low: float, high: float) -> None:
    """The reference is the closed form, rounded as in published tables."""
    assert wilson(bad, total) == pytest.approx((low, high), abs=5e-5)


def test_flaky_tests_and_their_rate() -> None:
    steady = clean(samples.passed(), "a" * 40)
    shaky = clean(samples.failed(), "a" * 40)
    for number in range(9):
        kept(steady, f"1{number}")
    kept(shaky, "20")
    kept(clean(samples.failed(), "b" * 40), "30")  # another commit: no contradiction
    dirty = dataclasses.replace(shaky.tree, dirty=True)
    kept(dataclasses.replace(shaky, tree=dirty), "40")  # another tree
    other = dataclasses.replace(shaky.cells[0], kernel_args=("nopti",))
    kept(dataclasses.replace(shaky, cells=(other,)), "50")  # another configuration
    skipped = dataclasses.replace(
        steady.cells[0].suites[0].tests[0], status=Status.SKIPPED, reason="no"
    )
    suite = dataclasses.replace(steady.cells[0].suites[0], tests=(skipped,))
    cell = dataclasses.replace(steady.cells[0], suites=(suite,))
    kept(dataclasses.replace(steady, cells=(cell,)), "60")  # a skip is no outcome
    (row,) = document("flaky")["flaky"]
    assert (row["test"], row["bad"], row["runs"]) == ("test_tlb_flushed", 1, 10)
    assert (row["low"], row["high"]) == pytest.approx((0.0179, 0.4042), abs=5e-5)
    table = report("flaky").stdout
    assert "mermap.test_tlb_flushed" in table
    assert "10.0%  1.8% to 40.4%" in table
    assert "no test both passed and failed" in report("flaky", "--variant", "kasan").stdout


def test_an_ok_test_with_an_error_finding_counts_as_failed() -> None:
    """A test with a complaint of the kernel or of the trace counts as failed over time."""
    good = clean(samples.passed(), "a" * 40)
    warned = clean(samples.record(samples.cell_warning()), "a" * 40)
    kept(good, "1")
    kept(dataclasses.replace(warned, cells=(in_base(warned.cells[0]),)), "2")
    forth = report("compare", "1", "2")
    assert forth.exit_code == Exit.FAILED
    row = "✗ newly failing  mermap.test_basic_alloc  passed → complaint  x86_64/base"
    assert f"{row}  kernel-warning" in forth.stdout
    assert "1 newly failing" in forth.stdout
    back = report("compare", "2", "1")
    assert back.exit_code == Exit.PASSED
    assert "complaint → passed" in back.stdout
    table = report("history", "test_basic_alloc").stdout
    assert "✗ complaint" in table
    assert "outcomes  ✓✗" in table
    (row,) = document("history", "test_basic_alloc", "--failed")["history"]
    assert (row["run"], row["status"], row["complaint"]) == ("2", "passed", "kernel-warning")
    (row,) = document("flaky")["flaky"]
    assert (row["test"], row["bad"], row["runs"]) == ("test_basic_alloc", 1, 2)


def in_base(cell: Cell) -> Cell:
    return dataclasses.replace(cell, variant="base")


@pytest.mark.parametrize("width", [80, 81, 100, 120, 200])
def test_lists_fit_into_a_terminal(width: int) -> None:
    traced = clean(samples.traced(), "a" * 40)
    cells = (*samples.multi_cell().cells, *traced.cells)
    for number, chosen in enumerate((cells, cells[::-1], samples.traced(stale=False).cells)):
        record = samples.record(*(dataclasses.replace(cell, commit="a" * 40) for cell in chosen))
        kept(clean(record, "a" * 40), f"20260101-12000{number}-123abcd")
    store, sheet = Store.open(), Sheet(Look(), width=width)
    said = [
        runs.runs(store.list(), store.count(), sheet),
        runs.history(questions.test_history(store, "test_tlb_flushed", Filters()), sheet),
        runs.flaky(questions.flaky(store, Filters()), sheet),
        comparison.render(compare(store, "latest~2", "latest~1"), sheet),
        comparison.render(compare(store, "latest~1", "latest"), sheet),
    ]
    for line in "".join(said).splitlines():
        assert cell_len(line) <= width


def test_a_column_with_one_value_is_dropped_first() -> None:
    rows = [[("a", ""), ("x" * 9, ""), (cell, "")] for cell in ("one", "two")]
    heads, going = ("Run", "Commit", "Cell"), ("Cell", "Commit")
    for width, row in ((12, "a    one"), (4, "a")):
        made = columns(heads, rows, color=False, width=width, optional=going)
        assert made.split("\n")[1] == row
