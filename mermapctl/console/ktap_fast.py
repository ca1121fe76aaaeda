# SPDX-License-Identifier: GPL-2.0-only
"""KTAP that needs no thought, read many lines at once: suites in which nothing went wrong.

Nearly all of a long log is like that. One expression takes a whole suite, or results in a row, out
of the console; whatever does not fit what is open is left to the parser, line by line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mermapctl.console.ktap import Result, Status
from mermapctl.console.ktap_state import OpenLevel
from mermapctl.console.lines import Line, newline

if TYPE_CHECKING:
    from mermapctl.console.lines import LineRun

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
"""A whole suite in which no test failed and nothing else was said, or such tests in a row."""


class Tests(NamedTuple):
    """The tests of a run: their lines, their numbers as printed, how many were skipped."""

    text: str
    numbers: list[str]
    skipped: int

    @property
    def first(self) -> str:
        """Name of the first."""
        return next(_ROW.finditer(self.text))["name"]

    @property
    def last(self) -> tuple[str, float | None]:
        """Name of the last, and its kernel seconds."""
        row = next(_ROW.finditer(self.text, self.text.rindex("\n")))
        return row["name"], _float(row["seconds"])

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Seconds, number, name and ` # SKIP reason` of each; what it has not is an empty text."""
        return _ROW.findall(self.text)

    def count_up(self, last: int) -> bool:
        """Whether the numbers go on after `last`."""
        end = last + len(self.numbers)
        if end <= len(_NUMBERS):
            return self.numbers == _NUMBERS[last:end]
        return self.numbers == [str(number) for number in range(last + 1, end + 1)]


class PassedSuite(NamedTuple):
    """A suite read at once: its level, its result, the lines of its first test and its result."""

    frame: OpenLevel
    result: Result
    first: int
    last: Line


def tests(run: LineRun) -> Tests:
    """The tests of a run."""
    text = run.match["tests"] or run.match["results"]
    if " # SKIP" not in text:
        return Tests(text, _NUMBER.findall(text), 0)
    rows = _ROW.findall(text)  # a reason may hold anything, another result that ran into it even
    return Tests(text, [row[1] for row in rows], sum(bool(row[3]) for row in rows))


def fits(run: LineRun, tests: Tests, top: OpenLevel) -> bool:
    """Whether tests in a row go on where the open level stands: indentation, numbers, plan."""
    if len(run.match["at"]) != top.indent or not tests.count_up(top.last):
        return False
    return top.plan is None or top.count + len(tests.numbers) <= top.plan


def suite(run: LineRun, tests: Tests, doc: OpenLevel) -> PassedSuite | None:
    """The document's next suite, if it has the results that its plan and its totals promise."""
    match, count, skipped = run.match, len(tests.numbers), tests.skipped
    start, name, plan, passed, skips, number = match.group(
        "start", "name", "plan", "passed", "skipped", "number"
    )
    if doc.indent or int(number) != doc.last + 1 or int(plan) != count or not tests.count_up(0):
        return None
    totals = passed is None or (int(passed), int(skips)) == (count - skipped, skipped)
    if not totals or skipped == count:
        return None
    frame = OpenLevel(len(match["indent"]), run.number, _float(start))
    frame.name, frame.plan, frame.mark = name, count, _float(match["plan_at"])
    frame.last = count
    first = run.number + run.lines - match.string.count("\n", match.start("tests"), match.end())
    last = Line(run.number + run.lines - 1, "", _float(match["end"]))
    return PassedSuite(frame, Result(int(number), name, Status.PASSED, None), first, last)


def _float(text: str | None) -> float | None:
    return float(text) if text else None
