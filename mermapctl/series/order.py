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


def segments(rows: Sequence[int], lanes: int) -> list[list[int]]:
    """Split rows into as many segments of neighbours as there are lanes, of about the same length.

    The first segment is the one with the last row; in a long range that row comes first.
    """
    lanes = max(1, min(lanes, len(rows)))
    share, more = divmod(len(rows), lanes)
    made = []
    start = 0
    for number in range(lanes):
        end = start + share + (number < more)
        made.append(list(rows[start:end]))
        start = end
    last = made.pop()
    if len(rows) >= LONG:
        last = [last[-1], *last[:-1]]
    return [last, *made]
