# SPDX-License-Identifier: GPL-2.0-only
"""Run the cells one after another; save the record before and after each."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import replace
from pathlib import Path

from mermapctl.commands import required_programs
from mermapctl.config.plan import SHIFT, CellPlan
from mermapctl.errors import HarnessError, MermapctlError
from mermapctl.events import CellStarted, Listener, Note
from mermapctl.judge.result_types import Reason
from mermapctl.records import costs, record, suite_times
from mermapctl.records.folder import TREE_DIFF
from mermapctl.records.record import Cell, RunRecord, State, TreeFacts
from mermapctl.records.record_states import noted
from mermapctl.records.store import Store
from mermapctl.runner import kunit
from mermapctl.runner.cell import run_to_end, unjudged
from mermapctl.runner.job import Job, begin
from mermapctl.system import files, paths, signals
from mermapctl.tree import ownership, state

LARGEST_CHANGES = 16 << 20
"""Bytes of changed files whose difference is kept; a series changes some 100 KB."""
SHORTEST_SILENCE = 15.0
"""Seconds of silence before a suite counts as hung, where its own times are known."""
MARGIN = 20
"""The silence may be this many times as long as the longest test took when it passed."""


def run(
    planned: tuple[CellPlan, ...], command: tuple[str, ...], tell: Listener, looking: state.Looking
) -> RunRecord:
    """Run all cells; return the record, which is then in the store.

    Raises HarnessError if a program or the store fails. Once the record exists, an ending signal is
    not raised: the record is returned, marked `interrupted`.
    """
    ownership.require_own(paths.state_dir(), paths.cache_dir())
    host = required_programs.require(planned)
    can = kunit.capabilities(planned[0].tree.path)
    store = Store.open()
    for notice in store.notices:
        tell(Note(notice))
    facts = looking.tree()
    tree = TreeFacts(facts.kernel, facts.commit, facts.describe, facts.dirty, str(facts.path))
    begun = record.begin(command=command, tree=tree, host=host)
    changes = _changes(facts.path, looking, tell) if facts.dirty else b""
    # In this block an ending signal interrupts the running cell, and the record is kept. A signal
    # after the last cell has no effect.
    ran = begun
    with contextlib.suppress(signals.Interrupted), signals.deferred():
        folder = store.begin(begun)
        if changes:
            _keep(folder.path / TREE_DIFF, changes, tell)
        invoked = shlex.join(command)
        jobs = [
            replace(
                begin(cell, folder, can=can, commit=facts.commit, invoked=invoked, tell=tell),
                patience=_patience(store, cell),
            )
            for cell in planned
        ]
        ran = _finish(store, _all_cells(jobs, begun, store, looking))
    return ran


def _changes(path: Path, looking: state.Looking, tell: Listener) -> bytes:
    """Return the changes of a modified tree; b"" and a note if they cannot be read."""
    try:
        if looking.changed_bytes() <= LARGEST_CHANGES:
            return state.diff(path)
        tell(Note(f"the changes of the tree are not kept: over {LARGEST_CHANGES >> 20} MB"))
    except MermapctlError as error:
        tell(Note(f"the changes of the tree are not kept: {error.message}"))
    return b""


def _keep(path: Path, changes: bytes, tell: Listener) -> None:
    """Write the changes; a failure is a note."""
    try:
        files.write_own(path, changes)
    except MermapctlError as error:
        tell(Note(f"the changes of the tree are not kept: {error.message}"))


def _patience(store: Store, cell: CellPlan) -> float | None:
    """Return the seconds of silence that a suite may need, if a passed run shows its times."""
    request = cell.request
    if not request.hasty or request.shifts != (SHIFT,):
        return None
    longest = suite_times.longest_test(store, cell)
    if longest is None:
        return None
    needed = max(SHORTEST_SILENCE, MARGIN * longest)
    return needed if needed < request.silence else None


def _finish(store: Store, ran: RunRecord) -> RunRecord:
    """Store the ended run; if that fails, add a note to its last cell. Return the record."""
    try:
        return store.finish(ran)
    except HarnessError as error:
        state = State.FINISHED if ran.run.state is State.RUNNING else ran.run.state
        ran = replace(ran, run=replace(ran.run, state=state))
        return noted(ran, f"this run is not stored as it ended: {error.message}")


def _all_cells(jobs: list[Job], begun: RunRecord, store: Store, first: state.Looking) -> RunRecord:
    """Run each cell. `first` is an inspection of the tree that has begun, for the first cell."""
    began = time.monotonic()
    kept = begun
    for number, job in enumerate(jobs, 1):
        job.tell(CellStarted(job.cell.name, number, len(jobs)))
        blank = unjudged(job)
        _save(store, replace(kept, cells=(*kept.cells, blank)))
        cell = run_to_end(job, blank, first if number == 1 else None)
        cell = _compared(job, cell, begun, store)
        cells = (*kept.cells, cell)
        ended = replace(
            kept.run,
            seconds=round(time.monotonic() - began, 3),
            state=State.INTERRUPTED if cell.reason is Reason.INTERRUPTED else kept.run.state,
        )
        kept = replace(kept, cells=cells, verdict=record.verdict_of(cells), run=ended)
        _save(store, kept)
        if cell.reason is Reason.INTERRUPTED:
            break
    return kept


def _compared(job: Job, cell: Cell, begun: RunRecord, store: Store) -> Cell:
    """Compare what the cell costs with an earlier run, if there is a limit for the rise."""
    limit = job.request.cost_limit
    if limit is None or cell.cost is None:
        return cell
    try:
        return costs.judged(cell, begun, store, limit)
    except HarnessError as error:
        return replace(cell, notes=(*cell.notes, f"the cost was not compared: {error.message}"))


def _save(store: Store, kept: RunRecord) -> None:
    """Save the record, in case this process is killed; ignore errors, which `_finish` reports."""
    with contextlib.suppress(HarnessError):
        store.save(kept)
