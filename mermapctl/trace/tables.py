# SPDX-License-Identifier: GPL-2.0-only
"""The page tables that a process' mermap has prepared, as far as a trace shows them."""

from __future__ import annotations

from typing import NamedTuple

RANGES = 64
"""Ranges kept per process; a mermap makes its tables in one or in one per CPU."""

PAGE = 4096
SLIP = 16 * PAGE
"""A region and its tables that differ by more than this are not meant to be the same."""


class AddressRange(NamedTuple):
    """Addresses from `low` up to, not with, `high`."""

    low: int
    high: int

    def unit(self, low: int, size: int, cpus: int | None) -> int | None:
        """Bytes of these tables for each CPU, where a region of `size` bytes begins at `low`.

        Null where the tables do not divide into CPUs' parts of about that size. Without `cpus`,
        their number is what comes closest.
        """
        whole = self.high - self.low
        count = cpus or round(whole / size)
        if count < 1 or whole % (count * PAGE):
            return None
        unit = whole // count
        if abs(unit - size) > SLIP or (low - self.low) % unit:
            return None
        return unit


class Tables:
    """Ranges for which page tables were made; those that touch are one."""

    def __init__(self) -> None:
        self._spans: list[AddressRange] = []

    def __bool__(self) -> bool:
        """Whether anything is known of them."""
        return bool(self._spans)

    def add(self, low: int, high: int) -> None:
        """Tables were made for `low` up to `high`."""
        apart = []
        for span in self._spans:
            if span.high < low or high < span.low:
                apart.append(span)
            else:
                low, high = min(low, span.low), max(high, span.high)
        self._spans = sorted([*apart, AddressRange(low, high)])[:RANGES]

    def around(self, address: int) -> AddressRange | None:
        """The range that `address` lies in."""
        return next((span for span in self._spans if span.low <= address < span.high), None)

    def hold(self, low: int, high: int) -> bool:
        """Whether all of `low` up to `high` has tables."""
        span = self.around(low)
        return span is not None and high <= span.high


NO_TABLES = Tables()
