# SPDX-License-Identifier: GPL-2.0-only
"""Two records compared: tests that fail newly, that are fixed, numbers that moved. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.judge.cost import changes
from mermapctl.judge.leaf_tests import LeafTest, leaves
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.records import series_match
from mermapctl.records.record_kinds import series_of
from mermapctl.records.series_match import CommitMatch

if TYPE_CHECKING:
    from mermapctl.records.record import Cell, RunRecord

SLOWER = 1.25
"""A time has moved when it differs by this factor, and by more than the least seconds below."""
LEAST_PHASE, LEAST_TEST = 0.5, 0.05


class Change(enum.StrEnum):
    """How a test changed from A to B."""

    NEWLY_FAILING = "newly failing"
    FIXED = "fixed"
    STILL_FAILING = "still failing"
    NEW = "only in B"
    GONE = "only in A"


@dataclass(frozen=True, slots=True)
class TestChange:
    """A test of the cell `cell` whose status changed or is bad; `codes` are the errors in B.

    `before` and `after` are statuses, or "complaint" for a test that printed ok and has an error.
    """

    __test__ = False  # not a pytest class

    change: Change
    cell: str
    test: str
    before: str | None
    after: str | None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A number that moved: flushes or instructions, seconds of a phase or a test."""

    what: str
    cell: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """From A to B; `notes` are sentences on what could not be compared.

    `silent`: no cell has a verdict in both, so that no change is known. `commits` are those of two
    series.
    """

    a: str
    b: str
    before: Verdict
    after: Verdict
    tests: tuple[TestChange, ...]
    findings: tuple[TestChange, ...]
    flushes: tuple[Moved, ...]
    times: tuple[Moved, ...]
    notes: tuple[str, ...]
    silent: bool = False
    costs: tuple[Moved, ...] = ()
    commits: tuple[CommitMatch, ...] = ()

    @property
    def worse(self) -> bool:
        """Whether B fails where A did not: a test, or a finding that is an error."""
        newly = Change.NEWLY_FAILING
        return any(row.change is newly for row in self.tests) or any(
            row.change is newly and row.after == Severity.ERROR for row in self.findings
        )


def compare(a: RunRecord, b: RunRecord) -> Comparison:
    """Match the cells by target and variant (the only ones of each, whatever their names)."""
    pairs, notes = _pairs(a, b)
    tests: list[TestChange] = []
    findings: list[TestChange] = []
    flushes: list[Moved] = []
    times: list[Moved] = []
    costs: list[Moved] = []
    compared = 0
    for name, before, after in pairs:
        silent = [
            f"{which} has no verdict for {name} ({cell.reason or 'no reason recorded'})"
            for which, cell in (("A", before), ("B", after))
            if cell.verdict is Verdict.NO_VERDICT
        ]
        notes += silent
        times += _phases(name, before, after)
        if silent:
            continue  # no verdict is never "failed", so nothing has begun to fail
        compared += 1
        tests += _tests(name, before, after)
        findings += _findings(name, before, after)
        flushes += _flushes(name, before, after)
        times += _times(name, before, after)
        why = incomparable(a, before, b, after)
        notes += [f"what {name} costs is not compared: {why}"] if why else []
        costs += _costs(name, before, after) if why is None else []
    order = list(Change)
    return Comparison(
        a=a.run.id,
        b=b.run.id,
        before=a.verdict,
        after=b.verdict,
        tests=tuple(sorted(tests, key=lambda row: order.index(row.change))),
        findings=tuple(sorted(findings, key=lambda row: order.index(row.change))),
        flushes=tuple(flushes),
        times=tuple(times),
        notes=tuple(notes),
        silent=not compared,
        costs=tuple(costs),
        commits=_commits(a, b),
    )


def _commits(a: RunRecord, b: RunRecord) -> tuple[CommitMatch, ...]:
    one, other = series_of(a), series_of(b)
    return series_match.matches(one, other) if one and other else ()


def _name(cell: Cell) -> str:
    return f"{cell.target or 'console'}/{cell.configuration or 'log'}"


def _pairs(a: RunRecord, b: RunRecord) -> tuple[list[tuple[str, Cell, Cell]], list[str]]:
    if len(a.cells) == len(b.cells) == 1:
        names = dict.fromkeys((_name(a.cells[0]), _name(b.cells[0])))
        return [(" -> ".join(names), a.cells[0], b.cells[0])], []
    here, there = _labels(a, b)
    left, right = _named(a, here), _named(b, there)
    pairs = [(name, left[name], right[name]) for name in left if name in right]
    notes = [f"{name} is only in A" for name in left if name not in right]
    notes += [f"{name} is only in B" for name in right if name not in left]
    return pairs, notes


