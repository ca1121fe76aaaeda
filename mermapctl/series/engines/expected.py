# SPDX-License-Identifier: GPL-2.0-only
"""How many seconds a cell of a series is expected to take on a farm. Pure.

A build on a worker that has built the commit before compiles what one commit changes: this is the
step of a commit. Its seconds are, by the first that is known, those that were recorded when the
same patch was built in the same column before; the mean of the steps of this series that change the
same headers, or the same kind of files, in the same column, then in any; else a share of a first
build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mermapctl.series.grid import Place

FIRST = 60.0
"""Seconds of a first build, until one has ended."""
REST = 0.1
"""What a cell takes besides its build, as a part of a first build, until one has ended."""


class Kind(StrEnum):
    """What a commit changes, by how many objects that makes anew."""

    ALL = "all objects"
    HEADER = "a header of few directories"
    FILES = "several files"
    FILE = "one file"


_SHARE = {Kind.ALL: 1.0, Kind.HEADER: 0.75, Kind.FILES: 0.4, Kind.FILE: 0.2}
"""What a step takes of a first build, until one of its kind has ended.

Measured on 6.12, base, ccache: a first build 87 s, after a change to mm/internal.h 76 s, to
mm/mermap.c 7 to 17 s.
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """The seconds that a cell took: those of its build, and all others, most of them of boots."""

    build: float
    rest: float


def headers_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the headers among changed paths, and the files that steer the whole build."""
    return tuple(sorted({each for each in paths if each.endswith(".h") or _steers(each)}))


def kind_of(paths: Sequence[str]) -> Kind:
    """Return what a commit with these changed paths changes."""
    headers = headers_of(paths)
    if any("include/" in each or _steers(each) for each in headers):
        return Kind.ALL
    if headers:
        return Kind.HEADER
    sources = sum(each.endswith((".c", ".S", ".rs")) for each in paths)
    return Kind.FILES if sources > 1 else Kind.FILE


def _steers(path: str) -> bool:
    """Return whether a change of a file makes all objects anew.

    Kbuild notes of each object which symbols and which flags it was made with, so that a Kconfig or
    a Makefile of a directory reaches few.
    """
    return path in {"Makefile", "Kbuild"} or path.startswith("scripts/Makefile")


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    number: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.number += 1

    @property
    def value(self) -> float:
        return self.total / self.number


class Expected:
    """The expected seconds of steps, first builds and the rest; learns from each cell that ends."""

    def __init__(
        self,
        paths: Mapping[int, Sequence[str]] | None = None,
        recorded: Mapping[Place, float] | None = None,
        firsts: Mapping[int, float] | None = None,
    ) -> None:
        """Begin with the changed paths by row, recorded steps, and first builds by column."""
        self._kinds = {row: kind_of(each) for row, each in (paths or {}).items()}
        self._headers = {row: headers_of(each) for row, each in (paths or {}).items()}
        self._recorded = dict(recorded or {})
        self._firsts = dict(firsts or {})
        self._means: dict[object, _Mean] = {}
        self._columns: set[int] = set()
        self.version = 0

    def step(self, place: Place) -> float:
        """Return the seconds of a build between a commit and the one before it."""
        first = self.first(place[1])
        known = self._recorded.get(place)
        if known is None:
            means = (self._means.get(each) for each in self._names(place))
            known = next((each.value for each in means if each), None)
        if known is None:
            known = first * _SHARE[self._kind(place[0])]
        return min(first, known)

    def first(self, column: int) -> float:
        """Return the seconds of the first build of a column on a worker."""
        mean = self._means.get(("first", column))
        if mean is not None:
            return mean.value
        known = self._firsts.get(column)
        if known is not None:
            return known
        mean = self._means.get("first")
        return mean.value if mean else max([FIRST, *self._firsts.values()])

    def firsts(self) -> dict[int, float]:
        """Return the first builds that have been measured, by column."""
        found = {column: self._means.get(("first", column)) for column in self._columns}
        return {column: mean.value for column, mean in found.items() if mean}

    def rest(self, column: int) -> float:
        """Return the seconds that a cell takes besides its build."""
        mean = self._means.get(("rest", column)) or self._means.get("rest")
        return mean.value if mean else REST * self.first(column)

    def between(self, column: int, before: int | None, row: int) -> float:
        """Return the seconds of a build of a row on a worker whose last build was `before`."""
        first, found = self.first(column), 0.0
        if before is None:
            return first
        for each in range(min(before, row) + 1, max(before, row) + 1):
            found += self.step((each, column))
            if found >= first:
                return first
        return found

    def learn(self, place: Place, before: int | None, spent: Spent) -> Place | None:
        """Learn from a cell whose worker had last built the row `before`.

        Return the step whose build this was; None for a first one, and for several steps at once.
        """
        column = place[1]
        self._add(spent.rest, ("rest", column), "rest")
        if before is None:
            self._columns.add(column)
            self._add(spent.build, ("first", column), "first")
            return None
        if abs(place[0] - before) != 1:
            return None
        step = (max(place[0], before), column)
        self._add(spent.build, *self._names(step))
        return step

    def _add(self, value: float, *names: object) -> None:
        self.version += 1
        for name in names:
            self._means.setdefault(name, _Mean()).add(value)

    def _kind(self, row: int) -> Kind:
        return self._kinds.get(row, Kind.FILES)

    def _names(self, step: Place) -> list[object]:
        """Return under which names the seconds of a step are learned, the nearest first."""
        row, column = step
        kind, headers = self._kind(row), self._headers.get(row)
        names: list[object] = [("headers", headers, column)] if headers else []
        return [*names, (kind, column), kind]
