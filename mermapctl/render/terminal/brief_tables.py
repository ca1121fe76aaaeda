# SPDX-License-Identifier: GPL-2.0-only
"""The two tables of the brief report: a cell's tests with their flushes, or a run's cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.render.account import account, counts, label, verdict_word, why
from mermapctl.render.grouped import place, where
from mermapctl.render.terminal.columns import columns
from mermapctl.render.terminal.plain import PlainLook, count
from mermapctl.render.terminal.wrap import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mermapctl.records.record import Cell, RunRecord
    from mermapctl.render.account import CellRows, Row
    from mermapctl.render.terminal.columns import Field


@dataclass(frozen=True, slots=True)
class Page:
    """What the terminal can show: its characters, columns and colours."""

    look: PlainLook
    width: int
    color: bool

    @property
    def end(self) -> str:
        """Return the mark of a cut."""
        return "…" if self.look.unicode else "..."


NUMBERS = ("Gets", "Flushes", "Needed", "Expected", "Counted", "Seconds")


_LEAST = 12
"""Columns of a text that is cut."""


def tests(cell: Cell, page: Page, most: int) -> list[str]:
    """Return the table of a cell's tests in lines, without a test that passed where they are many.

    At most `most` tests have a row; the rest is one row a status.
    """
    told = account(cell)
    if not told.total:
        return []
    shown, summed = _chosen(told, most)
    heads, numbers = _numbers(cell, shown)
    several = len({row.suite for row in told.rows}) > 1
    look = page.look
    body: list[list[Field]] = []
    for row in shown:
        name = f"{row.suite}.{row.name}" if several else row.name
        body.append(
            [(look.plain(name), ""), status(row, look)]
            + [(text, "") for text in numbers(row)]
            + [(look.plain(_place(row, cell)), "dim")]
        )
    blank: list[Field] = [("", "")] * (len(heads) + 1)
    rest = counts([type(told)(tuple(summed), (), told.unlisted)])
    if summed or told.unlisted.total:
        more = f"{'and ' if shown else ''}{count(len(summed) + told.unlisted.total, 'test')}"
        body.append([(more, ""), _summed(summed, told, rest, look), *blank])
    made = columns(
        ("Test", "Status", *heads, ""), body, color=page.color, right=NUMBERS,
        width=page.width, optional=("",),
    )  # fmt: skip
    return made.splitlines()


def _chosen(told: CellRows, most: int) -> tuple[list[Row], list[Row]]:
    """Return the rows to show and those to sum up: bad ones are shown first."""
    if len(told.rows) <= most:
        return list(told.rows), []
    wanted = sorted(told.rows, key=lambda row: not row.bad)[: max(1, most - 1)]
    bad = [row for row in wanted if row.bad or row.test.status is not Status.PASSED]
    kept = {*map(id, bad)}
    return bad, [row for row in told.rows if id(row) not in kept]


def _summed(summed: Sequence[Row], told: CellRows, rest: str, look: PlainLook) -> Field:
    bad = any(row.bad for row in summed) or told.unlisted.bad
    what = Status.FAILED if bad else Status.PASSED
    number = len(summed) + told.unlisted.total
    words = "passed" if rest == f"{number} passed" else rest
    return f"{look.glyph(what)} {words}", look.style(what)


def status(row: Row, look: PlainLook) -> Field:
    """Return a test's status in a word, with the finding that made it fail."""
    codes = ", ".join(dict.fromkeys(look.plain(finding.code) for finding in row.errors))
    if row.failed_by_finding:
        said = f"{look.glyph(Status.FAILED)} {row.test.status}, but {codes}"
        return said, look.style(Status.FAILED)
    reason = f": {look.plain(row.test.reason, limit=60)}" if row.test.reason else ""
    said = f"{look.glyph(row.test.status)} {row.test.status}{f': {codes}' if codes else reason}"
    return said, look.style(row.test.status)


