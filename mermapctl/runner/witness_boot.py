# SPDX-License-Identifier: GPL-2.0-only
"""Boot the same kernel once more, without probes, watched by the witness (docs/witness.md).

The guest has the host's clock. With `-icount` a watch ends QEMU (7.2: "Raised interrupt while not
in I/O function"), and a boot with breakpoints alone takes thirteen times as long.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mermapctl.events import Note
from mermapctl.judge.result_types import Ended, Verdict
from mermapctl.judge.witness_summary import LOG, WitnessSummary
from mermapctl.records.cell_verdict import suites_known
from mermapctl.records.record import Cell
from mermapctl.records.witnessed import with_witness
from mermapctl.runner import (
    boot,
    further_boot,
    gdb_client,
    socket_place,
    system_map,
    unprobed,
    witness_sites,
)
from mermapctl.runner.boot import Booted
from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.system_map import SystemMap
from mermapctl.runner.witness import Witness

TARGET = "x86_64"
OTHER_CLOCK = (
    "the boot under the witness has the host's clock: a failure that depends on the guest's clock "
    "or seed (--seed) may be absent there"
)
ACCELERATOR = "tcg"
"""Breakpoints under KVM need the CPU's four debug registers, or a change of the guest's code."""


def wanted(job: Job, cell: Cell, booted: Booted) -> bool:
    """Return whether the witness watches a boot of its own: if asked, or if that adds something.

    It adds something after a traced boot that did not pass, in place of a boot without probes, and
    for a kernel that is booted without probes. After a boot under KVM the user must ask for it,
    because the witness' boot is emulated.
    """
    if job.request.witness is not None:
        return job.request.witness
    if booted.accelerator != ACCELERATOR:
        return False
    if booted.limits.traced:
        return unprobed.wanted(cell, booted)
    lacks = job.cell.traced or bool(job.cell.untraced)  # another suite needs no probes
    return cell.verdict is not Verdict.NO_VERDICT and lacks


def _obstacle(job: Job, known: SystemMap | None) -> str | None:
    """Return why the witness cannot watch a cell, as a phrase; None if it can."""
    target = job.target
    if target.name != TARGET:
        return (
            f"the witness knows the page tables of {TARGET} alone, and no other "
            "architecture can have the mermap"
        )
    if not job.can.has("exec", "--qemu_args"):
        return "this tree's kunit.py has no --qemu_args"
    if known is None:
        return f"there is no {system_map.NAME}"
    try:
        witness_sites.sites(known, (), 0)
    except StubError as error:
        return error.message
    return None


def add(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Boot once more under the witness; return the cell with what it saw. Confirms a failure.

    If the witness breaks off, add a note; if the guest then also stopped, add nothing else. A boot
    that hung is not repeated. Raises Interrupted, HarnessError, OSError.
    """
    symbols = system_map.load(job.build_dir / system_map.NAME)
    why = _obstacle(job, symbols)
    if unprobed.too_dear(cell):
        why = "the hang would take its time once more"
    if symbols is None or why:
        told = (f"not witnessed: {why}",) if job.request.witness else ()
        return replace(cell, notes=(*cell.notes, *told))
    job.tell(Note("booting once more, without probes, under the witness"))
    with socket_place.socket(job.folder) as socket:
        again = further_boot.under_stub(further_boot.patient(job, booted), socket)
        second, error = _watched(again, booted.kernel, symbols, socket)
    given = gdb_client.argument(socket)
    plain = tuple(each for each in second.limits.qemu_args if each not in given)
    second = replace(second, limits=replace(second.limits, qemu_args=plain))
    files = replace(
        cell.artifacts, console=str(job.console), console_untraced=str(again.console),
        witness=str(job.folder / LOG),
    )  # fmt: skip
    known = replace(cell, artifacts=files)
    if error is not None:
        known = replace(known, notes=(*cell.notes, f"the witness broke off: {error}"))
        # Its stub may have left the guest standing, or QEMU is at fault.
        if second.boot.ended is not Ended.EXITED or further_boot.aborted(again.console):
            return known
    known = _confirmed(again, known, booted, second)
    return with_witness(known, WitnessSummary(seconds=round(second.seconds, 3), boot=second.boot))


def _confirmed(again: Job, cell: Cell, booted: Booted, second: Booted) -> Cell:
    if not unprobed.wanted(cell, booted):
        return cell
    if booted.accelerator == ACCELERATOR:
        compared = unprobed.compared(again, cell, second)
        if booted.clock is None or compared.confirmed is not False:
            return compared
        return replace(compared, notes=(*compared.notes, OTHER_CLOCK))
    why = f"not confirmed by the boot under the witness: that is not under {booted.accelerator}"
    return replace(cell, notes=(*cell.notes, why))


def _watched(
    again: Job, kernel: Kernel, symbols: SystemMap, socket: Path
) -> tuple[Booted, str | None]:
    suite = suites_known().suites.get(again.cell.suite.partition(".")[0])
    tests = suite.names if suite else ()
    witness = Witness(socket, again.folder / LOG, symbols, tests, moves=kernel.plain_image is None)
    witness.start()
    try:
        booted = boot.boot(again, kernel, ACCELERATOR)
    finally:
        witness.end()
    return booted, witness.error
