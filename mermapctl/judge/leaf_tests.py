# SPDX-License-Identifier: GPL-2.0-only
"""Lists the leaf tests of a cell with the status that counts for each.

A test that printed ok counts as failed if the kernel complained in it, or the trace shows a fault,
wherever tests are listed, compared or counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.console.ktap import NO_TESTS, Suite, Tally, Test, leaf_tests, tally
from mermapctl.judge.result_types import Finding, Severity

if TYPE_CHECKING:
    from mermapctl.records.record import Cell

COMPLAINT = "complaint"
"""The status of a test that printed ok and counts as failed."""

ALSO = "also in"
"""The key of a finding's evidence with the other tests that what follows from it fails."""
_SEEN = "tests"
"""The key with all tests in which it was seen, its own first."""


@dataclass(frozen=True, slots=True)
class LeafTest:
    """One test; `path` below its suite, `codes` the errors found in it."""

    suite: str
    path: tuple[str, ...]
    test: Test
    codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return ``test/parameter``."""
        return "/".join(self.path)

    @property
    def bad(self) -> bool:
        """Return whether it counts against the cell."""
        return bool(self.codes) or not self.test.status.good

    @property
    def word(self) -> str:
        """Return its status, or COMPLAINT."""
        return COMPLAINT if self.codes and self.test.status.good else self.test.status.value


def leaves(cell: Cell) -> Iterator[LeafTest]:
    """List all tests of a cell; a finding counts for the one test that it concerns."""
    errors = [finding for finding in cell.findings if finding.severity is Severity.ERROR]
    tests = all_tests(cell.suites)
    mine = concerned(tests, [(finding.test, finding.console_line) for finding in errors])
    others = elsewhere(tests, errors)
    for at, (suite, path, test) in enumerate(tests):
        codes = tuple(
            dict.fromkeys(errors[index].code for index in (*mine.get(at, []), *others.get(at, [])))
        )
        yield LeafTest(suite.name, path, test, codes)


def all_tests(suites: Iterable[Suite]) -> list[tuple[Suite, tuple[str, ...], Test]]:
    """Yield each leaf test with its suite and its names below it."""
    return [(suite, path, test) for suite in suites for path, test in leaf_tests(suite.tests)]


def concerned(
    tests: Sequence[tuple[Suite, tuple[str, ...], Test]],
    said: Iterable[tuple[str | None, int | None]],
) -> dict[int, list[int]]:
    """Map the index of each of `tests` to the indices of those `said` that concern it.

    `said` are pairs of a test's name, as in findings and splats, and a console line. If several
    suites have a test of that name, it is the one whose suite was running at that line.
    """
    named: dict[str, list[int]] = {}
    for at, (suite, path, _) in enumerate(tests):
        joined = "/".join(path)
        for form in {path[-1], joined, f"{suite.name}.{joined}", f"{suite.name}/{joined}"}:
            named.setdefault(form, []).append(at)
    found: dict[int, list[int]] = {}
    for index, (name, line) in enumerate(said):
        if name is None or not (fitting := named.get(name)):
            continue
        here = (at for at in fitting if line is not None and tests[at][0].contains(line))
        found.setdefault(next(here, fitting[0]), []).append(index)
    return found


def tests_of(finding: Finding) -> tuple[str, ...]:
    """Return the names of the tests that a finding fails, its own first."""
    own = [finding.test] if finding.test else []
    seen = _named(finding, _SEEN)
    return tuple(dict.fromkeys([*own, *(seen if finding.test in seen else []), *also_in(finding)]))


def also_in(finding: Finding) -> list[str]:
    """Return the names of the other tests that what follows from a finding fails."""
    return _named(finding, ALSO)


def _named(finding: Finding, key: str) -> list[str]:
    return [name for name in str(finding.evidence.get(key, "")).split(", ") if name]


def elsewhere(
    tests: Sequence[tuple[Suite, tuple[str, ...], Test]], findings: Sequence[Finding]
) -> dict[int, list[int]]:
    """Map the index of each of `tests` to the indices of findings of other tests that fail it too.

    A name that several tests have counts for none of them, unless one ran at the finding's line.
    """
    names: dict[str, list[int]] = {}
    for at, (_, path, _) in enumerate(tests):
        names.setdefault(path[-1], []).append(at)
    found: dict[int, list[int]] = {}
    for index, finding in enumerate(findings):
        for name in tests_of(finding):
            if name == finding.test:
                continue
            fitting = names.get(name, [])
            line = finding.console_line
            here = [at for at in fitting if line is not None and tests[at][0].contains(line)]
            if len(here or fitting) == 1:
                found.setdefault((here or fitting)[0], []).append(index)
    return found


def unlisted(suites: Iterable[Suite], beyond: Tally | None) -> Tally:
    """Count by status the tests that were not kept; `beyond` are those of no suite."""
    return sum(filter(None, (suite.unlisted for suite in suites)), beyond or NO_TESTS)


def counted(suites: Sequence[Suite], beyond: Tally | None) -> Tally:
    """Count all tests by KTAP status, kept or not."""
    kept = (test.status for suite in suites for _, test in leaf_tests(suite.tests))
    return tally(kept) + unlisted(suites, beyond)
