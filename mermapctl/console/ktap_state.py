# SPDX-License-Identifier: GPL-2.0-only
"""The levels that are open while KTAP is read, and what is kept of those that are closed.

Memory is bounded; counts and the worst status are not: what is not kept is counted as it was, so
that no verdict rests on what is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mermapctl.console.assertion_block import TEXT_LIMIT
from mermapctl.console.ktap import KtapNote, Status, Suite, Tally, Test, Trouble, leaf_tests

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from mermapctl.console.assertion_block import Failure
    from mermapctl.console.ktap import Result
    from mermapctl.console.ktap_fast import Tests
    from mermapctl.console.lines import Line

KEEP_TESTS = 5_000
"""Passed tests kept one by one; more are counted only, so that no log can exhaust the memory."""
KEEP_FAILED = 2_000
KEEP_SUITES = 500
"""Suites kept although they did not pass."""
KEEP_WANTED = 64
"""Suites of one name that are kept whatever else is, because that name is looked for."""
KEEP_NOTES = 50
"""Notes kept of each trouble."""
KEEP_GAPS = 1_000


@dataclass(slots=True)
class OpenLevel:
    """One open level: the document, a suite, or a test with tests of its own.

    `start` and `mark` are kernel seconds: of its header, and of its latest result. `totals` are
    passed, failed and skipped as the suite's own summary line gives them. `last` is the highest
    number so far, `base` the number before the first, `gaps` those in between that did not come.
    `headed`: it has a version line of its own, with which a plan must come. `buried` failures are
    nested too deeply to be kept.
    """

    indent: int
    line: int
    start: float | None = None
    mark: float | None = None
    name: str | None = None
    plan: int | None = None
    headed: bool = False
    base: int = 0
    last: int = 0
    last_name: str | None = None
    last_good: bool = True
    gaps: frozenset[int] = frozenset()
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    buried: int = 0
    nested: int = 0
    omitted: int = 0
    unlisted: dict[Status, int] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
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

    def repeats(self, result: Result) -> bool:
        """Whether a result is the last one again: with another writer, a line may come twice.

        One that fails where the one before did not is no repetition: one of the two is not true.
        """
        same = (result.number, result.name) == (self.last, self.last_name)
        return same and (result.status.good or not self.last_good)

    def number(self, number: int) -> bool:
        """Enter a result's number; False if it is one that came before, or should have."""
        if number <= self.last:
            self.gaps -= {number}
            return False
        if number != self.last + 1 and len(self.gaps) < KEEP_GAPS:
            self.gaps |= set(range(self.last + 1, min(number, self.last + 1 + KEEP_GAPS)))
        self.last = number
        return True

    def count_in(self, status: Status) -> None:
        """Count one result as the kernel counts it: a test that ran out of time has failed."""
        if status is Status.PASSED:
            self.passed += 1
        elif status is Status.SKIPPED:
            self.skipped += 1
        else:
            self.failed += 1

    def promise_broken(self, number: int, *, suite: bool = False) -> KtapNote | None:
        """What a level that ends at console line `number` promised and did not keep.

        KUnit gives each `suite` a plan. Tests within a test may have none.
        """
        if short := self.short:
            text = f"1..{self.plan}" if self.plan is not None else f"number {self.last}"
            return KtapNote(Trouble.LOST, text, number, self.name, short)
        if suite and self.plan is None and self.count:
            return KtapNote(Trouble.LOST, "the plan of the suite", number, self.name)
        if self.gaps or (self.plan is not None and self.last < self.base + self.plan):
            never = min(self.gaps, default=self.last + 1)
            return KtapNote(Trouble.LOST, f"number {never}", number, self.name)
        if self.totals not in (None, (self.passed, self.failed, self.skipped)):
            text = "pass:{} fail:{} skip:{}".format(*self.totals or ())
            return KtapNote(Trouble.MISCOUNTED, text, number, self.name)
        return None


