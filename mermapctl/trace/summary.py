# SPDX-License-Identifier: GPL-2.0-only
"""Results of a trace as values: the account of a console, and its part in a record."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.trace.timeline import Timeline, TimelineBuilder
from mermapctl.trace.violations import Breach

if TYPE_CHECKING:
    from mermapctl.trace.addresses import Region


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One test's numbers; `test` is null for events after the last result line.

    `flushes_done` are the mermap's own, `flushes_needed` the gets that went back to addresses used
    before, `flushes_other` all others. `pages_between_flushes` are pages handed out before each
    flush (the first 16). `first_reuse` counts the successful gets before the first that went back
    to an address used before. `flushes_counted` is the suite's own counter, where known. An Oops
    ends tracing: a test in which one happened has `traced` false and its console line in `until`; a
    later test has no `until`.
    """

    test: str | None
    gets: int = 0
    puts: int = 0
    refusals: int = 0
    reserved: int = 0
    flushes_done: int = 0
    flushes_needed: int = 0
    flushes_other: int = 0
    flushes_counted: int | None = None
    pages_between_flushes: tuple[int, ...] = ()
    first_reuse: int | None = None
    cpus: int = 0
    processes: int = 0
    traced: bool = True
    until: int | None = None


@dataclass(frozen=True, slots=True)
class TraceTable:
    """The trace of one boot, as stored in a record. `notes` say what remains unknown."""

    tests: tuple[TraceSummary, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    events: int = 0
    complete: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A probe that the kernel refused, with its negative errno."""

    probe: str
    symbol: str
    errno: int


class Layout(enum.StrEnum):
    """What is known of the allocation's structure."""

    NONE = "none"  # no successful get
    KNOWN = "known"
    UNKNOWN = "unknown"  # no two words fit
    AMBIGUOUS = "ambiguous"  # several pairs of words fit, and they differ


@dataclass(frozen=True, slots=True)
class TraceAccount:
    """The whole trace of a console.

    `requested` maps probe names to symbols as requested on the kernel's command line; empty where
    the console does not show it. `lost` counts events that must have happened but were not printed.
    `offsets` are bytes from the allocation to its base and end. `not_exercised` names what could
    not be broken. `unmaps_seen`: a put was seen to walk page tables. `unseen_puts` counts gets
    whose put may have been inlined into an unprobed caller, `off` is the line of an Oops that ended
    tracing.
    """

    events: int = 0
    requested: tuple[tuple[str, str], ...] = ()
    refused: tuple[Refused, ...] = ()
    seen: frozenset[str] = frozenset()
    dropped: int = 0
    dropped_line: int | None = None
    torn: int = 0
    torn_line: int | None = None
    lost: int = 0
    lost_line: int | None = None
    layout: Layout = Layout.NONE
    layout_line: int | None = None
    offsets: tuple[int, int] | None = None
    tests: tuple[TraceSummary, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    breaches: tuple[Breach, ...] = ()
    not_exercised: tuple[str, ...] = ()
    unmaps_seen: bool = False
    unseen_puts: int = 0
    off: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every event of every probe is here; otherwise nothing is concluded."""
        return not (self.dropped or self.torn or self.lost)

    def live(self, probe: str) -> bool:
        """Return whether a probe worked, or nothing shows that it did not."""
        if probe in self.seen:
            return True
        if any(refused.probe == probe for refused in self.refused):
            return False
        return any(name == probe for name, _ in self.requested)


class TestCounts:
    """Numbers of the running test."""

    def __init__(self) -> None:
        self.events = 0
        self.gets = 0
        self.puts = 0
        self.refusals = 0
        self.reserved = 0
        self.done = 0
        self.needed = 0
        self.other = 0
        self.between: list[int] = []
        self.reuse: int | None = None
        self.cpus: set[int] = set()
        self.mms: set[int] = set()
        self.timelines: dict[int, tuple[Region, TimelineBuilder]] = {}

    def timeline(self, region: Region) -> TimelineBuilder:
        """Return the timeline of this test in a region."""
        found = self.timelines.get(id(region))
        if found is None:
            found = self.timelines[id(region)] = (region, TimelineBuilder(self.events))
        return found[1]

    def summary(self, test: str | None) -> TraceSummary:
        """Return the numbers as a value."""
        return TraceSummary(
            test, self.gets, self.puts, self.refusals, self.reserved, self.done, self.needed,
            self.other, None, tuple(self.between), self.reuse, len(self.cpus), len(self.mms),
        )  # fmt: skip
