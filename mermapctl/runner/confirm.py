# SPDX-License-Identifier: GPL-2.0-only
"""Boot a failed kernel again with the same seed, and compare the two consoles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mermapctl.events import Note
from mermapctl.judge import reproduction
from mermapctl.judge.reproduction import Reproduction
from mermapctl.judge.result_types import Verdict
from mermapctl.records.cell_verdict import with_reproduction
from mermapctl.records.record import Cell
from mermapctl.runner import boot, further_boot, repeat
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job

NAME = "confirm"
"""A part of the names of this boot's files."""


class _First(NamedTuple):
    """The boot that is repeated: its job, and the path of its console."""

    job: Job
    console: Path


def add(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Return a failed cell with the result of the same boot again; a note gives an obstacle.

    Raises Interrupted, HarnessError, OSError.
    """
    why, first = _first(job, cell, booted)
    if first is None:
        return replace(cell, notes=(*cell.notes, f"not booted again with its seed: {why}"))
    job.tell(Note("failed: booting once more with the same seed"))
    again = replace(first.job, repeat=NAME)
    second = boot.boot(again, booted.kernel, booted.accelerator)
    if second.boot.killed:
        why = f"the boot again with its seed was cut off: {second.boot.killed}"
        return replace(cell, notes=(*cell.notes, why))
    differs, lines = further_boot.differing(first.console, again.console)
    verdict = further_boot.judged(again, cell, second).verdict
    clock = second.clock
    told = Reproduction(
        identical=differs is None,
        verdict=verdict,
        seed=clock.seed if clock else 0,
        shift=clock.shift if clock else 0,
        seconds=round(second.seconds, 3),
        lines=lines,
        differs=differs,
        console=None if differs is None else str(again.console),
    )
    if told.identical:
        further_boot.remove_files(again)
    return with_reproduction(cell, replace(told, words=reproduction.worded(told)))


def _first(job: Job, cell: Cell, booted: Booted) -> tuple[str, _First | None]:
    """Return the failed boot to be repeated, or why there is none, as a phrase."""
    if booted.clock is None:
        return "its boot is not reproducible", None
    if cell.untraced and cell.untraced.stands:  # a boot without probes gave the verdict
        if cell.witness is not None:
            return "the boot that failed is the one under the witness, with the host's clock", None
        plain = replace(job, cell=replace(job.cell, untraced=""))
        return "", _First(plain, Path(cell.artifacts.console_untraced or ""))
    if further_boot.judged(job, cell, booted).verdict is Verdict.FAILED:
        return "", _First(job, job.console)
    for each in cell.repeats.boots if cell.repeats else ():
        if each.verdict is Verdict.FAILED and each.console and each.number > 1:
            return "", _First(repeat.again(job, each.number), Path(each.console))
    return "only a boot with the host's clock failed", None