def _labels(a: RunRecord, b: RunRecord) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the commits of two records, as far as they are series."""
    one, other = series_of(a), series_of(b)
    if one and other:
        return series_match.common_labels(one, other)
    here, there = (series_match.labels(each) if each else {} for each in (one, other))
    return here, there


def _named(record: RunRecord, labels: Mapping[str, str]) -> dict[str, Cell]:
    """Return cells by name; number those that share one (repeats).

    The name of a series' cell begins with that of its commit, in `labels`.
    """
    named: dict[str, Cell] = {}
    for cell in record.cells:
        label = labels.get(cell.commit or "")
        first = f"{label}: {_name(cell)}" if label else _name(cell)
        name, number = first, 2
        while name in named:
            name, number = f"{first} #{number}", number + 1
        named[name] = cell
    return named


def _leaves(cell: Cell) -> dict[str, LeafTest]:
    return {f"{leaf.suite}.{leaf.name}": leaf for leaf in leaves(cell)}


def _tests(name: str, a: Cell, b: Cell) -> Iterator[TestChange]:
    left, right = _leaves(a), _leaves(b)
    for test in dict.fromkeys((*left, *right)):
        before, after = left.get(test), right.get(test)
        was_bad = before is not None and before.bad
        is_bad = after is not None and after.bad
        if is_bad:
            change = Change.STILL_FAILING if was_bad else Change.NEWLY_FAILING
        elif was_bad:
            change = Change.FIXED if after is not None else Change.GONE
        elif before is None or after is None:
            change = Change.NEW if before is None else Change.GONE
        else:
            continue
        yield TestChange(
            change,
            name,
            test,
            before.word if before else None,
            after.word if after else None,
            after.codes if after else (),
        )


def _findings(name: str, a: Cell, b: Cell) -> Iterator[TestChange]:
    """Return findings by code and test, also those of passing tests."""
    left = {(f.code, f.test): f.severity for f in a.findings}
    right = {(f.code, f.test): f.severity for f in b.findings}
    for code, test in dict.fromkeys((*left, *right)):
        if (code, test) in left and (code, test) in right:
            change = Change.STILL_FAILING
        else:
            change = Change.NEWLY_FAILING if (code, test) in right else Change.FIXED
        before, after = left.get((code, test)), right.get((code, test))
        yield TestChange(change, name, test or "-", before, after, (code,))


def _flushes(name: str, a: Cell, b: Cell) -> Iterator[Moved]:
    left = {flush.test: flush for flush in a.flushes}
    for after in b.flushes:
        before = left.get(after.test)
        if before is None:
            continue
        if before.counted != after.counted:
            yield Moved(f"{after.test}, counted", name, before.counted, after.counted)
        if before.observed != after.observed:
            yield Moved(f"{after.test}, observed", name, before.observed, after.observed)


def _phases(name: str, a: Cell, b: Cell) -> Iterator[Moved]:
    for phase in ("config", "build", "boot"):
        before, after = getattr(a.phases, phase), getattr(b.phases, phase)
        if _moved(before, after, LEAST_PHASE):
            yield Moved(phase, name, before, after)


def qemu(record: RunRecord) -> str | None:
    """Return the version of QEMU that counted the instructions of a run."""
    return record.run.host.qemu if record.run.host else None


def incomparable(a: RunRecord, before: Cell, b: RunRecord, after: Cell) -> str | None:
    """Return why the costs of two cells cannot be compared, as a phrase; None if they can.

    "" if one of them has no cost.
    """
    if before.cost is None or after.cost is None:
        return ""
    if qemu(a) is None or qemu(a) != qemu(b):
        return f"QEMU differs ({qemu(a) or 'unknown'}, {qemu(b) or 'unknown'})"
    return None if before.cost.guest == after.cost.guest else "their guests differ"


def _costs(name: str, a: Cell, b: Cell) -> Iterator[Moved]:
    if a.cost and b.cost:
        for each in changes(a.cost, b.cost):
            yield Moved(each.what, name, each.before, each.after)


def _times(name: str, a: Cell, b: Cell) -> Iterator[Moved]:
    left = _leaves(a)
    for test, leaf in _leaves(b).items():
        before = left[test].test.seconds if test in left else None
        after = leaf.test.seconds
        if _moved(before, after, LEAST_TEST):
            yield Moved(test, name, before, after)


def _moved(before: float | None, after: float | None, least: float) -> bool:
    if before is None or after is None or abs(after - before) < least:
        return False
    return max(before, after) >= SLOWER * min(before, after)
