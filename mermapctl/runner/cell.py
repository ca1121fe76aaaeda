# SPDX-License-Identifier: GPL-2.0-only
"""One cell of a run: its build directory, the three stages, the judge; whatever happens, a Cell."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.config import missing, modular
from mermapctl.config.plan import CellPlan, without_trace
from mermapctl.errors import MermapctlError
from mermapctl.events import Note, StageEnded, StageStarted
from mermapctl.judge import module_findings
from mermapctl.judge.confirmation import by_trials
from mermapctl.judge.verdict import Reason, Verdict
from mermapctl.judge.witness_summary import LOG
from mermapctl.records.judging import judge_console, with_trials
from mermapctl.records.record import Artifacts, Cell, Phases
from mermapctl.records.store import cell_slug
from mermapctl.runner import (
    boot,
    hang_triage,
    kunit,
    reproduce,
    seed,
    stages,
    trace_gaps,
    unprobed,
    up_to_date,
    witness_boot,
)
from mermapctl.runner.job import Context, Work
from mermapctl.system import inputs, signals
from mermapctl.system.signals import Interrupted
from mermapctl.tree import build_dir, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.judge.hang_trials import Trial
    from mermapctl.runner.boot import Booted
    from mermapctl.runner.stages import Stage


EXPLAIN = "explain"
"""As the progress calls the look for why symbols are missing."""
_FRESH = "nothing has changed since the last build: not built again (--rebuild does)"


@dataclass
class _Progress:
    """How far a cell has come; what there is when it ends early.

    `last` names what follows the first boot.
    """

    cell: Cell
    phases: Phases
    last: str = ""

    def spent(self, **seconds: float) -> None:
        self.phases = replace(self.phases, **seconds)


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


def run_cell(context: Context, planned: CellPlan) -> Cell:
    """Run one cell to its verdict, or to the reason why it has none. Raises nothing of its own."""
    work = _work(context, planned)
    cell = unjudged(context, planned)
    progress = _Progress(cell, Phases())
    try:
        with signals.interruptible():
            _write_request(context, work)
            if planned.obstacle:
                cell = _obstructed(work, progress, planned.obstacle)
            else:
                cell = _locked(context, work, progress)
    except Interrupted as signal:
        known = f"; {progress.cell.detail}" if _unsatisfied(progress.cell) else ""
        cell = replace(
            progress.cell,
            reason=Reason.INTERRUPTED,
            detail=f"interrupted by {signal} during the {_stage_now(progress)}{known}",
        )
    except MermapctlError as error:
        detail = f"{error.message} ({error.hint})" if error.hint else error.message
        cell = replace(progress.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    except OSError as error:
        detail = f"{error.filename or f'a file in {work.folder}'}: {error.strerror}"
        cell = replace(progress.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    return replace(cell, phases=progress.phases, artifacts=_artifacts(work, cell))


def _locked(context: Context, work: Work, progress: _Progress) -> Cell:
    def waiting(sentence: str) -> None:
        nonlocal context
        context.tell(Note(sentence))
        context = replace(context, looking=None)  # the tree may change meanwhile

    with build_dir.locked(
        work.job.build_dir, context.invoked, wait=work.options.wait, waiting=waiting
    ):
        return _stages(context, work, progress)


def _unsatisfied(cell: Cell) -> bool:
    return cell.reason is Reason.CONFIG_UNSATISFIED


def _stage_now(progress: _Progress) -> str:
    phases = progress.phases
    if _unsatisfied(progress.cell):
        return "explanation"
    if phases.config is None:
        return "configuration"
    if phases.build is None:
        return "build"
    return "boot" if phases.boot is None else progress.last


def _stages(context: Context, work: Work, progress: _Progress) -> Cell:
    made_from = _signature(work, context.looking) if context.looking else _made_from(work)
    if work.cell.modular:
        names = modular.symbols(work.cell.variant.fragment)
        guards = modular.guards(work.job.tree, work.cell.target.srcarch, names)
        progress.cell = replace(progress.cell, guards=guards)
    if not work.options.rebuild and up_to_date.is_fresh(work.job, work.image, made_from):
        return _booted_fresh(work, progress)
    up_to_date.forget(work.job)
    if not work.options.rebuild:
        wanted = work.cell.variant.fragment.text()
        origin = seed.begin(work.job.build_dir, wanted, context.invoked)
        if origin:
            work.tell(Note(f"begins as a copy of {origin}: make builds what differs"))
    asked = work
    work, configured = _configured(context, work)
    progress.spent(config=configured.seconds)
    if configured.reason:
        return _without_verdict(work, progress, configured)
    built = stages.build(work)
    progress.spent(build=built.seconds)
    if built.reason:
        return _unbuilt(work, _without_verdict(work, progress, built))
    # A file that was saved while make ran may or may not be in what it made: then nothing is noted.
    with contextlib.closing(state.look(work.job.tree)) as looking:
        booted = boot.boot(work)
        with contextlib.suppress(MermapctlError):  # the boot's verdict stands, whatever git says
            if _signature(asked, looking) == made_from:
                up_to_date.remember(work.job, work.image, made_from)
    progress.spent(boot=booted.seconds)
    return _settled(work, progress, booted)


def _made_from(work: Work) -> str | None:
    with contextlib.closing(state.look(work.job.tree)) as looking:
        return _signature(work, looking)


def _signature(work: Work, looking: state.Looking) -> str | None:
    kunitconfig = work.cell.variant.fragment.text()
    return up_to_date.signature(work.job, kunitconfig, looking.state())


def _booted_fresh(work: Work, progress: _Progress) -> Cell:
    """Boot what the last run built: nothing that it was made from has changed."""
    work.tell(Note(_FRESH))
    shutil.copyfile(work.job.build_dir / ".config", work.folder / "config")
    progress.spent(config=0.0, build=0.0)
    booted = boot.boot(work)
    progress.spent(boot=booted.seconds)
    progress.cell = replace(progress.cell, notes=(_FRESH,))
    return _settled(work, progress, booted)


def _obstructed(work: Work, progress: _Progress, obstacle: str) -> Cell:
    """A cell that cannot be: what its tree and target would not give of it, and why."""
    planned = work.cell
    progress.cell = replace(progress.cell, reason=Reason.CONFIG_UNSATISFIED, detail=obstacle)
    try:
        lacking = missing.resolved(work.job.tree, planned.target, planned.variant.fragment)
    except MermapctlError as error:
        note = f"what it lacks could not be asked of the tree: {error.message}"
        return replace(progress.cell, notes=(note,))
    progress.cell = replace(progress.cell, missing=lacking)
    return _explained(work, progress.cell) if lacking else progress.cell


def _explained(work: Work, cell: Cell) -> Cell:
    """The cell with why each symbol is missing."""
    began = time.monotonic()
    work.tell(StageStarted(EXPLAIN))
    asked = work.cell.variant.fragment
    explained = missing.told(work.job.tree, work.cell.target, asked, cell.missing)
    work.tell(StageEnded(EXPLAIN, time.monotonic() - began, ok=True))
    return replace(cell, missing=explained)


def _without_verdict(work: Work, progress: _Progress, stage: Stage) -> Cell:
    """The cell that a stage has ended, with why symbols are missing where that was the reason."""
    known = replace(progress.cell, reason=stage.reason, detail=stage.detail, missing=stage.missing)
    progress.cell = known
    return _explained(work, known) if stage.missing else known


def _configured(context: Context, work: Work) -> tuple[Work, Stage]:
    """Configure the kernel, without the trace's symbols where it can only be had so."""
    configured = stages.configure(work)
    if not (configured.missing and work.cell.variant.wished):
        return work, configured
    bare = replace(work, cell=without_trace(context.plan, work.cell))
    _write_request(context, bare)
    again = stages.configure(bare)
    return bare, replace(again, seconds=configured.seconds + again.seconds)


