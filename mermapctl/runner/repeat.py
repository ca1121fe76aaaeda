# SPDX-License-Identifier: GPL-2.0-only
"""After a cell's verdict, boot the same kernel again, each time with the next seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from mermapctl.events import Note
from mermapctl.judge import repeats, reproduction
from mermapctl.judge.repeats import RepeatedBoot
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.unprobed import symptoms
from mermapctl.records.cell_verdict import with_repeats
from mermapctl.records.record import Cell
from mermapctl.runner import boot, further_boot
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job
from mermapctl.system import inputs


def steps(job: Job, cell: Cell, booted: Booted) -> Iterator[Cell]:
    """Yield the cell after each further boot; the last one includes all boots.

    Removes the consoles of boots that pass. Raises Interrupted, HarnessError, OSError.
    """
    wanted = job.request.repeat
    consoles = {digest(job)}
    bad = [] if cell.verdict is Verdict.PASSED else [_told(1, cell, booted, cell.artifacts.console)]
    for number in range(2, wanted + 1):
        job.tell(Note(f"boot {number} of {wanted}: {len(bad)} did not pass so far"))
        turn = again(job, number)
        second = boot.boot(turn, booted.kernel, booted.accelerator)
        judged = further_boot.judged(turn, cell, second)
        consoles.add(digest(turn))
        if turn.judged:
            clock = second.clock
            seed, shift = (clock.seed, clock.shift) if clock else (None, None)
            turn.judged(turn, replace(judged, seed=seed, shift=shift))
        if judged.verdict is Verdict.PASSED:
            further_boot.remove_files(turn)
        else:
            bad.append(_told(number, judged, second, str(turn.console)))
        yield with_repeats(cell, repeats.summary(number, bad, len(consoles)))


def again(job: Job, number: int) -> Job:
    """Return the job of a boot after the first, with the next seed and the next shift."""
    request = job.request
    shifts = request.shifts
    asked = replace(
        request,
        seed=request.seed + number - 1,
        shifts=(shifts[(number - 1) % len(shifts)],),
    )
    return replace(job, cell=replace(job.cell, request=asked), repeat=f"repeat-{number:03}")


def digest(job: Job) -> bytes:
    """Return a hash of what the guest of a job printed."""
    made = hashlib.sha256()
    with inputs.open_own(job.console) as console:
        for line in reproduction.guest_lines(console):
            made.update(line)
    return made.digest()


def _told(number: int, judged: Cell, booted: Booted, console: str | None) -> RepeatedBoot:
    clock = booted.clock
    return RepeatedBoot(
        number,
        judged.verdict,
        seed=clock.seed if clock else None,
        shift=clock.shift if clock else None,
        reason=judged.reason,
        symptoms=symptoms(judged.suites, judged.findings),
        console=console,
    )
