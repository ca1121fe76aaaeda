# SPDX-License-Identifier: GPL-2.0-only
"""The same kernel once more, without probes, under the witness outside (docs/witness.md)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.events import Note
from mermapctl.judge.confirmation import Unprobed
from mermapctl.judge.verdict import Ended, Verdict
from mermapctl.judge.witness_summary import LOG, WitnessSummary
from mermapctl.records.judging import suites_known, with_unprobed
from mermapctl.records.witnessed import with_witness
from mermapctl.runner import boot, gdb_client, system_map, unprobed
from mermapctl.runner.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.records.record import Cell
    from mermapctl.runner.boot import Booted
    from mermapctl.runner.job import Job
    from mermapctl.runner.kernel import Kernel
    from mermapctl.runner.system_map import SystemMap

TARGET = "x86_64"
LONGEST_SOCKET = 100
"""Bytes of a socket's path; the kernel takes 107 (sun_path, unix(7))."""
SLOWER = 10
"""Times as long as the plain boot that the boot under the witness may take; it takes some three."""
SHORTEST, SILENCE = 120, 60
"""Seconds that it may take, and be silent, at least."""
ACCELERATOR = "tcg"
"""Breakpoints under KVM need the CPU's four debug registers, or write to the guest's code."""


def obstacle(job: Job) -> str | None:
    """Why the witness cannot watch a cell, in words; None where it can."""
    target = job.target
    if target.name != TARGET:
        return (
            f"not witnessed: the witness knows the page tables of {TARGET} alone, and no other "
            "architecture can have the mermap"
        )
    if not job.can.has("exec", "--qemu_args"):
        return "not witnessed: this tree's kunit.py has no --qemu_args"
    return None


def add(job: Job, cell: Cell, booted: Booted) -> Cell:
    """The cell with what the witness sees of one more boot, which also confirms a failure.

    A boot that ends otherwise than by itself is not repeated. Raises Interrupted, HarnessError,
    OSError.
    """
    why = obstacle(job) or unprobed.too_dear(cell)
    known = None if why else system_map.load(job.build_dir / "System.map")
    if known is None:
        return replace(cell, notes=(*cell.notes, why or "not witnessed: there is no System.map"))
    job.tell(Note("booting once more, under the witness"))
    with _socket(job.folder) as socket:
        again = _again(job, booted, socket)
        second, error = _watched(again, booted.kernel, known, socket)
    files = replace(
        cell.artifacts, console=str(job.console), console_untraced=str(again.console),
        witness=str(job.folder / LOG),
    )  # fmt: skip
    cell = replace(cell, artifacts=files)
    seconds = round(second.seconds, 3)
    if error is not None:
        cell = replace(cell, notes=(*cell.notes, f"the witness broke off: {error}"))
        if second.boot.ended is not Ended.EXITED:  # its stub may have left the guest standing
            return cell
    if unprobed.wanted(cell, booted):
        blank = Unprobed(Verdict.NO_VERDICT, seconds, boot=second.boot)
        cell = with_unprobed(cell, blank)
    return with_witness(cell, WitnessSummary(seconds=seconds, boot=second.boot))


def _watched(
    again: Job, kernel: Kernel, known: SystemMap, socket: Path
) -> tuple[Booted, str | None]:
    suite = suites_known().suites.get(again.cell.suite.partition(".")[0])
    tests = suite.names if suite else ()
    witness = Witness(socket, again.folder / LOG, known, tests, moves=kernel.plain_image is None)
    witness.start()
    try:
        booted = boot.boot(again, kernel, ACCELERATOR)
    finally:
        witness.end()
    return booted, witness.error


def _again(job: Job, booted: Booted, socket: Path) -> Job:
    longest = max(SHORTEST, int(SLOWER * booted.seconds))
    return replace(
        job,
        cell=replace(job.cell, untraced="", more_qemu_args=gdb_client.argument(socket)),
        timeout=min(max(job.timeout, SHORTEST), longest),
        silence=max(job.silence, SILENCE),
        repeat=unprobed.AGAIN,
    )


@contextlib.contextmanager
def _socket(folder: Path) -> Iterator[Path]:
    """A place for the stub's socket that only this user can reach, and that goes with the block."""
    here = len(os.fsencode(str(folder))) + len("/gdb-12345678/stub") <= LONGEST_SOCKET
    with tempfile.TemporaryDirectory(prefix="gdb-", dir=folder if here else None) as place:
        yield Path(place) / "stub"
