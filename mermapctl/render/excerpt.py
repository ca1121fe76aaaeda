# SPDX-License-Identifier: GPL-2.0-only
"""The part of a console that a report shows: its ends, and the lines around marked ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mermapctl.render.visible import LINE_LIMIT, cut

_SMALL_GAP = 3  # shorter gaps are shown: a gap's mark takes a line, too


@dataclass(frozen=True, slots=True)
class ExcerptLine:
    """One console line, numbered from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines `first`..`last` that are not shown."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """Return the number of lines."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Window:
    """The number of lines to show at the head, at the tail, and on each side of a marked line."""

    head: int = 20
    tail: int = 40
    around: int = 20


def excerpt(
    lines: Iterable[str], marks: Collection[int] = (), window: Window | None = None
) -> Iterator[ExcerptLine | Gap]:
    """Stream an excerpt of a console in one pass; marks are line numbers.

    Memory is bounded by `tail` + `around` lines. Lines longer than LINE_LIMIT are cut. A short
    console is shown whole.
    """
    window = window or Window()
    wanted = _ranges(marks, window.around)
    held: deque[ExcerptLine] = deque(maxlen=max(window.tail, _SMALL_GAP))
    hidden = 0
    for number, text in enumerate(lines, 1):
        line = ExcerptLine(number, cut(text.rstrip("\r\n"), LINE_LIMIT))
        while wanted and number > wanted[0][1]:
            wanted.popleft()
        if number <= window.head or (wanted and wanted[0][0] <= number):
            yield from _skipped(held, hidden, show=_SMALL_GAP if hidden <= _SMALL_GAP else 0)
            hidden = 0
            held.clear()
            yield line
        else:
            hidden += 1
            held.append(line)
    yield from _skipped(held, hidden, show=max(window.tail, _SMALL_GAP))


def _skipped(held: Collection[ExcerptLine], hidden: int, show: int) -> Iterator[ExcerptLine | Gap]:
    """Yield a gap and the last `show` of the `hidden` lines."""
    lines = list(held)[-show:] if show else []
    if hidden > len(lines):
        first = next(iter(held)).number - (hidden - len(held))
        yield Gap(first, first + hidden - len(lines) - 1)
    yield from lines


def _ranges(marks: Collection[int], around: int) -> deque[tuple[int, int]]:
    merged: deque[tuple[int, int]] = deque()
    for mark in sorted(set(marks)):
        first, last = mark - around, mark + around
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
