# SPDX-License-Identifier: GPL-2.0-only
"""What a run costs against an earlier one. Numbers of two QEMU versions are never compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mermapctl.judge import cost
from mermapctl.judge.cost import Cost
from mermapctl.records.comparison import incomparable
from mermapctl.records.previous import LOOK_BACK, earlier
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.store import Store


def judged(cell: Cell, record: RunRecord, store: Store, limit: float) -> Cell:
    """Return the cell with a warning if a number rose by `limit` per cent or more.

    `record` is the run of the cell. It is compared with the newest run before it of the same tree
    and cell, whose guest and QEMU are the same; a note says so if there is none.
    """
    if cell.cost is None:
        return cell
    for other, before in _earlier(cell, record, store):
        commit = f" (commit {other.tree.commit[:12]})" if other.tree.commit else ""
        than = f"run {other.run.id}{commit}"
        found = cost.finding(cost.changes(before, cell.cost), limit, than)
        return replace(cell, findings=(*cell.findings, *([found] if found else [])))
    note = f"the cost has nothing to be compared with in the {LOOK_BACK} runs before this one"
    return replace(cell, notes=(*cell.notes, note))


def _earlier(cell: Cell, record: RunRecord, store: Store) -> Iterator[tuple[RunRecord, Cost]]:
    """Yield the comparable costs before a run, newest first."""
    for other in earlier(record, store):
        for each in other.cells if other.tree.path == record.tree.path else ():
            same = (each.target, each.configuration) == (cell.target, cell.configuration)
            if same and each.cost and incomparable(other, each, record, cell) is None:
                yield other, each.cost
