# SPDX-License-Identifier: GPL-2.0-only
"""Give a cell its verdict: judge its boot, and add what further boots show."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import replace

from mermapctl.errors import MermapctlError
from mermapctl.judge.hang_trial import Trial
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.unprobed import by_trials
from mermapctl.records.cell_verdict import judge_console, with_trials
from mermapctl.records.record import Cell
from mermapctl.runner import (
    confirm,
    cost_boot,
    coverage_boot,
    hang_triage,
    repeat,
    stress_boot,
    trace_gaps,
    unprobed,
    witness_boot,
)
from mermapctl.runner.boot import Booted
from mermapctl.runner.guest_clock import EMULATED
from mermapctl.runner.job import Job
from mermapctl.runner.step import Doing, Step, Steps, noted, spent
from mermapctl.system import inputs


def steps(job: Job, cell: Cell, booted: Booted) -> Iterator[Step]:
    """Yield the cell with its verdict, then with the results of further boots."""
    yield Step(cell, Doing.JUDGEMENT)
    cell, booted = yield from _traced_whole(job, cell, booted)
    yield Step(cell, Doing.JUDGEMENT)
    if job.cell.profile:  # before another boot: UML's kernel would add to the counters
        cell = yield from _added(job, cell, booted, Doing.COVERAGE)
    if witness_boot.wanted(job, cell, booted):
        cell = yield from _added(job, cell, booted, Doing.WITNESS)
    if not (cell.untraced or cell.witness) and unprobed.wanted(cell, booted):
        cell = yield from _confirmed(job, cell, booted)
    if job.judged:
        job.judged(job, cell)
    if job.request.triage:
        cell = yield from _triaged(job, cell, booted)
    if job.request.repeat > 1:
        cell = yield from _repeated(job, cell, booted)
    if job.request.confirm and cell.verdict is Verdict.FAILED:
        cell = yield from _added(job, cell, booted, Doing.CONFIRM)
    if job.request.cost:
        cell = yield from _added(job, cell, booted, Doing.COST)
    if job.request.stress:
        yield from _stressed(job, cell, booted)


@contextlib.contextmanager
def _noting(failed: str) -> Iterator[list[str]]:
    """Turn an error of a further boot into a note: the verdict does not depend on that boot."""
    notes: list[str] = []
    try:
        yield notes
    except (MermapctlError, OSError) as error:
        notes.append(f"{failed}: {error}")


def _traced_whole(
    job: Job, blank: Cell, booted: Booted
) -> Generator[Step, None, tuple[Cell, Booted]]:
    """Judge the boot; if it passed with gaps in its trace, boot again and judge that boot instead.

    While the second boot runs, the last step is `blank`, because the first boot's pass is in doubt.
    """
    first = _judged(job, blank, booted)
    gaps = trace_gaps.found(first, booted)
    if gaps is None:
        return first, booted
    yield Step(blank, Doing.SECOND_BOOT)
    with _noting(f"the trace has gaps ({gaps}), and there is no second boot") as notes:
        again = trace_gaps.boot_again(job, gaps, booted)
    if notes:
        return noted(first, *notes), booted
    blank = spent(blank, boot=booted.seconds + again.seconds)
    yield Step(blank, Doing.SECOND_BOOT)
    second = _judged(job, blank, again)
    return noted(second, trace_gaps.compared(gaps, second)), again


_FURTHER = {
    Doing.WITNESS: (witness_boot.add, "not witnessed"),
    Doing.UNPROBED: (unprobed.confirm, "not booted again without probes"),
    Doing.CONFIRM: (confirm.add, "not booted again with its seed"),
    Doing.COST: (cost_boot.add, "the cost is not known"),
    Doing.COVERAGE: (coverage_boot.add, "no coverage"),
}
"""What adds the result of a further boot, and the note without that boot."""


def _added(job: Job, cell: Cell, booted: Booted, doing: Doing) -> Steps:
    """Add the result of one of the further boots."""
    add, failed = _FURTHER[doing]
    yield Step(cell, doing)
    with _noting(failed) as notes:
        cell = add(job, cell, booted)
    cell = noted(cell, *notes)
    yield Step(cell, doing)
    return cell


def _confirmed(job: Job, cell: Cell, booted: Booted) -> Steps:
    """Add the result of a boot without probes, if that boot is worth its time."""
    if dear := unprobed.too_dear(cell):
        cell = noted(cell, dear)
        yield Step(cell, Doing.JUDGEMENT)
        return cell
    return (yield from _added(job, cell, booted, Doing.UNPROBED))


def _triaged(job: Job, judged: Cell, booted: Booted) -> Steps:
    """Add the results of the boots after a hang; they do not change the verdict."""
    cell = judged
    yield Step(cell, Doing.TRIAGE)
    with _noting("the hang triage ended early") as notes:
        for trials in hang_triage.hung(job, booted.kernel, judged):
            cell = _with_triage(judged, trials, traced=booted.limits.traced)
            yield Step(cell, Doing.TRIAGE)
    cell = noted(cell, *notes)
    yield Step(cell, Doing.TRIAGE)
    return cell


def _repeated(job: Job, judged: Cell, booted: Booted) -> Steps:
    """Yield the cell with the results of further boots of its kernel, as many as there are."""
    cell = judged
    yield Step(cell, Doing.REPEATS)
    with _noting("the repeats ended early") as notes:
        for cell in repeat.steps(job, judged, booted):
            yield Step(cell, Doing.REPEATS)
    cell = noted(cell, *notes)
    yield Step(cell, Doing.REPEATS)
    return cell


def _stressed(job: Job, judged: Cell, booted: Booted) -> Iterator[Step]:
    """Yield the cell with the result of the stress suite; until that is known it has not passed."""
    cell = stress_boot.pending(job, judged)
    yield Step(cell, Doing.STRESS)
    with _noting("the stress suite ended early") as notes:
        for cell in stress_boot.steps(job, judged, booted):
            yield Step(cell, Doing.STRESS)
    yield Step(noted(cell, *notes), Doing.STRESS)


def _with_triage(judged: Cell, trials: tuple[Trial, ...], *, traced: bool) -> Cell:
    told = by_trials(trials) if traced and judged.confirmed is None else None
    cell = with_trials(judged, trials)
    return replace(noted(cell, told.words), confirmed=told.confirmed) if told else cell


def _judged(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Judge the cell's console. If the verdict has no detail, use the accelerator's complaint."""
    cell = replace(
        cell,
        accelerator=booted.accelerator,
        reproducible=booted.clock is not None if booted.accelerator == EMULATED else None,
        seed=booted.clock.seed if booted.clock else None,
        shift=booted.clock.shift if booted.clock else None,
        kernel_args=booted.limits.kernel_args,
        reproduce=(*cell.reproduce, unprobed.boot_line(job, booted)),
        notes=(*cell.notes, *booted.notes),
        boot=booted.boot,
        suite=job.cell.suite,
        allow_splats=job.request.allow_splats,
    )
    with inputs.open_own(job.console) as console:
        judged = judge_console(cell, console)
    return replace(judged, detail=judged.detail or booted.complaint)
