# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> what a reader wants first: the worst finding, its assertion, the totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.console.ktap import NO_TESTS, Status
from mermapctl.judge.flush_table import UNSEEN
from mermapctl.judge.result_types import Finding, Severity, Verdict
from mermapctl.records.record import Cell
from mermapctl.render.account import CellRows, Row, failure_block, why

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mermapctl.console.ktap import Failure
    from mermapctl.judge.result_types import Flush
    from mermapctl.records.record import RunRecord


_ASSERTIONS = 3
"""Assertions shown with one finding."""


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell with its rows; `id` begins the ids of its elements."""

    id: str
    label: str
    cell: Cell
    account: CellRows


@dataclass(frozen=True, slots=True)
class Headline:
    """The sentence that explains the verdict, and where it leads; `finding` is null without one."""

    target: str
    text: str
    view: CellView
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class FlushTile:
    """The flushes of a cell; `tone` is that of the tests that assert them."""

    tone: str
    number: str
    words: str


@dataclass(frozen=True, slots=True)
class SharedFinding:
    """A finding with the cells that have it, as link targets and labels."""

    finding: Finding
    assertions: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]


def headline(views: Sequence[CellView]) -> Headline | None:
    """Return the worst finding, else the reason for having no verdict; null without both."""
    order = list(Severity)
    found = [
        ((order.index(f.severity), view.cell.verdict is not Verdict.FAILED), view, n, f)
        for view in views
        for n, f in enumerate(view.cell.findings)
    ]
    silent = next((v for v in views if v.cell.verdict is Verdict.NO_VERDICT), None)
    if silent and all(v.cell.verdict is not Verdict.FAILED for v in views):
        return Headline(silent.id, f"No verdict: {why(silent.cell)}", silent)
    worst = min(found, key=lambda item: item[0], default=None)
    if worst is None:
        return None
    _, view, number, finding = worst
    where = f"{view.label}: " if len(views) > 1 else ""
    return Headline(f"{view.id}-f{number}", f"{where}{finding.summary}", view, finding)


def shared_errors(views: Iterable[CellView]) -> tuple[SharedFinding, ...]:
    """Return each error once, with all cells that have it."""
    found: dict[tuple[str, str | None, str], SharedFinding] = {}
    for view in views:
        for n, finding in enumerate(view.cell.findings):
            if finding.severity is not Severity.ERROR:
                continue
            key = finding.code, finding.test, finding.summary
            known = found.get(key)
            here = (f"{view.id}-f{n}", view.label)
            if known is None:
                found[key] = SharedFinding(finding, assertions(view.account, finding), (here,))
            else:
                found[key] = SharedFinding(known.finding, known.assertions, (*known.cells, here))
    return tuple(found.values())


def assertions(account: CellRows, finding: Finding) -> tuple[str, ...]:
    """Return the failed assertions that a finding explains, each as a block of lines."""
    for row in account.rows:
        if any(each is finding for each in row.findings):
            own = [each for each in row.test.failures if _is_at(each, finding)]
            if not own and row.findings[0] is finding:
                own = list(row.test.failures)
            return tuple(failure_block(each, row.path[-1]) for each in own[:_ASSERTIONS])
    return ()


def _is_at(failure: Failure, finding: Finding) -> bool:
    line = finding.console_line
    at = line is not None and failure.console_line == line
    return at or finding.where == f"{failure.file}:{failure.line}"


def flush_tile(account: CellRows, flushes: Iterable[Flush]) -> FlushTile | None:
    """Return the observed flushes of a cell, null where no test expects a number of them."""
    rows = [flush for flush in flushes if flush.expected is not None]
    if not rows:
        return None
    seen = [f.observed if f.observed is not None else f.counted for f in rows]
    number = "?" if None in seen else str(sum(n for n in seen if n is not None))
    wanted = sum(flush.expected or 0 for flush in rows)
    bad = [flush for flush in rows if flush_is_bad(account, flush)]
    if bad:
        return FlushTile("fail", number, bad[0].words.removeprefix(f"{number} "))
    unseen = all(flush.observed is None for flush in rows) and number != "?"
    words = f"of {wanted} expected" + f", {UNSEEN}" * unseen
    if number == str(wanted):
        return FlushTile("pass" if wanted else "note", number, words)
    good = all(_status(account, flush) is Status.SKIPPED for flush in rows)
    return FlushTile("skip" if good else "fail", number, words)


def flush_is_bad(account: CellRows, flush: Flush) -> bool:
    """Return whether the test of a row of the flush table did not pass."""
    return any(row.bad for row in _rows(account, flush))


def _status(account: CellRows, flush: Flush) -> Status | None:
    return next((row.test.status for row in _rows(account, flush)), None)


def _rows(account: CellRows, flush: Flush) -> list[Row]:
    return [row for row in account.rows if flush.test in (row.name, row.path[-1])]


def totals(record: RunRecord, views: Sequence[CellView]) -> dict[str, int]:
    """Count tests, findings, stale reuses and passed cells."""
    rows = [row for view in views for row in view.account.rows]
    more = sum((view.account.unlisted for view in views), NO_TESTS)
    findings = [finding for cell in record.cells for finding in cell.findings]
    return {
        "tests": len(rows) + more.total,
        "good": sum(not row.bad and row.test.status is not Status.SKIPPED for row in rows)
        + more.passed,
        "skipped": sum(row.test.status is Status.SKIPPED for row in rows) + more.skipped,
        "errors": sum(finding.severity is Severity.ERROR for finding in findings),
        "findings": len(findings),
        "stale": sum(p.stale_count for c in record.cells if c.trace for p in c.trace.timelines),
        "cells": sum(cell.verdict is Verdict.PASSED for cell in record.cells),
    }
