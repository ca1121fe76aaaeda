# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --gdb`: boot a kernel that waits for gdb before its first instruction."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mermapctl.commands import required_programs
from mermapctl.commands.follow import Tail
from mermapctl.config.plan import CellPlan
from mermapctl.config.target import Accel
from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Event, Listener, Note, Tick
from mermapctl.records.folder import RunFolder
from mermapctl.runner import boot, further_boot, kernel, kunit, socket_place
from mermapctl.runner.cell import run_cell, unjudged
from mermapctl.runner.guest_clock import EMULATED
from mermapctl.runner.job import Job, begin
from mermapctl.runner.step import Doing
from mermapctl.system import paths, scratch
from mermapctl.tree import ownership

LONGEST = 7 * 24 * 3600
"""Seconds that a guest may wait for gdb, or stand at a breakpoint."""
DEBUG_INFO = "--kconfig-add DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y"
_UML_SIGNALS = ("handle SIGSEGV nostop noprint pass", "handle SIGUSR1 nostop noprint pass")
"""UML takes page faults and interrupts of its processes as signals (arch/um/os-Linux/signal.c)."""


@dataclass(slots=True)
class _Guest:
    """Shows a guest's console as it grows, and once QEMU listens, the line that attaches gdb."""

    console: Tail
    socket: Path
    attach: str
    show: Callable[[str], None]
    tell: Listener
    listens: bool = field(default=False)

    def hear(self, event: Event) -> None:
        """Take an event of the boot; pass on its notes, and look at the console at each tick."""
        if isinstance(event, Note):
            self.tell(event)
        elif isinstance(event, Tick):
            self.look()

    def look(self, *, final: bool = False) -> None:
        """Show what is new."""
        if not self.listens and self.socket.exists():
            self.listens = True
            self.show(self.attach)
        for line in self.console.lines(final=final):
            self.show(line)


def run(
    cells: tuple[CellPlan, ...], invoked: str, tell: Listener, show: Callable[[str], None]
) -> None:
    """Build the kernel of the only cell if something has changed; boot it, stopped.

    `show` gets the line that attaches gdb, then the lines of the console. Returns when the guest
    has ended. Nothing is judged or stored. Raises UserError, HarnessError, Interrupted.
    """
    if len(cells) != 1:
        raise UserError(
            f"--gdb boots one kernel, and {len(cells)} cells are asked for",
            "name one --target and one --variant",
        )
    (cell,) = cells
    ownership.require_own(paths.state_dir(), paths.cache_dir())
    required_programs.require(cells)
    with scratch.directory("gdb") as place:
        job = begin(
            cell,
            RunFolder("gdb", place),
            can=kunit.capabilities(cell.tree.path),
            commit=None,
            invoked=invoked,
            tell=tell,
        )
        with contextlib.closing(run_cell(job, unjudged(job), None)) as steps:
            last = None
            for last in steps:
                if last.doing is Doing.BOOT:  # the build directory stays locked meanwhile
                    boot_stopped(job, tell, show)
                    return
    why = last.cell.detail if last else None
    raise HarnessError(
        f"there is no kernel to boot: {why or 'it was not built'}",
        "the same line without --gdb shows more",
    )


def boot_stopped(job: Job, tell: Listener, show: Callable[[str], None]) -> None:
    """Boot the kernel that a job has built; for UML, only show the line. Otherwise as `run`."""
    found = kernel.read(job)
    if found.config.get("DEBUG_INFO") != "y":
        tell(Note(f"the kernel has no debug information, so no source lines: {DEBUG_INFO}"))
    if job.target.qemu is None:
        show(_uml(job))
        return
    if not job.can.has("exec", "--qemu_args"):
        raise UserError("--gdb needs a kunit.py with --qemu_args, and that of this tree has none")
    with socket_place.socket(job.folder) as socket:
        again = _stopped(job, socket)
        guest = _Guest(Tail(again.console), socket, _attach(job, socket), show, tell)
        # Under KVM breakpoints need the CPU's debug registers (`hbreak`), of which it has four.
        accel = None if job.request.accel is Accel.KVM else EMULATED
        boot.boot(replace(again, tell=guest.hear), found, accel)
        guest.look(final=True)
        while guest.console.grew:
            guest.look(final=True)
    if not guest.listens:
        raise HarnessError("QEMU opened no gdb stub", "what it printed stands above")


def _stopped(job: Job, socket: Path) -> Job:
    """Return the job of a boot that starts stopped, and has the time that gdb takes.

    A kernel that moves itself would not be where its symbols are.
    """
    again = further_boot.under_stub(job, socket)
    arguments = (*job.cell.kernel_args, "nokaslr")
    return replace(
        again,
        cell=replace(again.cell, kernel_args=arguments),
        timeout=LONGEST,
        silence=LONGEST,
    )


def _attach(job: Job, socket: Path) -> str:
    words = ["gdb", str(job.build_dir / "vmlinux"), "-ex", f"target remote {socket}"]
    return shlex.join(words)


def _uml(job: Job) -> str:
    """Return the line that starts a UML kernel under gdb; it is a program of this machine."""
    signals = [word for each in _UML_SIGNALS for word in ("-ex", each)]
    arguments = [
        "mem=1G",
        "console=tty",
        "kunit_shutdown=halt",
        f"kunit.filter_glob={job.cell.suite}",
    ]
    return shlex.join(
        ["gdb", *signals, "--args", str(job.build_dir / "linux"), *arguments, *job.cell.kernel_args]
    )
