# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --dry-run`: what a run would do. Runs nothing and writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from mermapctl.config.plan import CellPlan
from mermapctl.records.folder import RunFolder
from mermapctl.runner import kunit, shell_lines
from mermapctl.runner.job import begin
from mermapctl.system import paths

RUN = "RUN"
"""Stands for the id that the run would get."""
_ANY = kunit.Capabilities(kunit.STAGES, {"exec": frozenset({"--qemu_args"})})
"""kunit.py is not run, so its options are taken for known."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell that would be run: its directories, and the commands in order.

    `obstacle` is why it cannot be run; it then has no commands. A traced boot has probes beside
    the kernel arguments, once the kernel is built.
    """

    name: str
    obstacle: str | None
    traced: bool
    build_dir: str
    kunitconfig: str
    commands: tuple[str, ...]


def planned(cells: Iterable[CellPlan]) -> tuple[PlannedCell, ...]:
    """Return what a run of these cells would do."""
    return tuple(_cell(cell) for cell in cells)


def _cell(cell: CellPlan) -> PlannedCell:
    folder = RunFolder(RUN, paths.state_dir() / "runs" / RUN)
    job = begin(cell, folder, can=_ANY, commit=None, invoked="", tell=lambda _event: None)
    boot = kunit.BootRequest(cell.suite, cell.kernel_args, cell.qemu_args, job.timeout)
    lines = list(shell_lines.lines(job)[1:])
    lines += [] if cell.obstacle else [shlex.join(kunit.boot(job, boot, _ANY))]
    return PlannedCell(
        name=cell.name,
        obstacle=cell.obstacle,
        traced=cell.traced,
        build_dir=str(job.build_dir),
        kunitconfig=str(job.kunitconfig),
        commands=tuple(lines),
    )
