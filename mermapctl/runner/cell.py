# SPDX-License-Identifier: GPL-2.0-only
"""One cell of a run: its build directory, the three stages, the judge; whatever happens, a Cell."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.config import missing, modular
from mermapctl.config.plan import CellPlan, without_trace
from mermapctl.errors import MermapctlError
from mermapctl.events import Note, StageEnded, StageStarted
from mermapctl.judge import module_findings
from mermapctl.judge.verdict import Reason, Verdict
from mermapctl.judge.witness_summary import LOG
from mermapctl.records.record import Artifacts, Cell
from mermapctl.records.store import cell_slug
from mermapctl.runner import (
    boot,
    cell_verdict,
    kunit,
    reproduce,
    seed,
    stages,
    unprobed,
    up_to_date,
)
from mermapctl.runner.job import Context, Work
from mermapctl.runner.step import Doing, Step, noted, spent
from mermapctl.system import signals
from mermapctl.system.signals import Interrupted
from mermapctl.tree import build_dir, state

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from mermapctl.runner.stages import Stage
    from mermapctl.runner.step import Steps


EXPLAIN = "explain"
"""As the progress calls the look for why symbols are missing."""
_FRESH = "nothing has changed since the last build: not built again (--rebuild does)"


def _work(context: Context, planned: CellPlan) -> Work:
    folder = context.folder.cell_path(cell_slug(planned.target.name, planned.build_name))
    options = context.plan.options
    job = kunit.Job(
        tree=context.plan.tree.path,
        build_dir=build_dir.locate(context.plan.tree.path, planned.target.name, planned.build_name),
        kunitconfig=folder / "kunitconfig",
        target=planned.target,
        jobs=options.jobs,
        cross_compile=planned.target.cross_compile,
    )
    return Work(planned, options, job, context.can, folder, context.tell)


def unjudged(context: Context, planned: CellPlan) -> Cell:
    """The cell as it is before anything has been done: the plan, and no verdict."""
    work = _work(context, planned)
    return Cell(
        target=planned.target.name,
        variant=planned.variant.name,
        verdict=Verdict.NO_VERDICT,
        commit=context.commit,
        cpu=planned.cpu,
        smp=planned.smp,
        kernel_args=planned.kernel_args,
        flavour=planned.modular.flavour if planned.modular else None,
        reproduce=reproduce.lines(context, work),
        artifacts=_artifacts(work),
    )


def _artifacts(work: Work, cell: Cell | None = None) -> Artifacts:
    def kept(name: str) -> str | None:
        path = work.folder / name
        return str(path) if path.is_file() else None

    plain = kept(f"console-{unprobed.AGAIN}.log")
    other = plain is not None and cell is not None and cell.untraced and cell.untraced.stands
    return Artifacts(
        console=plain if other else kept("console.log"),
        config=kept("config"),
        kunitconfig=kept("kunitconfig"),
        build_log=kept("build.log"),
        directory=str(work.folder),
        console_untraced=plain,
        witness=kept(LOG),
    )


def _write_request(context: Context, work: Work) -> None:
    """Make the cell's folder, with the configuration that is asked for in it."""
    work.folder.mkdir(parents=True, exist_ok=True)
    work.kunitconfig.write_text(work.cell.variant.fragment.text(), encoding="utf-8")
    for path, fragment in zip(
        reproduce.own_fragments(context, work), context.plan.own, strict=True
    ):
        path.write_text(fragment.text(), encoding="utf-8")


