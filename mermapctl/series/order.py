# SPDX-License-Identifier: GPL-2.0-only
"""In which order commits are built, and in which lane. Pure.

Neighbours differ least, so each lane has a segment of neighbours: N commits in L lanes are L
segments, never dealt out in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = 5
"""Commits from which on the last one comes first: whether it fails is what a user asks first."""


def first(rows: Sequence[int], lanes: int) -> list[int]:
    """Return the rows that are run before all others: the last one, or none.

    In a long range it tells whether there is anything to look for. If there are several lanes, its
    build fills ccache for the others; at the same time each would compile the same files.
    """
    return [rows[-1]] if rows and (len(rows) >= LONG or lanes > 1) else []


def segments(rows: Sequence[int], lanes: int) -> list[list[int]]:
    """Split rows into as many segments of neighbours as there are lanes, of about the same length.

    The first segment is the one with the last row.
    """
    lanes = max(1, min(lanes, len(rows)))
    share, more = divmod(len(rows), lanes)
    made = []
    start = 0
    for number in range(lanes):
        end = start + share + (number < more)
        made.append(list(rows[start:end]))
        start = end
    return [made.pop(), *made]
