# SPDX-License-Identifier: GPL-2.0-only
"""What the two ends of a bisect need before kernels between them are booted. Pure."""

from __future__ import annotations

from mermapctl.series import bisect_posterior
from mermapctl.series.bisect_known import SEEDS, Known
from mermapctl.series.bisect_step import MoreBoots, WrongEnds

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
_SURE_ENDS = 0.9
"""Probability that the bad end's rate is above the good end's, for a bisect to make sense."""


def step_of_ends(known: Known) -> MoreBoots | WrongEnds | None:
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
