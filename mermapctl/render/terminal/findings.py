# SPDX-License-Identifier: GPL-2.0-only
"""Faults and splats on a terminal, whole: summary, assertion, numbers, advice, consequences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rich.text import Text

from mermapctl.render import complaint
from mermapctl.render.account import evidence_lines, label
from mermapctl.render.grouped import assertion_words, console_place, witness_place
from mermapctl.render.missing import missing_lines
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mermapctl.config.fragment import MissingSymbol
    from mermapctl.console.splat import Splat
    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.render.grouped import Fault
    from mermapctl.render.terminal.text import Look

DEEPEST = 12
"""Limit on the indentation of an explanation's lines."""
_INDENT = " " * 4


def fault(each: Fault, record: RunRecord, look: Look, width: int) -> Iterator[Text]:
    """Yield a fault: its name and place, its cells, summary, assertion, numbers, advice."""
    head = look.mark(each.kind, look.plain(each.name))
    if each.test:
        head.append(f" in {look.plain(each.test)}", style="default not bold")
    if each.where:
        head.append(f"  {look.plain(each.where)}", style="dim not bold default")
    head.no_wrap = True
    yield head
    finding, texts = each.finding, list[tuple[str, str]]()
    if len(record.cells) > 1:
        texts.append(("cells", ", ".join(label(cell, record) for cell in each.cells)))
    if finding is not None:
        yield from look.prose(finding.summary, width, label=_INDENT)
    if each.failure is not None:
        texts.append(("assertion", assertion_words(each.failure)))
    if finding is not None:
        facts = [line for line in evidence_lines(finding) if not _in_splat(line, each)]
        texts += [("" if number else "evidence", line) for number, line in enumerate(facts)]
    texts += [(name, look.verbatim(place)) for name, place in _read_places(each)]
    if finding is not None:
        texts += [("look next", finding.advice)] if finding.advice else []
        texts += [
            ("" if number else "follows", said) for number, said in enumerate(finding.consequences)
        ]
    for name, said in texts:
        yield from _labelled(name, said, look, width)


def _read_places(each: Fault) -> Iterator[tuple[str, str]]:
    """Yield the lines of the files in which the fault was seen."""
    if each.console_line:
        yield "console", console_place(each).removeprefix("console ")
    if witness := witness_place(each):
        yield "witness", witness


def _in_splat(line: str, each: Fault) -> bool:
    """Return whether evidence repeats the kernel complaint, which is shown in whole below."""
    splats = [splat for splat in each.cells[0].splats if splat.line == each.console_line]
    told = [f"title: {splat.title}" for splat in splats]
    told += [f"frame: {splat.top_frame}" for splat in splats]
    return line in told


def _labelled(name: str, said: str, look: Look, width: int) -> Iterator[Text]:
    """Yield a label and a text that wraps beside it, between words alone."""
    head = f"{_INDENT}{name:9}"
    for number, line in enumerate(wrapped(look.plain(said, limit=4000), width, label=f"{head}  ")):
        made = Text(line, no_wrap=True)
        if not number:
            made.stylize("cyan", 0, len(head))
        yield made


def splats(
    cell: Cell, look: Look, width: int, *, console: Callable[[Cell], Iterable[str]] | None = None
) -> Iterator[Text]:
    """Yield each splat's place, its cause, and its whole text."""
    for splat in cell.splats:
        where = f"console line {splat.line:,}" + (f", in {splat.test}" if splat.test else "")
        yield from look.prose(splat.title, width, "bold", label=_INDENT)
        yield Text(f"{_INDENT}  {look.plain(where)}", style="dim", no_wrap=True)
        for name, said in complaint.facts(splat):
            yield from look.prose(f"{name}: {said}", width, label=f"{_INDENT}  ")
        for line in _whole(cell, splat, console):
            yield Text(f"{_INDENT}  {look.plain(line, limit=1000)}", no_wrap=True)


def _whole(
    cell: Cell, splat: Splat, console: Callable[[Cell], Iterable[str]] | None
) -> Iterable[str]:
    """Return the splat's console lines, or the record's excerpt if the console is deleted."""
    if console is not None and splat.last_line is not None:
        lines = list(itertools.islice(console(cell), splat.line - 1, splat.last_line))
        if lines:
            return lines
    return splat.excerpt or splat.frames


def missing_symbols(missing: Iterable[MissingSymbol], look: Look, width: int) -> Iterator[Text]:
    """Yield a paragraph for each symbol on a terminal; wrapped lines keep their indentation."""
    for symbol in missing:
        for number, line in enumerate(missing_lines(symbol)):
            if not number:
                yield Text()
                yield from look.prose(line, width, "bold", limit=1000)
                continue
            depth = min(len(line) - len(line.lstrip(" ")), DEEPEST)
            yield from look.prose(line.lstrip(" "), width, label=" " * depth, limit=1000)