def _settled(work: Work, progress: _Progress, booted: Booted) -> Cell:
    """The cell with its verdict, and with what further boots say of one that did not pass."""
    cell, booted = _traced_whole(work, progress, booted)
    progress.cell = cell
    if work.options.witness:
        progress.cell = cell = _witnessed(work, progress, booted)
    if cell.untraced or not unprobed.wanted(cell, booted):
        return _triaged(work, progress, booted)
    if dear := unprobed.too_dear(cell):
        progress.cell = _noted(cell, dear)
        return _triaged(work, progress, booted)
    progress.last = "boot without probes"
    with _noting("not booted again without probes") as notes:
        cell = unprobed.confirm(work, cell, booted)
    progress.cell = _noted(cell, *notes)
    return _triaged(work, progress, booted)


@contextlib.contextmanager
def _noting(failed: str) -> Iterator[list[str]]:
    """Turn an error of a further boot into a note: the verdict that there is does not need it."""
    notes: list[str] = []
    try:
        yield notes
    except (MermapctlError, OSError) as error:
        notes.append(f"{failed}: {error}")


def _noted(cell: Cell, *notes: str) -> Cell:
    return replace(cell, notes=(*cell.notes, *notes))


def _witnessed(work: Work, progress: _Progress, booted: Booted) -> Cell:
    """The cell with what the witness sees in a boot of its own; without that it stands as it is."""
    progress.last = "boot under the witness"
    cell = progress.cell
    with _noting("not witnessed") as notes:
        cell = witness_boot.add(work, cell, booted)
    return _noted(cell, *notes)


