# SPDX-License-Identifier: GPL-2.0-only
"""Simulate `mermapctl bisect` and a sequential test: how often right, at what cost.

A range has 30 commits on top of the good one; a build costs 60 s, a boot 1 s. The peer boots both
ends, takes the two rates for the true ones, and halves the range with Wald's sequential test. Its
boots of an end and its error are those of the cheapest that is right as often as asked.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from mermapctl.series import bisect_search
from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import NONE, BootCounts
from mermapctl.series.bisect_step import MoreBoots, Named

ROWS = ((1.0, 0.0), (0.9, 0.0), (0.5, 0.0), (0.2, 0.0), (0.3, 0.05), (0.9, 0.3))
"""The rates of failures from the culprit on, and before it."""
COMMITS = 30
CONFIDENCE = 0.95
BUILD = 60
TIMES = 1000
NOISE = 0.014
"""Two standard deviations of a share of .95 in so many simulations."""
DEARER = 1.03
"""Largest allowed ratio of seconds, to the peer's that is right as often: 1, and chance."""
PEERS = tuple((ends, error) for ends in (30, 45, 60, 90) for error in (0.01, 0.003))
MOST = 200
"""Boots of a commit by the peer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The end of one bisect."""

    right: bool
    builds: int
    boots: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of many."""

    right: float
    builds: float
    boots: float

    @property
    def seconds(self) -> float:
        """Return what builds and boots take."""
        return self.builds * BUILD + self.boots


def summary(trials: list[Trial]) -> Summary:
    """Return the mean of trials."""
    number = len(trials)
    return Summary(
        sum(each.right for each in trials) / number,
        sum(each.builds for each in trials) / number,
        sum(each.boots for each in trials) / number,
    )


class Range:
    """A range with a culprit by chance; counts the builds and boots of its kernels."""

    def __init__(self, bad: float, good: float, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311  nothing here is a secret
        self.culprit = self.chance.randint(1, COMMITS)
        self.rates = good, bad
        self.built: int | None = None
        self.builds = self.boots = 0

    def boot(self, index: int) -> bool:
        """Boot a commit; return whether it shows the finding."""
        if index != self.built:
            self.built = index
            self.builds += 1
        self.boots += 1
        return self.chance.random() < self.rates[index >= self.culprit]

    def ended(self, named: int | None) -> Trial:
        """Return the trial in which a commit was named."""
        return Trial(named == self.culprit, self.builds, self.boots)


def ours(bad: float, good: float, seed: int) -> Trial:
    """Bisect as mermapctl does."""
    commits = Range(bad, good, seed)
    shown: dict[int, BootCounts] = {}
    while True:
        known = Known(COMMITS + 1, shown, built=commits.built)
        step = bisect_search.next_step(known, CONFIDENCE)
        if not isinstance(step, MoreBoots):
            return commits.ended(step.suspects[0] if isinstance(step, Named) else None)
        bads = sum(commits.boot(step.index) for _ in range(step.boots))
        more = BootCounts(bads, step.boots - bads)
        shown[step.index] = shown.get(step.index, NONE).plus(more)


def sequential(bad: float, good: float, seed: int, ends: int, error: float) -> Trial:
    """Bisect with both ends measured and a sequential test at each midpoint."""
    commits = Range(bad, good, seed)
    high, low = (
        (sum(commits.boot(index) for _ in range(ends)) + 0.5) / (ends + 1) for index in (COMMITS, 0)
    )
    if high <= low:
        return commits.ended(None)
    if_bad, if_good = math.log(high / low), math.log((1 - high) / (1 - low))
    first, last = 0, COMMITS
    while last - first > 1:
        middle = (first + last) // 2
        ratio = 0.0
        for _ in range(MOST):
            ratio += if_bad if commits.boot(middle) else if_good
            if abs(ratio) >= math.log((1 - error) / error):
                break
        first, last = (first, middle) if ratio > 0 else (middle, last)
    return commits.ended(last)


def _peers(bad: float, good: float, times: int) -> Iterator[tuple[Summary, int, float]]:
    for ends, error in PEERS:
        trials = [sequential(bad, good, seed, ends, error) for seed in range(times)]
        yield summary(trials), ends, error


def main(times: int = TIMES) -> bool:
    """Print the table; return whether each row is right often enough, and not too dear."""
    print(
        "rates      |  bisect: right   s  builds boots | sequential: right   s  builds boots (ends)"
    )
    good_enough = True
    for bad, good in ROWS:
        mine = summary([ours(bad, good, seed) for seed in range(times)])
        peers = [each for each in _peers(bad, good, times) if each[0].right >= CONFIDENCE]
        peer, ends, error = min(peers, key=lambda each: each[0].seconds)
        holds = mine.right >= CONFIDENCE - NOISE and mine.seconds <= DEARER * peer.seconds
        good_enough &= holds
        print(
            f"{bad:4g} {good:5g} | {mine.right:14.3f} {mine.seconds:4.0f} {mine.builds:6.1f} "
            f"{mine.boots:5.0f}  | {peer.right:17.3f} {peer.seconds:4.0f} {peer.builds:6.1f} "
            f"{peer.boots:5.0f} ({ends}, error {error:g}){'' if holds else '  MISSED'}"
        )
    print(f"promised: right in {CONFIDENCE:.0%}, and at most {DEARER:g} x the peer's seconds")
    return good_enough


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