def run_to_end(context: Context, planned: CellPlan) -> Cell:
    """Run one cell to its verdict, or to the reason why it has none. Raises nothing of its own.

    The last step counts, whatever ends the cell.
    """
    work = _work(context, planned)
    step = Step(unjudged(context, planned), Doing.CONFIGURATION)
    try:
        steps = run_cell(context, work, step.cell)
        with signals.interruptible(), contextlib.closing(steps):
            for latest in steps:
                step = latest
        cell = step.cell
    except Interrupted as signal:
        cell = _interrupted(step, signal)
    except MermapctlError as error:
        detail = f"{error.message} ({error.hint})" if error.hint else error.message
        cell = replace(step.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    except OSError as error:
        detail = f"{error.filename or f'a file in {work.folder}'}: {error.strerror}"
        cell = replace(step.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    return replace(cell, artifacts=_artifacts(work, cell))


def _interrupted(step: Step, signal: Interrupted) -> Cell:
    """The cell that a signal has ended; its verdict stands, and so does what it lacks."""
    cell = step.cell
    known = f"; {cell.detail}" if cell.reason is Reason.CONFIG_UNSATISFIED else ""
    detail = f"interrupted by {signal} during the {step.doing}{known}"
    return replace(cell, reason=Reason.INTERRUPTED, detail=detail)


def run_cell(context: Context, work: Work, cell: Cell) -> Generator[Step, None, None]:
    """Run one cell, `unjudged` as yet; yield it each time that more of it is known.

    Raises Interrupted, MermapctlError, OSError.
    """
    _write_request(context, work)
    if work.cell.obstacle:
        yield from _obstructed(work, cell, work.cell.obstacle)
        return
    looking = context.looking

    def waiting(sentence: str) -> None:
        nonlocal looking
        work.tell(Note(sentence))
        looking = None  # the tree may change meanwhile

    with build_dir.locked(
        work.job.build_dir, context.invoked, wait=work.options.wait, waiting=waiting
    ):
        yield from _stages(replace(context, looking=looking), work, cell)


def _stages(context: Context, work: Work, cell: Cell) -> Iterator[Step]:
    made_from = _signature(work, context.looking) if context.looking else _made_from(work)
    if work.cell.modular:
        names = modular.symbols(work.cell.variant.fragment)
        guards = modular.guards(work.job.tree, work.cell.target.srcarch, names)
        cell = replace(cell, guards=guards)
        yield Step(cell, Doing.CONFIGURATION)
    if not work.options.rebuild and up_to_date.is_fresh(work.job, work.image, made_from):
        yield from _booted_fresh(work, cell)
        return
    up_to_date.forget(work.job)
    if not work.options.rebuild:
        wanted = work.cell.variant.fragment.text()
        origin = seed.begin(work.job.build_dir, wanted, context.invoked)
        if origin:
            work.tell(Note(f"begins as a copy of {origin}: make builds what differs"))
    asked = work
    work, configured = _configured(context, work)
    cell = spent(cell, config=configured.seconds)
    yield Step(cell, Doing.BUILD)
    if configured.reason:
        yield from _without_verdict(work, cell, configured)
        return
    built = stages.build(work)
    cell = spent(cell, build=built.seconds)
    yield Step(cell, Doing.BOOT)
    if built.reason:
        yield from _unbuilt(work, cell, built)
        return
    # A file that was saved while make ran may or may not be in what it made: then nothing is noted.
    with contextlib.closing(state.look(work.job.tree)) as looking:
        booted = boot.boot(work)
        with contextlib.suppress(MermapctlError):  # the boot's verdict stands, whatever git says
            if _signature(asked, looking) == made_from:
                up_to_date.remember(work.job, work.image, made_from)
    yield from cell_verdict.steps(work, spent(cell, boot=booted.seconds), booted)


def _made_from(work: Work) -> str | None:
    with contextlib.closing(state.look(work.job.tree)) as looking:
        return _signature(work, looking)


def _signature(work: Work, looking: state.Looking) -> str | None:
    kunitconfig = work.cell.variant.fragment.text()
    return up_to_date.signature(work.job, kunitconfig, looking.state())


def _booted_fresh(work: Work, cell: Cell) -> Iterator[Step]:
    """Boot what the last run built: nothing that it was made from has changed."""
    work.tell(Note(_FRESH))
    shutil.copyfile(work.job.build_dir / ".config", work.folder / "config")
    cell = spent(cell, config=0.0, build=0.0)
    yield Step(cell, Doing.BOOT)
    booted = boot.boot(work)
    yield from cell_verdict.steps(work, noted(spent(cell, boot=booted.seconds), _FRESH), booted)


def _obstructed(work: Work, cell: Cell, obstacle: str) -> Iterator[Step]:
    """A cell that cannot be: what its tree and target would not give of it, and why."""
    planned = work.cell
    cell = replace(cell, reason=Reason.CONFIG_UNSATISFIED, detail=obstacle)
    yield Step(cell, Doing.EXPLANATION)
    try:
        lacking = missing.resolved(work.job.tree, planned.target, planned.variant.fragment)
    except MermapctlError as error:
        note = f"what it lacks could not be asked of the tree: {error.message}"
        yield Step(noted(cell, note), Doing.EXPLANATION)
        return
    cell = replace(cell, missing=lacking)
    yield Step(cell, Doing.EXPLANATION)
    if lacking:
        yield Step(_explained(work, cell), Doing.EXPLANATION)


def _explained(work: Work, cell: Cell) -> Cell:
    """The cell with why each symbol is missing."""
    began = time.monotonic()
    work.tell(StageStarted(EXPLAIN))
    asked = work.cell.variant.fragment
    explained = missing.told(work.job.tree, work.cell.target, asked, cell.missing)
    work.tell(StageEnded(EXPLAIN, time.monotonic() - began, ok=True))
    return replace(cell, missing=explained)


def _without_verdict(work: Work, cell: Cell, stage: Stage) -> Steps:
    """The cell that a stage has ended, with why symbols are missing where that was the reason."""
    cell = replace(cell, reason=stage.reason, detail=stage.detail, missing=stage.missing)
    yield Step(cell, Doing.EXPLANATION if stage.missing else Doing.BUILD)
    if stage.missing:
        cell = _explained(work, cell)
        yield Step(cell, Doing.EXPLANATION)
    return cell


def _configured(context: Context, work: Work) -> tuple[Work, Stage]:
    """Configure the kernel, without the trace's symbols where it can only be had so."""
    configured = stages.configure(work)
    if not (configured.missing and work.cell.variant.wished):
        return work, configured
    bare = replace(work, cell=without_trace(context.plan, work.cell))
    _write_request(context, bare)
    again = stages.configure(bare)
    return bare, replace(again, seconds=configured.seconds + again.seconds)


def _unbuilt(work: Work, cell: Cell, built: Stage) -> Iterator[Step]:
    """A build that failed, with what the module flavour knows of it."""
    cell = yield from _without_verdict(work, cell, built)
    log = work.build_log.read_text(encoding="utf-8", errors="replace")
    found = module_findings.without_member(log, cell.guards)
    if found:
        yield Step(replace(cell, findings=(found,)), Doing.BUILD)
