# SPDX-License-Identifier: GPL-2.0-only
"""The brief report: what was run, tests and flushes, the finding, where to read on, the verdict.

A passed run has at most PASSED_ROWS rows on a terminal of 80 columns, a failed one FAILED_ROWS: of
several amounts of detail the first that fits is taken. `--full` shows everything.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import State
from mermapctl.render.account import (
    evidence_lines,
    former_words,
    is_log,
    kernel,
    label,
    log_place,
    log_words,
    subject,
    verdict_word,
    why_whole,
)
from mermapctl.render.grouped import Fault, assertion_words, console_place, faults, witness_place
from mermapctl.render.missing import missing_lines
from mermapctl.render.terminal import brief_tables, coverage
from mermapctl.render.terminal.columns import paint
from mermapctl.render.terminal.plain import count, seconds
from mermapctl.render.terminal.verdict_line import verdict_line
from mermapctl.render.terminal.wrap import joined, rows_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.render.terminal.brief_tables import Page

PASSED_ROWS = 12
FAILED_ROWS = 23
"""A terminal of 24 rows, less the shell's prompt."""
_INDENT = "    "
_WIDE = 9
"""Columns of the labels `evidence`, `look next`, `assertion`."""
_DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class Detail:
    """Limits on the lines of each part: a summary, a text, and the number of notes and findings.

    `grid` limits the rows of a series, `terse` leaves out more and more of what --full has.
    """

    rows: int
    summary: int
    text: int
    advice: int
    notes: int
    note_lines: int
    others: int
    evidence: int = 6
    grid: int = 0
    terse: int = 0


DETAILS = (
    Detail(rows=12, summary=6, text=6, advice=6, notes=4, note_lines=3, others=6),
    Detail(rows=8, summary=4, text=4, advice=4, notes=3, note_lines=2, others=4),
    Detail(rows=8, summary=3, text=3, advice=3, notes=2, note_lines=1, others=3),
    Detail(rows=6, summary=3, text=2, advice=2, notes=1, note_lines=1, others=2),
    Detail(rows=5, summary=2, text=1, advice=1, notes=1, note_lines=1, others=1),
)


def render(record: RunRecord, page: Page) -> str:
    """Return the report, with as much detail as its rows allow."""
    most = PASSED_ROWS if record.verdict is Verdict.PASSED else FAILED_ROWS
    every = faults(record)
    return fitted(lambda shown, detail: _lines(record, shown, detail, every), page, most)


def fitted(
    lines_of: Callable[[Page, Detail], Iterator[str]],
    page: Page,
    most: int,
    details: Sequence[Detail] = DETAILS,
) -> str:
    """Return a report with as much detail as `most` rows allow."""
    bare = replace(page, color=False)
    lines: list[str] = []
    for detail in details:
        plain = lines = [*lines_of(page, detail)]
        if page.color:
            plain = [*lines_of(bare, detail)]
        if rows_of(plain, page.width) <= most:
            break
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return text if page.look.unicode else text.replace("…", "...")


def _lines(record: RunRecord, page: Page, detail: Detail, every: list[Fault]) -> Iterator[str]:
    several = len(record.cells) > 1
    yield from _head(record, page)
    if several:
        yield from brief_tables.cells(record, page, detail.rows)
    for cell in record.cells if not several else ():
        yield from brief_tables.tests(cell, page, detail.rows)
        yield from _cost(cell, page)
        yield from coverage.brief(cell.coverage, page, detail.rows) if cell.coverage else ()
        yield from _limits(cell, page, detail)
    for cell in record.cells:
        if cell.verdict is Verdict.NO_VERDICT and (cell.reason or cell.detail) and not several:
            yield from none_lines(cell, page, detail)
    yield from notes_lines(record, page, detail)
    yield from found_lines(record, page, detail, every)
    yield from read_on(record, page, every)
    yield from last_lines(record, page, every)


def last_lines(record: RunRecord, page: Page, every: list[Fault]) -> Iterator[str]:
    """Yield the verdict's line."""
    first, *rest = verdict_line(record, page.look, page.width, every)
    mark = first[: first.index(word := verdict_word(record.verdict)) + len(word)]
    yield paint(mark, page.look.style(record.verdict)) + first[len(mark) :] if page.color else first
    yield from (f"  {line}" for line in rest)


def styled(lines: list[str], style: str, page: Page) -> list[str]:
    """Paint lines where there is colour."""
    return [paint(line, style) if page.color and style else line for line in lines]


