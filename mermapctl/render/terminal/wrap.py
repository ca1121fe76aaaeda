# SPDX-License-Identifier: GPL-2.0-only
"""Wrap prose at blanks alone: words, paths and quoted commands stay whole. Imports no rich."""

from __future__ import annotations

import re

from rich.cells import cell_len

_WORD = re.compile(r"\S*`[^`]*`\S*|\S+")
"""A word, or a command in backquotes with the punctuation around it."""


def wrapped(
    said: str, width: int, *, label: str = "", most: int | None = None, end: str = "…"
) -> list[str]:
    """Return lines of at most `width` columns; all but the first are indented below `label`.

    A word that is longer than a line has a line of its own. More than `most` lines are cut, with
    `end`.
    """
    indent = " " * cell_len(label)
    lines: list[str] = []
    line, empty = label, True
    for word in _WORD.findall(said):
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = indent, True
        line += word if empty else f" {word}"
        empty = False
    lines.append(line.rstrip())
    if most is not None and len(lines) > most:
        return (
            [*lines[: most - 1], shortened(f"{lines[most - 1]} {end}", width, end)] if most else []
        )
    return lines


def shortened(said: str, width: int, end: str = "…") -> str:
    """Cut a line between words to `width` columns, with an ellipsis."""
    if cell_len(said) <= width:
        return said
    kept = said.removesuffix(f" {end}")
    while cell_len(kept) + 1 + cell_len(end) > width:
        head, blank, _ = kept.rstrip().rpartition(" ")
        if not blank or not head.strip():
            break
        kept = head
    return f"{kept.rstrip()} {end}"


def joined(parts: list[str], width: int, gap: str = "   ") -> list[str]:
    """Return parts on as few lines as they fit on; a part is never broken."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1]) + len(gap) + cell_len(part) <= width:
            lines[-1] += gap + part
        else:
            lines.append(part)
    return lines


def rows_of(lines: list[str], width: int) -> int:
    """Return the rows that lines take on a terminal, which wraps those that are too long."""
    return sum(max(1, -(-cell_len(line) // width)) for line in lines)
