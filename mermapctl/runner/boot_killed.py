# SPDX-License-Identifier: GPL-2.0-only
"""Finds out whether QEMU, UML or kunit.py was killed from outside during a boot.

The console does not show it: it ends in the middle, as after a triple fault of the guest. kunit.py
starts UML itself and tells nobody how it ended: there the host's count of processes that it killed
for lack of memory decides.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from mermapctl.errors import MermapctlError
from mermapctl.runner.console_pump import BEGUN
from mermapctl.runner.job import Job
from mermapctl.runner.path_shims import ended_file
from mermapctl.system import inputs, process

_OF_ITS_OWN = {signal.SIGABRT}
"""QEMU aborts if it cannot emulate the guest any further ("qemu: fatal: ")."""


_COUNTERS = Path("/proc/vmstat")
_KILLS = "oom_kill "


def kills() -> int | None:
    """Return how many processes the host has killed for lack of memory (Linux 4.13)."""
    with contextlib.suppress(OSError, ValueError):
        for line in inputs.read_text(_COUNTERS).splitlines():
            if line.startswith(_KILLS):
                return int(line.removeprefix(_KILLS))
    return None


def who(job: Job, outcome: process.SessionEnd, before: int | None) -> str | None:
    """Return who was killed by which signal, as a sentence; None if the boot ended by itself.

    None also for a session that we ended. `before` are the `kills` before the boot.
    """
    if outcome.ending is not process.Ending.EXITED:
        return None
    if outcome.returncode < 0:
        return _sentence("kunit.py", -outcome.returncode)
    if job.target.qemu:
        return _qemu(job)
    lacking = before is not None and before != kills()
    return "the machine ran out of memory and killed a process" if lacking else None


def _qemu(job: Job) -> str | None:
    ended, _, reported = _ended(job).partition(" ")
    if ended == BEGUN:
        return "the reader of QEMU's console was killed"
    if reported.isdecimal():
        return _sentence("QEMU", int(reported))
    if ended.startswith("-") and ended[1:].isdecimal() and int(ended[1:]) not in _OF_ITS_OWN:
        return _sentence("QEMU", int(ended[1:]))
    return None


def _ended(job: Job) -> str:
    try:
        file = ended_file(job.programs, job.target.qemu or "")
        return inputs.read_text(file, limit=16).strip()
    except (MermapctlError, OSError):  # kunit.py did not start it, or the disk was full
        return ""


def _sentence(program: str, number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    why = " (out of memory?)" if number == signal.SIGKILL else ""
    return f"{program} was killed by {name}{why}"
