# SPDX-License-Identifier: GPL-2.0-only
"""The clock of an emulated guest: its own instructions, so that the same kernel boots the same way.

With `-icount` QEMU takes the guest's time from the number of instructions that it ran; with
`sleep=off` an idle guest's time jumps to its next timer. `-rtc clock=vm` keeps the host's clock out
of the guest, `-seed` its random numbers. CPUs then take turns in one thread of QEMU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.config.plan import SHIFT

if TYPE_CHECKING:
    from mermapctl.runner.job import Job
    from mermapctl.runner.kernel import Kernel

EMULATED = "tcg"
"""The accelerator that counts instructions; KVM cannot."""
_THREADED = {"KCSAN": "KCSAN looks for CPUs that overlap, so each has a thread of QEMU"}
"""Symbols of kernels that need CPUs which really overlap, and why."""
_BEGINS = "2026-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class GuestClock:
    """What a reproducible boot depends on beside the kernel and QEMU."""

    seed: int
    shift: int = SHIFT

    @property
    def options(self) -> tuple[str, ...]:
        """QEMU's options."""
        return (
            *("-icount", f"shift={self.shift},sleep=off"),
            *("-rtc", f"base={_BEGINS},clock=vm"),
            *("-seed", str(self.seed)),
        )


def of_boot(job: Job, kernel: Kernel, accel: str) -> GuestClock | None:
    """Return the clock of a boot; None where it is the host's."""
    asked = accel == EMULATED and job.request.reproducible
    if not asked or _overlap(kernel) is not None:
        return None
    return GuestClock(job.request.seed, job.request.shifts[0])


def why_threads(job: Job, kernel: Kernel, accel: str) -> str | None:
    """Return why a boot that is to be reproducible cannot be, in a sentence; None where it can."""
    asked = accel == EMULATED and job.request.reproducible
    return _overlap(kernel) if asked else None


def _overlap(kernel: Kernel) -> str | None:
    return next((why for each, why in _THREADED.items() if kernel.config.get(each) == "y"), None)
