# SPDX-License-Identifier: GPL-2.0-only
"""Makes a history of the stress suite smaller, as long as it shows the same finding. Pure."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from mermapctl.judge import stress
from mermapctl.judge.stress import History, HistoryStep, is_pair

Search = Generator[History, bool, History]
"""Yields a smaller history, is sent whether it shows the finding, returns the smallest one."""


_WHOLE = stress.parsed("f2.0.0.1,p2.0,x2")
"""A get of all that fits, by a process that ends. It shows a trace where ordinary pages end."""


def alone(history: History) -> tuple[History, ...]:
    """Return what to boot alone, in turn, until one shows the finding of a whole boot's history.

    In a whole boot, gets of other histories may have shown how much of a region is used.
    """
    first = [each for each in history if each.thread == 0]
    second = [each for each in history if each.thread == 1]
    return history, (*_WHOLE, *first[: stress.STEPS - len(_WHOLE)], *second)


def smaller(steps: History) -> Search:
    """Leave out steps, first many at once, then single ones; then make their numbers simple.

    Any part of a history is a history: the module passes over a put of what is not mapped.
    """
    steps = yield from _fewer(steps)
    return (yield from _simpler(steps))


def _fewer(steps: History) -> Search:
    size = max(len(steps) // 2, 1)
    while True:
        start, found = 0, False
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            if fewer and is_pair(fewer) == is_pair(steps) and (yield fewer):
                steps, found = fewer, True
            else:
                start += size
        if size == 1 and not found:
            return steps
        size = max(size // 2, 1)


def _simpler(steps: History) -> Search:
    """Take the first pages of the pool, then single pages, process 0: all at once, else each."""
    for change in (_from_first, _one_page, _first_process):
        changed = tuple(change(each) for each in steps)
        if changed != steps and (yield changed):
            steps = changed
    return steps


def _from_first(step: HistoryStep) -> HistoryStep:
    return step._replace(f=0)


def _one_page(step: HistoryStep) -> HistoryStep:
    return step._replace(n=1) if step.what in "gG" and step.n < 400 else step


def _first_process(step: HistoryStep) -> HistoryStep:
    return step._replace(m=0) if step.what not in "cd" else step


@dataclass(slots=True)
class Shrinking:
    """A search step by step: `candidate` is the next history to try, None at the end."""

    best: History
    candidate: History | None = None
    _search: Search | None = None

    def begin(self) -> None:
        """Begin the search."""
        self._search = smaller(self.best)
        self.candidate = next(self._search, None)

    def tell(self, *, shows: bool) -> None:
        """Say whether the candidate shows the finding."""
        if self._search is None or self.candidate is None:
            return
        if shows:
            self.best = self.candidate
        try:
            self.candidate = self._search.send(shows)
        except StopIteration:
            self.candidate = None
