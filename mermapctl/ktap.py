# SPDX-License-Identifier: GPL-2.0-only
"""KTAP as values: the grammar of its lines, suites, tests, and what can be wrong with an account.

Formats: Documentation/dev-tools/ktap.rst, and what lib/kunit/ prints around it. The parser that
makes them from console lines is `ktap_parser`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple

from mermapctl.failure import TEXT_LIMIT, Failure, FailureKind

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
        return self in (Status.PASSED, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Test:
    """One test; `seconds` by the kernel's or the arrival clock, `reason` of a skip."""

    __test__ = False  # not a pytest class

    name: str
    status: Status
    seconds: float | None = None
    failures: tuple[Failure, ...] = ()
    tests: tuple[Test, ...] = ()
    reason: str | None = None
    console_line: int | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite as the console accounts for it; `console_line` is where it begins (1-based).

    `planned` is how many tests its plan promised, `omitted` how many passed tests were counted but
    not kept one by one, `last_line` the console line of its result.
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


class Trouble(enum.StrEnum):
    """In which way an account is not what KTAP promises; after the first four it is incomplete."""

    LOST = "lost"  # a plan promised more results than there are
    TORN = "torn"  # a result whose line another one ran into, or that was cut off: not counted
    MISCOUNTED = "miscounted"  # the suite's own totals differ from its lines
    BAILED = "bailed-out"
    RUN_INTO = "run-into"  # a result that could be read although another line ran into it
    MISPLACED = "misplaced"  # a result at an indentation, or of a name, that fits nothing
    REPEATED = "repeated"  # the same result twice, or more results than planned
    VERSION = "version"  # a KTAP version that this reader does not know
    DROPPED = "dropped"  # printk says that it dropped messages
    SUSPECT = "suspect"  # no KTAP, but it may hold a piece of a result


@dataclass(frozen=True, slots=True)
class Note:
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
    promised that never came, `omitted` how many passed suites were counted but not kept.
    """

    suites: tuple[Suite, ...] = ()
    notes: tuple[Note, ...] = ()
    documents: int = 0
    unfinished: Unfinished | None = None
    said: tuple[str, ...] = ()
    suites_lost: int = 0
    omitted: int = 0


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
    """A result line as it stands; `reason` is that of a skip."""

    number: int
    name: str
    status: Status
    reason: str | None


def read_result(match: re.Match[str]) -> Result:
    """A LINE match that has a `number` -> what it says; a test without a name is `#number`."""
    no, number, name = match.group("no", "number", "name")
    status = Status.FAILED if no else Status.PASSED
    reason = None
    if name is not None and "# " in name:
        mark = "# " if name.startswith("# ") else " # "
        name, _, directive = name.partition(mark)
        if directive.startswith("SKIP"):
            status = Status.SKIPPED
            reason = directive[4:].strip()[:TEXT_LIMIT] or None
    name = (name or "").rstrip()[:NAME_LIMIT] or f"#{number}"
    return Result(int(number), name, status, reason)
