# SPDX-License-Identifier: GPL-2.0-only
"""After a hang: boot each unfinished test alone, at once and briefly, and ask what it hangs in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl import fragment, stages, triage
from mermapctl.commands.judging import judge_console, suites_known
from mermapctl.diagnosis import Verdict
from mermapctl.events import Note
from mermapctl.plan import kernel_args
from mermapctl.record import Cell
from mermapctl.triage import Outcome, Trial, Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from mermapctl.stages import Work


def hung(work: Work, cell: Cell, keep: Callable[[tuple[Trial, ...]], None]) -> None:
    """Boot the tests that the hang of `cell` left unfinished; `keep` hears of all so far.

    Where none of them hangs alone, the suite is booted once more. Raises Interrupted, HarnessError.
    """
    wanted = triage.unfinished(cell.suites, cell.findings)
    if not wanted:
        return
    config = fragment.resolved(work.job.build_dir / ".config")
    watching = triage.watching(config)
    trials: list[Trial] = []
    for suite, test in wanted:
        trials.append(_boot(work, watching, suite, test))
        keep(tuple(trials))
    for suite in dict.fromkeys(suite for suite, _ in wanted):
        if not any(each.outcome is Outcome.HUNG for each in trials if each.suite == suite):
            trials.append(_boot(work, watching, suite, None))
            keep(tuple(trials))


def _boot(work: Work, watching: Watching, suite: str, test: str | None) -> Trial:
    what = f"{test} alone" if test else f"the suite {suite} again"
    work.tell(Note(f"hang triage: {what}"))
    alone = _alone(work, watching, f"{suite}.{test}" if test else suite, test or "suite")
    booted = stages.boot(alone)
    blank = Cell(
        target=work.cell.target.name,
        variant=work.cell.variant.name,
        verdict=Verdict.NO_VERDICT,
        boot=booted.boot,
        suite=alone.cell.suite,
    )
    with alone.console.open("rb") as console:
        judged = judge_console(blank, console)
    outcome, named = triage.outcome(suite, test, judged.suites, judged.findings)
    function = triage.function(judged.splats, suite, suites_known())
    return Trial(
        suite=suite,
        test=test,
        outcome=outcome,
        seconds=round(booted.seconds, 3),
        function=function if outcome is Outcome.HUNG else None,
        console=str(alone.console),
        named=named,
    )


def _alone(work: Work, watching: Watching, glob: str, name: str) -> Work:
    """The same kernel for one filter, in a folder of its own, with what shows a hang."""
    cell, options = work.cell, work.options
    folder = work.folder / f"triage-{name}"
    folder.mkdir(exist_ok=True)
    arguments = kernel_args(triage.DETECTOR if watching.detector else (), cell.kernel_args, ())
    smp = max(2, cell.smp or 1) if watching.smp and cell.target.qemu else cell.smp
    return replace(
        work,
        cell=replace(cell, suite=glob, smp=smp, kernel_args=arguments),
        options=replace(
            options,
            timeout=min(triage.LONGEST, options.timeout),
            silence=min(triage.SHORT, options.silence, options.timeout),
        ),
        folder=folder,
    )
