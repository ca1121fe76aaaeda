# SPDX-License-Identifier: GPL-2.0-only
"""Boot a cell with the stress suite; make a failing history small (docs/howto/stress.md)."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

from mermapctl.config.plan import Stress
from mermapctl.errors import MermapctlError
from mermapctl.events import Note
from mermapctl.judge import stress, stress_shrink
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.stress import History, StressSummary
from mermapctl.judge.stress_shrink import Shrinking
from mermapctl.records import stressed
from mermapctl.records.record import Cell
from mermapctl.runner import boot, further_boot, kernel_modules, shell_lines, stress_module
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.kernel_modules import Insertion, Module
from mermapctl.system import inputs

BOOTS = 80
"""The most boots that make a history smaller; a boot takes about a second."""
ENOUGH = 150.0
"""Seconds of those boots, after which the smallest history so far is reported."""
SHORT, SILENCE = 30, 10
"""Limits of such a boot in seconds: in all, and without output. It may hang, as the first did."""
SECONDS_A_ROUND = 0.5
"""What a round may take at most; measured: 0.02 to 0.1 s."""


def pending(job: Job, cell: Cell) -> Cell:
    """Return the cell as it is until the stress suite has ended: it has not passed."""
    return stressed.without_boot(cell, _blank(job), "it has not ended")


def _blank(job: Job) -> StressSummary:
    asked = job.request.stress or Stress()
    return StressSummary(
        job.request.seed,
        0 if asked.history else asked.rounds,
        asked.history or None,
        command=_command(job, asked.history),
    )


def steps(job: Job, cell: Cell, booted: Booted) -> Generator[Cell, None, None]:
    """Yield the cell with the stress suite's result, then with a smaller and smaller history.

    Raises Interrupted, OSError.
    """
    summary = _blank(job)
    if cell.verdict is Verdict.NO_VERDICT:
        yield stressed.without_boot(cell, summary, "its kernel has no verdict")
        return
    try:
        module = stress_module.built(job, booted.kernel)
    except MermapctlError as error:
        yield stressed.without_boot(cell, summary, error.message)
        return
    summary, alone = _booted(job, cell, booted, module, summary)
    yield stressed.added(cell, alone, summary)
    if summary.history is None:
        return
    for smaller in _shrunk(job, cell, booted, module, summary):
        yield stressed.added(cell, alone, smaller)


def _booted(
    job: Job, cell: Cell, booted: Booted, module: Module, blank: StressSummary
) -> tuple[StressSummary, Cell]:
    """Boot all histories; return the result, and its judgement. `history` is to be made smaller."""
    asked = job.request.stress or Stress()
    job.tell(Note(f"stress: {'a history' if asked.history else f'{asked.rounds:,} rounds'}"))
    turn = _turn(job, module, "stress", asked)
    second = boot.boot(turn, _kernel(booted), booted.accelerator)
    summary = replace(
        blank, seconds=round(second.seconds, 3), boot=second.boot, console=str(turn.console)
    )
    alone = stressed.judged(cell, summary)
    with inputs.open_own(turn.console) as console:
        shown = stress.shown(console)
    summary = replace(summary, histories=len(shown))
    found = stressed.errors(alone)
    if alone.verdict is not Verdict.FAILED or not found:
        return summary, alone
    history = stress.at(shown, found[0].console_line)
    if history is None:
        return summary, alone
    return replace(summary, code=found[0].code, history=history), alone


def _shrunk(
    job: Job, cell: Cell, booted: Booted, module: Module, summary: StressSummary
) -> Generator[StressSummary, None, None]:
    """Boot the history alone, then ever smaller ones that show the same finding."""
    tries, began = 0, time.monotonic()
    for begun in stress_shrink.alone(stress.parsed(summary.history or "")):
        tries += 1
        if _shows(job, cell, booted, module, summary, begun, tries):
            break
    else:
        job.tell(Note("stress: the history does not fail alone"))
        yield replace(summary, boots=tries)
        return
    shrinking = Shrinking(begun)
    shrinking.begin()
    yield _with_history(job, summary, begun, tries)
    while shrinking.candidate is not None and tries < BOOTS and time.monotonic() < began + ENOUGH:
        tries += 1
        shows = _shows(job, cell, booted, module, summary, shrinking.candidate, tries)
        shrinking.tell(shows=shows)
        if shows:
            job.tell(Note(f"stress: {len(shrinking.best)} steps show it: {_text(shrinking.best)}"))
        yield _with_history(job, summary, shrinking.best, tries)


def _with_history(job: Job, summary: StressSummary, best: History, tries: int) -> StressSummary:
    text = _text(best)
    return replace(
        summary, shrunk=text, boots=tries, table=stress.table(best), command=_command(job, text)
    )


def _text(history: History) -> str:
    return stress.spelled(history)


def _shows(
    job: Job, cell: Cell, booted: Booted, module: Module,
    summary: StressSummary, history: History, number: int,
) -> bool:  # fmt: skip
    """Return whether a boot with this history alone has the finding."""
    asked = Stress(history=stress.spelled(history))
    turn = _turn(job, module, f"stress-{number:02}", asked)
    second = boot.boot(turn, _kernel(booted), booted.accelerator)
    alone = stressed.judged(
        cell,
        replace(summary, given=asked.history, boot=second.boot, console=str(turn.console)),
    )
    further_boot.remove_files(turn)
    return any(each.code == summary.code for each in stressed.errors(alone))


def _kernel(booted: Booted) -> Kernel:
    """Return the kernel that was booted; after its built-in suites it starts our init."""
    return replace(booted.kernel, own_init=True)


def _turn(job: Job, module: Module, name: str, asked: Stress) -> Job:
    """Return the job of a boot in which the stress suite is the only one."""
    parameters = (
        (f"history={asked.history}",)
        if asked.history
        else (f"seed={job.request.seed}", f"rounds={asked.rounds}")
    )
    alone = bool(asked.history)
    most = SHORT if alone else max(job.timeout, int(120 + SECONDS_A_ROUND * asked.rounds))
    return replace(
        job,
        cell=replace(job.cell, suite=stress.SUITE),
        repeat=name,
        insertions=_insertions(job, module, parameters),
        timeout=most,
        silence=min(job.silence, SILENCE) if alone else job.silence,
        patience=None,
    )


def _insertions(job: Job, module: Module, parameters: tuple[str, ...]) -> tuple[Insertion, ...]:
    """Return the stress module behind the modules that it needs: KUnit, if that is one."""
    known = {
        name: replace(each, has_suites=False)
        for name, each in kernel_modules.built(job.build_dir).items()
    }
    needed = kernel_modules.insertions(
        {**known, stress_module.NAME: module},
        (f"filter_glob={stress.SUITE}", "enable=1"),
    )
    return (*needed[:-1], replace(needed[-1], parameters=parameters))


def _command(job: Job, history: str) -> str:
    """Return the shell line that runs the same histories again, or one."""
    asked = job.request.stress or Stress()
    request = replace(job.request, stress=replace(asked, history=history))
    return shell_lines.lines(replace(job, cell=replace(job.cell, request=request)))[0]
