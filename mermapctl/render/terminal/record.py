# SPDX-License-Identifier: GPL-2.0-only
"""A record on a terminal: `run` prints it at its end, `report` prints it later."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from mermapctl.judge.verdict import Verdict
from mermapctl.records.record import Cell, State
from mermapctl.render import series_words
from mermapctl.render.account import (
    account,
    boot_words,
    counts,
    is_log,
    kernel,
    label,
    log_words,
    not_listed,
    own_kernel,
    verdict_word,
    why,
)
from mermapctl.render.terminal import costs, findings, series, tables
from mermapctl.render.terminal.page import plain_console, without_blanks
from mermapctl.render.terminal.plain import colored, count, seconds
from mermapctl.render.terminal.text import Look, look_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.records.record import RunRecord
    from mermapctl.records.series_facts import Series

_STDIN = "standard input"


@dataclass(frozen=True, slots=True)
class _Page:
    """The display of a record: the terminal's abilities, its width, details, the consoles."""

    look: Look
    width: int
    full: bool
    lines: Callable[[Cell], Iterable[str]] | None
    several: bool


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    width: int | None = None,
    color: bool | None = None,
    full: bool = False,
    unicode: bool = True,
) -> str:
    """Return the whole report; `width` in columns (default: the terminal's).

    `color` defaults to `colored()`. `full` shows every test, every finding's consequences and whole
    splats, from `console` if given. Without `unicode` the text is ASCII.
    """
    buffer = io.StringIO()
    out = plain_console(buffer, width, color=colored() if color is None else color)
    page = _Page(Look(unicode), out.width, full, console, len(record.cells) > 1)
    for part in _parts(record, page):
        # Text to copy is neither wrapped nor cut; the terminal may wrap it.
        out.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))
    return without_blanks(buffer.getvalue())


def show(
    record: RunRecord,
    stream: TextIO | None = None,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    full: bool = False,
) -> None:
    """Print the report in the form that `stream` (default: stdout) supports."""
    file = stream or sys.stdout
    look = look_of(file)
    file.write(
        render(record, console=console, color=colored(file), full=full, unicode=look.unicode)
    )


