# SPDX-License-Identifier: GPL-2.0-only
"""The tests of a cell that have none of their own, each with what it counts as.

KTAP's word and the verdict differ where a test said ok and the kernel complained, or the trace
shows a fault: such a test counts as failed wherever tests are listed, compared or counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.diagnosis import Severity
from mermapctl.ktap import Test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mermapctl.record import Cell

COMPLAINT = "complaint"
"""The word for a test that said ok and counts as failed."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One test; `path` below its suite, `codes` the errors found in it."""

    suite: str
    path: tuple[str, ...]
    test: Test
    codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``test/parameter``."""
        return "/".join(self.path)

    @property
    def bad(self) -> bool:
        """Whether it counts against the cell."""
        return bool(self.codes) or not self.test.status.good

    @property
    def word(self) -> str:
        """Its status, or COMPLAINT."""
        return COMPLAINT if self.codes and self.test.status.good else self.test.status.value


def leaves(cell: Cell) -> Iterator[Leaf]:
    """All tests of a cell; a finding counts for the first test that its name fits."""
    left = [finding for finding in cell.findings if finding.severity is Severity.ERROR]
    for suite in cell.suites:
        for path, test in _below(suite.tests):
            mine = [finding for finding in left if concerns(finding.test, suite.name, path)]
            left = [finding for finding in left if finding not in mine]
            codes = tuple(dict.fromkeys(finding.code for finding in mine))
            yield Leaf(suite.name, path, test, codes)


def concerns(name: str | None, suite: str, path: tuple[str, ...]) -> bool:
    """Whether `name`, as findings and splats give it, is that test."""
    joined = "/".join(path)
    return name is not None and name in {path[-1], joined, f"{suite}.{joined}", f"{suite}/{joined}"}


def _below(
    tests: Iterable[Test], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Test]]:
    for test in tests:
        path = (*above, test.name)
        if test.tests:
            yield from _below(test.tests, path)
        else:
            yield path, test