def _head(record: RunRecord, page: Page) -> Iterator[str]:
    """Yield what was run, on what, in how long; whether the report is complete and judged again."""
    look = page.look
    if is_log(record):
        yield from styled([look.verbatim(_log_head(record))], "bold", page)
    else:
        what = look.plain(f"{subject(record)} on {kernel(record)}")
        yield from headed([what, look.plain(", ".join(_machine(record)))], record, page)
    yield from states(record, page)


def headed(
    parts: list[str], record: RunRecord, page: Page, *, terse: bool = False
) -> Iterator[str]:
    """Yield what was run, and in how long; if `terse`, without a line for the time alone."""
    going = record.run.state is State.RUNNING
    spent = f"running, process {record.run.pid}" if going else seconds(record.run.seconds)
    first, *rest = joined([*filter(None, parts), spent], page.width)
    if terse and not going and rest[-1:] == [spent]:
        del rest[-1]
    yield paint(first, "bold") if page.color else first
    yield from rest


def states(record: RunRecord, page: Page) -> Iterator[str]:
    """Yield whether the report is complete and judged again."""
    look = page.look
    if record.run.state is State.INTERRUPTED:
        yield from styled(["interrupted before its end; incomplete"], "bold yellow", page)
    for former in record.former[-1:]:
        said = look.plain(former_words(former))
        yield from styled(wrapped(said, page.width), "yellow", page)


def _log_head(record: RunRecord) -> str:
    if len(record.cells) > 1:
        return f"{log_words(record)}, {kernel(record)}"
    console = next(map(log_place, record.cells), "")
    of = f" of Linux {record.tree.kernel}" if record.tree.kernel else ""
    return f"{subject(record)} in the console log{of}: {console}"


def _machine(record: RunRecord) -> list[str]:
    if len(record.cells) != 1:
        return [count(len(record.cells), "cell")]
    cell = record.cells[0]
    parts = [label(cell)] if cell.target or cell.variant else []
    parts += ["traced"] if cell.trace and cell.trace.tests else []
    parts += [cell.accelerator] if cell.accelerator and cell.accelerator != "none" else []
    parts += [f"seed {cell.seed}"] if cell.reproducible and cell.seed != _DEFAULT_SEED else []
    parts += [f"CPU {cell.cpu}"] if cell.cpu else []
    parts += [f"{cell.smp} CPUs"] if cell.smp and cell.smp > 1 else []
    return parts


def none_lines(cell: Cell, page: Page, detail: Detail) -> Iterator[str]:
    """Yield why there is no verdict: the compiler's lines, or what blocks each missing symbol."""
    look = page.look
    first, *more = why_whole(cell).split("\n")
    said = wrapped(look.plain(f"no verdict: {first}", limit=2000), page.width, end=page.end)
    yield from styled(said, "bold yellow", page)
    for line in more:
        yield " " * (len(line) - len(line.lstrip())) + look.verbatim(line.strip())
    for symbol in cell.missing:
        lines = missing_lines(symbol) or [f"{symbol.symbol} is {symbol.resolved or 'not set'}"]
        for line in lines[: 4 * detail.rows]:
            depth = len(line) - len(line.lstrip(" "))
            yield from wrapped(look.plain(line, limit=1000), page.width, label=" " * depth)


def _limits(cell: Cell, page: Page, detail: Detail) -> Iterator[str]:
    """Yield what the flushes and a pass do not say: unobserved flushes, rules not exercised."""
    look = page.look
    traced = cell.trace is not None and bool(cell.trace.tests)
    if not traced and any(
        flush.observed is None and flush.counted is not None for flush in cell.flushes
    ):
        yield from styled(["flushes: counted by the tests, not observed"], "dim", page)
    if cell.verdict is Verdict.PASSED and cell.not_exercised:
        said = look.plain(", ".join(cell.not_exercised), limit=2000)
        lines = wrapped(said, page.width, label="not exercised  ", most=detail.text, end=page.end)
        yield from styled(lines, "dim", page)


def _hung(cell: Cell) -> list[str]:
    """Return where the tests hung that were booted alone after a hang."""
    return [
        f"{trial.test or trial.suite} booted alone: hung in {trial.function}"
        for trial in cell.triage
        if trial.function
    ]


def _cost(cell: Cell, page: Page) -> Iterator[str]:
    """Yield the instructions of a get, a put and a flush, if they were counted."""
    calls = cell.cost.calls if cell.cost else ()
    if calls:
        said = ", ".join(f"a {each.call} {each.median:,}" for each in calls)
        yield from wrapped(page.look.plain(said), page.width, label="instructions  ")


