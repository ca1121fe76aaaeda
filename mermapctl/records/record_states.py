# SPDX-License-Identifier: GPL-2.0-only
"""A run's record in the store: while the run goes on, after a kill, on a full disk."""

from __future__ import annotations

import os
from dataclasses import replace

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import RunRecord, State, process_mark

MOST_FINDINGS = 8
"""Findings of a cell kept on a full disk."""


def begun(record: RunRecord) -> RunRecord:
    """Return the record of a run in progress in this process."""
    if record.run.state is State.RUNNING and record.run.pid is not None:
        return record
    pid = os.getpid()
    run = replace(record.run, state=State.RUNNING, pid=pid, process=process_mark(pid))
    return replace(record, run=run)


def noted(record: RunRecord, note: str) -> RunRecord:
    """Return the record with a note in its last cell."""
    *cells, last = record.cells
    return replace(record, cells=(*cells, replace(last, notes=(*last.notes, note))))


def bare(record: RunRecord) -> RunRecord:
    """Return what decides a record's verdict; `report rejudge` reads the consoles for the rest."""
    cells = (
        replace(cell, suites=(), splats=(), trace=None, findings=cell.findings[:MOST_FINDINGS])
        for cell in record.cells
    )
    return replace(record, cells=tuple(cells))


def killed(record: RunRecord) -> RunRecord:
    """Return the record of a run whose process is gone; its last cell is as at its start."""
    cells = tuple(
        replace(cell, reason=Reason.INTERRUPTED, detail="mermapctl was killed before it was done")
        if cell.verdict is Verdict.NO_VERDICT and cell.reason is None
        else cell
        for cell in record.cells
    )
    return replace(record, run=replace(record.run, state=State.INTERRUPTED), cells=cells)
