# SPDX-License-Identifier: GPL-2.0-only
"""Run one cell: its build directory, the three stages, the judge. Every end gives a Cell."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from mermapctl.config import missing, modular
from mermapctl.config.plan import without_trace
from mermapctl.errors import MermapctlError
from mermapctl.events import Note, StageEnded, StageStarted
from mermapctl.judge import module_findings
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.judge.witness_summary import LOG
from mermapctl.records.folder import TREE_DIFF
from mermapctl.records.record import Artifacts, Cell
from mermapctl.runner import (
    boot,
    boot_copy,
    build_copy,
    build_log,
    build_warnings,
    kernel,
    shell_lines,
    stages,
    up_to_date,
)
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import UNTRACED, Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.stages import Stage
from mermapctl.runner.step import Doing, Step, Steps, noted, spent
from mermapctl.system import files, signals
from mermapctl.system.signals import Interrupted
from mermapctl.tree import build_dir, state

EXPLAIN = "explain"
"""The progress' name for the search for reasons why symbols are missing."""
_FRESH = "nothing has changed since the last build: not built again (--rebuild does)"


def unjudged(job: Job) -> Cell:
    """Return the cell as planned, before anything has been done, without a verdict."""
    planned = job.cell
    return Cell(
        target=planned.target.name,
        variant=planned.variant.name,
        verdict=Verdict.NO_VERDICT,
        commit=job.commit,
        cpu=planned.cpu,
        smp=planned.smp,
        kernel_args=planned.kernel_args,
        flavour=planned.modular.flavour if planned.modular else None,
        reproduce=shell_lines.lines(job),
        artifacts=_artifacts(job),
    )


def _artifacts(job: Job, cell: Cell | None = None) -> Artifacts:
    def kept(name: str) -> str | None:
        path = job.folder / name
        return str(path) if path.is_file() else None

    plain = kept(f"console-{UNTRACED}.log")
    other = plain is not None and cell is not None and cell.untraced and cell.untraced.stands
    return Artifacts(
        console=plain if other else kept("console.log"),
        config=kept("config"),
        kunitconfig=kept("kunitconfig"),
        build_log=kept("build.log"),
        directory=str(job.folder),
        console_untraced=plain,
        witness=kept(LOG),
        tree_diff=_tree_diff(job),
    )


def _tree_diff(job: Job) -> str | None:
    """Return the path of the patch that `commands` keeps in the run's folder, if any."""
    path = job.folder.parents[1] / TREE_DIFF
    return str(path) if path.is_file() else None


def _write_request(job: Job) -> None:
    """Make the cell's folder; write the requested configuration into it."""
    job.folder.mkdir(parents=True, exist_ok=True)
    files.make(job.kunitconfig, job.cell.variant.fragment.text())
    for path, fragment in zip(shell_lines.own_fragments(job), job.cell.own, strict=True):
        files.make(path, fragment.text())


