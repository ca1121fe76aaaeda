# SPDX-License-Identifier: GPL-2.0-only
"""A record on a terminal: `run` prints it at its end, `report` prints it later."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.render.account import verdict_word
from mermapctl.render.terminal import bisect, brief, brief_series
from mermapctl.render.terminal.brief_tables import Page
from mermapctl.render.terminal.columns import paint
from mermapctl.render.terminal.plain import PlainLook, colored, columns_of, plain_look_of
from mermapctl.render.terminal.verdict_line import verdict_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.records.record import Cell, RunRecord


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    width: int | None = None,
    color: bool | None = None,
    full: bool = False,
    unicode: bool = True,
) -> str:
    """Return the report; `width` in columns (default: the terminal's).

    `color` defaults to `colored()`. `full` shows every test, every finding's consequences and whole
    splats, from `console` if given. Without `unicode` the text is ASCII.
    """
    painted = colored() if color is None else color
    found = bisect_of(record)
    page = Page(PlainLook(unicode), columns_of(width), painted)
    if found is not None:
        return bisect.render(record, found, page)
    if not full:
        series = series_of(record)
        if series is not None:
            return brief_series.render(record, series, page)
        return brief.render(record, page)
    from mermapctl.render.terminal import full as whole  # noqa: PLC0415 - rich takes 40 ms

    return whole.render(record, console=console, width=width, color=painted, unicode=unicode)


def show(
    record: RunRecord,
    stream: TextIO | None = None,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    full: bool = False,
    last: bool = False,
) -> None:
    """Print the report in the form that `stream` (default: stdout) supports.

    `last` prints the verdict's line alone.
    """
    file = stream or sys.stdout
    look = plain_look_of(file)
    found = bisect_of(record)
    if last and found is not None:
        page = Page(look, columns_of(), color=False)
        file.write(f"{bisect.last_line(record, found, page)}\n")
        return
    if last:
        (line,) = verdict_line(record, look)
        mark, word, said = line.partition(verdict_word(record.verdict))
        style = look.style(record.verdict)
        file.write(f"{paint(mark + word, style) if colored(file) else mark + word}{said}\n")
        return
    file.write(
        render(record, console=console, color=colored(file), full=full, unicode=look.unicode)
    )
