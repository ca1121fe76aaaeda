# SPDX-License-Identifier: GPL-2.0-only
"""What to boot next to find the culprit, and when the boots name it. Pure, without a clock.

Both ends are booted first, which gives the two rates. Then each step is the commit and the number
of boots that promise the most information for their cost.
"""

from __future__ import annotations

from mermapctl.series.bisect_choice import best_boots
from mermapctl.series.bisect_ends import step_of_ends
from mermapctl.series.bisect_known import Known, belief_of, focused, prior_of, suspects
from mermapctl.series.bisect_posterior import Posterior
from mermapctl.series.bisect_step import Named, Step, Undecided, WrongEnds


def next_step(known: Known, confidence: float) -> Step:
    """Return what to do next."""
    if not any(prior_of(known)):
        return WrongEnds()
    end = step_of_ends(known)
    if end is not None:
        return end
    known = focused(known)
    belief = belief_of(known)
    best = belief.best
    error = max(0.0, 1 - belief.culprit[best])
    if error <= 1 - confidence:
        return Named(suspects(known, best), error)
    chosen = best_boots(known, belief)
    if chosen is None:
        likely = _likely(belief, confidence)
        named = tuple(each for index in likely for each in suspects(known, index))
        left = 1 - sum(belief.culprit[index] for index in likely)
        return Undecided(named, max(0.0, left))
    return chosen


def _likely(belief: Posterior, confidence: float) -> list[int]:
    """Return the most probable commits that together reach the confidence, oldest first."""
    found: list[int] = []
    order = sorted(range(len(belief.culprit)), key=lambda index: -belief.culprit[index])
    for index in order:
        if not belief.culprit[index] or sum(belief.culprit[each] for each in found) >= confidence:
            break
        found.append(index)
    return sorted(found)
