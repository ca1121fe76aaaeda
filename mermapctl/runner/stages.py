# SPDX-License-Identifier: GPL-2.0-only
"""Configure and build a cell's kernel: each stage is one supervised kunit.py process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mermapctl.config import fragment, target
from mermapctl.config.fragment import MissingSymbol
from mermapctl.config.toolchain import of_build
from mermapctl.events import Note, Objects, StageEnded, StageStarted, Tick
from mermapctl.judge.result_types import Reason
from mermapctl.runner import build_log, compiler_cache, kunit, kunit_session, up_to_date
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.path_shims import Goals, write_make
from mermapctl.system import files, process
from mermapctl.tree import build_dir

_LOOK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Stage:
    """How a stage ended. `reason` and `detail` are set only if there can be no verdict."""

    seconds: float
    reason: Reason | None = None
    detail: str | None = None
    missing: tuple[MissingSymbol, ...] = ()


def _tick(job: Job, also: Callable[[], str | None]) -> Callable[[float, float], str | None]:
    def tick(_elapsed: float, _silent: float) -> str | None:
        job.tell(Tick())
        return also()

    return tick


def configure(job: Job) -> Stage:
    """Make the .config; `missing` has the symbols that the tree did not give as requested."""
    job.tell(StageStarted("config"))
    # kunit.py does not let make compile Kconfig's own programs in parallel.
    write_make(job.programs, job.build_log, Goals(jobs=job.request.jobs))
    dot_config = job.build_dir / ".config"
    if not up_to_date.config_is_current(job.tree, job.build_dir):
        # kunit.py keeps a .config with all requested symbols, even if the tree's Kconfig changed.
        dot_config.unlink(missing_ok=True)
    tick = _tick(job, build_log.bound(job))
    watch = process.Watch(float(job.request.build_timeout), tick=tick)
    outcome = kunit_session.supervise(job, kunit.config(job), job.harness_log, watch)
    ok = outcome.returncode == 0
    job.tell(StageEnded("config", outcome.seconds, ok))
    if dot_config.is_file():
        files.copy(dot_config, job.folder / "config")
    if ok:
        return Stage(outcome.seconds)
    return _failed(job, "kunit.py config", outcome)


def _failed(job: Job, what: str, outcome: process.SessionEnd) -> Stage:
    """Return why a stage failed: symbols that its .config lacks, else what the logs report.

    kunit.py checks the .config again after the build, and Kconfig may have changed by then.
    """
    if outcome.ending is process.Ending.LIMIT:
        told = f"{what} did not end within {job.request.build_timeout} s (--build-timeout)"
        return Stage(outcome.seconds, Reason.BUILD_FAILED, told)
    if outcome.ending is process.Ending.STOPPED:
        told = f"{what} was stopped: {outcome.stopped_for}"
        return Stage(outcome.seconds, Reason.BUILD_FAILED, told)
    why = build_log.why(job, what, outcome)
    dot_config = job.build_dir / ".config"
    # kunit.py requires its own lines for the target as well as those of the variant.
    asked = fragment.overlay(target.own_lines(job.target), job.cell.variant.fragment)
    # If kunit.py ended in a traceback, there is no .config, or an old one.
    answered = dot_config.is_file() and not build_log.fell_over(job)
    missing = fragment.missing(asked, dot_config) if answered else ()
    if not missing:
        return Stage(outcome.seconds, Reason.BUILD_FAILED, why)
    names = ", ".join(each.symbol for each in missing)
    detail = f"this tree and target did not give what was asked of {names}"
    return Stage(outcome.seconds, Reason.CONFIG_UNSATISFIED, detail, missing)


def build(job: Job, kernel: Kernel) -> Stage:
    """Build the kernel; read the progress from make's log as it grows."""
    known = build_dir.expected_objects(job.build_dir)
    expected = known or build_dir.guessed_objects(job.build_dir, job.target.first_objects)
    made = 0
    start = job.build_log.stat().st_size if job.build_log.is_file() else 0
    position = start

    def look() -> None:
        nonlocal made, position
        if not job.build_log.is_file():
            return
        with job.build_log.open("rb") as log:
            log.seek(position)
            grown = log.read(_LOOK_BYTES)
        whole = grown[: grown.rfind(b"\n") + 1]
        position += len(whole)
        before, made = made, made + build_dir.objects_in(whole)
        if made != before:
            of = expected if expected and made <= expected else None
            job.tell(Objects(made, of, about=known is None))

    job.tell(StageStarted("build"))
    _prepare_programs(job, kernel)
    bound = build_log.bound(job)

    def tick() -> str | None:
        look()
        return bound()

    watch = process.Watch(float(job.request.build_timeout), tick=_tick(job, tick))
    outcome = kunit_session.supervise(job, kunit.build(job), job.harness_log, watch)
    look()
    ok = outcome.returncode == 0
    job.tell(StageEnded("build", outcome.seconds, ok))
    if not ok:
        return _failed(job, "kunit.py build", outcome)
    build_dir.remember_objects(job.build_dir, made)
    return Stage(outcome.seconds)


def _prepare_programs(job: Job, kernel: Kernel) -> None:
    """Write a make that makes only the kernel, and skips syncconfig if .config is current."""
    goal = kernel.image_goal
    current = up_to_date.config_is_current(job.tree, job.build_dir)
    goals = (goal, *(("modules",) if job.cell.inserts_modules else ())) if goal else ()
    if kernel.plain_image:
        # Delete the stale image so that a failed build cannot boot it.
        (job.build_dir / job.target.kernel_image).unlink(missing_ok=True)
    chosen = job.cell.make_variables
    write_make(job.programs, job.build_log, Goals(goals, current, variables=chosen))
    if job.request.ccache:
        _cache(job, of_build(job.target.cross_compile).cc)


def _cache(job: Job, compiler: str) -> None:
    """Put ccache in front of a compiler; one that does not work is left out, and no flaw of it."""
    why = compiler_cache.flaw(compiler, kunit_session.environment(job))
    if why is None:
        compiler_cache.write(job.programs, compiler, job.tree)
    else:
        compiler_cache.forget(job.programs, compiler)
        job.tell(Note(f"ccache does not work, built without it: {why}"))