def _parts(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    look = page.look
    yield from _header(record, look)
    if not isinstance(record.series, msgspec.UnsetType) and not page.full:
        yield from _series(record, record.series, page)
        return
    if page.several:
        yield Text()
        yield from tables.matrix(record, look, page.width, full=page.full)
        yield from _flushes(record, page)
    for cell in record.cells:
        facts = list(_facts(record, cell, page))
        shown = page.full or cell.verdict is not Verdict.PASSED or bool(cell.findings)
        if page.several and (facts or shown):
            yield Text()
            yield _cell_title(record, cell, look)
        yield from facts
        if shown or not page.several:
            yield from _cell(record, cell, page)
    yield from _artifacts(record, page)
    for cell in record.cells:
        if cell.reproduce and (page.full or not page.several or cell.verdict is not Verdict.PASSED):
            of = f" {label(cell, record)}" if page.several else ""
            yield Text()
            yield look.text(f"reproduce{of}", "bold")
            for line in cell.reproduce:
                yield Text("  " + look.verbatim(line), no_wrap=True)
    yield Text()
    yield _bottom_line(record, look)


def _series(record: RunRecord, shown: Series, page: _Page) -> Iterator[RenderableType]:
    """Yield the grid, and of its cells the first bad ones and those without a verdict."""
    look = page.look
    yield Text()
    yield from series.parts(record, shown, look)
    whole = series_words.shown_whole(record)
    for cell in whole:
        yield Text()
        yield _cell_title(record, cell, look)
        yield from _facts(record, cell, page)
        yield from _cell(record, cell, page)
    yield from _artifacts(replace(record, cells=tuple(whole)), page)
    lines = [cell.reproduce[0] for cell in whole if cell.reproduce]
    if lines:
        yield Text()
        yield Text("reproduce", "bold")
    for line in lines:
        yield Text("  " + look.verbatim(line), no_wrap=True)
    yield Text()
    yield _bottom_line(record, look)


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
        head = look.text(kernel(record), "bold")
        if record.tree.path:
            head.append("  in " + look.plain(record.tree.path), style="default not bold")
        yield head
        words = [f"run {run.id}", run.started[:19].replace("T", " ") + " UTC"]
        going = run.state is State.RUNNING
        words.append(f"running, process {run.pid}" if going else seconds(run.seconds))
        yield look.text(", ".join(words))
    if run.state is State.INTERRUPTED:
        yield Text("interrupted before its end; the report is incomplete", style="bold yellow")
    for former in record.former:
        yield look.text(
            f"was {verdict_word(former.verdict)} until judged again on {former.replaced[:10]} "
            f"(rules of {former.tool.name} {former.tool.version})",
            "yellow",
        )


def _log_line(record: RunRecord) -> str:
    if len(record.cells) > 1:
        return f"{log_words(record)}, {kernel(record)}"
    console = next((cell.artifacts.console for cell in record.cells), None)
    of = f" of Linux {record.tree.kernel}" if record.tree.kernel else ""
    return f"console log{of}: {console or _STDIN}"


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
        words = " ".join(cell.kernel_args) if page.full else boot_words(cell)
        yield look.text(f"kernel arguments {words}", limit=4000)
    spent = tables.phase_words(cell.phases)
    if spent:
        yield Text(spent)
    for note in cell.remarks:
        yield look.text(f"note: {note}", "cyan", limit=4000)


def _cell(record: RunRecord, cell: Cell, page: _Page) -> Iterator[RenderableType]:
    """Yield results, missing symbols, findings and splats of one cell."""
    look, full = page.look, page.full
    if cell.verdict is Verdict.NO_VERDICT:
        yield Text()
        yield look.text(f"no verdict: {why(cell)}", "bold yellow", limit=2000)
    if cell.missing:
        yield Text()
        yield tables.missing(cell, look)
        yield from findings.missing_symbols(cell.missing, look)
    results = tables.results(cell, look, full=full, only_bad=page.several and not full)
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
        yield from _limits(cell, look)
    counted = costs.counted(cell, look)
    if counted is not None:
        yield Text()
        yield counted
    found = list(findings.findings(cell, look, full=full))
    if found:
        yield Text()
        yield Group(*found)
    splats = list(findings.splats(cell, look, full=full, console=page.lines))
    if splats:
        yield Text()
        yield Text(count(len(cell.splats), "kernel complaint"), style="bold")
        yield from splats


def _left_out(cell: Cell) -> Iterator[Text]:
    """Yield the numbers of tests and suites that were counted, but not kept."""
    if more := not_listed(account(cell)):
        yield Text(more)
    if cell.omitted:
        parts = ((cell.omitted - cell.omitted_bad, "passed"), (cell.omitted_bad, "failed"))
        said = ", ".join(f"{n} {word}" for n, word in parts if n)
        yield Text(f"and {count(cell.omitted, 'suite')} not listed one by one: {said}")


def _limits(cell: Cell, look: Look) -> Iterator[RenderableType]:
    """Yield the gaps of the trace, and the rules that a pass did not exercise."""
    for note in cell.trace.notes if cell.trace else ():
        yield look.text(f"note: {note}", "cyan", limit=2000)
    if cell.verdict is Verdict.PASSED and cell.not_exercised:
        yield look.text(f"not exercised: {', '.join(cell.not_exercised)}", "dim", limit=2000)


def _artifacts(record: RunRecord, page: _Page) -> Iterator[RenderableType]:
    """Yield the paths of the artifacts, each whole and alone on its line."""
    named: list[tuple[str, str | None]] = []
    logs = is_log(record)
    if logs and not page.several:
        return
    for cell in record.cells:
        kept = cell.artifacts
        if page.several:
            place = kept.directory or kept.console or (_STDIN if logs else None)
            named.append((label(cell, record), place))
        else:
            second = kept.console_untraced if kept.console_untraced != kept.console else None
            named = [
                ("console", kept.console),
                ("console without probes", second),
                ("witness", kept.witness),
                ("config", kept.config),
                ("kunitconfig", kept.kunitconfig),
                ("build log", kept.build_log),
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


def _bottom_line(record: RunRecord, look: Look) -> Text:
    told = [account(cell) for cell in record.cells]
    tests = sum(one.total for one in told)
    line = look.mark(record.verdict, verdict_word(record.verdict))
    words = []
    if not isinstance(record.series, msgspec.UnsetType):
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
    if len(record.cells) == 1 and record.cells[0].reason:
        words.insert(0, record.cells[0].reason.value.replace("-", " "))
    if record.run.state is not State.FINISHED:
        words.insert(0, "so far" if record.run.state is State.RUNNING else "interrupted")
    return line.append("  " + "; ".join(dict.fromkeys(words)), style="default not bold")
