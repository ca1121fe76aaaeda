# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> Markdown for a merge request on GitLab or GitHub.

Kernel text is only in code spans and fenced blocks: markup, mentions and images have no effect.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Finding, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.render import account, series_words
from mermapctl.render.documents import bisect_lines, series_tables
from mermapctl.render.missing import missing_lines
from mermapctl.render.portable import reproduce
from mermapctl.render.visible import one_line, visible

GLYPHS = {
    Status.PASSED: "✅",
    Status.FAILED: "❌",
    Status.SKIPPED: "⏭️",
    Status.CRASHED: "💥",
    Status.HUNG: "⏳",
    Status.MISSING: "❓",
}
_VERDICTS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.NO_VERDICT: "⚠️"}
_SEVERITIES = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTE: "🔹"}
_BLOCK_LIMIT = 8000  # characters of one fenced block: a comment must stay readable
_ROW_LIMIT = 60  # failing tests whose block is shown


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,  # noqa: ARG001 - one signature for all
) -> str:
    """Return a comment: verdict, matrix of tests and cells, findings, flushes, reproduce lines."""
    what = prose(account.subject(record), limit=80)
    lines = [f"## {_VERDICTS[record.verdict]} {what}: {account.verdict_word(record.verdict)}", ""]
    lines += [_facts(record), ""]
    lines += [account.unfinished(record) or "", ""] if account.unfinished(record) else []
    lines += _matrix(record) if record.cells else ["No cell ran.", ""]
    for cell in series_words.shown_whole(record):
        lines += _cell(cell, record)
    run = f"{prose(f'{record.tool.name} {record.tool.version}')}, run {code(record.run.id)}"
    lines += [f"<sub>{run}, {record.run.seconds:.1f} s</sub>", ""]
    return "\n".join(lines)


def _cell_text(text: str) -> str:
    """Return prose for a table, in which a bar would begin a column."""
    return re.sub(r"\\*\|", r"\\|", prose(text)) if text else ""


def code(text: str, *, limit: int = 300, row: bool = False) -> str:
    """Return a code span of `text`, with any backticks in it; `row`: for a table."""
    text = one_line(text, limit=limit)
    if not text.strip():
        return "—"
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    span = f"{ticks}{pad}{text}{pad}{ticks}"
    # a row is split at each | before code spans are parsed; no escape helps a \ before the |
    return re.sub(r"\\*\|", r"\\|", span) if row else span


def prose(text: str, *, limit: int = 600) -> str:
    """Return a sentence; each word that may contain markup (each identifier, too) as code."""
    shown: list[str] = []
    for phrase in _phrases(one_line(text, limit=limit).split()):
        if _plain(phrase):
            shown.append(phrase)
            continue
        head = "(" if phrase.startswith("(") and ")" not in phrase else ""
        end = re.search(r"[.,;:]*$", phrase)
        tail = end.group() if end and len(head) < end.start() < len(phrase) else ""
        shown.append(head + code(phrase.removeprefix(head).removesuffix(tail), limit=limit) + tail)
    return " ".join(shown) or "—"


def _phrases(words: Iterable[str]) -> Iterator[str]:
    """Yield plain words one by one, others together up to a mark that ends a clause."""
    held: list[str] = []
    for word in words:
        if held and (_plain(word) or held[-1].endswith((":", ",", ";"))):
            yield " ".join(held)
            held = []
        if _plain(word):
            yield word
        else:
            held.append(word)
    if held:
        yield " ".join(held)


def _plain(word: str) -> bool:
    return re.fullmatch(r"[(']?[A-Za-z0-9%=/.,'-]+[')]?[.,;:]*", word) is not None and not (
        re.match(r"www\.|[^A-Za-z0-9]{3}", word, re.IGNORECASE)
    )


def fence(text: str, language: str = "") -> list[str]:
    """Return a fenced block that no line of `text` can end."""
    text = visible(text, limit=_BLOCK_LIMIT)
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return [f"{ticks}{language}", *text.split("\n"), ticks, ""]


def _facts(record: RunRecord) -> str:
    """Return one line: the kernel, and the numbers of tests and cells."""
    facts = [prose(account.kernel(record))]
    if record.tree.commit:
        facts.append(f"commit {code(record.tree.commit[:12])}")
    told = [account.account(cell) for cell in record.cells]
    if tests := sum(one.total for one in told):
        facts.append(f"{tests} test{'s' * (tests != 1)}: {account.counts(told)}")
    if series_of(record) is not None:
        facts.append(f"{len(record.cells)} cells: {series_words.counts(record.cells)}")
    elif len(record.cells) > 1:
        tally = Counter(cell.verdict for cell in record.cells)
        facts.append(
            f"{len(record.cells)} cells: "
            + ", ".join(
                f"{tally[v]} {account.verdict_word(v).lower()}" for v in Verdict if tally[v]
            )
        )
    return " · ".join(facts)


def _matrix(record: RunRecord) -> Iterator[str]:
    """Yield a table of tests (rows) and cells (columns)."""
    series, bisected = series_of(record), bisect_of(record)
    if bisected is not None:
        yield from bisect_lines.markdown(bisected, code)
        return
    if series is not None:
        yield from series_tables.markdown(record, series, code)
        return
    if not record.cells:
        return
    told = [account.account(cell) for cell in record.cells]
    names = list(dict.fromkeys((row.suite, row.name) for one in told for row in one.rows))
    heads = [account.label(cell, record) for cell in record.cells]
    yield "| test | " + " | ".join(code(head, row=True) for head in heads) + " |"
    yield "| :-- |" + " :-: |" * len(heads)
    several = len({suite for suite, _ in names}) > 1
    for suite, name in names:
        shown = f"{suite}: {name}" if several else name
        marks = []
        for one in told:
            row = next((r for r in one.rows if (r.suite, r.name) == (suite, name)), None)
            marks.append(_mark(row) if row else "—")
        yield f"| {code(shown, row=True)} | {' | '.join(marks)} |"
    if any(one.unlisted.total for one in told):
        more = [account.counts([account.CellRows((), (), one.unlisted)]) for one in told]
        yield f"| not listed one by one | {' | '.join(more)} |"
    own = [account.own_kernel(cell, record) for cell in record.cells]
    if any(own):
        yield f"| kernel | {' | '.join(code(each or '', row=True) for each in own)} |"
    verdicts = [
        f"{_VERDICTS[c.verdict]} **{account.verdict_word(c.verdict)}**" for c in record.cells
    ]
    yield f"| **verdict** | {' | '.join(verdicts)} |"
    yield ""


