# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's tests and its mermap cost, in instructions; how that changed. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mermapctl.judge.result_types import Finding, Severity

DEARER = "dearer"
FAILED = "failed-while-counted"
CODES = (DEARER, FAILED)
"""Codes of findings that no console shows: they stay when a cell is judged again."""
NAMED = 8
"""The most numbers that a finding lists."""


@dataclass(frozen=True, slots=True)
class CallCost:
    """What `count` calls of one kind (get, put, flush) cost, each in instructions.

    `median` is that of a usual call: `high` may contain an interrupt, or a flush.
    """

    call: str
    count: int
    median: int
    low: int
    high: int
    total: int


@dataclass(frozen=True, slots=True)
class TestCost:
    """The instructions from the start of a test's function to its end, interrupts included."""

    __test__ = False  # not a pytest class

    test: str
    instructions: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The instructions that a boot without probes took. `guest` is what they depend on, in words.

    They depend on QEMU's version too (`run.host.qemu`). `seconds` is what the boot took, `words` a
    sentence with the numbers.
    """

    seconds: float
    guest: str
    calls: tuple[CallCost, ...] = ()
    tests: tuple[TestCost, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class CostChange:
    """A number of instructions before and after: of a test, or the median of a kind of call."""

    what: str
    before: int
    after: int

    @property
    def percent(self) -> float:
        """The change in per cent."""
        return 100 * (self.after - self.before) / self.before


def of_calls(samples: Mapping[str, Sequence[int]]) -> tuple[CallCost, ...]:
    """Summarize the instructions of each call, by kind of call."""
    return tuple(
        CallCost(call, len(each), statistics.median_low(each), min(each), max(each), sum(each))
        for call, each in samples.items()
        if each
    )


def worded(calls: Iterable[CallCost]) -> str:
    """Return the usual cost of each kind of call as a sentence; "" if there was none."""
    said = [f"a {each.call} {each.median:,}" for each in calls]
    return f"instructions (median): {', '.join(said)}" if said else ""


def figures(cost: Cost) -> dict[str, int]:
    """Return the numbers that are compared, by the name of their test or call."""
    calls = {each.call: each.median for each in cost.calls}
    return calls | {each.test: each.instructions for each in cost.tests}


def changes(before: Cost, after: Cost) -> tuple[CostChange, ...]:
    """Return what cost another number of instructions before."""
    former = figures(before)
    return tuple(
        CostChange(what, former[what], now)
        for what, now in figures(after).items()
        if former.get(what) not in {None, 0, now}
    )


def finding(changed: Iterable[CostChange], limit: float, than: str) -> Finding | None:
    """Return the warning of numbers that rose by `limit` per cent or more; None if none did.

    `than` names the run before.
    """
    risen = sorted(
        (each for each in changed if each.percent >= limit), key=lambda each: -each.percent
    )
    if not risen:
        return None
    worst, *others = risen
    more = f", and {len(others)} more" if others else ""
    return Finding(
        DEARER,
        Severity.WARNING,
        f"{worst.what} takes {worst.after:,} instructions, {worst.percent:.1f} % more than "
        f"{worst.before:,} in {than}{more}",
        evidence={
            each.what: f"{each.before:,} to {each.after:,} ({each.percent:+.1f} %)"
            for each in risen[:NAMED]
        },
    )


def failure(symptoms: Sequence[str]) -> Finding:
    """Return the finding for a kernel that failed only in the boot that counts instructions."""
    return Finding(
        FAILED,
        Severity.ERROR,
        "the first boot passes, and the boot without probes that counts instructions fails",
        evidence={"symptoms": ", ".join(symptoms[:NAMED]) or "the suite"},
        advice="`--no-trace` boots without probes",
    )
