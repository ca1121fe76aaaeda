# SPDX-License-Identifier: GPL-2.0-only
"""KTAP as values: the grammar of its lines, suites, tests, and the defects of a report.

Formats: Documentation/dev-tools/ktap.rst, and the output of lib/kunit/ around it. `ktap_parser`
makes these values from console lines.
"""

from __future__ import annotations

import enum
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from typing import NamedTuple

from mermapctl.console.assertion_block import TEXT_LIMIT, Failure, FailureKind

__all__ = ["Failure", "FailureKind"]

NAME_LIMIT = 400
"""Characters kept of a name."""


class Status(enum.StrEnum):
    """The result of a test or a suite."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    HUNG = "hung"
    MISSING = "missing"

    @property
    def good(self) -> bool:
        """Return whether a suite with it may pass."""
        return self in _GOOD


_GOOD = frozenset({Status.PASSED, Status.SKIPPED})


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of tests with each status."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    crashed: int = 0
    hung: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """Return the number of all tests."""
        return self.passed + self.skipped + self.bad

    @property
    def bad(self) -> int:
        """Return the number of tests that fail their suite."""
        return self.failed + self.crashed + self.hung + self.missing

    def __add__(self, other: Tally) -> Tally:
        """Add two tallies."""
        return Tally(*map(operator.add, astuple(self), astuple(other)))


NO_TESTS = Tally()
ONE_PASSED = Tally(passed=1)


def tally(statuses: Iterable[Status]) -> Tally:
    """Count statuses."""
    counted = Counter(statuses)
    return Tally(**{status.value: count for status, count in counted.items()})


@dataclass(frozen=True, slots=True)
class Test:
    """One test; `seconds` by the kernel's clock or the time of arrival.

    `reason` is the text behind `#` in its result line: of a skip, a limit, a failure. `directive`
    is KTAP's word before it (`DIRECTIVES`). `failures_omitted` failures were printed, but not kept.
    """

    __test__ = False  # not a pytest class

    name: str
    status: Status
    seconds: float | None = None
    failures: tuple[Failure, ...] = ()
    tests: tuple[Test, ...] = ()
    reason: str | None = None
    console_line: int | None = None
    directive: str | None = None
    failures_omitted: int = 0


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite in the console's KTAP; `console_line` is its first line (1-based).

    `planned` is the number of tests in its plan, `last_line` the console line of its result.
    `omitted` tests are counted but not kept one by one; `unlisted` counts their statuses, and those
    of the dropped tests inside kept ones.
    """

    name: str
    status: Status
    tests: tuple[Test, ...] = ()
    seconds: float | None = None
    failures: tuple[Failure, ...] = ()
    reason: str | None = None
    console_line: int | None = None
    planned: int | None = None
    omitted: int = 0
    last_line: int | None = None
    directive: str | None = None
    unlisted: Tally | None = None

    def contains(self, line: int) -> bool:
        """Return whether a console line is between its first line and its result, if any."""
        if self.console_line is None or line < self.console_line:
            return False
        return self.last_line is None or line <= self.last_line


def leaf_tests(
    tests: Iterable[Test], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Test]]:
    """Yield the tests that count as one each, with their names, outermost first.

    These are the leaves, and a parent with information of its own: it did not pass although all its
    children did, or it printed failures itself.
    """
    for test in tests:
        path = (*above, test.name)
        if test.tests:
            yield from leaf_tests(test.tests, path)
            told = test.status.good or any(not child.status.good for child in test.tests)
            if told and not test.failures:
                continue
        yield path, test


class Trouble(enum.StrEnum):
    """A defect of a KTAP report; with one of the first five the report is incomplete."""

    LOST = "lost"  # fewer results than planned, or other numbers; or the plan is lost
    TORN = "torn"  # a result was cut off, or another line ran into it: not counted
    MISCOUNTED = "miscounted"  # totals differ from the lines above them, or two plans differ
    BAILED = "bailed-out"
    CONTRADICTED = "contradicted"  # a test is ok although one of its own assertions failed
    RUN_INTO = "run-into"  # another line ran into a result that is still readable
    MISPLACED = "misplaced"  # the indentation or name of a result fits no open level
    REPEATED = "repeated"  # the same result twice, or more results than planned
    DISORDER = "disorder"  # the number of a result comes twice, or too late
    HEADLESS = "headless"  # a suite without the line that names it
    DEEP = "deep"  # results nested too deeply to be kept: only failures are counted
    VERSION = "version"  # a KTAP version that this parser does not support
    DROPPED = "dropped"  # printk reports dropped messages
    SUSPECT = "suspect"  # not KTAP, but possibly part of a result