def _mark(row: account.Row) -> str:
    if row.failed_by_finding:
        return f"{GLYPHS[Status.FAILED]} passed, but {_word(row.errors[0].code)}"
    return f"{GLYPHS[row.test.status]} {row.test.status}"


def _cell(cell: Cell, record: RunRecord) -> Iterator[str]:
    """Yield the details of a cell; none if it passed without a finding."""
    told = account.account(cell)
    if len(record.cells) > 1 and cell.verdict is Verdict.PASSED and not cell.findings:
        return
    yield f"### {code(account.label(cell, record))}: {account.verdict_word(cell.verdict).lower()}"
    yield ""
    if cell.verdict is Verdict.NO_VERDICT:
        yield from (f"No verdict, {prose(account.why(cell))}.", "")
    for symbol in cell.missing:
        wanted = code(f"CONFIG_{symbol.symbol}={symbol.requested}")
        got = code(symbol.resolved or "absent")
        yield from (f"{wanted} became {got}.", "")
        said = missing_lines(symbol)
        yield from fence("\n".join(said), "text") if said else ()
    for finding in cell.findings:
        yield from _finding(finding)
    yield from ("",) if cell.findings else ()
    yield from _flushes(cell)
    yield from _costs(cell)
    yield from _coverage(cell)
    failing = [row for row in told.rows if row.test.failures or row.splats][:_ROW_LIMIT]
    for row in failing:
        name = html.escape(one_line(row.name, limit=300)) or "—"
        yield from (f"<details><summary>Console of <code>{name}</code></summary>", "")
        yield from fence("\n\n".join(account.test_blocks(row)), "text")
        yield from ("</details>", "")
    for note in cell.remarks:
        yield f"- {prose(note)}"
    yield from ("",) if cell.remarks else ()
    if cell.reproduce:
        commands = reproduce(cell, record)
        where = ["# in the kernel tree"] if commands != cell.reproduce else []
        yield from ("<details><summary>Reproduce</summary>", "")
        yield from fence("\n".join([*where, *commands]), "sh")
        yield from ("</details>", "")


def _finding(finding: Finding) -> Iterator[str]:
    test = f" in {code(finding.test)}" if finding.test else ""
    head = f"{_SEVERITIES[finding.severity]} **{_word(finding.code)}**{test}"
    yield f"- {head}: {prose(finding.summary)}"
    facts = account.evidence_lines(finding)
    if len(facts) == 1:
        yield f"  - Evidence: {code(facts[0], limit=600)}"
    elif facts:
        yield "  - Evidence:"
        yield from (f"    - {code(fact, limit=600)}" for fact in facts)
    if finding.where:
        yield f"  - Where: {code(finding.where)}"
    if finding.advice:
        yield f"  - Next: {prose(finding.advice)}"
    for consequence in finding.consequences[:_ROW_LIMIT]:
        yield f"  - Follows from it: {prose(consequence)}"


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text[:60].lower()).strip("-") or "finding"


def _costs(cell: Cell) -> Iterator[str]:
    if cell.cost is None:
        return
    yield "| instructions | calls | usual | least | most |"
    yield "| :-- | --: | --: | --: | --: |"
    for call in cell.cost.calls:
        name = _cell_text(f"a {call.call}")
        yield f"| {name} | {call.count} | {call.median} | {call.low} | {call.high} |"
    for test in cell.cost.tests:
        yield f"| {code(test.test, row=True)} | 1 | {test.instructions} | — | — |"
    yield ""


def _coverage(cell: Cell) -> Iterator[str]:
    if cell.coverage is None:
        return
    yield "| coverage | lines run | of | branches taken | of |"
    yield "| :-- | --: | --: | --: | --: |"
    for each in cell.coverage.files:
        numbers = f"{each.lines_run} | {each.lines} | {each.branches_taken} | {each.branches}"
        yield f"| {code(each.path, row=True)} | {numbers} |"
    lines, branches = cell.coverage.lines[1], cell.coverage.branches[1]
    for test in cell.coverage.tests:
        numbers = f"{test.lines_run} | {lines} | {test.branches_taken} | {branches}"
        yield f"| {code(test.test, row=True)} alone | {numbers} |"
    yield ""


def _flushes(cell: Cell) -> Iterator[str]:
    if not cell.flushes:
        return
    yield "| TLB flushes | expected | counted | observed | gets before a reuse | |"
    yield "| :-- | --: | --: | --: | --: | :-- |"
    for row in cell.flushes:
        numbers = (row.expected, row.counted, row.observed, row.allocations)
        shown = " | ".join("—" if n is None else str(n) for n in numbers)
        words = _cell_text(row.words)
        yield f"| {code(row.test, row=True)} | {shown} | {words} |"
    yield ""
    if cell.verdict is Verdict.PASSED and cell.not_exercised:
        yield from (f"Not exercised: {prose(', '.join(cell.not_exercised))}.", "")