def _traced_whole(work: Work, progress: _Progress, booted: Booted) -> tuple[Cell, Booted]:
    """The cell as its boot is judged, or a second boot where the first one's trace has gaps."""
    cell = _judged(work, progress.cell, booted)
    gaps = trace_gaps.found(cell, booted)
    if gaps is None:
        return cell, booted
    progress.last = "second boot with probes"
    with _noting(f"the trace has gaps ({gaps}), and there is no second boot") as notes:
        again = trace_gaps.boot_again(work, gaps, booted)
    if notes:
        return _noted(cell, *notes), booted
    progress.spent(boot=booted.seconds + again.seconds)
    second = _judged(work, progress.cell, again)
    return _noted(second, trace_gaps.compared(gaps, second)), again


def _triaged(work: Work, progress: _Progress, booted: Booted) -> Cell:
    """The cell with what the boots after a hang say; the verdict stands, however they end."""
    cell = progress.cell
    if not work.options.triage:
        return cell
    progress.last = "hang triage"

    def keep(trials: tuple[Trial, ...]) -> None:
        told = by_trials(trials) if booted.limits.traced and cell.confirmed is None else None
        notes = (*cell.notes, told.words) if told else cell.notes
        confirmed = told.confirmed if told else cell.confirmed
        progress.cell = replace(with_trials(cell, trials), notes=notes, confirmed=confirmed)

    with _noting("the hang triage ended early") as notes:
        hang_triage.hung(work, cell, keep)
    progress.cell = _noted(progress.cell, *notes)
    return progress.cell


def _unbuilt(work: Work, cell: Cell) -> Cell:
    """A build that failed, with what the module flavour knows of it."""
    log = work.build_log.read_text(encoding="utf-8", errors="replace")
    found = module_findings.without_member(log, cell.guards)
    return replace(cell, findings=(found,)) if found else cell


def _judged(work: Work, cell: Cell, booted: Booted) -> Cell:
    """The cell with its verdict; the accelerator's complaint explains one that there is none."""
    cell = replace(
        cell,
        accelerator=booted.accelerator,
        kernel_args=booted.limits.kernel_args,
        reproduce=(*cell.reproduce, unprobed.boot_line(work, booted)),
        notes=(*cell.notes, *booted.notes),
        boot=booted.boot,
        suite=work.cell.suite,
        allow_splats=work.options.allow_splats,
    )
    with inputs.open_own(work.console) as console:
        judged = judge_console(cell, console)
    return replace(judged, detail=judged.detail or booted.complaint)
