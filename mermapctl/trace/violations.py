# SPDX-License-Identifier: GPL-2.0-only
"""Broken rules of a mermap, counted: the first of each kind keeps the events that prove it."""

from __future__ import annotations

from dataclasses import dataclass, field

TESTS_NAMED = 16
"""Tests listed per broken rule at most."""

Evidence = dict[str, str | int | float | bool | None]

FUNCTION = "function"
"""The key of the function that broke a rule; with an offset, the place in it."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule broken `times` times; `evidence` and `line` (of the console) are the first time's.

    `certain` is false where another caller's event may have been taken for the mermap's.
    """

    code: str
    tests: tuple[str | None, ...]
    times: int
    line: int
    evidence: Evidence = field(default_factory=dict)
    certain: bool = True


@dataclass(slots=True)
class _Tally:
    line: int
    evidence: Evidence
    tests: list[str | None] = field(default_factory=list)
    times: int = 0
    unnamed: bool = False
    certain: bool = False


class Breaches:
    """Collects breaches; a test's name is known only at its result line."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def note(
        self, code: str, line: int, evidence: Evidence, *, certain: bool = True, times: int = 1
    ) -> None:
        """Note a rule broken in the running test."""
        tally = self._tallies.get(code)
        if tally is None:
            tally = self._tallies[code] = _Tally(line, evidence)
        tally.times += times
        tally.unnamed = True
        tally.certain = tally.certain or certain

    @property
    def certain(self) -> bool:
        """Whether a rule was broken for certain."""
        return any(tally.certain for tally in self._tallies.values())

    def named(self, test: str | None) -> None:
        """Name the test that has just ended."""
        for tally in self._tallies.values():
            if tally.unnamed:
                tally.unnamed = False
                if len(tally.tests) < TESTS_NAMED and test not in tally.tests:
                    tally.tests.append(test)

    def all(self) -> tuple[Breach, ...]:
        """Return every broken rule, in the order of first violation."""
        self.named(None)
        return tuple(
            Breach(code, tuple(t.tests), t.times, t.line, t.evidence, t.certain)
            for code, t in sorted(self._tallies.items(), key=lambda item: item[1].line)
        )


def span(base: int, end: int) -> str:
    """Format an address range for evidence."""
    return f"[{base:#x}, {end:#x})"
