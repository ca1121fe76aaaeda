# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is booted with: the kernel's arguments, the probes of a trace, QEMU's arguments."""

from __future__ import annotations

from pathlib import Path

from mermapctl.config.traceable import COUNTED
from mermapctl.runner import kunit, system_map
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.system import inputs
from mermapctl.trace import probes

_KUNIT_ARGS = 320
"""Bytes that kunit.py and its qemu_configs may add to the kernel's command line."""


def limits(job: Job, kernel: Kernel) -> tuple[kunit.BootRequest, list[str]]:
    """Return the boot's arguments with the probes of a trace, and notes on what the trace lacks."""
    untraced = kernel.untraceable if job.cell.traced else job.cell.untraced
    traced = job.cell.traced and untraced is None
    entries = job.insertions is None  # the stress suite reads the entries itself
    functions = _functions(job.build_dir) if traced else None
    planned = probes.plan(functions, entries=entries) if traced else None
    if planned and _too_long((*job.cell.kernel_args, *planned.kernel_args)):
        planned, untraced = None, "the kernel's command line has no room left for the probes"
    given = kunit.BootRequest(
        filter_glob=job.cell.suite,
        kernel_args=(*job.cell.kernel_args, *(planned.kernel_args if planned else ())),
        qemu_args=(*job.cell.qemu_args, *_initrd(job, kernel), *_second_port(job)),
        timeout=job.timeout,
        traced=planned is not None,
    )
    notes = list(planned.notes) if planned else []
    return given, [*([f"not traced ({untraced}): {COUNTED}"] if untraced else []), *notes]


def _too_long(arguments: tuple[str, ...]) -> bool:
    """Return whether a kernel would cut its command line, and silently lose the last probes."""
    return len(" ".join(arguments)) + _KUNIT_ARGS >= probes.COMMAND_LINE_SIZE


def _initrd(job: Job, kernel: Kernel) -> tuple[str, ...]:
    return ("-initrd", str(job.initramfs)) if kernel.own_init else ()


def _second_port(job: Job) -> tuple[str, ...]:
    """Return the serial port into a file through which the init sends the kernel's counters."""
    return ("-serial", f"file:{job.counters}") if job.cell.sends_counters else ()


def _functions(build_dir: Path) -> tuple[probes.Symbol, ...] | None:
    """Return the functions in System.map; None if there is no System.map."""
    try:
        listed = inputs.read_text(build_dir / system_map.NAME)
    except OSError:
        return None
    return probes.functions(listed)
