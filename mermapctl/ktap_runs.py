# SPDX-License-Identifier: GPL-2.0-only
"""KTAP that needs no thought, read many lines at once: suites in which nothing went wrong.

Nearly all of a long log is like that. One expression takes a whole suite, or results in a row, out
of the console; whatever does not fit what is open is left to the parser, line by line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from mermapctl.console import Line, newline
from mermapctl.ktap import Result, Status
from mermapctl.ktap_frame import Frame, Row

if TYPE_CHECKING:
    from mermapctl.console import Run

_ROW = re.compile(
    newline("seconds") + r"(?P<indent> +)ok (?P<number>\d{1,9}) (?:- )?(?P<name>[!-~]{1,400})"
    r"(?P<skip> # SKIP[ -~]*)?$",
    re.MULTILINE,
)
_N = newline()
RUN = re.compile(
    rf"{newline('start')}(?P<indent> ++)KTAP version 1"
    rf"{_N}(?P=indent)# Subtest: (?P<name>[!-~]{{1,400}}+)(?:{_N}(?P=indent)# module: [!-~]++)?+"
    rf"{newline('plan_at')}(?P=indent)1\.\.(?P<plan>\d{{1,9}}+)"
    rf"(?P<tests>(?:{_N}(?P=indent)ok \d{{1,9}}+ [!-~]{{1,400}}+(?: # SKIP[ -~]*+)?+$)++)"
    rf"(?:{_N}# (?P=name): pass:(?P<passed>\d++) fail:0 skip:(?P<skipped>\d++) total:\d++)?+"
    rf"(?:{_N}# Totals: pass:\d++ fail:0 skip:\d++ total:\d++)?+"
    rf"{newline('end')}ok (?P<number>\d{{1,9}}+) (?P=name)$"
    rf"|(?P<results>(?:{_N} ++ok \d{{1,9}}+ (?:- )?[!-~]{{1,400}}+(?: # SKIP[ -~]*+)?+$){{2,}}+)",
    re.MULTILINE,
)
"""A whole suite in which no test failed and nothing else was said, or such tests in a row."""


class PassedSuite(NamedTuple):
    """A suite read at once: its level, its result, the lines of its first test and its result."""

    frame: Frame
    result: Result
    first: int
    last: Line


def rows(run: Run) -> list[Row]:
    """The tests of a run, in order."""
    return _ROW.findall(run.match["tests"] or run.match["results"])


def fits(rows: list[Row], top: Frame) -> bool:
    """Whether tests go on where the open level stands: indentation, numbers, plan."""
    if top.plan is not None and top.last + len(rows) > top.plan:
        return False
    return {len(row[1]) for row in rows} == {top.indent} and _count_up(rows, top.last)


def suite(run: Run, rows: list[Row], doc: Frame) -> PassedSuite | None:
    """The document's next suite, if it has the results that its plan and its totals promise."""
    match, plan = run.match, len(rows)
    number, skipped = int(match["number"]), sum(1 for row in rows if row[4])
    totals = (str(plan - skipped), str(skipped))
    if doc.indent or number != doc.last + 1 or not _count_up(rows, 0) or skipped == plan:
        return None
    if int(match["plan"]) != plan or match.group("passed", "skipped") not in (totals, (None, None)):
        return None
    frame = Frame(len(match["indent"]), run.number, _float(match["start"]))
    frame.name, frame.plan, frame.mark = match["name"], plan, _float(match["plan_at"])
    first = run.number + match.string.count("\n", match.start(), match.start("tests"))
    last = run.number + match.string.count("\n", match.start(), match.end()) - 1
    result = Result(number, match["name"], Status.PASSED, None)
    return PassedSuite(frame, result, first, Line(last, "", _float(match["end"])))


def _count_up(rows: list[Row], last: int) -> bool:
    return [row[2] for row in rows] == [str(last + i) for i in range(1, len(rows) + 1)]


def _float(text: str | None) -> float | None:
    return float(text) if text else None
