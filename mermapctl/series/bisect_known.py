# SPDX-License-Identifier: GPL-2.0-only
"""What a bisect knows of its range, and the probability of each commit by that. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from mermapctl.series import bisect_posterior
from mermapctl.series.bisect_posterior import NONE, BootCounts, Posterior

SEEDS = 3
"""Boots of each end, at least: with as many seeds, to compare their consoles."""
_CLEAR = math.log(1000)
"""Log of the odds from which on a commit is clearly bad or clearly good, by itself."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a range of `size` commits; commit 0 is the good end.

    `shown` are the boots of each. `skipped` have no verdict. `same` are pairs of commits, older
    first, with the same kernel: no commit between them is the culprit, and the boots of both stand
    at one of them. `built` is the commit whose kernel is built now. The boots of a commit in `even`
    printed one console, whatever the seed. Nothing up to `floor` is the culprit (see `focused`).
    """

    size: int
    shown: Mapping[int, BootCounts] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()
    same: tuple[tuple[int, int], ...] = ()
    built: int | None = None
    even: frozenset[int] = frozenset()
    floor: int = 0

    @property
    def last(self) -> int:
        """Return the bad end."""
        return self.size - 1

    @property
    def certain(self) -> bool:
        """Return whether chance has no part in any boot, as far as two boots of a kernel tell."""
        several = {index for index, counts in self.shown.items() if counts.boots > 1}
        return {0, self.last} | several <= self.even

    def at(self, index: int) -> BootCounts:
        """Return the boots of a commit."""
        return self.shown.get(index, NONE)


def known_of(
    size: int,
    kernels: Mapping[int, str],
    shown: Mapping[str, BootCounts],
    *,
    skipped: frozenset[int] = frozenset(),
    built: int | None = None,
    even: Collection[str] = (),
) -> Known:
    """Return what is known where `kernels` names the kernel of each commit that was built.

    `shown` are the boots of each kernel, which stand at an end with that kernel, else at the oldest
    commit. `even` are kernels. A commit that fails in another way each time tells nothing: it is
    skipped.
    """
    groups: dict[str, list[int]] = {}
    for index in sorted(kernels):
        groups.setdefault(kernels[index], []).append(index)
    at: dict[int, BootCounts] = {}
    same: list[tuple[int, int]] = []
    for kernel, members in groups.items():
        place = members[-1] if members[-1] == size - 1 else members[0]
        at[place] = shown.get(kernel, NONE)
        same += pairwise(members)
    hidden = {
        index
        for index, counts in at.items()
        if 0 < index < size - 1 and counts.boots >= SEEDS and not counts.told
    }
    same_console = frozenset(index for index in kernels if kernels[index] in even)
    return Known(size, at, skipped | hidden, tuple(same), built, same_console)


def prior_of(known: Known) -> list[float]:
    """Return the weight of each commit before any boot: how many commits it stands for.

    A commit without a verdict cannot be told from the next one that has one.
    """
    weights = [0.0] * known.size
    waiting = 0
    for index in range(1, known.size):
        waiting += 1
        if index not in known.skipped:
            weights[index], waiting = float(waiting), 0
    weights[: known.floor + 1] = [0.0] * (known.floor + 1)
    for older, newer in known.same:
        weights[older + 1 : newer + 1] = [0.0] * (newer - older)
    return weights


def belief_of(known: Known) -> Posterior:
    """Return the probabilities of all commits."""
    certain = bisect_posterior.CERTAIN if known.certain else bisect_posterior.USUAL
    return bisect_posterior.posterior(known.shown, prior_of(known), certain)


def _clearly(known: Known, counts: BootCounts) -> float:
    """Return how much likelier boots are at the bad end's rate than at the good end's, as a log."""
    certain = bisect_posterior.CERTAIN if known.certain else bisect_posterior.USUAL
    high = bisect_posterior.rate_from(known.at(known.last), certain)
    low = bisect_posterior.rate_before(known.at(0), certain)
    return counts.bad * math.log(high / low) + counts.good * math.log((1 - high) / (1 - low))


def focused(known: Known) -> Known:
    """Return what is known of the last arrival, where the finding came, went and came again.

    It did if a commit clearly shows it and a later one clearly does not. The newest such later one
    is the floor; the boots between the good end and it belong to no single change.
    """
    clear = {
        index: ratio
        for index in range(1, known.last)
        if abs(ratio := _clearly(known, known.at(index))) > _CLEAR
    }
    bads = [index for index, ratio in clear.items() if ratio > 0]
    goods = [index for index, ratio in clear.items() if ratio < 0 and bads and index > bads[0]]
    if not goods:
        return known
    floor = max(goods)
    shown = {index: each for index, each in known.shown.items() if not 0 < index < floor}
    return replace(known, shown=shown, floor=floor)


def suspects(known: Known, index: int) -> tuple[int, ...]:
    """Return a commit and those without a verdict right before it."""
    first = index
    while first - 1 in known.skipped:
        first -= 1
    return tuple(range(first, index + 1))
