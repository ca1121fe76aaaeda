# SPDX-License-Identifier: GPL-2.0-only
"""The faults of a record in order: equal ones of several cells once, each with its assertion."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mermapctl.console.ktap import Failure, Status
from mermapctl.judge.result_types import Finding, Severity
from mermapctl.judge.witness_summary import LOG
from mermapctl.records.record import Cell, RunRecord
from mermapctl.render.account import BAD, CellRows, account
from mermapctl.trace.violations import FUNCTION

_LINE = re.compile(r":\d+\Z")
_ORDER = (Severity.ERROR, None, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding, or a failed test that no finding names (`finding` is None), and its cells.

    `name` is the finding's code or the test's status, `failure` the assertion that failed in the
    first cell, `console_line` is in the console of that cell.
    """

    kind: Severity | Status
    name: str
    test: str | None
    cells: tuple[Cell, ...]
    finding: Finding | None = None
    failure: Failure | None = None
    console_line: int | None = None

    @property
    def words(self) -> str:
        """Return the fault in words: ``early-flush in test_tlb_flushed``."""
        return f"{self.name} in {self.test}" if self.test else self.name

    @property
    def where(self) -> str | None:
        """Return FILE:LINE, or the file with the function; None where it is not known."""
        return (where(self.finding) if self.finding else None) or place(self.failure)

    @property
    def error(self) -> bool:
        """Return whether it fails its cells."""
        return self.finding is None or self.finding.severity is Severity.ERROR


def faults(record: RunRecord) -> list[Fault]:
    """Return the findings of all cells and the failed tests without one, errors first.

    A fault that says the same of the same test in several cells is one.
    """
    found: dict[tuple[object, ...], Fault] = {}
    for number, cell in enumerate(record.cells):
        for fault in _of_cell(cell):
            said = fault.finding.summary if fault.finding else None
            key: tuple[object, ...] = (fault.kind, fault.name, fault.test, fault.where, said)
            known = found.get(key)
            if known is not None and known.cells[-1] is not cell:
                found[key] = replace(known, cells=(*known.cells, cell))
            else:
                found[key if known is None else (*key, number, len(found))] = fault
    return sorted(found.values(), key=_rank)


def _rank(fault: Fault) -> int:
    return _ORDER.index(fault.finding.severity if fault.finding else None)


def _of_cell(cell: Cell) -> list[Fault]:
    told = account(cell)
    every = [
        Fault(
            finding.severity, finding.code, finding.test, (cell,), finding,
            _asserted(told, finding), finding.console_line,
        )
        for finding in cell.findings
    ]  # fmt: skip
    known = any(finding.severity is Severity.ERROR for finding in cell.findings)
    for row in told.rows:
        follows = known and row.test.status is Status.MISSING  # of what ended the suite
        if row.test.status in BAD and not (row.findings or row.cause or follows):
            failure = next(iter(row.test.failures), None)
            line = failure.console_line if failure else None
            status = row.test.status
            every.append(
                Fault(
                    status, status.value, row.name, (cell,), None, failure,
                    line or row.test.console_line,
                )
            )  # fmt: skip
    return every


def where(finding: Finding) -> str | None:
    """Return a finding's FILE:LINE, or its file with the function, None where it is not known."""
    function = str(finding.evidence.get(FUNCTION, "")).partition("+")[0]
    if finding.where and function and not _LINE.search(finding.where):
        return f"{finding.where}, {function}()"
    return finding.where


def place(failure: Failure | None) -> str | None:
    """Return the FILE:LINE of a failed assertion, None where the console does not name it."""
    return f"{failure.file}:{failure.line}" if failure and failure.file and failure.line else None


def assertion_words(failure: Failure) -> str:
    """Return a failed assertion in a sentence: ``Expected a == 0, but a == 1 (0x1)``."""
    values = ", ".join(f"{name} == {value}" for name, value in failure.values.items())
    words = [f"Expected {failure.expected}"] if failure.expected else []
    words += [f"but {values}" if words else values] if values else []
    said = ", ".join(words)
    return ": ".join(part for part in (said, failure.message) if part)


def _asserted(told: CellRows, finding: Finding) -> Failure | None:
    """Return the failed assertion that a finding is about: of its line, or of its place."""
    failures = [
        failure
        for row in told.rows
        if any(each is finding for each in row.findings)
        for failure in row.test.failures
    ]
    lines = [each for each in failures if each.console_line == finding.console_line]
    places = [each for each in failures if finding.where and place(each) == finding.where]
    return next(iter((*lines, *places)), None)


def witness_place(fault: Fault) -> str | None:
    """Return the witness log's path with the first line that a finding names; None for no such."""
    log = fault.cells[0].artifacts.witness
    values = fault.finding.evidence.values() if fault.finding else ()
    named = re.search(rf"\b{re.escape(LOG)}:(\d+)", " ".join(map(str, values)))
    return f"{log}:{named[1]}" if log and named else None


def console_place(fault: Fault) -> str:
    """Return the console's path with the fault's line, in the form that editors open."""
    console = fault.cells[0].artifacts.console
    return (
        f"console line {fault.console_line:,}"
        if console is None
        else f"{console}:{fault.console_line}"
    )
