# SPDX-License-Identifier: GPL-2.0-only
"""The whole report on a terminal (`--full`): every test, number, finding, splat and path."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import Cell, State
from mermapctl.records.record_kinds import series_of
from mermapctl.render import series_words
from mermapctl.render.account import (
    account,
    counts,
    former_words,
    is_log,
    kernel,
    label,
    log_place,
    log_words,
    not_listed,
    own_kernel,
    verdict_word,
    why_whole,
)
from mermapctl.render.grouped import faults
from mermapctl.render.terminal import costs, coverage, findings, series, tables
from mermapctl.render.terminal.brief_tables import Page
from mermapctl.render.terminal.page import plain_console, without_blanks
from mermapctl.render.terminal.plain import PlainLook, count, seconds
from mermapctl.render.terminal.text import Look
from mermapctl.render.terminal.verdict_line import verdict_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.records.record import RunRecord
    from mermapctl.records.series_facts import Series


@dataclass(frozen=True, slots=True)
class _Page:
    """The display of a record: the terminal's abilities, its width, the consoles."""

    look: Look
    width: int
    lines: Callable[[Cell], Iterable[str]] | None
    several: bool
    color: bool


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    width: int | None = None,
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Return the whole report; `width` in columns (default: the terminal's).

    The text of a splat comes from `console`, if given. Without `unicode` the text is ASCII.
    """
    buffer = io.StringIO()
    out = plain_console(buffer, width, color=color)
    page = _Page(Look(unicode), out.width, console, len(record.cells) > 1, color)
    for part in _parts(record, page):
        # Text to copy is neither wrapped nor cut; the terminal may wrap it.
        out.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    return without_blanks(buffer.getvalue())


def _parts(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    look = page.look
    yield from _header(record, look)
    told = series_of(record)
    if told is not None:
        yield from _series(record, told, page)
    if page.several:
        yield Text()
        yield from tables.matrix(record, look, page.width)
        yield from _flushes(record, page)
        yield from _findings(record, page)
    for cell in record.cells:
        facts = list(_facts(record, cell, page))
        if page.several:
            yield Text()
            yield _cell_title(record, cell, look)
        yield from facts
        yield from _cell(record, cell, page)
    yield from _artifacts(record, page)
    for cell in record.cells:
        if cell.reproduce:
            of = f" {label(cell, record)}" if page.several else ""
            yield Text()
            yield look.text(f"reproduce{of}", "bold")
            for line in cell.reproduce:
                yield Text("  " + look.verbatim(line), no_wrap=True)
    yield Text()
    yield from _bottom_lines(record, page)


def _series(record: RunRecord, shown: Series, page: _Page) -> Iterator[RenderableType]:
    """Yield the grid, and the sentences on its columns."""
    look = page.look
    yield Text()
    rows = Page(look, page.width, page.color)
    for line in series.grid(record, shown, rows, len(shown.commits) + 1):
        made = Text.from_ansi(line)
        made.no_wrap = True
        yield made
    yield Text()
    for said in series_words.sentences(shown):
        yield from look.prose(said, page.width, "bold red" if "first bad" in said else "")
    for note in shown.notes:
        yield from look.prose(note, page.width, "cyan", label="note: ")


def _flushes(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    rows = list(tables.flushes(record, page.look, page.width))
    if rows:
        yield Text()
        yield from rows


def _header(record: RunRecord, look: Look) -> Iterator[RenderableType]:
    run = record.run
    if is_log(record):
        yield Text(look.verbatim(_log_line(record)), "bold", no_wrap=True)
    else:
        yield look.text(kernel(record), "bold")
        if record.tree.path:
            yield Text(f"in {look.verbatim(record.tree.path)}", no_wrap=True)
        words = [f"run {run.id}", run.started[:19].replace("T", " ") + " UTC"]
        going = run.state is State.RUNNING
        words.append(f"running, process {run.pid}" if going else seconds(run.seconds))
        yield look.text(", ".join(words))
    if run.state is State.INTERRUPTED:
        yield Text("interrupted before its end; the report is incomplete", style="bold yellow")
    for former in record.former:
        yield look.text(former_words(former), "yellow")


def _log_line(record: RunRecord) -> str:
    if len(record.cells) > 1:
        return f"{log_words(record)}, {kernel(record)}"
    console = next(map(log_place, record.cells), "")
    of = f" of Linux {record.tree.kernel}" if record.tree.kernel else ""
    return f"console log{of}: {console}"


def _cell_title(record: RunRecord, cell: Cell, look: Look) -> Text:
    title = look.mark(cell.verdict, verdict_word(cell.verdict))
    return title.append("  " + look.plain(label(cell, record)), style="bold default")


def _machine(cell: Cell) -> Iterator[str]:
    """Yield what the guest's machine is."""
    if cell.accelerator and cell.accelerator != "none":
        yield f"accelerator {cell.accelerator}"
    if cell.reproducible is not None:
        yield f"seed {cell.seed}" if cell.reproducible else "not reproducible"
    if cell.cpu:
        yield f"CPU {cell.cpu}"
    if cell.smp and cell.smp > 1:
        yield f"{cell.smp} CPUs"


def _facts(record: RunRecord, cell: Cell, page: _Page) -> Iterator[RenderableType]:
    """Yield what was booted, on what, and how long it took."""
    look = page.look
    own = own_kernel(cell, record)
    facts = [own] if own else []
    if (cell.target or cell.variant) and not page.several:
        facts.append(label(cell))
    facts += _machine(cell)
    if facts:
        yield look.text(", ".join(facts))
    if cell.kernel_args:
        args = " ".join(cell.kernel_args)
        yield Text(look.verbatim(f"kernel arguments {args}"), no_wrap=True)
    spent = tables.phase_words(cell.phases)
    if spent:
        yield Text(spent)
    for note in cell.remarks:
        yield from look.prose(note, page.width, "cyan", label="note: ")


def _reason(cell: Cell, page: _Page) -> Iterator[Text]:
    """Yield why there is no verdict, and the source line that a compiler shows."""
    yield Text()
    first, *rest = why_whole(cell).split("\n")
    yield from page.look.prose(f"no verdict: {first}", page.width, "bold yellow")
    for line in rest:
        depth = " " * (len(line) - len(line.lstrip()))
        yield Text(depth + page.look.verbatim(line.strip()), no_wrap=True)


def _cell(record: RunRecord, cell: Cell, page: _Page) -> Iterator[RenderableType]:
    """Yield results, missing symbols, findings and splats of one cell."""
    look = page.look
    if cell.verdict is Verdict.NO_VERDICT:
        yield from _reason(cell, page)
    if cell.missing:
        yield Text()
        yield tables.missing(cell, look)
        yield from findings.missing_symbols(cell.missing, look, page.width)
    results = tables.results(cell, look)
    if results is not None:
        yield Text()
        yield results
    tried = tables.triage(cell, look)
    if tried is not None:
        yield Text()
        yield tried
    yield from _left_out(cell)
    if not page.several:
        yield from _flushes(record, page)
    traced = tables.trace(cell, look)
    if traced is not None:
        yield Text()
        yield traced
        yield from _limits(cell, page)
    yield from _numbers(cell, page)
    yield from _stress(cell, page)
    if not page.several:
        yield from _findings(record, page)
    splats = list(findings.splats(cell, look, page.width, console=page.lines))
    if splats:
        yield Text()
        yield Text(count(len(cell.splats), "kernel complaint"), style="bold")
        yield from splats


def _stress(cell: Cell, page: _Page) -> Iterator[Text]:
    """Yield the line that runs the stress suite again, and a failing history as a table in C."""
    if cell.stress is None or cell.stress.console is None:
        return
    yield Text()
    yield Text("stress", "bold")
    for line in (cell.stress.command or "", *(cell.stress.table or "").splitlines()):
        yield Text(f"  {page.look.verbatim(line.expandtabs(4))}", no_wrap=True)


def _numbers(cell: Cell, page: _Page) -> Iterator[RenderableType]:
    """Yield what the cell costs, and what it runs, if that was counted."""
    counted = costs.counted(cell, page.look)
    if counted is not None:
        yield Text()
        yield counted
    if cell.coverage is not None:
        yield Text()
        plain = Page(PlainLook(page.look.unicode), page.width, color=False)
        for line in coverage.full(cell.coverage, plain):
            yield Text(line, no_wrap=True)


def _findings(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    """Yield the faults of all cells, each once."""
    for fault in faults(record):
        yield Text()
        yield from findings.fault(fault, record, page.look, page.width)


def _left_out(cell: Cell) -> Iterator[Text]:
    """Yield the numbers of tests and suites that were counted, but not kept."""
    if more := not_listed(account(cell)):
        yield Text(more)
    if cell.omitted:
        parts = ((cell.omitted - cell.omitted_bad, "passed"), (cell.omitted_bad, "failed"))
        said = ", ".join(f"{n} {word}" for n, word in parts if n)
        yield Text(f"and {count(cell.omitted, 'suite')} not listed one by one: {said}")


def _limits(cell: Cell, page: _Page) -> Iterator[RenderableType]:
    """Yield the gaps of the trace, and the rules that a pass did not exercise."""
    for note in cell.trace.notes if cell.trace else ():
        yield from page.look.prose(note, page.width, "cyan", label="note: ")
    if cell.verdict is Verdict.PASSED and cell.not_exercised:
        said = ", ".join(cell.not_exercised)
        yield from page.look.prose(said, page.width, "dim", label="not exercised: ")


def _artifacts(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    """Yield the paths of the artifacts, each whole and alone on its line."""
    named: list[tuple[str, str | None]] = []
    logs = is_log(record)
    if logs and not page.several:
        return
    for cell in record.cells:
        kept = cell.artifacts
        if page.several:
            place = kept.directory or (log_place(cell) if logs else kept.console)
            named.append((label(cell, record), place))
        else:
            second = kept.console_untraced if kept.console_untraced != kept.console else None
            named = [
                ("console", kept.console),
                ("console without probes", second),
                ("witness", kept.witness),
                ("console of the stress suite", cell.stress.console if cell.stress else None),
                ("config", kept.config),
                ("kunitconfig", kept.kunitconfig),
                ("build log", kept.build_log),
                ("tree diff", kept.tree_diff),
            ]
            named = named if any(path for _, path in named) else [("folder", kept.directory)]
    paths = [(page.look.plain(name), path) for name, path in named if path]
    if not paths:
        return
    yield Text()
    yield Text("logs" if logs else "artifacts", "bold")
    size = max(len(name) for name, _ in paths)
    for name, path in paths:
        yield Text(f"  {name:{size}}  {page.look.verbatim(path)}", no_wrap=True)


def _bottom_lines(record: RunRecord, page: _Page) -> Iterator[Text]:
    """Yield the counts, then the verdict, as every report ends with it."""
    told = [account(cell) for cell in record.cells]
    tests = sum(one.total for one in told)
    words = []
    if series_of(record) is not None:
        words.append(f"{count(len(record.cells), 'cell')}: {series_words.counts(record.cells)}")
    elif len(record.cells) > 1:
        tally = dict.fromkeys(Verdict, 0)
        for cell in record.cells:
            tally[cell.verdict] += 1
        cells = [f"{n} {verdict_word(v).lower()}" for v, n in tally.items() if n]
        words.append(f"{count(len(record.cells), 'cell')}: {', '.join(cells)}")
    if tests:
        words.append(f"{count(tests, 'test')}: {counts(told)}")
    findings = sum(len(cell.findings) for cell in record.cells)
    if findings:
        words.append(count(findings, "finding"))
    if words:
        yield from page.look.prose("; ".join(words), page.width)
    first, *rest = verdict_line(record, page.look, page.width)
    mark, blank, said = first.partition(verdict_word(record.verdict))
    line = Text(mark + blank, style=page.look.style(record.verdict), no_wrap=True)
    yield line.append(said, style="default not bold")
    yield from (Text(each, no_wrap=True) for each in rest)
