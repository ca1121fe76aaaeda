# SPDX-License-Identifier: GPL-2.0-only
"""A cell's tests in a flat list, each with its findings, splats and consequences.

A test that printed ok counts as failed if the kernel complained in it, or the trace shows a fault.
Every format must show that, so it is computed once, here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mermapctl.console.ktap import NO_TESTS, Failure, FailureKind, Status, Suite, Tally, Test
from mermapctl.console.splat import Splat
from mermapctl.judge.leaf_tests import all_tests, concerned, elsewhere, unlisted
from mermapctl.judge.result_types import Finding, Severity, Verdict
from mermapctl.records.record import Cell, Former, RunRecord, State
from mermapctl.render import complaint
from mermapctl.render.visible import one_line

_ONE_LINE = 60
_LONG_WORD = 40
_FEW = 3

BAD = (Status.FAILED, Status.CRASHED, Status.HUNG, Status.MISSING)


@dataclass(frozen=True, slots=True)
class Row:
    """One test of a suite; `path` names it below the suite (nested tests have several parts).

    `cause` is the finding of which this test's failure is a consequence, if it has none of its own.
    `elsewhere` are findings of other tests that fail this one too.
    """

    suite: str
    path: tuple[str, ...]
    test: Test
    findings: tuple[Finding, ...] = ()
    splats: tuple[Splat, ...] = ()
    cause: Finding | None = None
    elsewhere: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """Return the test's name below its suite."""
        return "/".join(self.path)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that fail it."""
        every = (*self.findings, *self.elsewhere)
        return tuple(f for f in every if f.severity is Severity.ERROR)

    @property
    def bad(self) -> bool:
        """Return whether it fails the cell, whatever its KTAP status."""
        return self.test.status in BAD or bool(self.errors)

    @property
    def failed_by_finding(self) -> bool:
        """Return whether a finding alone fails it: its KTAP status is good."""
        return self.bad and self.test.status not in BAD


@dataclass(frozen=True, slots=True)
class CellRows:
    """All rows of a cell, and the findings that belong to no row.

    `unlisted` counts the tests that were not kept and have no row.
    """

    rows: tuple[Row, ...]
    others: tuple[Finding, ...]
    unlisted: Tally = NO_TESTS

    @property
    def total(self) -> int:
        """Return the number of tests; every format prints this number."""
        return len(self.rows) + self.unlisted.total

    def of(self, suite: Suite) -> tuple[Row, ...]:
        """Return the rows of one suite."""
        return tuple(row for row in self.rows if row.suite == suite.name)


def account(cell: Cell) -> CellRows:
    """Return a cell's tests as rows, with the findings and splats of each."""
    tests = all_tests(cell.suites)
    found = concerned(tests, [(finding.test, finding.console_line) for finding in cell.findings])
    shared = elsewhere(tests, cell.findings)
    complaints = concerned(tests, [(splat.test, splat.line) for splat in cell.splats])
    rows = []
    for at, (suite, path, test) in enumerate(tests):
        findings = tuple(cell.findings[index] for index in found.get(at, ()))
        rows.append(
            Row(
                suite=suite.name,
                path=path,
                test=test,
                findings=findings,
                splats=tuple(cell.splats[index] for index in complaints.get(at, ())),
                cause=None if findings else _cause(cell.findings, path[-1]),
                elsewhere=tuple(cell.findings[index] for index in shared.get(at, ())),
            )
        )
    placed = {index for indices in found.values() for index in indices}
    others = tuple(f for i, f in enumerate(cell.findings) if i not in placed)
    return CellRows(tuple(rows), others, unlisted(cell.suites, cell.unlisted))


def _cause(findings: tuple[Finding, ...], name: str) -> Finding | None:
    return next((f for f in findings if any(name in text for text in f.consequences)), None)


