# SPDX-License-Identifier: GPL-2.0-only
"""The verdict of a kernel that has been judged, for another commit that gives the same one."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.runner import kernel
from mermapctl.runner.kunit import SCRIPT
from mermapctl.series import kernel_digest, verdict_cache
from mermapctl.system.inputs import read_regular

if TYPE_CHECKING:
    from mermapctl.records.record import Cell
    from mermapctl.runner.job import Job
    from mermapctl.series.cell_job import CellJob


def key_of(asked: CellJob, job: Job) -> str | None:
    """Return the key of the kernel that a job has built: all that decides what its boot prints.

    None for modules, which are no part of the image, and for a kernel that cannot be read.
    """
    image = None if job.cell.modular else kernel_digest.of(job.build_dir / kernel.read(job).image)
    if image is None:
        return None
    digest = hashlib.sha256(f"kernel {asked.column} {image}".encode())
    try:
        digest.update(read_regular(job.build_dir / ".config"))
        # kunit.py and its qemu_configs make QEMU's command line.
        for path in sorted((job.tree / SCRIPT).parent.rglob("*.py")):
            digest.update(path.name.encode(errors="surrogateescape") + read_regular(path))
    except OSError:
        return None
    return digest.hexdigest()


def inherited(asked: CellJob, job: Job, cell: Cell) -> Cell | None:
    """Return the cell with the verdict of a commit that has the same kernel; None without one.

    With --rerun only this run counts. `cell` is the one that was built.
    """
    key = key_of(asked, job)
    found = verdict_cache.find(key, only=asked.run if asked.rerun else None) if key else None
    if found is None:
        return None
    return replace(
        found,
        commit=cell.commit,
        inherited=found.inherited or found.commit,
        reused=None if found.reused == asked.run else found.reused,
        phases=replace(cell.phases, boot=None),
        reproduce=cell.reproduce,
        artifacts=cell.artifacts,
        warnings=cell.warnings,
    )


def keep(asked: CellJob, job: Job, cell: Cell) -> None:
    """Remember the verdict of the kernel that a job has booted."""
    with contextlib.suppress(OSError):
        key = key_of(asked, job)
        if key is not None:
            verdict_cache.keep(key, asked.run, job.folder, cell)
