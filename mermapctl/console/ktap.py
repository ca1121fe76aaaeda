# SPDX-License-Identifier: GPL-2.0-only
"""KTAP as values: the grammar of its lines, suites, tests, and what can be wrong with an account.

Formats: Documentation/dev-tools/ktap.rst, and what lib/kunit/ prints around it. The parser that
makes them from console lines is `ktap_parser`.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mermapctl.console.assertion_block import TEXT_LIMIT, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Failure", "FailureKind"]

NAME_LIMIT = 400
"""Characters kept of a name."""


class Status(enum.StrEnum):
    """What became of a test or a suite."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    HUNG = "hung"
    MISSING = "missing"

    @property
    def good(self) -> bool:
        """Whether a suite may pass with it."""
        return self in _GOOD


_GOOD = frozenset({Status.PASSED, Status.SKIPPED})


@dataclass(frozen=True, slots=True)
class Tally:
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    crashed: int = 0
    hung: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.passed + self.skipped + self.bad

    @property
    def bad(self) -> int:
        """Those with which no suite may pass."""
        return self.failed + self.crashed + self.hung + self.missing

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.crashed + other.crashed,
            self.hung + other.hung,
            self.missing + other.missing,
        )


NO_TESTS = Tally()
ONE_PASSED = Tally(passed=1)


def tally(statuses: Iterable[Status]) -> Tally:
    """Count statuses."""
    counted = Counter(statuses)
    return Tally(**{status.value: count for status, count in counted.items()})


@dataclass(frozen=True, slots=True)
class Test:
    """One test; `seconds` by the kernel's or the arrival clock.

    `reason` is what its result line says behind `#`: of a skip, a limit, a failure. `directive` is
    KTAP's word in front of it (`DIRECTIVES`). `failures_omitted` failures were printed beyond those
    that are kept.
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
    """One suite as the console accounts for it; `console_line` is where it begins (1-based).

    `planned` is how many tests its plan promised, `last_line` the console line of its result.
    `omitted` tests are counted but not kept one by one; `unlisted` says what became of those and of
    the tests inside kept ones that are not kept.
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


def leaf_tests(
    tests: Iterable[Test], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Test]]:
    """The tests that count as one each, with their names, the outermost first.

    These are the leaves, and a parent that says more than its children do: it did not pass although
    they all did, or printed failures itself.
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
    """In which way an account is not what KTAP promises; with the first five it is incomplete."""

    LOST = "lost"  # a plan promised more results than there are, or other numbers; or it is lost
    TORN = "torn"  # a result whose line another one ran into, or that was cut off: not counted
    MISCOUNTED = "miscounted"  # the suite's own totals differ from its lines
    BAILED = "bailed-out"
    CONTRADICTED = "contradicted"  # a test says ok, and an assertion of its own failed
    RUN_INTO = "run-into"  # a result that could be read although another line ran into it
    MISPLACED = "misplaced"  # a result at an indentation, or of a name, that fits nothing
    REPEATED = "repeated"  # the same result twice, or more results than planned
    DISORDER = "disorder"  # a result's number comes twice, or too late
    HEADLESS = "headless"  # a suite without the line that names it
    DEEP = "deep"  # results nested more deeply than is kept: only failures are counted
    VERSION = "version"  # a KTAP version that this reader does not know
    DROPPED = "dropped"  # printk says that it dropped messages
    SUSPECT = "suspect"  # no KTAP, but it may hold a piece of a result


@dataclass(frozen=True, slots=True)
class KtapNote:
    """One trouble; `count` results are concerned, `text` is the line or what is wrong."""

    trouble: Trouble
    text: str
    console_line: int
    suite: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What was open where the console ends.

    `running` is the test that the console names itself since the last result, never a guess.
    """

    suite: str | None
    planned: int | None
    results: int
    running: str | None
    console_line: int


@dataclass(frozen=True, slots=True)
class Account:
    """All that a console says in KTAP; `documents` counts the headers that were seen.

    `said` is what KUnit itself said in place of KTAP, `suites_lost` how many suites the plans
    promised that never came. `omitted` suites were counted but not kept, `omitted_bad` of them did
    not pass, and `unlisted` says what became of their tests. `troubles` counts all notes, those
    that are not kept too.
    """

    suites: tuple[Suite, ...] = ()
    notes: tuple[KtapNote, ...] = ()
    documents: int = 0
    unfinished: Unfinished | None = None
    said: tuple[str, ...] = ()
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
    """What one line tells somebody who watches a boot; `kind` is plan, subtest or result."""

    kind: str
    depth: int
    name: str
    ok: bool | None


LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:(?P<no>not )?ok (?P<number>\d{1,9})(?:(?: ?:?- | )(?P<name>.*)|\Z)"
    r"|1\.\.(?P<plan>\d{1,9})(?!\S)|# (?P<said>.*)|K?TAP version (?P<version>\d{1,9})(?!\S)"
    r"|(?P<bail>Bail out!))"
)
"""Every line that KTAP gives a meaning."""


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
    """A result line as it stands; `reason` is what it says behind `#`, after the `directive`."""

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
"""Words behind a result's `#` (Documentation/dev-tools/ktap.rst), and the status they stand for.

A failure that is expected (TODO, XFAIL) remains one: `ok` and `not ok` decide.
"""
_DIRECTIVE = re.compile(rf"(?:^|\s)# ?(?P<word>{'|'.join(DIRECTIVES)})\b:?(?P<reason>.*)")


def read_result(match: re.Match[str]) -> Result:
    """A LINE match that has a `number` -> what it says; a test without a name is `#number`."""
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
