# SPDX-License-Identifier: GPL-2.0-only
"""Which kernels have the symbols of the trace, and why one does not. Data: configs/variants.toml.

The lines are optional: they give way to every other fragment, and a tree that cannot have them is
configured without them. Only a suite known to the trace, on a target whose functions can be probed,
gets them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from mermapctl.config.fragment import Fragment
from mermapctl.system import tables

COUNTED = "TLB flushes are counted, not observed"
"""What an untraced boot tells of them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the trace's `fragment` is requested: names of targets and of suites."""

    fragment: str
    targets: tuple[str, ...]
    suites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _TraceFile:
    trace: Scope


@dataclass(frozen=True, slots=True)
class Wish:
    """The result of the request: the lines that it adds, or the reason for none.

    `reason` is None where the kernel has the symbols, and where the suite has nothing to trace.
    """

    fragment: Fragment | None = None
    reason: str | None = None


@cache
def scope() -> Scope:
    """Return where a trace is possible, by variants.toml."""
    return tables.read("variants.toml", _TraceFile).trace


def granted(
    wished: Fragment, asked: Fragment, suites: Collection[str], target: str | None, reason: str
) -> Wish:
    """Decide whether a kernel for some suites on a target gets the `wished` lines.

    `asked` are the other fragments' lines: one that sets another value of one of these symbols
    wins, and no line is added then. `reason` is why a variant does without ("" where it does not).
    """
    where = scope()
    if not set(suites) & set(where.suites):
        return Wish()
    if target not in where.targets:
        return Wish(reason=f"the trace probes functions of {' and '.join(where.targets)} only")
    if reason:
        return Wish(reason=reason)
    given = {each.symbol: each for each in asked.assignments}
    for each in wished.assignments:
        other = given.get(each.symbol)
        if other is not None and other.value != each.value:
            return Wish(reason=f"{other.line()} ({other.origin})")
    return Wish(wished)
