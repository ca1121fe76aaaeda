# SPDX-License-Identifier: GPL-2.0-only
"""A test whose fault is told at another test carries its mark, in every list of tests."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mermapctl.commands import judge_log
from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.judge import leaf_tests
from mermapctl.judge.result_types import Finding, Severity, Verdict
from mermapctl.judge.root_cause import Draft, merge
from mermapctl.records.record import Cell
from mermapctl.render import renderer
from mermapctl.render.account import account
from mermapctl.render.terminal import record as terminal
from tests import sample_records as samples
from tests.tables import LOGS

CONSOLE = LOGS / "trace-counted-not-done.log"
MARK = "passed, but stale-reuse"


def judged(path: Path = CONSOLE) -> Cell:
    record = judge_log.of_logs([str(path)], ("mermapctl",), suite=None, allow_splats=False)
    (cell,) = record.cells
    return cell


def test_each_test_in_which_a_rule_was_broken_is_marked() -> None:
    """The trace reports stale-reuse once, for test_size; test_tlb_flushed broke the rule too."""
    cell = judged()
    (finding,) = [each for each in cell.findings if each.code == "stale-reuse"]
    assert (finding.test, finding.evidence["tests"]) == ("test_size", "test_size, test_tlb_flushed")
    codes = {leaf.name: leaf.codes for leaf in leaf_tests.leaves(cell)}
    assert codes["test_size"] == ("stale-reuse",)
    assert codes["test_tlb_flushed"] == ("counter-mismatch", "stale-reuse")
    assert (codes["test_basic_alloc"], codes["test_multiple_allocs"]) == ((), ())


def of_one_cause() -> Cell:
    """The suite's missing-flush explains a stale reuse in another test, which printed ok."""
    cause = samples.cell_missing_flush().findings[0]
    effect = Finding(
        "stale-reuse", Severity.ERROR, "handed out again", "test_size", {}, console_line=3
    )
    told = merge([Draft(cause), Draft(effect)])
    return dataclasses.replace(samples.cell_missing_flush(), findings=told)


def test_what_follows_from_a_finding_marks_its_test() -> None:
    cell = of_one_cause()
    (finding,) = cell.findings
    assert (finding.code, finding.evidence["also in"]) == ("missing-flush", "test_size")
    record = samples.record(cell)
    said = "passed, but missing-flush"
    brief = terminal.render(record, width=80, color=False)
    assert re.search(rf"^test_size +✗ {said}", brief, re.MULTILINE)
    assert said in terminal.render(record, width=100, color=False, full=True)
    for form in ("html", "markdown", "email"):
        assert said in " ".join(renderer(form)(record).split()), form
    assert renderer("junit")(record).count("<failure") == 2
    (row,) = [each for each in account(cell).rows if each.name == "test_size"]
    assert row.failed_by_finding
    place = next(line for line in brief.splitlines() if line.startswith("test_size"))
    assert "mermap_kunit.c" not in place  # that is the place in the other test


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.NOTE])
def test_a_remark_marks_no_test(severity: Severity) -> None:
    cause = samples.cell_missing_flush().findings[0]
    effect = Finding("stale-reuse", severity, "handed out again", "test_size", {}, console_line=3)
    (finding,) = merge([Draft(cause), Draft(effect)])
    assert "also in" not in finding.evidence


def test_merging_again_forgets_no_test() -> None:
    once = of_one_cause().findings
    assert merge(map(Draft, once))[0].evidence["also in"] == "test_size"


def test_a_name_of_two_tests_is_marked_for_none() -> None:
    tests = (Test("test_size", Status.PASSED, 0.1),)
    twins = tuple(Suite(name, Status.PASSED, tests) for name in ("one", "two"))
    finding = Finding("x", Severity.ERROR, "said", "test_other", {"also in": "test_size"})
    cell = samples.cell_passed(verdict=Verdict.FAILED, suites=twins, findings=(finding,))
    assert not any(row.bad for row in account(cell).rows)
