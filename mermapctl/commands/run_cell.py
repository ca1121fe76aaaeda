# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run-cell JOB.json`: run one cell of a series in this process, and write its file."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from mermapctl.config import plan, target
from mermapctl.config.plan import CellPlan
from mermapctl.errors import CommitError, MermapctlError, UserError
from mermapctl.events import Listener
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records import cell_files
from mermapctl.records.folder import RunFolder
from mermapctl.records.record import Artifacts, Cell
from mermapctl.runner import job, kunit
from mermapctl.runner.cell import run_to_end, unjudged
from mermapctl.runner.job import LaneCommit
from mermapctl.runner.kunit import Capabilities
from mermapctl.series import boots, cell_job, verdict_cache
from mermapctl.series.cell_job import CellJob
from mermapctl.series.same_kernel import SameKernel
from mermapctl.system import signals
from mermapctl.tree import ownership


def run(path: Path, tell: Listener) -> Cell:
    """Run the cell of a job; write it into its folder and, if it lasts, among the verdicts.

    Returns the cell; whatever ends it, it has a file. Raises UserError for a file that is no job,
    HarnessError if the cell cannot be written.
    """
    asked = cell_job.read(path)
    folder = RunFolder(asked.run, asked.folder)
    # In this block an ending signal interrupts the cell, and its file is written.
    with contextlib.suppress(signals.Interrupted), signals.deferred():
        same = SameKernel(asked)
        cell = _run(asked, folder, path, tell, same)
        if signals.received():  # what ended the boot may have been the signal's second receiver
            detail = cell.detail if cell.reason is Reason.INTERRUPTED else "interrupted by a signal"
            cell = replace(
                cell, verdict=Verdict.NO_VERDICT, reason=Reason.INTERRUPTED, detail=detail
            )
        cell_files.write(path.parent, cell)
        if asked.boots is not None:
            return cell
        verdict_cache.keep(asked.key, asked.run, path.parent, cell)
        if cell.inherited is None:
            same.keep(path.parent, cell)
    return cell


def _run(asked: CellJob, folder: RunFolder, path: Path, tell: Listener, same: SameKernel) -> Cell:
    """Run the cell; return it."""
    request = asked.request
    blank = Cell(
        target=request.targets[0],
        variant=request.variants[0],
        verdict=Verdict.NO_VERDICT,
        commit=asked.commit,
        artifacts=Artifacts(directory=str(path.parent)),
    )
    try:
        planned, can = _planned(asked)
    except MermapctlError as error:
        lacking = isinstance(error, CommitError)
        reason = Reason.CONFIG_UNSATISFIED if lacking else Reason.HARNESS_ERROR
        detail = f"{error.message} ({error.hint})" if error.hint else error.message
        return replace(blank, reason=reason, detail=detail)
    commit = None if asked.work_tree else asked.commit
    made = job.begin(
        planned,
        folder,
        can=can,
        commit=asked.commit,
        invoked=asked.invoked,
        tell=tell,
        checkout=LaneCommit(asked.origin, commit, asked.files, asked.line),
        folder=path.parent,
    )

    if asked.boots is not None:
        keeper = boots.Keeper(asked, asked.boots)
        made = replace(made, judged=keeper.judged)
        return run_to_end(made, unjudged(made), known=keeper.built)
    # Coverage reads what the compiler left in the build directory, after the boot.
    made = replace(made, frees_lane=not request.coverage)
    return run_to_end(made, unjudged(made), known=same.inherited)


def _planned(asked: CellJob) -> tuple[CellPlan, Capabilities]:
    """Return the plan of the cell in its lane, and what its kunit.py can. Raises MermapctlError."""
    tree = asked.request.tree
    if tree is None:
        raise UserError("the job names no lane", "`mermapctl run --commits` writes jobs")
    ownership.require(tree)
    (planned,) = plan.make(target.read(tree), asked.request, asked.own)
    return planned, kunit.capabilities(tree)
