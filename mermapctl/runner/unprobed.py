# SPDX-License-Identifier: GPL-2.0-only
"""After a traced boot that did not pass, boot the same kernel once more, without probes."""

from __future__ import annotations

import shlex
from dataclasses import replace

from mermapctl.events import Note
from mermapctl.judge import hang_trials
from mermapctl.judge.result_types import Ended, Reason, Verdict
from mermapctl.judge.unprobed import Unprobed
from mermapctl.records.cell_verdict import with_unprobed
from mermapctl.records.record import Cell
from mermapctl.runner import boot, boot_copy, kunit
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import UNTRACED, Job

_BURNT = (Ended.TIMEOUT, Ended.SILENCE)


def wanted(cell: Cell, booted: Booted) -> bool:
    """Return whether a traced boot ended in a way that a boot without probes can explain."""
    if not booted.limits.traced:
        return False
    if cell.verdict is Verdict.NO_VERDICT:
        return cell.reason is Reason.BOOT_FAILED
    return cell.verdict is Verdict.FAILED


def too_dear(cell: Cell) -> str | None:
    """Return why a failed boot is not repeated: it hung, and would take the time limit again."""
    if cell.verdict is Verdict.FAILED and cell.boot and cell.boot.ended in _BURNT:
        return "not booted again without probes: the hang would take its time once more"
    return None


def confirm(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Boot once more without probes, and compare the results.

    The first boot's console stays unchanged. Raises Interrupted, HarnessError, OSError.
    """
    what = "no verdict" if cell.verdict is Verdict.NO_VERDICT else "failed"
    job.tell(Note(f"{what}: booting once more without probes"))
    again = _again(job, booted)
    second = boot.boot(again, booted.kernel, booted.accelerator)
    files = replace(cell.artifacts, console=str(job.console), console_untraced=str(again.console))
    return compared(again, replace(cell, artifacts=files), second)


def compared(again: Job, cell: Cell, second: Booted) -> Cell:
    """Compare a boot without probes, whose console the artifacts name, with the one before."""
    blank = Unprobed(Verdict.NO_VERDICT, round(second.seconds, 3), boot=second.boot)
    settled = with_unprobed(cell, blank)
    if settled.untraced and settled.untraced.stands:
        lines = (*cell.reproduce[:-1], boot_line(again, second))
        return replace(settled, kernel_args=second.limits.kernel_args, reproduce=lines)
    return settled


def boot_line(job: Job, booted: Booted) -> str:
    """Return a shell line that boots through kunit.py, with our QEMU script first on PATH."""
    line = boot_copy.named_at_home(job, shlex.join(kunit.boot(job, booted.limits, job.can)))
    if job.target.qemu:
        return f'PATH={shlex.quote(str(job.programs))}:"$PATH" {line}'
    return line


def bounded(job: Job, booted: Booted) -> Job:
    """Return the job of a further boot, limited to the time that a working boot needs."""
    return replace(
        job,
        timeout=min(job.timeout, max(hang_trials.LONGEST, 1 + int(2 * booted.seconds))),
        silence=min(job.silence, hang_trials.SHORT),
    )


def _again(job: Job, booted: Booted) -> Job:
    return replace(bounded(job, booted), cell=replace(job.cell, untraced=""), repeat=UNTRACED)
