# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a terminal report: results, the matrix of several cells, TLB flushes, symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from mermapctl.console.ktap import Status
from mermapctl.judge.hang_trial import Outcome
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.account import Row, account, label
from mermapctl.render.terminal.plain import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from mermapctl.judge.result_types import Flush
    from mermapctl.records.record import Cell, Phases, RunRecord
    from mermapctl.render.terminal.text import Look

WORDS_ROOM = 16
"""Minimal columns for the words of a table that keeps names whole."""

_COLUMN_GAP = 2


def table(look: Look, *columns: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table in the common style; the columns in `right` contain numbers."""
    made = Table(
        box=box.SIMPLE_HEAD if look.unicode else box.ASCII2,
        show_edge=False,
        pad_edge=False,
        header_style="bold",
        padding=(0, _COLUMN_GAP, 0, 0) if look.unicode else (0, 1),
        collapse_padding=look.unicode,
    )
    for name in columns:
        made.add_column(
            name, justify="right" if name in right else "left", overflow="fold", no_wrap=False
        )
    return made


def results(cell: Cell, look: Look) -> Table | None:
    """Return suite, test, status and seconds of every test; None if there is nothing to show."""
    told = account(cell)
    timed = any(row.test.seconds is not None for row in told.rows)
    made = table(look, "Suite", "Test", "Status", *["Seconds"] * timed, right=["Seconds"])

    def add(suite: str, test: str, status: Text, spent: float | None) -> None:
        clock = Text("-" if spent is None else f"{spent:.3f}")
        made.add_row(look.text(suite), look.text(test), status, *[clock] * timed)

    for suite in cell.suites:
        rows = told.of(suite)
        for row in rows:
            add(suite.name, row.name, status(row, look), row.test.seconds)
        if not rows:
            add(suite.name, "-", look.mark(suite.status), None)
    return made if made.row_count else None


def status(row: Row, look: Look) -> Text:
    """Return a test's status, with its errors or its skip reason."""
    test = row.test
    if row.failed_by_finding:
        codes = ", ".join(dict.fromkeys(look.plain(finding.code) for finding in row.errors))
        return Text(
            f"{look.glyph(Status.FAILED)} {test.status}, but {codes}",
            style=look.style(Status.FAILED),
        )
    made = look.mark(test.status)
    if test.reason:
        made.append(f": {look.plain(test.reason, limit=120)}", style="default not bold")
    return made


def matrix(record: RunRecord, look: Look, width: int) -> Iterator[RenderableType]:
    """Yield tables of tests (rows) and cells (columns), as many as the width requires."""
    accounts = [account(cell).rows for cell in record.cells]
    by_cell = [{(row.suite, row.name): row for row in rows} for rows in accounts]
    keys = list(dict.fromkeys(key for rows in by_cell for key in rows))
    one_suite = len({suite for suite, _ in keys}) <= 1
    names = [look.plain(test if one_suite else f"{suite}.{test}") for suite, test in keys]
    room = width - max(map(cell_len, [*names, "Test"])) - _COLUMN_GAP
    heads = ["\n".join(look.plain(label(cell, record)).split("/")) for cell in record.cells]
    columns = [
        [_status_at(rows.get(key), look) for key in keys] + [_verdict_at(cell, look)]
        for cell, rows in zip(record.cells, by_cell, strict=True)
    ]
    sizes = [
        max(cell_len(line) for text in (head, *map(str, column)) for line in text.split("\n"))
        for head, column in zip(heads, columns, strict=True)
    ]
    first = True
    for chosen in _chunks(sizes, room):
        if not first:
            yield Text()
        first = False
        made = table(look, "Test", *(heads[index] for index in chosen))
        for place, name in enumerate(names):
            made.add_row(Text(name), *(columns[index][place] for index in chosen))
        if names:
            made.add_section()
        made.add_row(Text("verdict", "bold"), *(columns[index][-1] for index in chosen))
        yield made


def _status_at(row: Row | None, look: Look) -> Text:
    if row is None:
        return Text("-", style="dim")
    if row.failed_by_finding:
        codes = ", ".join(dict.fromkeys(look.plain(each.code) for each in row.errors))
        said = f"{look.glyph(Status.FAILED)} but {codes}"
        return Text(said, style=look.style(Status.FAILED))
    return look.mark(row.test.status)


def _verdict_at(cell: Cell, look: Look) -> Text:
    if cell.verdict is Verdict.NO_VERDICT and cell.reason:
        return look.mark(cell.verdict, cell.reason.value)
    return look.mark(cell.verdict)


def _chunks(sizes: list[int], room: int) -> Iterator[list[int]]:
    """Yield groups of columns that fit into `room`; a group has at least one."""
    chosen: list[int] = []
    used = 0
    for index, size in enumerate(sizes):
        if chosen and used + size + _COLUMN_GAP > room:
            yield chosen
            chosen, used = [], 0
        chosen.append(index)
        used += size + _COLUMN_GAP + 1
    if chosen:
        yield chosen


def flushes(record: RunRecord, look: Look, width: int) -> Iterator[RenderableType]:
    """Yield the TLB-flush table of all cells."""
    rows = [(cell, flush) for cell in record.cells for flush in cell.flushes]
    if not rows:
        return
    several = len(record.cells) > 1
    traced = any(flush.observed is not None for _, flush in rows)
    numbers = ["Expected", "Counted"] + ["Observed"] * traced
    made = table(look, *["Cell"] * several, "Test", *numbers, "TLB flushes", right=numbers)
    # Keep names whole if that leaves enough room for the words beside them.
    fixed = max(cell_len(flush.test) for _, flush in rows) + (len(numbers) + 1) * 11 + WORDS_ROOM
    cells = [look.plain(label(cell, record)) for cell, _ in rows] if several else []
    if cells and fixed + max(map(len, cells)) + 3 > width:
        cells = [name.replace("/", "/\n") for name in cells]
    longest = max((len(part) + 3 for name in cells for part in name.split("\n")), default=0)
    made.columns[several].no_wrap = fixed + longest <= width
    for number, (cell, flush) in enumerate(rows):
        values = [flush.expected, flush.counted] + [flush.observed] * traced
        made.add_row(
            *[Text(name) for name in cells[number : number + 1]],
            look.text(flush.test),
            *(Text("-" if value is None else f"{value:,}") for value in values),
            flush_words(flush, cell, look),
        )
    yield made


def flush_words(flush: Flush, cell: Cell, look: Look) -> Text:
    """Return the verdict on a test's flushes in words, marked good, bad or unknown."""
    known = {value for value in (flush.counted, flush.observed) if value is not None}
    about = (flush.test, None)
    wrong = any(
        finding.severity is Severity.ERROR
        and finding.test in about
        and ("flush" in finding.code or finding.code in {"stale-reuse", "counter-mismatch"})
        for finding in cell.findings
    )
    words = look.plain(flush.words)
    if wrong or (flush.expected is not None and known - {flush.expected}):
        return look.mark(Verdict.FAILED, words or "not as expected")
    if not known or flush.expected is None:
        return look.mark(Verdict.NO_VERDICT, words or "not known")
    return look.mark(Verdict.PASSED, words or "as expected")


def trace(cell: Cell, look: Look) -> Table | None:
    """Return each test's traced numbers, with done and needed flushes; None without a trace."""
    if cell.trace is None or not cell.trace.tests:
        return None
    numbers = ["Gets", "Flushes", "Needed", "Others"]
    made = table(look, "Traced test", *numbers, "Pages between", right=numbers)
    for row in cell.trace.tests:
        values = (row.gets, row.flushes_done, row.flushes_needed, row.flushes_other)
        name = row.test or "after the last test"
        if not row.traced:
            name += f" (until console line {row.until})" if row.until else " (untraced)"
        made.add_row(
            look.text(name),
            *(Text(f"{value:,}") for value in values),
            Text(", ".join(f"{pages:,}" for pages in row.pages_between_flushes) or "-"),
        )
    return made


def triage(cell: Cell, look: Look) -> Table | None:
    """Return the boots after a hang: the test booted alone, and the function in which it hung."""
    if not cell.triage:
        return None
    made = table(look, "Booted alone", "Outcome", "Seconds", "Hung in", right=["Seconds"])
    for trial in cell.triage:
        # "unknown" is no status of a test: the boot did not reach it
        told = trial.outcome is not Outcome.UNKNOWN
        made.add_row(
            look.text(trial.test or f"the whole suite {trial.suite}"),
            look.mark(trial.outcome) if told else look.mark(Verdict.NO_VERDICT, "unknown"),
            Text(f"{trial.seconds:.1f}"),
            look.text(trial.function or "-"),
        )
    return made


def missing(cell: Cell, look: Look) -> Table:
    """Return the symbols that the tree did not give as requested."""
    made = table(look, "Symbol", "Requested", "Resolved")
    for symbol in cell.missing:
        made.add_row(
            look.text(symbol.symbol, "bold"),
            look.text(symbol.requested),
            look.text(symbol.resolved or "not set"),
        )
    return made


def phase_words(phases: Phases) -> str:
    """Return the times of the known phases: `config 1.2 s, build 101 s, boot 1.4 s`."""
    named = (("config", phases.config), ("build", phases.build), ("boot", phases.boot))
    return ", ".join(f"{name} {seconds(value)}" for name, value in named if value is not None)
