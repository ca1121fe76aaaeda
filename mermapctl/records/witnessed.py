# SPDX-License-Identifier: GPL-2.0-only
"""A cell with what the witness saw in a second boot; the same for `run` and `report rejudge`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mermapctl.judge import root_cause, trace_findings, witness_findings
from mermapctl.judge.result_types import Ended, Finding, Severity, Verdict
from mermapctl.judge.unprobed import symptoms
from mermapctl.judge.witness_summary import WitnessSummary
from mermapctl.records.cell_verdict import judge_second
from mermapctl.records.record import Cell
from mermapctl.system.inputs import open_regular
from mermapctl.trace import witness_reader
from mermapctl.trace.witness_reader import WitnessAccount

LONGEST_LINE = 1 << 20
"""Characters read of a line; a right one is far shorter, and a longer one cannot be read."""


def with_witness(cell: Cell, blank: WitnessSummary) -> Cell:
    """Return a judged cell with what the witness found; `blank` has the boot's facts.

    Its log is `artifacts.witness`, its console `artifacts.console_untraced`. A cell without a
    verdict keeps none. Raises OSError where a file cannot be read.
    """
    account = _account(Path(cell.artifacts.witness or ""))
    second = judge_second(cell, blank.boot)
    seen = witness_findings.findings(account, second.flushes)
    both = account.conclusive and cell.trace is not None and cell.not_exercised is not None
    merged, agrees = witness_findings.compared(cell.findings, seen, both=both)
    # A guest that a broken stub has stopped, or that is slow under the witness, has not hung.
    whole = blank.boot.ended is Ended.EXITED if blank.boot else account.lost is None
    if account.lost is not None:  # QEMU itself may have died
        whole = whole and all(each.code not in root_cause.INCOMPLETE for each in second.findings)
    if whole and cell.verdict is Verdict.PASSED and second.verdict is Verdict.FAILED:
        failed = symptoms(second.suites, second.findings)
        merged = (*merged, witness_findings.only_witnessed(failed or ("the suite",)))
    summary = replace(
        blank,
        gets=account.gets,
        entries_checked=account.checked,
        agrees=agrees,
        words=witness_findings.words(account, seen),
        timelines=account.trace.timelines if account.conclusive else (),
        verdict=second.verdict,
    )
    verdict = cell.verdict if cell.verdict is Verdict.NO_VERDICT else _verdict(cell, merged)
    return replace(cell, findings=merged, witness=summary, verdict=verdict)


def _verdict(cell: Cell, findings: tuple[Finding, ...]) -> Verdict:
    """Return failed if a finding is an error now; keep a failure that no finding explains."""
    if any(each.severity is Severity.ERROR for each in findings):
        return Verdict.FAILED
    before = [each for each in cell.findings if each.severity is Severity.ERROR]
    mine = all(each.code in trace_findings.JUDGED for each in before)
    good = all(suite.status.good for suite in cell.suites) and not cell.omitted_bad
    return Verdict.PASSED if good and (before == [] or mine) else cell.verdict


def _account(path: Path) -> WitnessAccount:
    with open_regular(path) as file:
        lines = iter(lambda: file.readline(LONGEST_LINE), b"")
        return witness_reader.read(line.decode("ascii", "replace") for line in lines)
