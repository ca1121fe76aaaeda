# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --last-failed`: the cells of a tree's last run that did not pass."""

from __future__ import annotations

import shlex
from pathlib import Path

from mermapctl.errors import MermapctlError, UserError
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import RunRecord, State
from mermapctl.records.store import Store

_WAY_OUT = "leave out --last-failed to run a cell of your choice"


def command_lines(tree: Path) -> list[list[str]]:
    """Return the arguments behind `mermapctl run` of each cell that did not pass.

    Raises UserError where no run of the tree is stored, or all cells of the last one passed.
    """
    last = _last(tree)
    if last is None:
        raise UserError(f"no run of {tree} is stored", _WAY_OUT)
    bad = [cell for cell in last.cells if cell.verdict is not Verdict.PASSED]
    if not bad:
        raise UserError(f"the last run of {tree}, {last.run.id}, passed in every cell", _WAY_OUT)
    return [shlex.split(cell.reproduce[0])[2:] for cell in bad if cell.reproduce]


def _last(tree: Path) -> RunRecord | None:
    """Return the newest run of a tree that has ended; a damaged record is passed over."""
    store = Store.open()
    for run_id in store.ids():
        try:
            record = store.read(run_id)
        except MermapctlError:
            continue
        if record.tree.path == str(tree) and record.cells and record.run.state is not State.RUNNING:
            return record
    return None
