# SPDX-License-Identifier: GPL-2.0-only
"""Instructions on a terminal: what a cell's tests and calls take, and one of them over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mermapctl.render.terminal.columns import sparkline
from mermapctl.render.terminal.runs import when
from mermapctl.render.terminal.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mermapctl.records.history import CostPoint
    from mermapctl.records.record import Cell
    from mermapctl.render.terminal.runs import Sheet
    from mermapctl.render.terminal.text import Look


def counted(cell: Cell, look: Look) -> Table | None:
    """Return the instructions of each kind of call, and of each test; None if none were counted."""
    if cell.cost is None:
        return None
    numbers = ["Calls", "Instructions", "Least", "Most"]
    made = table(look, "Cost", *numbers, right=numbers)
    for call in cell.cost.calls:
        values = (call.count, call.median, call.low, call.high)
        made.add_row(look.text(f"a {call.call}, usually"), *(Text(f"{each:,}") for each in values))
    for test in cell.cost.tests:
        made.add_row(look.text(test.test), Text("1"), Text(f"{test.instructions:,}"), "", "")
    return made if made.row_count else None


def history(points: Sequence[CostPoint], sheet: Sheet) -> str:
    """List a number of instructions over time, newest first, with its change in per cent."""
    look = sheet.look
    made = [
        (
            (look.plain(each.run), ""),
            (when(each.started), ""),
            (look.plain((each.commit or "-")[:12] + ("+" if each.dirty else "")), ""),
            (look.plain(f"{each.target or '?'}/{each.variant or '?'}"), ""),
            (f"{each.instructions:,}", ""),
            ("-" if each.change is None else f"{each.change:+.1f} %", ""),
        )
        for each in points
    ]
    heads = ("Run", "When", "Commit", "Cell", "Instructions", "Change")
    text = sheet.columns(heads, made, ("When", "Cell", "Commit"), ("Instructions", "Change"))
    last = [float(each.instructions) for each in points[: (sheet.width or 80) - 12]][::-1]
    if not last:
        return text
    line = sparkline(last, unicode=look.unicode)
    return f"{text}\ninstructions  {line}  {min(last):,.0f} to {max(last):,.0f}\n"
