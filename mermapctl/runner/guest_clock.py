# SPDX-License-Identifier: GPL-2.0-only
"""The clock of an emulated guest counts its instructions, so a kernel boots the same way each time.

With `-icount` QEMU derives the guest's time from the number of instructions that it ran. With
`sleep=off` the time of an idle guest jumps to its next timer. `-rtc clock=vm` separates the guest's
clock from the host's, and `-seed` fixes the guest's random numbers. All CPUs then share one thread
of QEMU and run in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.config.plan import SHIFT
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel

EMULATED = "tcg"
"""The accelerator that counts instructions; KVM cannot."""
_THREADED = {"KCSAN": "KCSAN looks for CPUs that overlap, so each has a thread of QEMU"}
"""Symbols of kernels whose CPUs must run at the same time, and why."""
_BEGINS = "2026-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class GuestClock:
    """The settings, besides the kernel and QEMU, on which a reproducible boot depends."""

    seed: int
    shift: int = SHIFT

    @property
    def options(self) -> tuple[str, ...]:
        """QEMU's options for this clock."""
        return (
            *("-icount", f"shift={self.shift},sleep=off"),
            *("-rtc", f"base={_BEGINS},clock=vm"),
            *("-seed", str(self.seed)),
        )


def of_boot(job: Job, kernel: Kernel, accel: str) -> GuestClock | None:
    """Return the clock of a boot; None if the guest has the host's clock."""
    asked = accel == EMULATED and job.request.reproducible
    if not asked or _overlap(kernel) is not None:
        return None
    return GuestClock(job.request.seed, job.request.shifts[0])


def why_threads(job: Job, kernel: Kernel, accel: str) -> str | None:
    """Return why a boot cannot be reproducible although that was asked for; None if it can."""
    asked = accel == EMULATED and job.request.reproducible
    return _overlap(kernel) if asked else None


def _overlap(kernel: Kernel) -> str | None:
    return next((why for each, why in _THREADED.items() if kernel.config.get(each) == "y"), None)
