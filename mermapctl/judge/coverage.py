# SPDX-License-Identifier: GPL-2.0-only
"""Coverage: the lines and branches of some files that a boot ran. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SOURCE_LINES = 6000
"""The most lines of source that a record contains; mm/mermap.c has 470."""
MISSED = 8
"""The most ranges of lines that a sentence lists."""


@dataclass(frozen=True, slots=True)
class LineCount:
    """How often a line ran: `count` of it, `taken` of its `branches` at least once."""

    number: int
    count: int
    branches: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of source; `count` is null where there is no code.

    `tests` are indices into the tests of the coverage: those that ran the line, each booted alone.
    """

    text: str
    count: int | None = None
    branches: int = 0
    taken: int = 0
    tests: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One file: its path in the tree, and how many of its lines and branches ran.

    `missed` are the numbers of lines with code that did not run. `source` is empty where there is
    too much of it for a record.
    """

    path: str
    lines: int
    lines_run: int
    branches: int
    branches_taken: int
    missed: tuple[int, ...] = ()
    source: tuple[SourceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class TestCoverage:
    """What one test runs, booted alone, of all files; no other test runs `alone` of these lines."""

    __test__ = False  # not a pytest class

    test: str
    lines_run: int
    branches_taken: int
    alone: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the boot of a cell ran, from its first instruction to the end of its suites.

    `lcov` and `cobertura` are files for other programs.
    """

    files: tuple[FileCoverage, ...]
    tests: tuple[TestCoverage, ...] = ()
    lcov: str | None = None
    cobertura: str | None = None

    @property
    def lines(self) -> tuple[int, int]:
        """How many lines ran, of how many."""
        return sum(each.lines_run for each in self.files), sum(each.lines for each in self.files)

    @property
    def branches(self) -> tuple[int, int]:
        """How many branches were taken, of how many."""
        taken = sum(each.branches_taken for each in self.files)
        return taken, sum(each.branches for each in self.files)


FileLines = Mapping[str, Sequence[LineCount]]
"""The counted lines of each file."""


def of(
    whole: FileLines,
    alone: Mapping[str, FileLines],
    sources: Mapping[str, Sequence[str]],
    reports: Mapping[str, str],
) -> Coverage:
    """Return the coverage of a boot, of some tests booted alone, with the text of the sources."""
    ran = {
        test: {(path, line.number) for path, lines in files.items() for line in lines if line.count}
        for test, files in alone.items()
    }
    by_line: dict[tuple[str, int], list[int]] = {}
    for index, places in enumerate(ran.values()):
        for place in places:
            by_line.setdefault(place, []).append(index)
    fits = sum(map(len, sources.values())) <= SOURCE_LINES
    files = tuple(
        _file(path, lines, by_line, sources.get(path, ()) if fits else ())
        for path, lines in sorted(whole.items())
    )
    tests = tuple(
        TestCoverage(
            test,
            len(ran[test]),
            sum(line.taken for lines in files.values() for line in lines),
            sum(len(by_line[place]) == 1 for place in ran[test]),
        )
        for test, files in alone.items()
    )
    return Coverage(files, tests, reports.get("lcov"), reports.get("cobertura"))


def _file(
    path: str,
    lines: Sequence[LineCount],
    by_line: Mapping[tuple[str, int], Sequence[int]],
    source: Sequence[str],
) -> FileCoverage:
    counted = {line.number: line for line in lines}
    shown = []
    for number, text in enumerate(source, 1):
        line = counted.get(number)
        tests = tuple(by_line.get((path, number), ()))
        shown.append(
            SourceLine(text, line.count, line.branches, line.taken, tests)
            if line
            else SourceLine(text)
        )
    return FileCoverage(
        path=path,
        lines=len(lines),
        lines_run=sum(line.count > 0 for line in lines),
        branches=sum(line.branches for line in lines),
        branches_taken=sum(line.taken for line in lines),
        missed=tuple(sorted(line.number for line in lines if not line.count)),
        source=tuple(shown),
    )


def percent(part: int, of: int) -> str:
    """Return a share as text; a share below 100 % is never rounded up to it."""
    if not of:
        return "-"
    return f"{int(1000 * part / of) / 10:.1f} %"


def ranges(numbers: Iterable[int], most: int = MISSED) -> str:
    """Return line numbers as text: ``12, 40-44``, and how many ranges are left out."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    said = [str(a) if a == b else f"{a}-{b}" for a, b in found[:most]]
    more = len(found) - most
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")