@dataclass(frozen=True, slots=True)
class KtapNote:
    """One defect; `count` is the number of results, `text` the line or a description."""

    trouble: Trouble
    text: str
    console_line: int
    suite: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The level that was open where the console ends.

    `running` is the test that a line named since the last result; it is never guessed.
    """

    suite: str | None
    planned: int | None
    results: int
    running: str | None
    console_line: int


@dataclass(frozen=True, slots=True)
class Account:
    """All KTAP of a console; `documents` counts the headers.

    `kunit_messages` are KUnit's lines in place of KTAP, `suites_lost` counts planned suites without
    a result. `omitted` suites were counted but not kept, `omitted_bad` of them did not pass, and
    `unlisted` counts the statuses of their tests. `troubles` counts all notes, kept or not.
    """

    suites: tuple[Suite, ...] = ()
    notes: tuple[KtapNote, ...] = ()
    documents: int = 0
    unfinished: Unfinished | None = None
    kunit_messages: tuple[str, ...] = ()
    suites_lost: int = 0
    omitted: int = 0
    omitted_bad: int = 0
    unlisted: Tally | None = None
    troubles: dict[Trouble, int] = field(default_factory=dict)


class Boundary(NamedTuple):
    """A result line that ended a test, or (`suite`) one that ended a suite or begins its tests."""

    name: str
    suite: bool
    ok: bool


class Progress(NamedTuple):
    """The content of one line for a live display; `kind` is plan, subtest or result."""

    kind: str
    depth: int
    name: str
    ok: bool | None


LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:(?P<no>not )?ok (?P<number>\d{1,9})(?:(?: ?:?- | )(?P<name>.*)|\Z)"
    r"|1\.\.(?P<plan>\d{1,9})(?!\S)|# (?P<said>.*)|K?TAP version (?P<version>\d{1,9})(?!\S)"
    r"|(?P<bail>Bail out!))",
    re.ASCII,
)
"""Every line with a meaning in KTAP."""


def progress_of(text: str) -> Progress | None:
    """Read one console line (without its prefix) for the live display; None for most lines."""
    match = LINE.match(text)
    if match is None:
        return None
    depth = len(match["indent"].expandtabs(4)) // 4
    if match["number"]:
        return Progress("result", depth, read_result(match).name, not match["no"])
    if match["plan"]:
        return Progress("plan", depth, match["plan"], None)
    if (match["said"] or "").startswith("Subtest: "):
        return Progress("subtest", depth, match["said"][9:].strip(), None)
    return None


class Result(NamedTuple):
    """The content of a result line; `reason` is the text behind `#`, after the `directive`."""

    number: int
    name: str
    status: Status
    reason: str | None
    directive: str | None = None


DIRECTIVES = {
    "SKIP": Status.SKIPPED,
    "TIMEOUT": Status.HUNG,
    "ERROR": Status.FAILED,
    "TODO": None,
    "XFAIL": None,
}
"""Words behind a result's `#` (Documentation/dev-tools/ktap.rst), and the statuses they stand for.

An expected failure (TODO, XFAIL) is still a failure: `ok` and `not ok` decide.
"""
_DIRECTIVE = re.compile(rf"(?:^|\s)# ?(?P<word>{'|'.join(DIRECTIVES)})\b:?(?P<reason>.*)")


def read_result(match: re.Match[str]) -> Result:
    """Read a LINE match that has a `number`; the name of a test without one is `#number`."""
    no, number, name = match.group("no", "number", "name")
    status = Status.FAILED if no else Status.PASSED
    reason = word = None
    if name is not None and "#" in name:
        if directive := _DIRECTIVE.search(name):
            word, reason = directive["word"], directive["reason"]
            status = DIRECTIVES[word] or status
            name = name[: directive.start()]
        name, _, rest = name.partition("# " if name.startswith("# ") else " # ")
        reason = (reason or (rest if no else "")).strip()[:TEXT_LIMIT] or None
    name = (name or "").rstrip()[:NAME_LIMIT] or f"#{number}"
    return Result(int(number), name, status, reason, word)
