# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> JUnit XML for GitLab, Jenkins and GitHub actions.

A cell's suite is a <testsuite>. `classname` is ``target.variant.suite``, or ``log.suite``, so that
Jenkins does not merge the same test of two cells. A failed test is a <failure>; a cell without a
verdict is an <error>, which CI servers count apart from failures. Repeats of a cell are folded in
the Surefire way: a failure of a test that passed in another repeat is a <flakyFailure>, a repeated
failure a <rerunFailure>.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import msgspec

from mermapctl.console.ktap import NO_TESTS, ONE_PASSED, Status, Tally
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.render import account, series_words
from mermapctl.render.excerpt import Gap, Window, excerpt
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import one_line, visible

_WINDOW = Window(head=10, tail=30, around=15)
_OUTPUT_LIMIT = 256 * 1024  # characters of one <system-out>; GitLab refuses reports past some MB


@dataclass(frozen=True, slots=True)
class _Case:
    """One attempt at one test, with its fault, if any.

    It `stands_for` several tests that are counted but not kept one by one.
    """

    suite: str
    name: str
    seconds: float | None
    file: str | None = None
    fault: tuple[str, str, str] | None = None  # type, message, text
    error: bool = False
    skipped: str | None = None
    out: str = ""
    stands_for: Tally = ONE_PASSED


