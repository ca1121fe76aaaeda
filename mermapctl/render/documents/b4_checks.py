# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> the JSON array that `b4 review` reads from a check command's standard output.

b4 keeps one result for each tool and message. It supports pass, warn and fail; any other word
counts as fail. A `details` text that is itself a JSON list is shown as a list of marks. Source: b4
0.16, its review.checks; use it with ``git config b4.review-series-check-cmd``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec

from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.tested_mail import TestedMail
from mermapctl.render import account, series_words
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import cut, one_line

_STATUS = {Verdict.PASSED: "pass", Verdict.FAILED: "fail", Verdict.NO_VERDICT: "warn"}
_SEVERITY = {Severity.ERROR: "fail", Severity.WARNING: "warn", Severity.NOTE: "pass"}


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One result; `details` is a JSON list of CheckDetail."""

    tool: str
    status: str
    summary: str
    url: str = ""
    details: str = ""


class CheckDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the details: the mark's colour, a context, a word, a sentence."""

    status: str
    context: str
    state: str
    description: str


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,  # noqa: ARG001 - one signature for all
    url: str = "",
) -> str:
    """Return one result for the run; `url` is the address of the whole report."""
    cells = [cell for cell in record.cells if cell.reason is not Reason.ABSENT]
    marks = [mark for cell in cells for mark in _marks(cell, record)]
    marks += _warnings(record)
    result = CheckResult(
        tool=account.subject(record),
        status=_STATUS[record.verdict],
        summary=one_line(_summary(replace(record, cells=tuple(cells) or record.cells))),
        url=url,
        details=encoded(marks).decode("utf-8"),
    )
    return encoded([result], indent=1).decode("utf-8") + "\n"


def of_mail(found: TestedMail | None) -> str:
    """Return the result for a mail; `warn` where no run decides it, never `fail`."""
    if found is None:
        return unknown("not tested yet: no stored run has this series")
    if found.doubt is None:
        return render(found.record)
    said = f"{found.doubt}: {_summary(found.record)}, run {found.record.run.id}"
    return unknown(f"not tested yet; {said}", account.subject(found.record))


def unknown(why: str, tool: str = "mermap") -> str:
    """Return a result that decides nothing."""
    result = CheckResult(tool=tool, status="warn", summary=one_line(why))
    return encoded([result], indent=1).decode("utf-8") + "\n"


def _summary(record: RunRecord) -> str:
    where = f"{account.kernel(record)}{', run not finished' if account.unfinished(record) else ''}"
    if record.verdict is Verdict.PASSED:
        cells = f" in {len(record.cells)} cells" if len(record.cells) > 1 else ""
        return f"{account.counts(map(account.account, record.cells))}{cells}, {where}"
    if record.verdict is Verdict.NO_VERDICT:
        cell = next((c for c in record.cells if c.verdict is Verdict.NO_VERDICT), None)
        return f"no verdict: {account.why(cell) if cell else 'no cell ran'}, {where}"
    bad = [cell for cell in record.cells if cell.verdict is Verdict.FAILED]
    errors = [f for cell in bad for f in cell.findings if f.severity is Severity.ERROR]
    codes = ", ".join(dict.fromkeys(f.code for f in errors)) or "tests failed"
    cells = f" in {len(bad)} of {len(record.cells)} cells" if len(record.cells) > 1 else ""
    return f"{cut(codes, 200)}{cells}, {where}"


def _marks(cell: Cell, record: RunRecord) -> Iterator[CheckDetail]:
    """Yield a line for the cell, and one for each finding."""
    name = account.label(cell, record)
    told = account.account(cell)
    verdict = cell.verdict
    said = account.why(cell) if verdict is Verdict.NO_VERDICT else account.counts([told])
    described = ": ".join(filter(None, (account.own_kernel(cell, record), said)))
    yield CheckDetail(_STATUS[verdict], name, str(verdict), one_line(described))
    for symbol in cell.missing:
        said = next(iter(missing_lines(symbol)), f"it became {symbol.resolved or 'nothing'}")
        wanted = f"CONFIG_{symbol.symbol}={symbol.requested}"
        yield CheckDetail("warn", name, one_line(wanted, limit=160), one_line(said, limit=1000))
    for finding in cell.findings:
        status = _SEVERITY[finding.severity]
        if status == "fail" and verdict is not Verdict.FAILED:
            status = "warn"  # no verdict is never a failure
        context = f"{name} {finding.test}" if finding.test else name
        yield CheckDetail(
            status, one_line(context, limit=160), one_line(finding.code), _said(finding)
        )


def _warnings(record: RunRecord) -> Iterator[CheckDetail]:
    """Yield a line for each warning of the compiler that a commit of a series added."""
    for cell in record.cells:
        for said in series_words.new_warnings(record, cell):
            name = account.label(cell, record)
            yield CheckDetail("warn", name, "new-warning", one_line(said, limit=1000))


def _said(finding: Finding) -> str:
    parts = [finding.summary]
    parts += [account.evidence(finding)] if finding.evidence else []
    parts += [f"at {finding.where}"] if finding.where else []
    parts += [finding.advice] if finding.advice else []
    return one_line("; ".join(one_line(part).rstrip(".") for part in parts), limit=1000) + "."