def _place(row: Row, cell: Cell) -> str:
    """Return where a bad test's first fault is, or until where it was traced."""
    if row.bad:
        named = [said for each in row.errors if each in row.findings and (said := where(each))]
        found = named or [where for where in map(place, row.test.failures) if where]
        return found[0] if found else ""
    for traced in cell.trace.tests if cell.trace else ():
        if traced.test == row.path[-1] and not traced.traced:
            return f"traced until console line {traced.until}" if traced.until else "not traced"
    return ""


def _numbers(
    cell: Cell, rows: Sequence[Row]
) -> tuple[tuple[str, ...], Callable[[Row], tuple[str, ...]]]:
    """Return the heads of the numbers that are known, and a function from a row to its texts."""
    if cell.trace and cell.trace.tests:
        traced = {each.test: each for each in cell.trace.tests}

        def of_trace(row: Row) -> tuple[str, ...]:
            seen = traced.get(row.path[-1])
            if seen is None:
                return ("-",) * 3
            return tuple(f"{n:,}" for n in (seen.gets, seen.flushes_done, seen.flushes_needed))

        return ("Gets", "Flushes", "Needed"), of_trace
    if cell.flushes:
        flushes = {each.test: each for each in cell.flushes}

        def of_suite(row: Row) -> tuple[str, ...]:
            known = flushes.get(row.path[-1])
            values = (known.expected, known.counted) if known else (None, None)
            return tuple("-" if value is None else f"{value:,}" for value in values)

        return ("Expected", "Counted"), of_suite
    if any(row.test.seconds is not None for row in rows):
        return ("Seconds",), lambda row: (
            "-" if row.test.seconds is None else f"{row.test.seconds:.3f}",
        )
    return (), lambda _row: ()


def cells(record: RunRecord, page: Page, most: int) -> list[str]:
    """Return the table of a run's cells in lines; cells that passed are one row where many."""
    look = page.look
    every = list(record.cells)
    shown = every
    if len(every) > most:
        shown = sorted(every, key=lambda cell: cell.verdict is Verdict.PASSED)[: most - 1]
        shown = [cell for cell in shown if cell.verdict is not Verdict.PASSED]
    body: list[list[Field]] = []
    for cell in shown:
        mark = f"{look.glyph(cell.verdict)} {verdict_word(cell.verdict).lower()}"
        told = account(cell)
        body.append(
            [
                (look.plain(label(cell, record)), ""),
                (mark, look.style(cell.verdict)),
                (counts([told]) if told.total else "-", ""),
                (look.plain(_first(cell), limit=200), ""),
            ]
        )
    kept = {*map(id, shown)}
    rest = [cell for cell in every if id(cell) not in kept]
    for verdict in Verdict:
        number = sum(cell.verdict is verdict for cell in rest)
        if number:
            word = f"{look.glyph(verdict)} {verdict_word(verdict).lower()}"
            name = f"{'and ' if shown else ''}{count(number, 'cell')}"
            body.append([(name, ""), (word, look.style(verdict)), ("", ""), ("", "")])
    heads: tuple[str, ...] = ("Cell", "Verdict", "Tests", "First finding")
    if _widest(heads, body) > page.width:
        heads, body = (*heads[:2], heads[3]), [[*row[:2], row[3]] for row in body]
    if (size := _widest(heads, body)) > page.width:
        room = max(_LEAST, page.width - size + max(cell_len(row[-1][0]) for row in body))
        for row in body:
            row[-1] = (shortened(row[-1][0], room, page.end), row[-1][1])
    return columns(heads, body, color=page.color).splitlines()


def _widest(heads: Sequence[str], body: Sequence[Sequence[Field]]) -> int:
    """Return the columns that a table takes."""
    return max(map(cell_len, columns(heads, body, color=False).splitlines()))


def _first(cell: Cell) -> str:
    """Return what made a cell fail, or why it has no verdict, in a few words."""
    if cell.verdict is Verdict.NO_VERDICT:
        return why(cell)
    for finding in sorted(cell.findings, key=lambda each: each.severity is not Severity.ERROR):
        return f"{finding.code}{f' in {finding.test}' if finding.test else ''}"
    bad = [row.name for row in account(cell).rows if row.bad]
    return f"{bad[0]} failed" if bad else ""