def marks(cell: Cell) -> set[int]:
    """Return the console lines of a cell's findings, splats, failures and bad tests."""
    lines = {finding.console_line for finding in cell.findings}
    lines |= {splat.line for splat in cell.splats}
    for row in account(cell).rows:
        lines |= {failure.console_line for failure in row.test.failures}
        if row.bad:
            lines.add(row.test.console_line)
    return {line for line in lines if line is not None}


def parts(cell: Cell, record: RunRecord | None = None) -> list[str]:
    """Return target and variant, or a log's name; if commits differ, the short commit first."""
    names = [cell.target or "unknown target", cell.configuration or "unknown variant"]
    if cell.target is None and cell.variant is None:
        names = ["console log" if cell.log is msgspec.UNSET else cell.log.name]
    if record is not None and cell.commit and len({c.commit for c in record.cells}) > 1:
        names.insert(0, cell.commit[:12])
    return [one_line(name, limit=80) for name in names]


def label(cell: Cell, record: RunRecord | None = None) -> str:
    """Return a cell's name in one word: ``x86_64/base``."""
    return "/".join(parts(cell, record))


def kernel(record: RunRecord, cell: Cell | None = None) -> str:
    """Return the kernel's known names: ``Linux 7.3.4 (v7.3.4-12-gabc, modified)``.

    For several logs return the kernel of `cell`, or the number of different kernels.
    """
    tree = record.tree
    printed = kernels(record, record.cells if cell is None else (cell,))
    if len(printed) > 1:
        known = [version or "version unknown" for version in printed]
        return f"{len(known)} kernels: Linux {', '.join(known[:_FEW])}{', …' * (len(known) > _FEW)}"
    version = printed[0]
    name = f"Linux {version}" if version else "Linux, version unknown"
    extra = [x for x in (tree.describe or (tree.commit or "")[:12], "modified" * tree.dirty) if x]
    return f"{name} ({', '.join(extra)})" if extra else name


def kernels(record: RunRecord, cells: Sequence[Cell]) -> list[str | None]:
    """Return the different kernel versions of some cells, at least one; None is unknown."""
    logs = [cell.log for cell in cells]
    printed = dict.fromkeys(log.kernel for log in logs if log is not msgspec.UNSET)
    return list(printed) or [record.tree.kernel]


def own_kernel(cell: Cell, record: RunRecord) -> str | None:
    """Return the kernel of one of several logs, None if all print the same."""
    if cell.log is msgspec.UNSET or cell.log.kernel == record.tree.kernel:
        return None
    return kernel(record, cell)


def is_log(record: RunRecord) -> bool:
    """Return whether a record is of judged consoles from elsewhere, not of a run."""
    return record.tree.path is None and all(cell.target is None for cell in record.cells)


def log_words(record: RunRecord) -> str:
    """Return ``a console log`` or ``3 console logs``."""
    number = len(record.cells)
    return f"{number} console logs" if number > 1 else "a console log"


def counts(accounts: Iterable[CellRows]) -> str:
    """Count the tests by the status that counts: ``3 passed, 1 failed``."""
    tally: dict[str, int] = {}
    for told in accounts:
        for row in told.rows:
            word = str(row.test.status)
            if row.failed_by_finding:
                word = "passed but with an error"
            tally[word] = tally.get(word, 0) + 1
        for status in Status:
            if more := getattr(told.unlisted, status.value):
                tally[status.value] = tally.get(status.value, 0) + more
    order = ["passed", "passed but with an error", *map(str, BAD), "skipped"]
    words = sorted(tally, key=lambda w: order.index(w) if w in order else len(order))
    return ", ".join(f"{tally[word]} {word}" for word in words) or "no tests"


def not_listed(told: CellRows) -> str | None:
    """Return ``and 1200 tests not listed one by one: 1200 passed``, None if all are listed."""
    if not (more := told.unlisted.total):
        return None
    words = counts([CellRows((), (), told.unlisted)])
    return f"and {more} test{'s' * (more != 1)} not listed one by one: {words}"