class Kept:
    """Suites and notes, with a limit on each, so that memory does not grow with the log.

    Suites called as in `wanted`, and the tests that `names` gives for theirs, are kept first.
    """

    def __init__(self, names: Mapping[str, Container[str]], wanted: Container[str] = ()) -> None:
        self.suites: list[Suite] = []
        self.notes: list[KtapNote] = []
        self.troubles: Counter[Trouble] = Counter()
        self.omitted = 0
        self.omitted_bad = 0
        self.unlisted: dict[Status, int] = {}
        self._names = names
        self._wanted = wanted
        self._good = 0
        self._bad = 0
        self._bad_suites = 0
        self._noted: Counter[Trouble] = Counter()
        self._named: Counter[str] = Counter()

    def note(self, note: KtapNote | None) -> None:
        """Count a note if there is one, and keep it if there is room."""
        if note is None:
            return
        self.troubles[note.trouble] += note.count
        if self._noted[note.trouble] < KEEP_NOTES:
            self._noted[note.trouble] += 1
            self.notes.append(note)

    def test(
        self,
        parent: OpenLevel,
        frame: OpenLevel | None,
        result: Result,
        failures: tuple[Failure, ...],
        line: Line,
        more: int = 0,
    ) -> None:
        """A result below a suite; `frame` holds the tests of its own, if it has any.

        `more` failures were printed beyond those in `failures`.
        """
        seconds = _between(parent.mark, line.seconds)
        parent.mark = line.seconds
        status = result.status
        full = self._good >= KEEP_TESTS and status.good
        if full and frame is None and parent.name not in self._names:
            self._good += 1
            parent.omitted += 1
            parent.unlisted[status] = parent.unlisted.get(status, 0) + 1
            return
        test = Test(
            result.name,
            result.status,
            seconds,
            failures,
            tuple(frame.tests) if frame else (),
            result.reason,
            line.number,
            result.directive,
            more,
        )
        self._keep(parent, test, frame)

    def _keep(self, parent: OpenLevel, test: Test, frame: OpenLevel | None) -> None:
        """Keep a test in its level, or count it."""
        within = frame.unlisted if frame else {}
        add(parent.unlisted, within)
        if self._room(test.status) or self._looked_for(parent, test.name):
            parent.tests.append(test)
            return
        parent.omitted += 1
        if not within or test.tests:
            add(parent.unlisted, Counter(leaf.status for _, leaf in leaf_tests((test,))))
        elif test.failures or (not test.status.good and all(each.good for each in within)):
            add(parent.unlisted, {test.status: 1})

    def _looked_for(self, parent: OpenLevel, name: str) -> bool:
        """Whether a test of this name must be in its suite; once a suite is enough."""
        if parent.name is None or name in parent.seen:
            return False
        known = name in self._names.get(parent.name, ())
        if known:
            parent.seen |= {name}
        return known

    def many(self, parent: OpenLevel, tests: Tests, line: int) -> None:
        """Passed and skipped tests in a row; `line` is the first one's.

        They are what `test` would make of them, at a fraction of its cost.
        """
        count = len(tests.numbers)
        parent.skipped += tests.skipped
        parent.passed += count - tests.skipped
        room = min(count, max(0, KEEP_TESTS - self._good))
        self._good += count
        mark = parent.mark
        rows = tests.rows()[:room] if room else ()
        skipped = 0
        for at, (stamp, _, name, skip) in enumerate(rows, line):
            now = float(stamp) if stamp else None
            seconds = _between(mark, now)
            if skip:
                skipped += 1
                reason = skip[7:].strip()[:TEXT_LIMIT] or None
                test = Test(name, Status.SKIPPED, seconds, (), (), reason, at, "SKIP")
            else:
                test = Test(name, Status.PASSED, seconds, (), (), None, at)
            parent.tests.append(test)
            mark = now
        if count > room:
            parent.omitted += count - room
            skipped = tests.skipped - skipped
            counts = parent.unlisted
            counts[Status.PASSED] = counts.get(Status.PASSED, 0) + count - room - skipped
            if skipped:
                counts[Status.SKIPPED] = counts.get(Status.SKIPPED, 0) + skipped

    def suite(
        self, frame: OpenLevel | None, result: Result, failures: tuple[Failure, ...], line: Line
    ) -> None:
        """A result of the document; without `frame` it has no tests of its own."""
        frame = frame or OpenLevel(0, line.number)
        if not self._keeps(frame, result.name, result.status):
            return
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
                directive=result.directive,
                unlisted=as_tally(frame.unlisted),
            )
        )

    def abandoned(self, parent: OpenLevel | None, frame: OpenLevel, *, at_end: bool) -> None:
        """A level whose result line never came; without `parent` it is a suite.

        What is open `at_end` is kept in any case: the verdict says where the console ends.
        """
        name = frame.name or "?"
        tests = tuple(frame.tests)
        if parent is not None:
            test = Test(name, Status.MISSING, None, (), tests, None, frame.line)
            self._keep(parent, test, frame)
            return
        if not (at_end or self._keeps(frame, name, Status.MISSING)):
            return
        self.suites.append(
            Suite(
                name=name,
                status=Status.MISSING,
                tests=tests,
                console_line=frame.line,
                planned=frame.plan,
                omitted=frame.omitted,
                unlisted=as_tally(frame.unlisted),
            )
        )

    def _keeps(self, frame: OpenLevel, name: str, status: Status) -> bool:
        """Whether a suite is kept; one that is not is counted with its tests."""
        good = status.good
        full = self._good >= KEEP_TESTS if good else self._bad_suites >= KEEP_SUITES
        if good:
            self._good += 1
        else:
            self._bad_suites += 1
        if not full or self._wants(name):
            return True
        self.omitted += 1
        if not good:
            self.omitted_bad += 1
        if frame.unlisted:
            add(self.unlisted, frame.unlisted)
        if frame.tests:
            add(self.unlisted, Counter(test.status for _, test in leaf_tests(frame.tests)))
        return False

    def _wants(self, name: str) -> bool:
        if name not in self._names and name not in self._wanted:
            return False
        self._named[name] += 1
        return self._named[name] <= KEEP_WANTED

    def _room(self, status: Status) -> bool:
        """Whether one more may be kept; what did not pass has room of its own."""
        if status.good:
            self._good += 1
            return self._good <= KEEP_TESTS
        self._bad += 1
        return self._bad <= KEEP_FAILED


def add(counts: dict[Status, int], more: Mapping[Status, int]) -> None:
    """Add counts to others."""
    for status, count in more.items():
        counts[status] = counts.get(status, 0) + count


def as_tally(counts: Mapping[Status, int]) -> Tally | None:
    """Counts as a value; None for none."""
    return Tally(**{status.value: count for status, count in counts.items()}) if counts else None


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 6)
