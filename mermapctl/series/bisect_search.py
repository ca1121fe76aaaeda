# SPDX-License-Identifier: GPL-2.0-only
"""What to boot next to find the culprit, and when the boots name it. Pure, without a clock.

Both ends are booted first, which gives the two rates. Then each step is the commit and the number
of boots that promise the most information for their cost: a build costs as much as many boots.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from mermapctl.series import bisect_posterior
from mermapctl.series.bisect_posterior import NONE, BootCounts, Posterior

SEEDS = 3
"""Boots of each end, at least: with as many seeds, to compare their consoles."""
FIRST = 5
"""Boots of each end where those printed different consoles."""
MOST_AT_END = 45
"""Boots of each end where chance has a part in the finding."""
MOST_ALIKE = 10
"""The same where all of them print one console, and the bad end does not show the finding."""
MORE_AT_END = 60
"""The same where a few of the good end show it, or the ends do not differ clearly."""
_ENOUGH = 10
"""Boots of the good end that show the finding too, from which on their rate is known."""
LONGEST = 200
"""Boots of a commit between the ends, at most."""
TWICE = 2
"""Boots of a commit between the ends where chance has no part: the second one confirms that."""
BATCH = 4
"""Boots of a commit between the ends in one step, at most."""
_CHOICES = (1, 2, 3, 5, 8, 12, 18, 26, 36)
"""Numbers of boots to choose from."""
_BUILD = 120.0
"""Cost of a build, in boots."""
_START = 1.0
"""Cost of a further process for a kernel that is built, in boots."""
_SURE_ENDS = 0.9
"""Probability that the bad end's rate is above the good end's, for a bisect to make sense."""
_CLEAR = math.log(1000)
"""Log of the odds from which on a commit is clearly bad or clearly good, by itself."""
_NEIGHBOURS = 6
"""Commits around the middle that are compared."""


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


@dataclass(frozen=True, slots=True)
class MoreBoots:
    """Boot a commit so many more times."""

    index: int
    boots: int


@dataclass(frozen=True, slots=True)
class Named:
    """The culprit is one of `suspects`, oldest first; `error` is the chance that it is not."""

    suspects: tuple[int, ...]
    error: float


@dataclass(frozen=True, slots=True)
class Undecided:
    """Further boots would not decide; `suspects` are the most probable, `error` as in Named."""

    suspects: tuple[int, ...]
    error: float


@dataclass(frozen=True, slots=True)
class WrongEnds:
    """The ends do not differ as a good and a bad one do, or have the same kernel."""


Step = MoreBoots | Named | Undecided | WrongEnds


def next_step(known: Known, confidence: float) -> Step:
    """Return what to do next."""
    if not any(prior_of(known)):
        return WrongEnds()
    end = _of_ends(known)
    if end is not None:
        return end
    known = focused(known)
    belief = belief_of(known)
    best = belief.best
    error = max(0.0, 1 - belief.culprit[best])
    if error <= 1 - confidence:
        return Named(suspects(known, best), error)
    chosen = _best_step(known, belief)
    if chosen is None:
        likely = _likely(belief, confidence)
        named = tuple(each for index in likely for each in suspects(known, index))
        left = 1 - sum(belief.culprit[index] for index in likely)
        return Undecided(named, max(0.0, left))
    return chosen


def _of_ends(known: Known) -> MoreBoots | WrongEnds | None:
    """Return what the ends still need; None if they are good and bad. The bad end comes first."""
    bad, good = known.at(known.last), known.at(0)
    shows_always = not (bad.good or bad.other)
    wanted = _first(known, known.last) if shows_always else most_at_bad_end(known)
    if bad.boots < wanted:
        return MoreBoots(known.last, wanted - bad.boots)
    if not bad.bad:
        return WrongEnds()
    wanted = _first(known, 0) if shows_always and known.certain else _at_good_end(known)
    if good.boots < wanted:
        return MoreBoots(0, wanted - good.boots)
    sure = bisect_posterior.higher(bad, good)
    if sure >= _SURE_ENDS:
        return None
    if sure > 1 - _SURE_ENDS and not known.certain:
        for index in (known.last, 0):
            if known.at(index).boots < MORE_AT_END:
                return MoreBoots(index, MORE_AT_END - known.at(index).boots)
    return WrongEnds()


def _first(known: Known, index: int) -> int:
    """Return how many boots an end needs where chance seems to have no part."""
    return FIRST if known.at(index).boots >= SEEDS and index not in known.even else SEEDS


def most_at_bad_end(known: Known) -> int:
    """Return how many boots the bad end needs if not all of them show the finding."""
    return MOST_ALIKE if known.last in known.even else MOST_AT_END


def _at_good_end(known: Known) -> int:
    """Return how many boots the good end needs: more where chance has a part in any boot."""
    bad, good = known.at(known.last), known.at(0)
    mixed = any(each.bad and (each.good or each.other) for each in known.shown.values())
    if not (mixed or bad.good or bad.other or good.bad or good.other):
        return _first(known, 0)
    rare = 0 < good.bad < _ENOUGH and good.boots >= MOST_AT_END
    return MORE_AT_END if rare else MOST_AT_END


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


def _likely(belief: Posterior, confidence: float) -> list[int]:
    """Return the most probable commits that together reach the confidence, oldest first."""
    found: list[int] = []
    order = sorted(range(len(belief.culprit)), key=lambda index: -belief.culprit[index])
    for index in order:
        if not belief.culprit[index] or sum(belief.culprit[each] for each in found) >= confidence:
            break
        found.append(index)
    return sorted(found)


def _entropy(share: float) -> float:
    if not 0 < share < 1:
        return 0.0
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)


def _binomial(boots: int, rate: float) -> list[float]:
    rate = min(max(rate, 1e-9), 1 - 1e-9)
    return [
        math.comb(boots, bad) * rate**bad * (1 - rate) ** (boots - bad) for bad in range(boots + 1)
    ]


def _information(share: float, high: Sequence[float], low: Sequence[float]) -> float:
    """Return the expected bits about a kernel that is bad with probability `share`."""
    left = 0.0
    for if_bad, if_good in zip(high, low, strict=True):
        chance = share * if_bad + (1 - share) * if_good
        if chance > 0:
            left += chance * _entropy(share * if_bad / chance)
    return _entropy(share) - left


def _best_step(known: Known, belief: Posterior) -> MoreBoots | None:
    """Return the step with the most information for its cost; None if none has any."""
    twins = {newer if newer != known.last else older for older, newer in known.same}
    between = [
        index
        for index in range(known.floor + 1, known.last)
        if index not in known.skipped and index not in twins - {0}
    ]
    shares = {index: belief.bad(index) for index in between}
    order = sorted(between, key=lambda index: abs(shares[index] - 0.5))
    near = order[:_NEIGHBOURS]
    if known.built in shares and known.built not in near:
        near.append(known.built)
    near = [index for index in near if known.at(index).boots < LONGEST]
    choices = (TWICE,) if known.certain else _CHOICES
    tables = {
        boots: (_binomial(boots, belief.high), _binomial(boots, belief.low)) for boots in choices
    }
    best, found = 1e-7, None
    for index in near:
        build = _START if index == known.built else _BUILD
        for boots, (high, low) in tables.items():
            worth = _information(shares[index], high, low) / (build + boots)
            if worth > best * (1 + 1e-9):
                best, found = worth, MoreBoots(index, min(boots, BATCH))
    return found
