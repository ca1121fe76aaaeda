# SPDX-License-Identifier: GPL-2.0-only
"""Which commit to boot next, and how often: the most information for its cost. Pure.

Information means bits about the culprit. Boots of an end give some, too: they measure a rate, on
which the evidence of all other boots depends. A build costs as much as many boots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import (
    BootCounts,
    Posterior,
    evidence_before,
    evidence_from,
)
from mermapctl.series.bisect_step import MoreBoots

LONGEST = 200
"""Boots of a commit, from which on it is not chosen."""
TWICE = 2
"""Boots of a commit between the ends where chance has no part: the second one confirms that."""
BATCH = 4
"""Boots of a commit between the ends, in one step, at most."""
_CHOICES = (1, 4, 12, 32)
"""Numbers of boots to choose from."""
_BUILD = 180.0
"""Cost of a build, in boots. It is more than its time: a kernel that is left too early is built
again if the boots of later ones contradict its own."""
_START = 1.0
"""Cost of a further process for a kernel that is built, in boots."""
_NEIGHBOURS = 6
"""Commits around the middle that are compared."""
_LEAST = 1e-3
"""Probability below which a possible culprit is left out of the sum."""


def best_boots(known: Known, belief: Posterior) -> MoreBoots | None:
    """Return the step with the most information for its cost; None if none has any."""
    best, found = 1e-7, None
    for index in _candidates(known, belief):
        build = _START if index == known.built else _BUILD
        guesses = _guesses(belief, index)
        for boots in (TWICE,) if known.certain else _CHOICES:
            worth = _information(guesses, boots, belief.certain) / (build + boots)
            if worth > best * (1 + 1e-9):
                best, found = worth, MoreBoots(index, min(boots, BATCH))
    return found


def _candidates(known: Known, belief: Posterior) -> list[int]:
    """Return the commits around the middle, the one that is built, and the ends."""
    twins = {newer if newer != known.last else older for older, newer in known.same}
    shares = list(accumulate(belief.culprit))
    between = [
        index
        for index in range(known.floor + 1, known.last)
        if index not in known.skipped and index not in twins - {0}
    ]
    between.sort(key=lambda index: abs(shares[index] - 0.5))
    near = between[:_NEIGHBOURS]
    if known.built in between[_NEIGHBOURS:]:
        near.append(known.built)
    if not known.certain:
        near += [0, known.last]
    return [index for index in near if known.at(index).boots < LONGEST]


@dataclass(frozen=True, slots=True)
class _Guess:
    """Culprits by which the kernel to boot is `bad`, or is not; all boots so far are as likely.

    `share` is the probability that one of them is right, `shown` the boots at the kernel's rate.
    """

    share: float
    shown: BootCounts
    bad: bool

    def evidence(self, bad: int, good: int, certain: float) -> float:
        """Return the log evidence of the boots so far and of more of them."""
        evidence = evidence_from if self.bad else evidence_before
        return evidence(self.shown.bad + bad, self.shown.good + good, certain)


def _guesses(belief: Posterior, index: int) -> list[_Guess]:
    """Return what the culprit may be, by what each guess says of a commit's kernel."""
    made = []
    for case in belief.cases:
        middle = min(max(index + 1, case.first), case.last + 1)
        made.append(_Guess(sum(belief.culprit[case.first : middle]), case.since, bad=True))
        made.append(_Guess(sum(belief.culprit[middle : case.last + 1]), case.before, bad=False))
    return [guess for guess in made if guess.share > _LEAST]


def _information(guesses: list[_Guess], boots: int, certain: float) -> float:
    """Return the expected bits about the culprit in boots of a kernel."""
    now = [guess.evidence(0, 0, certain) for guess in guesses]
    nats = 0.0
    for bad in range(boots + 1):
        total = 0.0
        for guess, before in zip(guesses, now, strict=True):
            ratio = guess.evidence(bad, boots - bad, certain) - before
            ratio += math.log(math.comb(boots, bad))
            chance = guess.share * math.exp(ratio)
            nats += chance * ratio
            total += chance
        if total > 0:
            nats -= total * math.log(total)
    return nats / math.log(2)
