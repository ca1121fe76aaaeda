# SPDX-License-Identifier: GPL-2.0-only
"""The verdict of a kernel that has been judged, for another commit that gives the same one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.events import StageStarted
from mermapctl.runner import kernel
from mermapctl.runner.kunit import SCRIPT
from mermapctl.series import kernel_digest, verdict_cache
from mermapctl.system import locks, paths
from mermapctl.system.inputs import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.records.record import Cell
    from mermapctl.runner.job import Job
    from mermapctl.series.cell_job import CellJob

_WAITING = "waiting for another commit with this kernel"


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


class SameKernel:
    """The kernel of one cell: the first cell that boots it gives its verdict to all others.

    A second cell with the same kernel, beside the first or in another process of the user, waits
    for the end of the first one's boot. A lock that cannot be taken costs a boot, no more.
    """

    def __init__(self, asked: CellJob) -> None:
        self._asked = asked
        self._key: str | None = None

    def inherited(self, job: Job, cell: Cell) -> Cell | None:
        """Return the cell with the verdict of a commit that has the same kernel; None without one.

        Until this process ends, no other boots a kernel that has no verdict. With --rerun only
        this run counts. `cell` is the one that was built.
        """
        key = self._key = key_of(self._asked, job)
        if key is None:
            return None
        found = self._find(key)
        if found is None and _waited(key, job):
            found = self._find(key)
        if found is None:
            return None
        return replace(
            found,
            commit=cell.commit,
            inherited=found.inherited or found.commit,
            reused=None if found.reused == self._asked.run else found.reused,
            phases=replace(cell.phases, boot=None),
            reproduce=cell.reproduce,
            artifacts=cell.artifacts,
            warnings=cell.warnings,
        )

    def _find(self, key: str) -> Cell | None:
        return verdict_cache.find(key, only=self._asked.run if self._asked.rerun else None)

    def keep(self, folder: Path, cell: Cell) -> None:
        """Remember the verdict of the kernel that this cell has booted."""
        if self._key is not None:
            verdict_cache.keep(self._key, self._asked.run, folder, cell)


def _waited(key: str, job: Job) -> bool:
    """Take the lock of a kernel until this process ends; return whether another one had it."""
    path = paths.cache_dir() / "series" / "booting" / key[:2] / key
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = locks.opened(path, 0o644)
        if locks.take(lock, wait=False):
            return False
        job.tell(StageStarted(_WAITING))
        return locks.take(lock, wait=True)
    except OSError:
        return False
