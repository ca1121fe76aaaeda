# SPDX-License-Identifier: GPL-2.0-only
"""Finds out whether QEMU or kunit.py was killed from outside during a boot.

The console does not show it: it ends in the middle, as after a triple fault of the guest.
"""

from __future__ import annotations

import signal

from mermapctl.errors import MermapctlError
from mermapctl.runner.console_pump import BEGUN
from mermapctl.runner.job import Job
from mermapctl.runner.path_shims import ended_file
from mermapctl.system import inputs, process

_OF_ITS_OWN = {signal.SIGABRT}
"""QEMU aborts if it cannot emulate the guest any further ("qemu: fatal: ")."""


def who(job: Job, outcome: process.SessionEnd) -> str | None:
    """Return who was killed by which signal, as a sentence; None if the boot ended by itself.

    None also for a session that we ended.
    """
    if outcome.ending is not process.Ending.EXITED:
        return None
    if outcome.returncode < 0:
        return _sentence("kunit.py", -outcome.returncode)
    ended, _, reported = _ended(job).partition(" ")
    if ended == BEGUN:
        return "the reader of QEMU's console was killed"
    if reported.isdecimal():
        return _sentence("QEMU", int(reported))
    if ended.startswith("-") and ended[1:].isdecimal() and int(ended[1:]) not in _OF_ITS_OWN:
        return _sentence("QEMU", int(ended[1:]))
    return None


def _ended(job: Job) -> str:
    if not job.target.qemu:
        return ""
    try:
        return inputs.read_text(ended_file(job.programs, job.target.qemu), limit=16).strip()
    except (MermapctlError, OSError):  # kunit.py did not start it, or the disk was full
        return ""


def _sentence(program: str, number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    why = " (out of memory?)" if number == signal.SIGKILL else ""
    return f"{program} was killed by {name}{why}"
