# SPDX-License-Identifier: GPL-2.0-only
"""Plain columns for lists of thousands of rows: one line a row, never cut in a pipe, and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Sequence

Field = tuple[str, str]
"""Text that is safe on a terminal, and its style ("" for none)."""

GAP = "  "
_SGR = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}  # ECMA-48, 8.3.117


def columns(
    heads: Sequence[str],
    rows: Sequence[Sequence[Field]],
    *,
    color: bool,
    right: Sequence[str] = (),
    width: int | None = None,
    optional: Sequence[str] = (),
) -> str:
    """Align fields in lines under `heads`; the columns named in `right` contain numbers.

    If `width` is too small, leave out the columns `optional` one by one, beginning with those
    that have the same text in every row.
    """
    sizes = [max((_size(row[index][0]) for row in rows), default=0) for index in range(len(heads))]
    sizes = [max(size, len(head)) for size, head in zip(sizes, heads, strict=True)]
    shown = list(range(len(heads)))
    going = [heads.index(name) for name in optional]
    for index in sorted(going, key=lambda index: len({row[index][0] for row in rows}) > 1):
        if width is None or sum(sizes[each] + len(GAP) for each in shown) - len(GAP) <= width:
            break
        shown.remove(index)
    header = [(head, "bold") for head in heads]
    lines = []
    for row in (header, *rows):
        fields = []
        for index in shown:
            text, style = row[index]
            space = " " * (sizes[index] - _size(text))
            painted = paint(text, style) if color and style and text else text
            fields.append(space + painted if heads[index] in right else painted + space)
        lines.append(GAP.join(fields).rstrip() + "\n")
    return "".join(lines)


def _size(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def paint(text: str, style: str) -> str:
    """Color a text with one of the sixteen colours of the terminal's theme."""
    codes = ";".join(_SGR[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


_BARS = ("▁▂▃▄▅▆▇█", "_.-=+*%#")


def sparkline(values: Sequence[float | None], *, unicode: bool) -> str:
    """Return one character a value, low to high; a space for a missing value."""
    bars = _BARS[0] if unicode else _BARS[1]
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(
        " "
        if value is None
        else bars[min(int((value - low) / span * len(bars)), len(bars) - 1) if span else 0]
        for value in values
    )