def render(record: RunRecord, *, console: Callable[[Cell], Iterable[str]] | None = None) -> str:
    """Return the whole document; it is valid XML 1.0, whatever the kernel printed."""
    root = ET.Element("testsuites", {"name": "mermapctl"})
    totals = [0, 0, 0, 0]
    if not record.cells:
        root.append(_nothing(record))
        totals = [1, 0, 1, 0]
    for attempts in _attempts(record):
        for element in _suites(record, attempts, console):
            root.append(element)
            for n, key in enumerate(("tests", "failures", "errors", "skipped")):
                totals[n] += int(element.get(key, "0"))
    for key, total in zip(("tests", "failures", "errors", "skipped"), totals, strict=True):
        root.set(key, str(total))
    root.set("time", f"{record.run.seconds:.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _nothing(record: RunRecord) -> ET.Element:
    """Return a suite for a run without a cell: a report without tests would look passed."""
    why_not = account.unfinished(record) or "No cell ran."
    numbers = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    element = ET.Element("testsuite", {"name": "mermap", **numbers, "time": "0.000"})
    case = _Case("mermap", "no-verdict", None, fault=("no-verdict", why_not, why_not), error=True)
    element.append(_testcase([case], "mermap"))
    return element


def _attempts(record: RunRecord) -> list[list[Cell]]:
    """Group cells into repeats of the same commit x target x variant, in the run's order.

    A log is no repeat of another.
    """
    groups: dict[tuple[str | None, ...], list[Cell]] = {}
    for cell in record.cells:
        log = None if cell.log is msgspec.UNSET else cell.log.name
        groups.setdefault((*cell.place, log), []).append(cell)
    return list(groups.values())


def _suites(
    record: RunRecord,
    attempts: list[Cell],
    console: Callable[[Cell], Iterable[str]] | None,
) -> Iterator[ET.Element]:
    """Yield the <testsuite> elements of one cell and its repeats."""
    suites: dict[str, dict[tuple[str, int], list[_Case]]] = {}
    for cell in attempts:
        seen: Counter[tuple[str, str]] = Counter()  # a torn console may name two tests alike
        for case in _cases(cell):
            seen[case.suite, case.name] += 1
            key = (case.name, seen[case.suite, case.name])
            suites.setdefault(case.suite, {}).setdefault(key, []).append(case)
    name = account.label(attempts[0], record)
    prefix = ".".join(map(_word, account.parts(attempts[0], record)))
    output = [_output(cell, console(cell)) for cell in attempts] if console else []
    for suite, cases in suites.items():
        element = ET.Element("testsuite", {"name": f"{one_line(suite)} ({name})"})
        _properties(element, record, attempts)
        for tries in cases.values():
            element.append(_testcase(tries, f"{prefix}.{_word(suite)}"))
        _count(element, record, attempts[0], [tries[0].stands_for for tries in cases.values()])
        if output:
            ET.SubElement(element, "system-out").text = "\n".join(output)
            output = []  # once a cell, in its first suite
        yield element


def _unjudged(cell: Cell, wrong: Iterable[Finding]) -> _Case:
    """Return the case of a cell without a verdict: skipped if the commit has no suite yet."""
    reason = str(cell.reason or "no-verdict")
    if cell.reason is Reason.ABSENT:
        return _Case("mermap", reason, None, skipped=account.why(cell))
    text = "\n\n".join([account.why(cell), *map(_finding, wrong), *_missing(cell)])
    return _Case("mermap", reason, None, fault=(reason, account.why(cell), text), error=True)


def _cases(cell: Cell) -> Iterator[_Case]:
    """Yield a cell's tests, then a case for each error that belongs to no test."""
    told = account.account(cell)
    for row in told.rows:
        yield _case(row)
    for suite in cell.suites:
        if suite.unlisted is not None:
            yield _unlisted(suite.name, suite.unlisted)
    if cell.unlisted is not None:
        yield _unlisted("suites not listed one by one", cell.unlisted)
    wrong = [f for f in told.others if f.severity is Severity.ERROR]
    if cell.verdict is Verdict.NO_VERDICT:
        yield _unjudged(cell, wrong)
    elif wrong:
        for code, group in itertools.groupby(wrong, key=lambda f: f.code):
            same = list(group)
            text = "\n\n".join(map(_finding, same))
            yield _Case(
                "findings", code, None, _file(same[0].where), fault=(code, same[0].summary, text)
            )
    elif cell.verdict is Verdict.FAILED and not (
        told.unlisted.bad or any(row.bad for row in told.rows)
    ):
        text = "\n".join(map(_finding, told.others)) or "The record names no finding."
        yield _Case("findings", "verdict", None, fault=("failed", "The cell failed.", text))
    elif not told.total:
        yield _Case("mermap", "verdict", None)


def _unlisted(suite: str, tests: Tally) -> _Case:
    """Return one case for many tests: a failure if one of them did not pass."""
    name = f"{tests.total} tests not listed one by one"
    said = account.counts([account.CellRows((), (), tests)])
    fault = ("failed", said, said) if tests.bad else None
    skipped = said if tests.skipped == tests.total else None
    return _Case(suite, name, None, None, fault, skipped=skipped, out=said, stands_for=tests)


def _case(row: account.Row) -> _Case:
    test = row.test
    file = next((_file(f.where) for f in row.errors if f.where), None)
    file = file or next((f.file for f in test.failures if f.file), None)
    notes = "\n\n".join(_finding(f) for f in row.findings if f.severity is not Severity.ERROR)
    if not row.bad:
        skipped = (test.reason or "skipped") if test.status is Status.SKIPPED else None
        return _Case(row.suite, row.name, test.seconds, file, skipped=skipped, out=notes)
    told = [_finding(f) for f in row.errors]
    if row.cause:
        told.append(f"This follows from {row.cause.code}: {row.cause.summary}")
    told += account.test_blocks(row)
    kind = row.errors[0].code if row.errors else (row.cause.code if row.cause else test.status)
    message = row.errors[0].summary if row.errors else _message(row)
    fault = (str(kind), message, "\n\n".join(told) or message)
    return _Case(row.suite, row.name, test.seconds, file, fault=fault, out=notes)


def _message(row: account.Row) -> str:
    said = row.test.failures[0].expected if row.test.failures else None
    said = said or row.test.reason
    cause = f" (follows from {row.cause.code})" if row.cause else ""
    return f"{row.test.status}{f': expected {said}' if said else ''}{cause}"


def _finding(finding: Finding) -> str:
    lines = [f"{finding.code}: {finding.summary}"]
    if finding.evidence:
        facts = account.evidence_lines(finding)
        lines.append(f"evidence: {facts[0]}" if len(facts) == 1 else "evidence:")
        lines += [f"  {fact}" for fact in facts if len(facts) > 1]
    if finding.where:
        lines.append(f"where: {finding.where}")
    if finding.advice:
        lines.append(f"advice: {finding.advice}")
    lines += [f"consequence: {text}" for text in finding.consequences]
    return "\n".join(lines)


def _missing(cell: Cell) -> list[str]:
    told = []
    for symbol in cell.missing:
        asked = f"CONFIG_{symbol.symbol}={symbol.requested} was requested"
        lines = [f"{asked} and became {symbol.resolved or 'nothing'}"]
        lines += [f"  {line}" for line in missing_lines(symbol)]
        told.append("\n".join(lines))
    return told


def _testcase(tries: list[_Case], classname: str) -> ET.Element:
    """Return one <testcase> of all attempts; the last passed one decides, else the first."""
    good = next((t for t in tries if t.fault is None), None)
    shown = good or tries[0]
    element = ET.Element("testcase", {"name": one_line(shown.name), "classname": classname})
    element.set("time", f"{shown.seconds or 0:.6f}")
    file = next((t.file for t in tries if t.file), None)
    if file:
        element.set("file", one_line(file))
    if shown.skipped is not None:
        ET.SubElement(element, "skipped", {"message": one_line(shown.skipped)})
    first = True
    for attempt in tries:
        if attempt.fault is None:
            continue
        word = "error" if attempt.error else "failure"
        tag = f"flaky{word.title()}" if good else word if first else f"rerun{word.title()}"
        first = False
        kind, message, text = attempt.fault
        fault = ET.SubElement(element, tag, {"type": one_line(kind), "message": one_line(message)})
        fault.text = visible(text)
    out = "\n\n".join(t.out for t in tries if t.out)
    if out:
        ET.SubElement(element, "system-out").text = visible(out)
    return element


def _properties(element: ET.Element, record: RunRecord, attempts: list[Cell]) -> None:
    cell = attempts[0]
    facts: dict[str, object] = {
        "kernel": account.kernel(record, cell),
        "commit": cell.commit or record.tree.commit,
        "dirty": str(record.tree.dirty).lower() if record.tree.commit else None,
        "target": cell.target,
        "variant": cell.variant,
        "accelerator": cell.accelerator,
        "cpu": cell.cpu,
        "smp": cell.smp,
        "kernel_args": " ".join(cell.kernel_args) or None,
        "verdict": cell.verdict,
        "attempts": len(attempts) if len(attempts) > 1 else None,
        "run": record.run.id,
        "mermapctl": record.tool.version,
        "console": cell.artifacts.console,
    }
    parent = ET.SubElement(element, "properties")
    shown = [(key, str(value)) for key, value in facts.items() if value is not None]
    shown += [("reproduce", line) for line in cell.reproduce]
    shown += [("note", note) for note in cell.remarks]
    shown += [("new-warning", each) for each in series_words.new_warnings(record, cell)]
    for key, value in shown:
        ET.SubElement(parent, "property", {"name": key, "value": one_line(value, limit=2000)})


def _count(element: ET.Element, record: RunRecord, cell: Cell, tests: list[Tally]) -> None:
    """Set the totals: the cases, except those that stand for many tests."""
    cases = element.findall("testcase")
    many = sum((each for each in tests if each.total > 1), NO_TESTS)
    element.set("tests", str(sum(each.total for each in tests)))
    ones = [case for case, each in zip(cases, tests, strict=True) if each.total <= 1]
    for key, tag, more in (
        ("failures", "failure", many.bad),
        ("errors", "error", 0),
        ("skipped", "skipped", many.skipped),
    ):
        element.set(key, str(sum(case.find(tag) is not None for case in ones) + more))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    element.set("timestamp", one_line(record.run.started))
    if record.run.host:
        element.set("hostname", one_line(record.run.host.name))
    element.set("package", ".".join(_word(x) for x in (cell.target, cell.variant) if x))


def _output(cell: Cell, lines: Iterable[str]) -> str:
    """Return the console's ends and the lines around each failure, splat and finding."""
    shown: list[str] = []
    size = 0
    for item in excerpt(lines, account.marks(cell), _WINDOW):
        if isinstance(item, Gap):
            text = f"[… lines {item.first} to {item.last} are in the console file …]"
        else:
            text = visible(item.text)
        size += len(text) + 1
        if size > _OUTPUT_LIMIT:
            shown.append("[… the rest is in the console file …]")
            break
        shown.append(text)
    return "\n".join(shown)


def _file(where: str | None) -> str | None:
    return where.rsplit(":", 1)[0] if where else None


def _word(text: str | None) -> str:
    """Return a part of a classname, without dots: a dot would begin another package."""
    return re.sub(r"[^A-Za-z0-9_+=-]+", "_", one_line(text or "unknown", limit=80)) or "_"
