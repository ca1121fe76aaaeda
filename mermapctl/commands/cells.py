# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a run, one after another; the record grows with each."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.commands import machine
from mermapctl.errors import HarnessError
from mermapctl.events import CellStarted, Listener, Note
from mermapctl.judge.verdict import Reason
from mermapctl.records import record
from mermapctl.records.record import RunRecord, State, TreeFacts
from mermapctl.records.store import Store
from mermapctl.runner import kunit
from mermapctl.runner.cell import run_to_end, unjudged
from mermapctl.runner.job import Job, begin
from mermapctl.system import signals

if TYPE_CHECKING:
    from mermapctl.config.plan import CellPlan
    from mermapctl.tree import state


def run(
    planned: tuple[CellPlan, ...], command: tuple[str, ...], tell: Listener, looking: state.Looking
) -> RunRecord:
    """Run all cells and return the record, which is in the store by then.

    Raises HarnessError where a program or the store fails. An ending signal is not raised once the
    record exists: it comes back marked `interrupted`.
    """
    host = machine.require(planned)
    can = kunit.capabilities(planned[0].tree.path)
    store = Store.open()
    for notice in store.notices:
        tell(Note(notice))
    facts = looking.tree()
    begun = record.begin(command=command, tree=_tree_facts(facts), host=host)
    # From here on an ending signal ends the cell that is being run; the record is kept.
    # One that comes after the last cell is too late to interrupt anything.
    ran = begun
    with contextlib.suppress(signals.Interrupted), signals.deferred():
        folder = store.begin(begun)
        invoked = shlex.join(command)
        jobs = [
            begin(cell, folder, can=can, commit=facts.commit, invoked=invoked, tell=tell)
            for cell in planned
        ]
        ran = _finish(store, _all_cells(jobs, begun, store, looking))
    return ran


def _finish(store: Store, ran: RunRecord) -> RunRecord:
    """The record as it is stored; where it cannot be, its last cell says so."""
    try:
        return store.finish(ran)
    except HarnessError as error:
        *cells, last = ran.cells
        note = f"this run is not stored as it ended: {error.message}"
        state = State.FINISHED if ran.run.state is State.RUNNING else ran.run.state
        cells.append(replace(last, notes=(*last.notes, note)))
        return replace(ran, run=replace(ran.run, state=state), cells=tuple(cells))


def _all_cells(jobs: list[Job], begun: RunRecord, store: Store, first: state.Looking) -> RunRecord:
    """Run each cell; `first` is a look at the tree that has begun, a later cell takes its own."""
    began = time.monotonic()
    kept = begun
    for number, job in enumerate(jobs, 1):
        job.tell(CellStarted(job.cell.name, number, len(jobs)))
        blank = unjudged(job)
        _save(store, replace(kept, cells=(*kept.cells, blank)))
        cell = run_to_end(job, blank, first if number == 1 else None)
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


def _save(store: Store, kept: RunRecord) -> None:
    """Keep what there is, for whoever kills us; what cannot be kept now is said at the end."""
    with contextlib.suppress(HarnessError):
        store.save(kept)


def _tree_facts(found: state.Tree) -> TreeFacts:
    return TreeFacts(found.kernel, found.commit, found.describe, found.dirty, str(found.path))
