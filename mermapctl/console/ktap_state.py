# SPDX-License-Identifier: GPL-2.0-only
"""The open levels of KTAP, and the parts of closed levels that are kept.

Memory is bounded; counts and the worst status are exact: whatever is dropped is counted with its
status, so that no verdict depends on the kept part alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mermapctl.console.assertion_block import TEXT_LIMIT, Failure
from mermapctl.console.ktap import KtapNote, Result, Status, Suite, Tally, Test, Trouble, leaf_tests
from mermapctl.console.lines import Line

if TYPE_CHECKING:
    from mermapctl.console.ktap_fast import Tests

KEEP_TESTS = 5_000
"""Limit on passed tests kept one by one; more are only counted, to bound the memory."""
KEEP_FAILED = 2_000
KEEP_SUITES = 500
"""Limit on suites kept that did not pass."""
KEEP_WANTED = 64
"""Limit on suites of one wanted name, kept beyond the other limits."""
KEEP_NOTES = 50
"""Limit on notes kept of each trouble."""
KEEP_GAPS = 1_000


@dataclass(slots=True)
class OpenLevel:
    """One open level: the document, a suite, or a test with tests of its own.

    `start` and `mark` are the kernel seconds of its header and of its latest result. `totals` are
    passed, failed and skipped in the suite's own summary line. `last` is the highest number so far,
    `base` the number before the first, `gaps` the missing numbers in between. `headed`: it has its
    own version line, after which a plan must come. `buried` failures are nested too deeply.
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
        """Return the number of results so far."""
        return self.passed + self.failed + self.skipped

    @property
    def fresh(self) -> bool:
        """Return whether only its header has been read."""
        return self.name is None and self.plan is None and not self.count

    @property
    def short(self) -> int:
        """Return how many planned results are missing; without a plan, how many numbers."""
        expected = self.last if self.plan is None else self.plan
        return max(0, expected - self.count)

    def repeats(self, result: Result) -> bool:
        """Return whether a result repeats the last one: two console writers may print a line twice.

        A failure after an ok is no repetition: one of the two is wrong.
        """
        same = (result.number, result.name) == (self.last, self.last_name)
        return same and (result.status.good or not self.last_good)

    def number(self, number: int) -> bool:
        """Record a result's number; return False if it comes twice or too late."""
        if number <= self.last:
            self.gaps -= {number}
            return False
        if number != self.last + 1 and len(self.gaps) < KEEP_GAPS:
            self.gaps |= set(range(self.last + 1, min(number, self.last + 1 + KEEP_GAPS)))
        self.last = number
        return True

    def count_in(self, status: Status) -> None:
        """Count one result as the kernel does: a test that ran out of time has failed."""
        if status is Status.PASSED:
            self.passed += 1
        elif status is Status.SKIPPED:
            self.skipped += 1
        else:
            self.failed += 1

    def shortfall(self, number: int, *, suite: bool = False) -> KtapNote | None:
        """Return what is missing from a level that ends at console line `number`, None if complete.

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

    Suites in `wanted`, the tests that `names` lists for a suite, and one suite that matches `glob`
    are kept beyond the limits.
    """

    def __init__(
        self,
        names: Mapping[str, Container[str]],
        wanted: Container[str] = (),
        glob: str | None = None,
    ) -> None:
        self.suites: list[Suite] = []
        self.notes: list[KtapNote] = []
        self.troubles: Counter[Trouble] = Counter()
        self.omitted = 0
        self.omitted_bad = 0
        self.unlisted: dict[Status, int] = {}
        self._names = names
        self._wanted = wanted
        self._glob = glob
        self._good = 0
        self._bad = 0
        self._bad_suites = 0
        self._noted: Counter[Trouble] = Counter()
        self._named: Counter[str] = Counter()

    def note(self, note: KtapNote | None) -> None:
        """Count a note, if any, and keep it if there is room."""
        if note is None:
            return
        self.troubles[note.trouble] += note.count
        if self._noted[note.trouble] < KEEP_NOTES:
            self._noted[note.trouble] += 1
            self.notes.append(note)

    def test(
        self,
        parent: OpenLevel,
        level: OpenLevel | None,
        result: Result,
        failures: tuple[Failure, ...],
        line: Line,
        more: int = 0,
    ) -> None:
        """Add a result below a suite; `level` contains its own tests, if it has any.

        `more` failures were printed beyond those in `failures`.
        """
        seconds = _between(parent.mark, line.seconds)
        parent.mark = line.seconds
        status = result.status
        full = self._good >= KEEP_TESTS and status.good
        if full and level is None and parent.name not in self._names:
            self._good += 1
            parent.omitted += 1
            parent.unlisted[status] = parent.unlisted.get(status, 0) + 1
            return
        test = Test(
            result.name,
            result.status,
            seconds,
            failures,
            tuple(level.tests) if level else (),
            result.reason,
            line.number,
            result.directive,
            more,
        )
        self._keep(parent, test, level)

    def _keep(self, parent: OpenLevel, test: Test, level: OpenLevel | None) -> None:
        """Keep a test in its level, or count it."""
        within = level.unlisted if level else {}
        add(parent.unlisted, within)
        if self._room(test.status) or self._is_wanted_test(parent, test.name):
            parent.tests.append(test)
            return
        parent.omitted += 1
        if not within or test.tests:
            add(parent.unlisted, Counter(leaf.status for _, leaf in leaf_tests((test,))))
        elif test.failures or (not test.status.good and all(each.good for each in within)):
            add(parent.unlisted, {test.status: 1})

    def _is_wanted_test(self, parent: OpenLevel, name: str) -> bool:
        """Return whether a test must be kept for its name; once a suite is enough."""
        if parent.name is None or name in parent.seen:
            return False
        known = name in self._names.get(parent.name, ())
        if known:
            parent.seen |= {name}
        return known

    def passed_tests(self, parent: OpenLevel, tests: Tests, line: int) -> None:
        """Add consecutive passed and skipped tests; `line` is the first one's.

        This equals a call of `test` for each, at a fraction of its cost.
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

    def full(self, name: str) -> bool:
        """Tell whether a passed suite of this name, and its tests, are only counted."""
        if self._good < KEEP_TESTS or name in self._names or name in self._wanted:
            return False
        return not self._is_asked_for(name)

    def passed_suite(self, tests: Tests) -> None:
        """Count a passed suite with its tests.

        This equals `passed_tests` and `suite` where `full`, at a fraction of their cost.
        """
        self._good += len(tests.numbers) + 1
        self.omitted += 1
        add(self.unlisted, {Status.PASSED: len(tests.numbers) - tests.skipped})
        if tests.skipped:
            add(self.unlisted, {Status.SKIPPED: tests.skipped})

    def suite(
        self, level: OpenLevel | None, result: Result, failures: tuple[Failure, ...], line: Line
    ) -> None:
        """Add a result of the document; without `level` it has no tests of its own."""
        level = level or OpenLevel(0, line.number)
        if not self._keeps(level, result.name, result.status):
            return
        self.suites.append(
            Suite(
                name=result.name,
                status=result.status,
                tests=tuple(level.tests),
                seconds=_between(level.start, line.seconds),
                failures=failures,
                reason=result.reason,
                console_line=level.line,
                planned=level.plan,
                omitted=level.omitted,
                last_line=line.number,
                directive=result.directive,
                unlisted=as_tally(level.unlisted),
            )
        )

    def abandoned(self, parent: OpenLevel | None, level: OpenLevel, *, at_end: bool) -> None:
        """Add a level without a result line; without `parent` it is a suite.

        A level that is open `at_end` is always kept: the verdict names where the console ends.
        """
        name = level.name or "?"
        tests = tuple(level.tests)
        if parent is not None:
            test = Test(name, Status.MISSING, None, (), tests, None, level.line)
            self._keep(parent, test, level)
            return
        if not (at_end or self._keeps(level, name, Status.MISSING)):
            return
        self.suites.append(
            Suite(
                name=name,
                status=Status.MISSING,
                tests=tests,
                console_line=level.line,
                planned=level.plan,
                omitted=level.omitted,
                unlisted=as_tally(level.unlisted),
            )
        )

    def _keeps(self, level: OpenLevel, name: str, status: Status) -> bool:
        """Return whether to keep a suite; count the tests of one that is dropped."""
        good = status.good
        full = self._good >= KEEP_TESTS if good else self._bad_suites >= KEEP_SUITES
        if good:
            self._good += 1
        else:
            self._bad_suites += 1
        if not full or self._is_wanted_suite(name):
            return True
        self.omitted += 1
        if not good:
            self.omitted_bad += 1
        if level.unlisted:
            add(self.unlisted, level.unlisted)
        if level.tests:
            add(self.unlisted, Counter(test.status for _, test in leaf_tests(level.tests)))
        return False

    def _is_wanted_suite(self, name: str) -> bool:
        if name not in self._names and name not in self._wanted:
            found = self._is_asked_for(name)
            self._glob = None if found else self._glob  # report one only
            return found
        self._named[name] += 1
        return self._named[name] <= KEEP_WANTED

    def _is_asked_for(self, name: str) -> bool:
        return self._glob is not None and fnmatchcase(name, self._glob)

    def _room(self, status: Status) -> bool:
        """Return whether one more test may be kept; bad statuses have their own limit."""
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
    """Return the counts as a value, None for no counts."""
    return Tally(**{status.value: count for status, count in counts.items()}) if counts else None


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 6)
