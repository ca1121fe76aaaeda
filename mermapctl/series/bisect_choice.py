# SPDX-License-Identifier: GPL-2.0-only
"""Which commit to boot next, and how often: the most information for its cost. Pure.

A build costs as much as many boots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import Posterior
from mermapctl.series.bisect_step import MoreBoots

LONGEST = 200
"""Boots of a commit between the ends, at most."""
TWICE = 2
"""Boots of a commit between the ends where chance has no part: the second one confirms that."""
BATCH = 4
"""Boots of a commit between the ends, in one step, at most."""
_CHOICES = (1, 2, 3, 5, 8, 12, 18, 26, 36)
"""Numbers of boots to choose from."""
_BUILD = 120.0
"""Cost of a build, in boots."""
_START = 1.0
"""Cost of a further process for a kernel that is built, in boots."""
_NEIGHBOURS = 6
"""Commits around the middle that are compared."""


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


def best_boots(known: Known, belief: Posterior) -> MoreBoots | None:
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