def notes_lines(record: RunRecord, page: Page, detail: Detail) -> Iterator[str]:
    """Yield remarks on how a cell was booted, those that concern the verdict first."""
    said: dict[str, None] = {}
    for cell in record.cells:
        about = [*_hung(cell), *cell.remarks[len(cell.notes) :]]
        traced = cell.trace.notes if cell.trace else ()
        told = {finding.summary for finding in cell.findings}
        said |= dict.fromkeys(each for each in (*about, *traced, *cell.notes) if each not in told)
    shown = [*said][: detail.notes]
    for number, note in enumerate(shown):
        left = len(said) - len(shown) if number == len(shown) - 1 else 0
        more = f" (and {left} more: --full)" if left else ""
        lines = wrapped(
            page.look.plain(note, limit=2000), page.width - len(more), label="note: ",
            most=detail.note_lines, end=page.end,
        )  # fmt: skip
        lines[-1] += more
        yield from styled(lines, "cyan", page)


def found_lines(record: RunRecord, page: Page, detail: Detail, every: list[Fault]) -> Iterator[str]:
    """Yield the first fault with its assertion, the others in a line each."""
    for number, each in enumerate(every[: detail.others]):
        yield from _heading(each, record, page)
        if not number:
            yield from _texts(each, page, detail)
    if len(every) > detail.others:
        yield f"and {len(every) - detail.others} more: --full"


def _heading(fault: Fault, record: RunRecord, page: Page) -> Iterator[str]:
    """Yield a fault's name, its place, and its cells where there are several."""
    look = page.look
    mark = f"{look.glyph(fault.kind)} {look.plain(fault.words)}"
    of = [label(cell, record) for cell in fault.cells] if len(record.cells) > 1 else []
    parts = [look.plain(fault.where or ""), look.plain(", ".join(of), limit=1000)]
    first, *rest = joined([mark, *filter(None, parts)], page.width, "  ")
    yield first.replace(mark, paint(mark, look.style(fault.kind)), 1) if page.color else first
    yield from (_INDENT + line for line in rest)


def _texts(fault: Fault, page: Page, detail: Detail) -> Iterator[str]:
    """Yield a fault's summary, its assertion, its evidence and the advice."""
    finding = fault.finding
    texts = [("assertion", assertion_words(fault.failure), detail.text)] if fault.failure else []
    if finding is not None:
        yield from wrapped(
            page.look.plain(finding.summary, limit=2000), page.width, label=_INDENT,
            most=detail.summary, end=page.end,
        )  # fmt: skip
        for number, line in enumerate(evidence_lines(finding)[: min(detail.text, detail.evidence)]):
            texts.append(("" if number else "evidence", line, detail.text))
        causes = [each.cause for each in fault.cells[0].splats if each.line == fault.console_line]
        texts += [("cause", cause, detail.text) for cause in causes if cause]
        texts.append(("look next", finding.advice or "", detail.advice))
    for name, said, most in texts:
        if said:
            yield from wrapped(
                page.look.plain(said, limit=2000), page.width, most=most, end=page.end,
                label=f"{_INDENT}{name:{_WIDE}}  ",
            )  # fmt: skip


def read_on(
    record: RunRecord, page: Page, every: list[Fault], *, folder: bool = True
) -> Iterator[str]:
    """Yield the console's place, the run's folder, and the command that shows everything."""
    look, passed = page.look, record.verdict is Verdict.PASSED
    first = None if passed else next(iter(every), None)
    if first and first.console_line:
        place = console_place(first)
        yield look.verbatim(place if place.startswith("console ") else f"console  {place}")
    elif first and (witness := witness_place(first)):
        yield look.verbatim(f"witness  {witness}")
    if is_log(record):
        if not passed:
            names = [cell.artifacts.console or "" for cell in record.cells]
            if not all(names):  # standard input cannot be read again
                return
            command = f"mermapctl report log --full {shlex.join(names)}"
            yield look.verbatim(f"more     {command}") if len(names) < 2 else "more     --full"
        return
    if folder:
        yield look.verbatim(f"run      {_folder(record) or record.run.id}")
    if not passed:
        yield f"more     mermapctl report show --full {record.run.id.rpartition('-')[2]}"


def _folder(record: RunRecord) -> str | None:
    """Return the folder of a stored run, which ends with its id; None where it is not known."""
    for cell in record.cells:
        head, found, _ = (cell.artifacts.directory or "").partition(f"/{record.run.id}/")
        if found:
            return f"{head}/{record.run.id}"
    return None
