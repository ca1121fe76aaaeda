# SPDX-License-Identifier: GPL-2.0-only
"""The score of a suite: the share of mutants that it sees, with the error of a sample. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mermapctl.judge.repeats import wilson
from mermapctl.mutation.mutant import SEEN, Fate, MutantResult


@dataclass(frozen=True, slots=True)
class Score:
    """Of `counted` mutants, `seen` by the suite and its trace, `by_suite` without the trace.

    `counted` leaves out what is no other program (equivalent, unbuilt) or has no verdict. `low` and
    `high` bound the share of all mutants that would be seen, of which these are a sample (Wilson's
    interval at 95 %); null if these are all, or none counts.
    """

    counted: int
    seen: int
    by_suite: int
    fates: dict[str, int]
    low: float | None = None
    high: float | None = None

    @property
    def share(self) -> float | None:
        """Return the share that is seen, None without a mutant."""
        return self.seen / self.counted if self.counted else None


def of(results: Iterable[MutantResult], *, sampled: bool) -> Score:
    """Return the score of some results; `sampled` if there are more mutants than these."""
    fates = Counter(each.fate for each in results)
    counted = sum(number for fate, number in fates.items() if fate.counts)
    seen = sum(fates[fate] for fate in SEEN)
    low, high = wilson(seen, counted) if sampled and counted else (None, None)
    return Score(
        counted=counted,
        seen=seen,
        by_suite=seen - fates[Fate.TRACE],
        fates={fate.value: fates[fate] for fate in Fate},
        low=low,
        high=high,
    )
