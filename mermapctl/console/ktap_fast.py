# SPDX-License-Identifier: GPL-2.0-only
"""Passed KTAP suites, each read with one match instead of line by line.

Nearly all of a long log is such suites. One expression matches a whole suite, or consecutive
results; the parser reads line by line whatever does not fit the open level.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mermapctl.console.ktap import Result, Status
from mermapctl.console.ktap_state import OpenLevel
from mermapctl.console.lines import Line, LineRun, newline

_ROW = re.compile(
    newline("seconds")
    + r" +ok (?P<n>[0-9]+) (?:- )?(?P<name>[!-~]{1,400})(?P<skip> # SKIP[ -~]*)?$",
    re.MULTILINE,
)
_NUMBER = re.compile(r" ok ([0-9]+) ")
_NUMBERS = [str(number) for number in range(1, 1025)]
_N = newline()
# [0-9] takes two thirds of the time of \d, which looks up the Unicode category of each character.
_OK = r"ok [0-9]{1,9}+ (?:- |)[!-~]{1,400}+(?: # SKIP[ -~]*+|)$"
RUN = re.compile(
    rf"{newline('start')}(?P<indent> ++)KTAP version 1"
    rf"{_N}(?P=indent)# Subtest: (?P<name>[!-~]{{1,400}}+)(?:{_N}(?P=indent)# module: [!-~]++)?"
    rf"{newline('plan_at')}(?P=indent)1\.\.(?P<plan>[0-9]{{1,9}}+)"
    rf"(?P<tests>(?:{_N}(?P=indent){_OK})+)"
    rf"(?:{_N}# (?P=name): pass:(?P<passed>[0-9]++)"
    rf" fail:0 skip:(?P<skipped>[0-9]++) total:[0-9]++)?"
    rf"(?:{_N}# Totals: pass:[0-9]++ fail:0 skip:[0-9]++ total:[0-9]++)?"
    rf"{newline('end')}ok (?P<number>[0-9]{{1,9}}+) (?P=name)$"
    rf"|(?P<results>{_N}(?P<at> ++){_OK}(?:{_N}(?P=at){_OK})+)",
    re.MULTILINE,
)
"""A whole suite without a failed test or any other line, or consecutive such results."""


class Tests(NamedTuple):
    """The tests of a run: their lines, their printed numbers, the number of skipped ones."""

    text: str
    numbers: list[str]
    skipped: int

    @property
    def first(self) -> str:
        """Return the name of the first test."""
        return next(_ROW.finditer(self.text))["name"]

    @property
    def last(self) -> tuple[str, float | None]:
        """Return the name of the last test, and its kernel seconds."""
        row = next(_ROW.finditer(self.text, self.text.rindex("\n")))
        return row["name"], _float(row["seconds"])

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return seconds, number, name and ` # SKIP reason` of each test; "" for a missing part."""
        return _ROW.findall(self.text)

    def count_up(self, last: int) -> bool:
        """Return whether the numbers continue after `last`."""
        end = last + len(self.numbers)
        if end <= len(_NUMBERS):
            return self.numbers == _NUMBERS[last:end]
        return self.numbers == [str(number) for number in range(last + 1, end + 1)]


class PassedSuite(NamedTuple):
    """A suite matched at once: its level, its result, its first test's line and its result line."""

    level: OpenLevel
    result: Result
    first: int
    last: Line


def tests(run: LineRun) -> Tests:
    """Return the tests of a run."""
    text = run.match["tests"] or run.match["results"]
    if " # SKIP" not in text:
        return Tests(text, _NUMBER.findall(text), 0)
    rows = _ROW.findall(text)  # a reason may contain anything, even another result
    return Tests(text, [row[1] for row in rows], sum(bool(row[3]) for row in rows))


def fits(run: LineRun, tests: Tests, top: OpenLevel) -> bool:
    """Return whether consecutive results continue the open level: indentation, numbers, plan."""
    if len(run.match["at"]) != top.indent or not tests.count_up(top.last):
        return False
    return top.plan is None or top.count + len(tests.numbers) <= top.plan


def next_suite(run: LineRun, tests: Tests, doc: OpenLevel) -> str | None:
    """Return the name of the document's next suite.

    Returns None if the run is no suite, or if its results differ from its plan or totals.
    """
    name, plan, passed, skips, number = run.match.group(
        "name", "plan", "passed", "skipped", "number"
    )
    count, skipped = len(tests.numbers), tests.skipped
    if name is None or doc.indent or int(number) != doc.last + 1 or int(plan) != count:
        return None
    totals = passed is None or (int(passed), int(skips)) == (count - skipped, skipped)
    if not totals or skipped == count or not tests.count_up(0):
        return None
    return str(name)


def suite(run: LineRun) -> PassedSuite:
    """Return the suite of a run that has the next one."""
    match = run.match
    start, name, plan, plan_at, number, end = match.group(
        "start", "name", "plan", "plan_at", "number", "end"
    )
    level = OpenLevel(len(match["indent"]), run.number, _float(start))
    level.name, level.plan, level.mark = name, int(plan), _float(plan_at)
    level.last = level.plan
    first = run.number + run.lines - match.string.count("\n", match.start("tests"), match.end())
    last = Line(run.number + run.lines - 1, "", _float(end))
    return PassedSuite(level, Result(int(number), name, Status.PASSED, None), first, last)


def _float(text: str | None) -> float | None:
    return float(text) if text else None
