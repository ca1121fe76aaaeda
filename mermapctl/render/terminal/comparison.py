# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs on a terminal."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from mermapctl.console.ktap import Status
from mermapctl.records.comparison import Change
from mermapctl.records.series_match import Match
from mermapctl.render import series_words
from mermapctl.render.account import verdict_word
from mermapctl.render.terminal.columns import paint
from mermapctl.render.terminal.plain import PlainLook, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mermapctl.records.comparison import Comparison, Moved, TestChange
    from mermapctl.records.series_match import CommitMatch
    from mermapctl.render.terminal.runs import Sheet

_STYLE = {
    Change.NEWLY_FAILING: Status.FAILED,
    Change.STILL_FAILING: Status.FAILED,
    Change.FIXED: Status.PASSED,
}


class Unit(enum.Enum):
    """What the numbers that moved count."""

    FLUSHES = enum.auto()
    INSTRUCTIONS = enum.auto()
    SECONDS = enum.auto()


def render(compared: Comparison, sheet: Sheet) -> str:
    """Return the differing verdicts, tests, findings, flushes and times.

    The last line counts the tests of each kind of change.
    """
    look = sheet.look
    parts = [
        f"{side}  {look.plain(run)}  {look.glyph(verdict)} {verdict_word(verdict)}\n"
        for side, run, verdict in (
            ("A", compared.a, compared.before),
            ("B", compared.b, compared.after),
        )
    ]
    parts += [f"note: {look.plain(note)}\n" for note in compared.notes]
    if compared.commits:
        head = paint("Commits", "bold") if sheet.color else "Commits"
        parts.append(f"\n{head}\n{_commits(compared.commits, sheet)}")
    for title, rows, table in (
        ("Tests", compared.tests, _changes(compared.tests, sheet)),
        ("Findings", compared.findings, _findings(compared.findings, sheet)),
        ("TLB flushes", compared.flushes, _moved(compared.flushes, sheet)),
        ("Instructions", compared.costs, _moved(compared.costs, sheet, unit=Unit.INSTRUCTIONS)),
        ("Times", compared.times, _moved(compared.times, sheet, unit=Unit.SECONDS)),
    ):
        if rows:
            head = paint(title, "bold") if sheet.color else title
            parts.append(f"\n{head}\n{table}")
    tally = dict.fromkeys(Change, 0)
    for row in compared.tests:
        tally[row.change] += 1
    words = [f"{number} {change}" for change, number in tally.items() if number]
    nothing = "nothing to compare" if compared.silent else "no test differs"
    parts.append(f"\n{', '.join(words) or nothing}\n")
    return "".join(parts)


def _commits(rows: Sequence[CommitMatch], sheet: Sheet) -> str:
    made = [
        (
            (each.match.value, "dim" if each.match is Match.PATCH else ""),
            (series_words.short(each.a or "-"), ""),
            (series_words.short(each.b or "-"), ""),
            (sheet.look.plain(each.subject), ""),
        )
        for each in rows
    ]
    return sheet.columns(("Change", "A", "B", "Subject"), made, ("Subject",))


def _mark(change: Change, look: PlainLook) -> tuple[str, str]:
    known = _STYLE.get(change)
    if known is None:
        return f"  {change}", ""
    return f"{look.glyph(known)} {change}", look.style(known)


def _changes(rows: Sequence[TestChange], sheet: Sheet) -> str:
    look = sheet.look
    arrow = "→" if look.unicode else "->"
    made = [
        (
            _mark(row.change, look),
            (look.plain(row.test), ""),
            (f"{row.before or '-'} {arrow} {row.after or '-'}", ""),
            (look.plain(row.cell), ""),
            (look.plain(", ".join(row.codes)), ""),
        )
        for row in rows
    ]
    heads = ("Change", "Test", "Status", "Cell", "Findings")
    return sheet.columns(heads, made, ("Findings", "Cell"))


def _findings(rows: Sequence[TestChange], sheet: Sheet) -> str:
    look = sheet.look
    words = {Change.NEWLY_FAILING: "new", Change.FIXED: "gone", Change.STILL_FAILING: "still there"}
    made = [
        (
            (words.get(row.change, row.change.value), _mark(row.change, look)[1]),
            (look.plain(", ".join(row.codes)), ""),
            (look.plain(row.test), ""),
            (row.after or row.before or "-", ""),
            (sheet.look.plain(row.cell), ""),
        )
        for row in rows
    ]
    heads = ("Change", "Finding", "Test", "Severity", "Cell")
    return sheet.columns(heads, made, ("Cell", "Severity"))


def _moved(rows: Sequence[Moved], sheet: Sheet, unit: Unit = Unit.FLUSHES) -> str:
    def said(value: float | None) -> str:
        if unit is not Unit.SECONDS:
            return "-" if value is None else f"{value:,.0f}"
        return seconds(value) if value is None or value >= 1 else f"{value:.3f} s"

    def factor(row: Moved) -> str:
        if unit is Unit.FLUSHES or not row.before or row.after is None:
            return ""
        if unit is Unit.INSTRUCTIONS:
            return f"{100 * (row.after - row.before) / row.before:+.1f} %"
        return f"{row.after / row.before:.1f} x"

    made = [
        (
            (sheet.look.plain(row.what), ""),
            (said(row.before), ""),
            (said(row.after), ""),
            (factor(row), ""),
            (sheet.look.plain(row.cell), ""),
        )
        for row in rows
    ]
    heads = ("What", "A", "B", "B / A", "Cell")
    numbers = ("A", "B", "B / A")
    return sheet.columns(heads, made, ("Cell",), numbers)