def evidence(finding: Finding) -> str:
    """Return a finding's evidence on one line: ``flushes 1, allocation 3``."""
    return _facts(finding.evidence)


def _facts(facts: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {'unknown' if value is None else value}"
        for key, value in facts.items()
    )


def evidence_lines(finding: Finding) -> list[str]:
    """Return a finding's evidence: numbers on one line, texts (with commas) on their own."""
    joined = evidence(finding)
    if joined.count(",") < len(finding.evidence) and len(joined) <= _ONE_LINE:
        return [joined]
    texts = {key: value for key, value in finding.evidence.items() if isinstance(value, str)}
    numbers = {key: value for key, value in finding.evidence.items() if key not in texts}
    lines = [_facts(numbers)] if numbers else []
    return lines + [f"{key.replace('_', ' ')}: {value}" for key, value in texts.items()]


def subject(record: RunRecord) -> str:
    """Return the suites that were tested: ``mermap``, or those that ran instead of it.

    The requested suite is preferred to names on the console, which printk can tear.
    """
    names = list(dict.fromkeys(cell.suite for cell in record.cells if cell.suite))
    if not names or any("*" in name for name in names):
        names = list(dict.fromkeys(suite.name for cell in record.cells for suite in cell.suites))
    if not names or "mermap" in names:
        return "mermap"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return one_line(", ".join(names[:2]), limit=40) + more


def unfinished(record: RunRecord) -> str | None:
    """Return a sentence on a record that is not of a whole run, else None."""
    return {
        State.RUNNING: "The run is still going on; the report is incomplete.",
        State.INTERRUPTED: "The run was interrupted before its end; the report is incomplete.",
    }.get(record.run.state)


def failure_block(failure: Failure, test: str) -> str:
    """Return a failure in the console's form: macro and place, expectation, values."""
    where = f"{failure.file or 'unknown file'}:{failure.line or '?'}"
    if failure.kind is FailureKind.FAIL:
        lines = [f"# {test}: FAILED at {where}" if failure.file else f"# {test}: FAILED"]
    else:
        lines = [f"# {test}: {failure.kind.upper()} FAILED at {where}"]
    if failure.expected:
        lines.append(f"Expected {failure.expected}{', but' if failure.values else ''}")
    lines += [f"    {name} == {value}" for name, value in failure.values.items()]
    if failure.message:
        lines.append(failure.message)
    return "\n".join(lines)


def test_blocks(row: Row) -> list[str]:
    """Return the test's failures, then its splats, each as a block of lines."""
    failures = [failure_block(failure, row.path[-1]) for failure in row.test.failures]
    return failures + [complaint.block(splat) for splat in row.splats]


def boot_words(cell: Cell) -> str:
    """Return the kernel's arguments, with long ones (a trace's probes) cut."""
    words = cell.kernel_args
    return " ".join(word[:_LONG_WORD] + "..." * (len(word) > _LONG_WORD) for word in words)


def why(cell: Cell) -> str:
    """Return the reason for having no verdict, in a sentence on one line."""
    return why_whole(cell).partition("\n")[0]


def why_whole(cell: Cell) -> str:
    """Return the reason for having no verdict, and the source line that a compiler shows."""
    reason = (cell.reason or "not yet").replace("-", " ")
    detail = cell.detail or reason
    return detail if detail.startswith(reason) else f"{reason}: {detail}"


def verdict_word(verdict: Verdict) -> str:
    """Return PASSED, FAILED or NO VERDICT."""
    return verdict.value.replace("-", " ").upper()


def former_words(former: Former) -> str:
    """Return the verdict before the last judgement, with its date and its rules."""
    return (
        f"was {verdict_word(former.verdict)} until judged again on {former.replaced[:10]} "
        f"(rules of {former.tool.name} {former.tool.version})"
    )


def log_place(cell: Cell) -> str:
    """Return the path of a console log, or the name of what has no path of its own."""
    name = "standard input" if cell.log is msgspec.UNSET else cell.log.name
    return cell.artifacts.console or name
