# SPDX-License-Identifier: GPL-2.0-only
"""What all further boots of one kernel share: their limits, their verdict, their files."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from mermapctl.judge import reproduction
from mermapctl.records.cell_verdict import judge_boot
from mermapctl.records.record import Cell
from mermapctl.runner import gdb_client
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import UNTRACED, Job
from mermapctl.system import inputs

SLOWER = 10
"""A boot that is watched from outside may take this many times as long as the plain boot; under the
witness it usually takes three times as long."""
SHORTEST, SILENCE = 120, 60
"""Its limits are at least this many seconds: in all, and without output."""


def patient(job: Job, booted: Booted) -> Job:
    """Return a job with the limits of a boot that is watched from outside."""
    longest = max(SHORTEST, int(SLOWER * booted.seconds))
    return replace(
        job,
        timeout=min(max(job.timeout, SHORTEST), longest),
        silence=max(job.silence, SILENCE),
    )


def under_stub(job: Job, socket: Path) -> Job:
    """Return the job of a boot without probes that starts stopped, with a gdb stub on a socket.

    The guest has the host's clock: with `-icount`, QEMU 7.2 ends at a watchpoint.
    """
    return replace(
        job,
        cell=replace(
            job.cell,
            untraced="",
            more_qemu_args=gdb_client.argument(socket),
            request=replace(job.request, reproducible=False),
        ),
        patience=None,  # at each stop the guest stands still
        repeat=UNTRACED,
    )


def judged(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Return the cell as this boot alone would have it."""
    with contextlib.closing(inputs.open_own(job.console)) as console:
        return judge_boot(cell, booted.boot, console)


def aborted(console: Path) -> bool:
    """Return whether QEMU ended itself because of an internal fault."""
    with contextlib.closing(inputs.open_own(console)) as file:
        return any(line.startswith(b"qemu: fatal: ") for line in file)


def differing(one: Path, other: Path) -> tuple[int | None, int]:
    """Return the first line where two consoles differ, if any, and the number of their lines."""
    with (
        contextlib.closing(inputs.open_own(one)) as first,
        contextlib.closing(inputs.open_own(other)) as second,
    ):
        return reproduction.differing(first, second)


def remove_files(job: Job) -> None:
    """Remove the console and the scripts of a boot that adds nothing to the first."""
    job.console.unlink(missing_ok=True)
    shutil.rmtree(job.programs, ignore_errors=True)
