# SPDX-License-Identifier: GPL-2.0-only
"""The clock of an emulated guest counts its instructions, so a kernel boots the same way each time.

With `-icount` QEMU derives the guest's time from the number of instructions that it ran. With
`sleep=off` the time of an idle guest jumps to its next timer. `-rtc clock=vm` separates the guest's
clock from the host's, and `-seed` fixes the guest's random numbers. All CPUs then share one thread
of QEMU and run in turn.

A turn ends where a timer of QEMU expires, so a seed also chooses the length of the turns: a network
filter without a network has a timer of that period. The guest has no device and no interrupt for
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from mermapctl.config.plan import SEED, SHIFT
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel

EMULATED = "tcg"
"""The accelerator that counts instructions; KVM cannot."""
_THREADED = {"KCSAN": "KCSAN looks for CPUs that overlap, so each has a thread of QEMU"}
"""Symbols of kernels whose CPUs must run at the same time, and why."""
_BEGINS = "2026-01-01T00:00:00"
_TURNS = (11.0, 16.0)
"""Bounds of the base 2 logarithm of the instructions of a turn.

Shorter turns meet in shorter windows, but slow QEMU down: 2^10 instructions double a boot's time.
"""
_PORTS = ("mermapctl-turns", "mermapctl-turns-peer")
"""The two ends of the network of the filter. QEMU warns of an end that has no peer."""


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
            *self._turns,
        )

    @property
    def _turns(self) -> tuple[str, ...]:
        """QEMU's options for the turns of the CPUs; the default seed leaves QEMU its own."""
        if self.seed == SEED:
            return ()
        one, other = _PORTS
        chance = Random(self.seed)  # noqa: S311  nothing here is a secret
        instructions = 2 ** chance.uniform(*_TURNS)
        interval = max(1, int(instructions * 2**self.shift / 1000))
        return (
            *("-netdev", f"hubport,id={one},hubid=0"),
            *("-netdev", f"hubport,id={other},hubid=1,netdev={one}"),
            *("-object", f"filter-buffer,id=mermapctl-turn,netdev={one},interval={interval}"),
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
