# SPDX-License-Identifier: GPL-2.0-only
"""A cell with the result of the stress suite's boot; the same for `run` and `report rejudge`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mermapctl.console.ktap import Failure, Status, Suite, Test
from mermapctl.judge import leaf_tests, stress
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.judge.stress import StressSummary
from mermapctl.records.cell_verdict import judge_boot
from mermapctl.records.record import Cell
from mermapctl.system.inputs import open_regular
from mermapctl.trace.exercised import Exercise


def judged(cell: Cell, summary: StressSummary) -> Cell:
    """Return a cell with the judgement of the stress suite's boot alone.

    It passes only if the test that runs its histories has run. Raises OSError.
    """
    blank = replace(
        cell,
        suite=stress.SUITE, suites=(), splats=(), flushes=(), findings=(), trace=None,
        not_exercised=None, notes=(), counts=None,
    )  # fmt: skip
    with open_regular(Path(summary.console or "")) as console:
        alone = judge_boot(blank, summary.boot, console)
    if alone.verdict is Verdict.PASSED and (why := _not_run(alone, summary)):
        return replace(alone, verdict=Verdict.NO_VERDICT, reason=Reason.HARNESS_ERROR, detail=why)
    return alone


def _not_run(alone: Cell, summary: StressSummary) -> str | None:
    """Return why a boot without a failure shows nothing; None if it has run its histories."""
    tests = {test.name: test for suite in alone.suites for test in suite.tests}
    pair = summary.given is not None and "|" in summary.given
    needed = stress.TWO if pair else stress.ONE
    test = tests.get(needed)
    if test is not None and test.status is Status.PASSED:
        return None
    reason = f": {test.reason}" if test and test.reason else ""
    return f"{needed} did not run{reason}"


def errors(cell: Cell) -> tuple[Finding, ...]:
    """Return the findings that fail a cell."""
    return tuple(each for each in cell.findings if each.severity is Severity.ERROR)


def with_stress(cell: Cell, summary: StressSummary) -> Cell:
    """Add the stress suite's boot to a judged cell: its suite, its findings, its verdict.

    A cell that passed has no verdict if that boot has none: it was asked for, and shows nothing.
    Raises OSError.
    """
    with open_regular(Path(summary.console or "")) as console:
        histories = len(stress.shown(console))
    return added(cell, judged(cell, summary), replace(summary, histories=histories))


def added(cell: Cell, alone: Cell, summary: StressSummary) -> Cell:
    """Do the same with that boot's judgement, which is `judged`, and the number of histories."""
    codes = [each.code for each in errors(alone)]
    if summary.code not in (None, *codes):  # judged again, it is another finding
        summary = replace(summary, code=None, history=None, shrunk=None, table=None)
    told = stress.with_words(
        replace(
            summary,
            verdict=alone.verdict, reason=alone.reason, detail=alone.detail,
            code=summary.code or next(iter(codes), None),
            traced=alone.not_exercised is not None,
        )
    )  # fmt: skip
    suites = (*cell.suites, *map(_elsewhere, alone.suites))
    whole = replace(
        cell,
        suites=suites,
        splats=(*cell.splats, *(replace(each, line=0, last_line=None) for each in alone.splats)),
        findings=(*cell.findings, *(_named(each, told) for each in alone.findings)),
        counts=leaf_tests.counted(suites, cell.unlisted),
        not_exercised=_not_exercised(cell, alone),
        stress=told,
    )
    if cell.verdict is not Verdict.PASSED or alone.verdict is Verdict.PASSED:
        return whole
    detail = f"the stress suite: {alone.detail or alone.reason or 'no reason'}"
    if alone.verdict is Verdict.FAILED:
        return replace(whole, verdict=Verdict.FAILED)
    reason = alone.reason or Reason.HARNESS_ERROR
    return replace(whole, verdict=Verdict.NO_VERDICT, reason=reason, detail=detail)


def again(cell: Cell, summary: StressSummary) -> Cell:
    """Return a cell that was judged again with its stress suite judged again. Raises OSError."""
    if summary.console is None:
        return without_boot(cell, summary, summary.detail or "it has no console")
    return with_stress(cell, summary)


def without_boot(cell: Cell, summary: StressSummary, why: str) -> Cell:
    """Return a cell whose stress suite was asked for, and did not run."""
    reason = Reason.HARNESS_ERROR
    told = stress.with_words(replace(summary, reason=reason, detail=why))
    cell = replace(cell, stress=told)
    if cell.verdict is not Verdict.PASSED:
        return cell
    detail = f"the stress suite did not run: {why}"
    return replace(cell, verdict=Verdict.NO_VERDICT, reason=reason, detail=detail)


def _not_exercised(cell: Cell, alone: Cell) -> tuple[str, ...] | None:
    """Return what neither boot exercised; the stress suite itself reads each page of a mapping."""
    if cell.not_exercised is None or alone.not_exercised is None:
        return cell.not_exercised
    left = {*alone.not_exercised} - {str(Exercise.PAGES), str(Exercise.LATER_PAGES)}
    return tuple(each for each in cell.not_exercised if each in left)


def _elsewhere(suite: Suite) -> Suite:
    """Return a suite without its lines: they are of the console of its own boot."""
    return replace(
        suite,
        console_line=None, last_line=None,
        failures=_unplaced(suite.failures), tests=tuple(map(_test_elsewhere, suite.tests)),
    )  # fmt: skip


def _test_elsewhere(test: Test) -> Test:
    return replace(test, console_line=None, failures=_unplaced(test.failures))


def _unplaced(failures: tuple[Failure, ...]) -> tuple[Failure, ...]:
    return tuple(replace(each, console_line=None, file=_source(each.file)) for each in failures)


def _source(place: str | None) -> str | None:
    """Return a place in the module by the path of its source, not of the copy that was built."""
    _, found, rest = (place or "").rpartition(f"/{stress.PLACE}/")
    return f"kernel/stress/{rest}" if found else place


def _named(finding: Finding, summary: StressSummary) -> Finding:
    """Return a finding of the stress suite with the place of its console lines, and its history."""
    place = Path(summary.console or "").name
    evidence = {**finding.evidence, "console": f"{place}:{finding.console_line or 1}"}
    if summary.shrunk and finding.code == summary.code:
        evidence["history"] = summary.shrunk
    return replace(finding, evidence=evidence, console_line=None, where=_source(finding.where))
