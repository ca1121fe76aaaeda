# SPDX-License-Identifier: GPL-2.0-only
"""How long a cell's suites took when they passed last, from the store."""

from __future__ import annotations

from mermapctl.config.plan import CellPlan
from mermapctl.errors import MermapctlError
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import Cell
from mermapctl.records.rows import Filters
from mermapctl.records.store import Store

LOOK_BACK = 10
"""Runs of the target and variant that are searched, newest first."""


def longest_test(store: Store, wanted: CellPlan) -> float | None:
    """Return the seconds of the longest test in the newest passed cell like `wanted`.

    The cell must have the same target, variant, flavour, suites, CPUs and CPU model. None where
    there is none, or where a test has no time.
    """
    filters = Filters(target=wanted.target.name, variant=wanted.variant.name, limit=LOOK_BACK)
    try:
        ids = [each.id for each in store.list(filters)]
        for run_id in ids:
            for cell in store.read(run_id).cells:
                if cell.verdict is Verdict.PASSED and _like(cell, wanted):
                    return _longest(cell)
    except MermapctlError:  # a damaged store is reported where it is written
        return None
    return None


def _like(cell: Cell, wanted: CellPlan) -> bool:
    flavour = wanted.modular.flavour if wanted.modular else None
    mine = (wanted.target.name, wanted.variant.name, flavour, wanted.suite, wanted.smp, wanted.cpu)
    return mine == (cell.target, cell.variant, cell.flavour, cell.suite, cell.smp, cell.cpu)


def _longest(cell: Cell) -> float | None:
    times = [test.seconds for suite in cell.suites for test in suite.tests]
    known = [each for each in times if each is not None]
    return max(known) if known and len(known) == len(times) and not cell.omitted else None
