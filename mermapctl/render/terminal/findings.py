# SPDX-License-Identifier: GPL-2.0-only
"""Findings and splats on a terminal: summary, numbers, advice, consequences."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mermapctl.render import complaint
from mermapctl.render.account import evidence_lines
from mermapctl.render.missing import missing_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType

    from mermapctl.config.fragment import MissingSymbol
    from mermapctl.console.splat import Splat
    from mermapctl.judge.verdict import Finding
    from mermapctl.records.record import Cell
    from mermapctl.render.terminal.text import Look

SHORT_CONSEQUENCES = 4
SHORT_FRAMES = 5
DEEPEST = 12
"""Limit on the indentation of an explanation's lines."""

# Functions of KUnit and the kernel that run every test or report every splat.
_MACHINERY = re.compile(
    r"^\??\s*(?:kunit_|__kunit_|kthread\b|kthread\+|ret_from_fork|dump_stack|show_stack|__warn\b"
    r"|__warn\+|report_bug|handle_bug|exc_|asm_exc_|print_report|kasan_report|__asan_|__die"
    r"|page_fault_oops|entry_SYSCALL|do_syscall_)"
)


def findings(cell: Cell, look: Look, *, full: bool) -> Iterator[RenderableType]:
    """Yield each finding as a block, its consequences below it."""
    for number, finding in enumerate(cell.findings):
        if number:
            yield Text()
        yield from _finding(finding, look, full=full)


def _finding(finding: Finding, look: Look, *, full: bool) -> Iterator[RenderableType]:
    head = look.mark(finding.severity, look.plain(finding.code))
    if finding.test:
        head.append(f" in {look.plain(finding.test)}", style="default not bold")
    if finding.where:
        head.append(f"  {look.plain(finding.where)}", style="dim not bold default")
    yield head
    yield _indented(look.text(finding.summary, limit=2000))
    if finding.evidence:
        for number, line in enumerate(evidence_lines(finding)):
            yield _labelled("" if number else "evidence", look.plain(line, limit=2000))
    if finding.console_line:
        yield _labelled("console", f"line {finding.console_line:,}")
    if finding.advice:
        yield _labelled("look next", look.plain(finding.advice, limit=2000))
    shown = finding.consequences if full else finding.consequences[:SHORT_CONSEQUENCES]
    for number, consequence in enumerate(shown):
        yield _labelled("follows" if not number else "", look.plain(consequence, limit=1000))
    if len(shown) < len(finding.consequences):
        yield _labelled("", f"and {len(finding.consequences) - len(shown)} more (--full)")


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 4), expand=False)


def _labelled(name: str, said: str) -> Padding:
    """Return a label and a text that wraps beside it."""
    grid = _grid()
    grid.add_row(Text(name, style="cyan"), Text(said))
    return Padding(grid, (0, 0, 0, 4), expand=False)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=9, no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def splats(
    cell: Cell,
    look: Look,
    *,
    full: bool,
    console: Callable[[Cell], Iterable[str]] | None = None,
) -> Iterator[RenderableType]:
    """Yield each splat's title, cause and relevant frames; with `full` its whole text."""
    for splat in cell.splats:
        where = f"console line {splat.line:,}" + (f", in {splat.test}" if splat.test else "")
        yield _indented(look.text(splat.title, "bold", limit=1000))
        yield Padding(look.text(where, "dim"), (0, 0, 0, 6), expand=False)
        for label, said in complaint.facts(splat):
            yield Padding(look.text(f"{label}: {said}", limit=1000), (0, 0, 0, 6), expand=False)
        lines = _whole(cell, splat, console) if full else _below(splat)
        for line in lines:
            yield Padding(look.text(line, limit=1000), (0, 0, 0, 6), expand=False)


def _below(splat: Splat) -> list[str]:
    """Return the relevant frames without the top frame, which has its own line."""
    lines = relevant_frames(splat)
    return lines[1:] if lines and lines[0] == splat.top_frame else lines


def relevant_frames(splat: Splat) -> list[str]:
    """Return the innermost frames, without those that run every test or report every splat."""
    frames = [frame for frame in splat.frames if not _MACHINERY.match(frame.strip())]
    left_out = len(splat.frames) - min(len(frames), SHORT_FRAMES)
    shown = frames[:SHORT_FRAMES]
    if left_out:
        shown.append(f"(and {left_out} more: --full)")
    return shown


def _whole(
    cell: Cell, splat: Splat, console: Callable[[Cell], Iterable[str]] | None
) -> Iterable[str]:
    """Return the splat's console lines, or the record's excerpt if the console is deleted."""
    if console is not None and splat.last_line is not None:
        lines = list(itertools.islice(console(cell), splat.line - 1, splat.last_line))
        if lines:
            return lines
    return splat.excerpt or splat.frames


def missing_symbols(missing: Iterable[MissingSymbol], look: Look) -> Iterator[RenderableType]:
    """Yield a paragraph for each symbol on a terminal; wrapped lines keep their indentation."""
    for symbol in missing:
        for number, line in enumerate(missing_lines(symbol)):
            if not number:
                yield Text()
                yield look.text(line, "bold", limit=1000)
                continue
            depth = min(len(line) - len(line.lstrip(" ")), DEEPEST)
            yield Padding(look.text(line, limit=1000), (0, 0, 0, depth), expand=False)
