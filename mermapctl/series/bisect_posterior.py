# SPDX-License-Identifier: GPL-2.0-only
"""Which commit brought a finding: the probability of each, from boots that show it or not. Pure.

One commit, the culprit, divides the range. Boots of kernels before it show the finding at one rate
(often 0), boots from it on at another (often 1). Neither rate is known, so both are integrated
out: the evidence for a culprit is a product of two Beta functions. A share of the prior belief is
that the rates are exactly 0 and 1; the rest prefers rates near 0 and 1 (Jeffreys' prior).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

USUAL = 0.1
"""Prior probability that a rate is exactly 0 (before the culprit) or 1 (from it on).

It is small: were it 0.5, one boot in fifty that shows the finding before the culprit would count as
proof that the culprit is older.
"""
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

    def minus(self, less: BootCounts) -> BootCounts:
        """Return these without `less`."""
        return BootCounts(self.bad - less.bad, self.good - less.good, self.other - less.other)


NONE = BootCounts()


@lru_cache(1 << 16)
def _loose(bad: int, good: int) -> float:
    """Return the logarithm of the mean of x^bad (1-x)^good over the rates x, by their density."""
    return (
        math.lgamma(bad + 0.5)
        + math.lgamma(good + 0.5)
        - math.lgamma(bad + good + 1)
        - 2 * math.lgamma(0.5)
    )


@lru_cache(1 << 16)
def evidence_before(bad: int, good: int, certain: float) -> float:
    """Return the log evidence of boots before the culprit, whose rate may be exactly 0."""
    loose = math.log1p(-certain) + _loose(bad, good)
    return loose if bad else math.log(certain + math.exp(loose))


def evidence_from(bad: int, good: int, certain: float) -> float:
    """Return the log evidence of boots from the culprit on, whose rate may be exactly 1."""
    return evidence_before(good, bad, certain)


def rate_before(shown: BootCounts, certain: float) -> float:
    """Return the expected rate of the finding before the culprit."""
    more = evidence_before(shown.bad + 1, shown.good, certain)
    return math.exp(more - evidence_before(shown.bad, shown.good, certain))


def rate_from(shown: BootCounts, certain: float) -> float:
    """Return the expected rate of the finding from the culprit on."""
    more = evidence_from(shown.bad + 1, shown.good, certain)
    return math.exp(more - evidence_from(shown.bad, shown.good, certain))


@dataclass(frozen=True, slots=True)
class Case:
    """The culprit is one of the commits `first` to `last`, which no boots tell apart.

    `before` are the boots of all older kernels, `since` those of the others.
    """

    first: int
    last: int
    before: BootCounts
    since: BootCounts


@dataclass(frozen=True, slots=True)
class Posterior:
    """`culprit[i]` is the probability that commit i divides the range; that of commit 0 is 0.

    `low` and `high` are the expected rates before it and from it on. `cases` are all commits but
    commit 0, oldest first. `certain` is the prior probability of the rates 0 and 1.
    """

    culprit: tuple[float, ...]
    low: float
    high: float
    cases: tuple[Case, ...]
    certain: float

    @property
    def best(self) -> int:
        """Return the most probable commit, the oldest of equals."""
        return self.culprit.index(max(self.culprit))


def posterior(
    shown: Mapping[int, BootCounts], prior: Sequence[float], certain: float = USUAL
) -> Posterior:
    """Return the probabilities; `shown` are the boots by commit, `prior` the weight of each.

    Commit 0 is the good end, the last one the bad end. A prior of 0 excludes a commit. Raises
    ValueError if it excludes all.
    """
    cases = _cases(shown, len(prior))
    logs = [-math.inf] * len(prior)
    for case in cases:
        known = evidence_before(case.before.bad, case.before.good, certain)
        known += evidence_from(case.since.bad, case.since.good, certain)
        for index in range(case.first, case.last + 1):
            if prior[index] > 0:
                logs[index] = known + math.log(prior[index])
    top = max(logs)
    if top == -math.inf:
        raise ValueError("the prior excludes every commit")
    weights = [math.exp(each - top) for each in logs]
    whole = sum(weights)
    culprit = tuple(each / whole for each in weights)
    low = high = 0.0
    for case in cases:
        share = sum(culprit[case.first : case.last + 1])
        low += share * rate_before(case.before, certain)
        high += share * rate_from(case.since, certain)
    return Posterior(culprit, low, high, cases, certain)


def _cases(shown: Mapping[int, BootCounts], size: int) -> tuple[Case, ...]:
    """Return the commits from 1 on: each commit with boots is the last of a case."""
    told = [index for index in range(1, size - 1) if index in shown and shown[index].told]
    before, since = shown.get(0, NONE), NONE
    for index in (*told, size - 1):
        since = since.plus(shown.get(index, NONE))
    made: list[Case] = []
    first = 1
    for index in (*told, size - 1):
        made.append(Case(first, index, before, since))
        here = shown.get(index, NONE)
        before, since = before.plus(here), since.minus(here)
        first = index + 1
    return tuple(made)


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