def run_to_end(
    job: Job,
    cell: Cell,
    looking: state.Looking | None = None,
    known: Callable[[Job, Cell], Cell | None] | None = None,
) -> Cell:
    """Run one cell to its verdict, or to the reason why it has none; return it.

    `cell` comes from `unjudged`. The last step counts, whatever ends the cell; no error of it is
    raised. `looking` is an inspection of the tree that has begun already. `known` is asked before
    the boot of a kernel that was built, and may return the cell with the verdict of the same
    kernel: nothing is booted then.
    """
    step = Step(cell, Doing.CONFIGURATION)
    try:
        steps = run_cell(job, cell, looking)
        with signals.interruptible(), contextlib.closing(steps):
            for latest in steps:
                step = latest
                told = known(job, step.cell) if known and step.doing is Doing.BOOT else None
                if told is not None:
                    step = replace(step, cell=told)
                    break
        cell = step.cell
    except Interrupted as signal:
        cell = _interrupted(step, signal)
    except MermapctlError as error:
        detail = f"{error.message} ({error.hint})" if error.hint else error.message
        cell = replace(step.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    except OSError as error:
        detail = f"{error.filename or job.folder}: {error.strerror}"
        cell = replace(step.cell, reason=Reason.HARNESS_ERROR, detail=detail)
    return replace(cell, artifacts=_artifacts(job, cell))


def _interrupted(step: Step, signal: Interrupted) -> Cell:
    """Return the cell that a signal has ended, with its verdict and its missing symbols."""
    cell = step.cell
    known = f"; {cell.detail}" if cell.reason is Reason.CONFIG_UNSATISFIED else ""
    detail = f"interrupted by {signal} during the {step.doing}{known}"
    return replace(cell, reason=Reason.INTERRUPTED, detail=detail)


def run_cell(job: Job, cell: Cell, looking: state.Looking | None) -> Generator[Step, None, None]:
    """Yield the cell, which comes from `unjudged`, each time that more of it is known.

    Raises Interrupted, MermapctlError, OSError.
    """
    _write_request(job)
    if job.cell.obstacle:
        yield from _obstructed(job, cell, job.cell.obstacle)
        return

    def waiting(sentence: str) -> None:
        nonlocal looking
        job.tell(Note(sentence))
        looking = None  # the tree may change meanwhile

    with contextlib.ExitStack() as lock:
        lock.enter_context(
            build_dir.locked(job.build_dir, job.invoked, wait=job.request.wait, waiting=waiting)
        )
        yield from _stages(job, cell, looking, lock)


def _stages(
    job: Job, cell: Cell, looking: state.Looking | None, lock: contextlib.ExitStack
) -> Iterator[Step]:
    made_from = _signature(job, looking) if looking else _made_from(job)
    if job.cell.modular:
        names = modular.symbols(job.cell.variant.fragment)
        guards = modular.guards(job.tree, job.target.srcarch, names)
        cell = replace(cell, guards=guards)
        yield Step(cell, Doing.CONFIGURATION)
    found = kernel.read(job)
    if not job.request.rebuild and up_to_date.is_fresh(job, found.image, made_from):
        yield from _booted_fresh(job, found, cell)
        return
    up_to_date.forget(job)
    if not job.request.rebuild:
        wanted = job.cell.variant.fragment.text()
        origin = build_copy.begin(job.build_dir, wanted, job.invoked)
        if origin:
            job.tell(Note(f"begins as a copy of {origin}: make builds what differs"))
    asked = job
    job, configured = _configured(job)
    cell = spent(cell, config=configured.seconds)
    yield Step(cell, Doing.BUILD)
    if configured.reason:
        yield from _without_verdict(job, cell, configured)
        return
    with build_warnings.collected(job):
        built = stages.build(job, kernel.read(job))
    cell = replace(spent(cell, build=built.seconds), warnings=build_warnings.known(job))
    if built.reason:
        yield from _unbuilt(job, cell, built)
        return
    yield Step(cell, Doing.BOOT)  # only now: a failed build leaves the kernel of an earlier one
    if job.frees_lane:
        found = kernel.read(job)
        up_to_date.remember(job, found.image, made_from)  # nobody else changes a lane's files
        with boot_copy.freeing_lane(job, found, lock) as apart:
            booted = boot.boot(apart, found)
            yield from _judged(apart, spent(cell, boot=booted.seconds), booted)
        return
    # Record the build only if the tree is unchanged: make may have missed a file saved meanwhile.
    with contextlib.closing(_look(job)) as after:
        booted = boot.boot(job, kernel.read(job))
        with contextlib.suppress(MermapctlError):  # an error of git does not change the verdict
            if _signature(asked, after) == made_from:
                up_to_date.remember(job, booted.kernel.image, made_from)
    yield from _judged(job, spent(cell, boot=booted.seconds), booted)


def _judged(job: Job, cell: Cell, booted: Booted) -> Iterator[Step]:
    from mermapctl.runner import cell_boots  # noqa: PLC0415 - the boot has loaded it meanwhile

    return cell_boots.steps(job, cell, booted)


def _made_from(job: Job) -> str | None:
    with contextlib.closing(_look(job)) as looking:
        return _signature(job, looking)


def _look(job: Job) -> state.Looking:
    """Start the inspection of the tree; the files of a lane are known."""
    if job.checkout is not None:
        return state.Looking(job.tree, files=job.checkout.files)
    return state.look(job.tree)


def _signature(job: Job, looking: state.Looking) -> str | None:
    kunitconfig = job.cell.variant.fragment.text()
    return up_to_date.signature(job, kunitconfig, looking.state())


def _booted_fresh(job: Job, found: Kernel, cell: Cell) -> Iterator[Step]:
    """Boot the kernel of the last run, because nothing that it was made from has changed."""
    job.tell(Note(_FRESH))
    files.copy(job.build_dir / ".config", job.folder / "config")
    cell = replace(spent(cell, config=0.0, build=0.0), warnings=build_warnings.known(job))
    yield Step(cell, Doing.BOOT)
    booted = boot.boot(job, found)
    yield from _judged(job, noted(spent(cell, boot=booted.seconds), _FRESH), booted)


def _obstructed(job: Job, cell: Cell, obstacle: str) -> Iterator[Step]:
    """Yield a cell that its tree and target cannot give: the missing symbols, then the reasons."""
    planned = job.cell
    cell = replace(cell, reason=Reason.CONFIG_UNSATISFIED, detail=obstacle)
    yield Step(cell, Doing.EXPLANATION)
    try:
        lacking = missing.resolved(job.tree, planned.target, planned.variant.fragment)
    except MermapctlError as error:
        note = f"what it lacks could not be asked of the tree: {error.message}"
        yield Step(noted(cell, note), Doing.EXPLANATION)
        return
    cell = replace(cell, missing=lacking)
    yield Step(cell, Doing.EXPLANATION)
    if lacking:
        yield Step(_explained(job, cell), Doing.EXPLANATION)


def _explained(job: Job, cell: Cell) -> Cell:
    """Return the cell with the reason why each symbol is missing."""
    began = time.monotonic()
    job.tell(StageStarted(EXPLAIN))
    asked = job.cell.variant.fragment
    explained = missing.told(job.tree, job.target, asked, cell.missing)
    job.tell(StageEnded(EXPLAIN, time.monotonic() - began, ok=True))
    return replace(cell, missing=explained)


def _without_verdict(job: Job, cell: Cell, stage: Stage) -> Steps:
    """Yield a cell that a stage has ended; explain missing symbols if they are the reason."""
    cell = replace(cell, reason=stage.reason, detail=stage.detail, missing=stage.missing)
    yield Step(cell, Doing.EXPLANATION if stage.missing else Doing.BUILD)
    if stage.missing:
        cell = _explained(job, cell)
        yield Step(cell, Doing.EXPLANATION)
    return cell


def _configured(job: Job) -> tuple[Job, Stage]:
    """Configure the kernel; if symbols are missing, do so again without those of the trace."""
    configured = stages.configure(job)
    if not (configured.missing and job.cell.variant.wished):
        return job, configured
    bare = replace(job, cell=without_trace(job.cell))
    _write_request(bare)
    again = stages.configure(bare)
    return bare, replace(again, seconds=configured.seconds + again.seconds)


def _unbuilt(job: Job, cell: Cell, built: Stage) -> Iterator[Step]:
    """Yield a cell whose build failed; add the module flavour's explanation of it, if any."""
    cell = yield from _without_verdict(job, cell, built)
    log = build_log.text(job)
    found = module_findings.without_member(log, cell.guards)
    if found:
        yield Step(replace(cell, findings=(found,)), Doing.BUILD)
