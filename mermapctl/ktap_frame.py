# SPDX-License-Identifier: GPL-2.0-only
"""The levels that are open while KTAP is read, and what is kept of those that are closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mermapctl.failure import TEXT_LIMIT
from mermapctl.ktap import Note, Status, Suite, Test, Trouble

if TYPE_CHECKING:
    from mermapctl.console import Line
    from mermapctl.failure import Failure
    from mermapctl.ktap import Result
    from mermapctl.ktap_runs import Tests

KEEP_TESTS = 5_000
"""Passed tests kept one by one; more are counted only, so that no log can exhaust the memory."""
KEEP_FAILED = 2_000
KEEP_NOTES = 200


@dataclass(slots=True)
class Frame:
    """One open level: the document, a suite, or a test with tests of its own.

    `start` and `mark` are kernel seconds: of its header, and of its latest result. `totals` are
    passed, failed and skipped as the suite's own summary line gives them.
    """

    indent: int
    line: int
    start: float | None = None
    mark: float | None = None
    name: str | None = None
    plan: int | None = None
    last: int = 0
    last_name: str | None = None
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    omitted: int = 0
    tests: list[Test] = field(default_factory=list)
    totals: tuple[int, int, int] | None = None

    @property
    def count(self) -> int:
        """Results so far."""
        return self.passed + self.failed + self.skipped

    @property
    def fresh(self) -> bool:
        """Whether only its header has been read."""
        return self.name is None and self.plan is None and not self.count

    @property
    def short(self) -> int:
        """How many results its plan still promises; without one, how many numbers are lost."""
        expected = self.last if self.plan is None else self.plan
        return max(0, expected - self.count)

    def tally(self, status: Status) -> None:
        """Count one result as the kernel counts it: a test that ran out of time has failed."""
        if status is Status.PASSED:
            self.passed += 1
        elif status is Status.SKIPPED:
            self.skipped += 1
        else:
            self.failed += 1

    def promise_broken(self, number: int) -> Note | None:
        """What a level that ends at console line `number` promised and did not keep."""
        if short := self.short:
            text = f"1..{self.plan}" if self.plan is not None else f"number {self.last}"
            return Note(Trouble.LOST, text, number, self.name, short)
        if self.totals not in (None, (self.passed, self.failed, self.skipped)):
            text = "pass:{} fail:{} skip:{}".format(*self.totals or ())
            return Note(Trouble.MISCOUNTED, text, number, self.name)
        return None


class Kept:
    """Suites and notes, with a limit on each, so that memory does not grow with the log."""

    def __init__(self) -> None:
        self.suites: list[Suite] = []
        self.notes: list[Note] = []
        self.omitted = 0
        self._good = 0
        self._bad = 0

    def note(self, note: Note | None) -> None:
        """Keep a note if there is one, and room."""
        if note is not None and len(self.notes) < KEEP_NOTES:
            self.notes.append(note)

    def test(
        self,
        parent: Frame,
        frame: Frame | None,
        result: Result,
        failures: tuple[Failure, ...],
        line: Line,
    ) -> None:
        """A result below a suite; `frame` holds the tests of its own, if it has any."""
        seconds = _between(parent.mark, line.seconds)
        parent.mark = line.seconds
        if not self._room(result.status):
            parent.omitted += 1
            return
        tests = tuple(frame.tests) if frame else ()
        parent.tests.append(
            Test(result.name, result.status, seconds, failures, tests, result.reason, line.number)
        )

    def many(self, parent: Frame, tests: Tests, line: int) -> None:
        """Passed and skipped tests in a row; `line` is the first one's.

        They are what `test` would make of them, at a fraction of its cost.
        """
        count = len(tests.numbers)
        parent.skipped += tests.skipped
        parent.passed += count - tests.skipped
        room = min(count, max(0, KEEP_TESTS - self._good))
        self._good += count
        parent.omitted += count - room
        mark = parent.mark
        rows = tests.rows()[:room] if room else ()
        for at, (stamp, _, name, skip) in enumerate(rows, line):
            now = float(stamp) if stamp else None
            status = Status.SKIPPED if skip else Status.PASSED
            reason = skip[7:].strip()[:TEXT_LIMIT] or None
            parent.tests.append(Test(name, status, _between(mark, now), (), (), reason, at))
            mark = now

    def suite(
        self, frame: Frame | None, result: Result, failures: tuple[Failure, ...], line: Line
    ) -> None:
        """A result of the document; without `frame` it has no tests of its own."""
        if not self._room(result.status):
            self.omitted += 1
            return
        frame = frame or Frame(0, line.number)
        self.suites.append(
            Suite(
                name=result.name,
                status=result.status,
                tests=tuple(frame.tests),
                seconds=_between(frame.start, line.seconds),
                failures=failures,
                reason=result.reason,
                console_line=frame.line,
                planned=frame.plan,
                omitted=frame.omitted,
                last_line=line.number,
            )
        )

    def abandoned(self, parent: Frame | None, frame: Frame) -> None:
        """A level whose result line never came; without `parent` it is a suite."""
        name = frame.name or "?"
        tests = tuple(frame.tests)
        if not self._room(Status.MISSING):
            self.omitted += 1
        elif parent is not None:
            parent.tests.append(Test(name, Status.MISSING, None, (), tests, None, frame.line))
        else:
            self.suites.append(
                Suite(
                    name=name,
                    status=Status.MISSING,
                    tests=tests,
                    console_line=frame.line,
                    planned=frame.plan,
                    omitted=frame.omitted,
                )
            )

    def _room(self, status: Status) -> bool:
        """Whether one more may be kept; what did not pass has room of its own."""
        if status.good:
            self._good += 1
            return self._good <= KEEP_TESTS
        self._bad += 1
        return self._bad <= KEEP_FAILED


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 6)
