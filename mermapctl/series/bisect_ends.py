# SPDX-License-Identifier: GPL-2.0-only
"""What the two ends of a bisect need before kernels between them are booted. Pure."""

from __future__ import annotations

import math

from mermapctl.series import bisect_posterior
from mermapctl.series.bisect_known import SEEDS, Known
from mermapctl.series.bisect_posterior import BootCounts
from mermapctl.series.bisect_step import MoreBoots, WrongEnds

FIRST = 5
"""Boots of each end where those printed different consoles."""
FINDINGS = 7
"""Boots that show the finding until its rate at the bad end is known well enough.

The good end is booted until it would have shown as many at that rate. Boots of the kernels between
measure both rates, too.
"""
MOST_AT_END = 45
"""Boots of each end, at most, before kernels between them are booted."""
MOST_ALIKE = 10
"""The same where all of them print one console, and the bad end does not show the finding."""
MORE_AT_END = 90
"""The same where the ends do not differ clearly."""
_FEW = 4
"""Boots of the bad end in one step, at least."""
_SOME = 10
"""Boots of an end in one step, at most, where the ends do not differ clearly."""
_SURE_ENDS = 0.98
"""Probability that the bad end's rate is above the good end's, up to which both are booted more."""
_LEAST_SURE = 0.95
"""The same after as many boots as an end gets, for a bisect to make sense."""


def step_of_ends(known: Known) -> MoreBoots | WrongEnds | None:
    """Return what the ends still need; None if they are good and bad. The bad end comes first."""
    bad, good = known.at(known.last), known.at(0)
    missing = missing_at_bad_end(bad, even=known.last in known.even)
    if missing:
        return MoreBoots(known.last, missing)
    if not bad.bad:
        return WrongEnds()
    missing = _wanted_at_good_end(known) - good.boots
    if missing > 0:
        return MoreBoots(0, missing)
    sure = bisect_posterior.higher(bad, good)
    if sure >= _SURE_ENDS:
        return None
    if sure > 1 - _LEAST_SURE and not known.certain:
        for index in (0, known.last) if known.built == 0 else (known.last, 0):
            missing = MORE_AT_END - known.at(index).boots
            if missing > 0:
                return MoreBoots(index, min(missing, _SOME))
    return None if sure >= _LEAST_SURE else WrongEnds()


def missing_at_bad_end(bad: BootCounts, *, even: bool) -> int:
    """Return how many boots to add to those of the bad end; 0 if they are enough.

    With `even` all of them printed one console.
    """
    if bad.bad == bad.boots:
        return max(0, (SEEDS if even or bad.boots < SEEDS else FIRST) - bad.boots)
    most = MOST_ALIKE if even else MOST_AT_END
    if bad.bad >= FINDINGS:
        return 0
    return max(0, min(max(_FEW, FINDINGS - bad.bad), most - bad.boots))


def _wanted_at_good_end(known: Known) -> int:
    """Return how many boots the good end needs: more where chance has a part in those of an end."""
    bad, good = known.at(known.last), known.at(0)
    if good.boots < SEEDS or known.certain:
        return SEEDS
    if not (bad.good or bad.other or good.bad or good.other):
        return FIRST
    rate = (bad.bad + 0.5) / (bad.told + 1)
    return min(MOST_AT_END, math.ceil(FINDINGS / rate))
