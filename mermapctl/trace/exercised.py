# SPDX-License-Identifier: GPL-2.0-only
"""Behaviours that a trace exercised, and those that none of its events could have broken."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from mermapctl.trace.rules import CpuState, Live


class Exercise(enum.StrEnum):
    """A behaviour that a rule needs; the value is its name in a report."""

    REUSE = "an address used again"
    WRAP_LIVE = "a wrap with a live mapping"
    WRAP_FULL = "a wrap with all other slots in use"
    NO_SLOT = "an ordinary get with no slot free"
    NO_ROOM = "a get refused for want of room"
    LAST_PAGE = "a reserved get of the region's last page"
    RESERVE_TWICE = "the reserve used twice between flushes"
    RESERVE_WRAP = "a reserved get that wraps"
    PAGES = "the page that a mapping shows"
    LATER_PAGES = "the later pages of a mapping"
    UNMAP = "the unmapping by a put"
    MIGRATION = "migration between a get and its put"
    CPUS = "two CPUs of one process"
    PROCESSES = "two processes at once on one CPU"


class Exercised(set[Exercise]):
    """The behaviours seen."""

    def granted(self, cpu: CpuState, new: Live, slots: int, *, wraps: bool) -> None:
        """Take a successful get on `cpu`; `slots` is how many ordinary gets may be live."""
        if wraps:
            self.add(Exercise.RESERVE_WRAP if new.reserved else Exercise.REUSE)
            if cpu.live:
                self.add(Exercise.WRAP_LIVE)
            if cpu.ordinary() + (not new.reserved) >= slots:
                self.add(Exercise.WRAP_FULL)
        if new.reserved and cpu.reserves:
            self.add(Exercise.RESERVE_TWICE)
        if new.reserved and cpu.full and new.base == cpu.next:
            self.add(Exercise.LAST_PAGE)

    def beside(self, cpu: CpuState, own: list[CpuState], states: Iterable[CpuState]) -> None:
        """Note other live gets beside a new one: on other CPUs, or other processes on its own."""
        if len(own) > 1:
            self.add(Exercise.CPUS)
        if Exercise.PROCESSES not in self and cpu.region is not None:
            shares = (s.region is cpu.region and s is not cpu and s.live for s in states)
            if any(shares):
                self.add(Exercise.PROCESSES)

    def missing(self) -> tuple[str, ...]:
        """Return what did not happen, in the order of the rules."""
        return tuple(str(each) for each in Exercise if each not in self)
