# SPDX-License-Identifier: GPL-2.0-only
"""Which commit brought a finding: the probability of each, from boots that show it or not. Pure.

One commit, the culprit, divides the range. Boots of kernels before it show the finding at one rate
(often 0), boots from it on at another (often 1). Neither rate is known, so both are integrated
out: the evidence for a culprit is a product of two Beta functions. A share of the prior belief is
that the rates are exactly 0 and 1, since most faults are deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

USUAL = 0.5
"""Prior probability that a rate is exactly 0 (before the culprit) or 1 (from it on)."""
CERTAIN = 0.9999
"""The same where boots with other seeds print the same console: chance has no part in them."""


@dataclass(frozen=True, slots=True)
class BootCounts:
    """Boots of one kernel: `bad` show the finding, `good` do not, `other` fail in another way."""

    bad: int = 0
    good: int = 0
    other: int = 0

    @property
    def told(self) -> int:
        """Return the number of boots that are good or bad."""
        return self.bad + self.good

    @property
    def boots(self) -> int:
        """Return the number of all boots."""
        return self.told + self.other

    def plus(self, more: BootCounts) -> BootCounts:
        """Return both together."""
        return BootCounts(self.bad + more.bad, self.good + more.good, self.other + more.other)


NONE = BootCounts()


def _beta(bad: int, good: int) -> float:
    """Return the logarithm of the integral of x^bad (1-x)^good over all rates x."""
    return math.lgamma(bad + 1) + math.lgamma(good + 1) - math.lgamma(bad + good + 2)


def _mixed(bad: int, good: int, certain: float, *, exact: bool) -> float:
    """Return the logarithm of the evidence where the rate may be exactly 0 or 1."""
    loose = math.log1p(-certain) + _beta(bad, good)
    if not exact:
        return loose
    return math.log(certain + math.exp(loose))


def evidence_before(shown: BootCounts, certain: float) -> float:
    """Return the log evidence of boots before the culprit."""
    return _mixed(shown.bad, shown.good, certain, exact=not shown.bad)


def evidence_from(shown: BootCounts, certain: float) -> float:
    """Return the log evidence of boots from the culprit on."""
    return _mixed(shown.bad, shown.good, certain, exact=not shown.good)


def rate_before(shown: BootCounts, certain: float) -> float:
    """Return the expected rate of the finding before the culprit."""
    more = evidence_before(shown.plus(BootCounts(bad=1)), certain)
    return math.exp(more - evidence_before(shown, certain))


def rate_from(shown: BootCounts, certain: float) -> float:
    """Return the expected rate of the finding from the culprit on."""
    more = evidence_from(shown.plus(BootCounts(bad=1)), certain)
    return math.exp(more - evidence_from(shown, certain))


@dataclass(frozen=True, slots=True)
class Posterior:
    """`culprit[i]` is the probability that commit i divides the range; that of commit 0 is 0.

    `low` and `high` are the expected rates before it and from it on.
    """

    culprit: tuple[float, ...]
    low: float
    high: float

    @property
    def best(self) -> int:
        """Return the most probable commit, the oldest of equals."""
        return self.culprit.index(max(self.culprit))

    def bad(self, index: int) -> float:
        """Return the probability that a commit is the culprit or comes after it."""
        return sum(self.culprit[: index + 1])


def posterior(
    shown: Mapping[int, BootCounts], prior: Sequence[float], certain: float = USUAL
) -> Posterior:
    """Return the probabilities; `shown` are the boots by commit, `prior` the weight of each.

    Commit 0 is the good end, the last one the bad end. A prior of 0 excludes a commit. Raises
    ValueError if it excludes all.
    """
    total = NONE
    for each in shown.values():
        total = total.plus(each)
    before = NONE
    logs: list[float] = []
    sides: list[tuple[BootCounts, BootCounts]] = []
    for index, weight in enumerate(prior):
        after = BootCounts(total.bad - before.bad, total.good - before.good)
        sides.append((before, after))
        known = evidence_before(before, certain) + evidence_from(after, certain)
        logs.append(known + math.log(weight) if index and weight > 0 else -math.inf)
        before = before.plus(shown.get(index, NONE))
    top = max(logs)
    if top == -math.inf:
        raise ValueError("the prior excludes every commit")
    weights = [math.exp(each - top) for each in logs]
    whole = sum(weights)
    culprit = tuple(each / whole for each in weights)
    low = high = 0.0
    for share, (first, last) in zip(culprit, sides, strict=True):
        if share > 1e-6:
            low += share * rate_before(first, certain)
            high += share * rate_from(last, certain)
    return Posterior(culprit, low, high)


def higher(high: BootCounts, low: BootCounts) -> float:
    """Return the probability that the rate of `high` is above that of `low`, any rate as likely."""
    a, b = low.bad + 1, low.good + 1
    c, d = high.bad + 1, high.good + 1

    def log_beta(one: int, other: int) -> float:
        return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)

    return min(1.0, sum(
        math.exp(
            log_beta(a + each, b + d) - math.log(d + each) - log_beta(1 + each, d) - log_beta(a, b)
        )
        for each in range(c)
    ))  # fmt: skip
