# SPDX-License-Identifier: GPL-2.0-only
"""Several boots of one kernel: how many failed, at which rate, and how each failed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict

CODE = "failed-in-repeats"
KEEP = 100
"""The most boots without a pass of which each is kept; further ones are only counted."""
_Z = 1.959963984540054
"""A value of the normal distribution is within this many standard deviations with 95 % probability.
"""


@dataclass(frozen=True, slots=True)
class RepeatedBoot:
    """One boot of several that did not pass; `number` counts from 1.

    `seed` and `shift` are null if the guest has the host's clock. `symptoms` are the names of its
    failures, `console` is the path of its log.
    """

    number: int
    verdict: Verdict
    seed: int | None = None
    shift: int | None = None
    reason: Reason | None = None
    symptoms: tuple[str, ...] = ()
    console: str | None = None


@dataclass(frozen=True, slots=True)
class Repeats:
    """All boots of a cell, the first one included.

    Of `runs` boots, `failed` failed and `unjudged` have no verdict. `low` and `high` bound the rate
    of failures among the boots with a verdict (Wilson's interval at 95 %). `boots` are those that
    did not pass. `consoles` is how many different consoles they printed, without kunit.py's own
    lines; null in older records. `words` is a sentence with these numbers.
    """

    runs: int
    failed: int
    unjudged: int
    low: float
    high: float
    seeds_failed: tuple[int, ...] = ()
    boots: tuple[RepeatedBoot, ...] = ()
    words: str = ""
    consoles: int | None = None


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. B. Wilson, 1927): correct for a small `total`."""
    share, extra = count / total, _Z**2 / total
    middle = share + extra / 2
    half = _Z * math.sqrt(share * (1 - share) / total + extra / (4 * total))
    return max(0.0, (middle - half) / (1 + extra)), min(1.0, (middle + half) / (1 + extra))


def interval(failed: int, runs: int) -> tuple[float, float]:
    """Return the bounds of a failure rate, from 0 to 1, at 95 %, to four digits."""
    if not runs:
        return 0.0, 1.0
    low, high = wilson(failed, runs)
    return (round(low, 4) if failed else 0.0), (round(high, 4) if failed < runs else 1.0)


def summary(runs: int, bad: Sequence[RepeatedBoot], consoles: int | None = None) -> Repeats:
    """Return the summary of `runs` boots, of which those in `bad` did not pass."""
    failed = [each for each in bad if each.verdict is Verdict.FAILED]
    unjudged = len(bad) - len(failed)
    low, high = interval(len(failed), runs - unjudged)
    seeds = dict.fromkeys(each.seed for each in failed if each.seed is not None)
    lost = f", {unjudged} have no verdict" if unjudged else ""
    same = ", each with the same console" if consoles == 1 else ""
    rate = f"(95 % interval {low:.1%} to {high:.1%})"
    words = f"{len(failed)} of {runs} boots failed{lost} {rate}{same}"
    kept = tuple(bad[:KEEP])
    return Repeats(runs, len(failed), unjudged, low, high, tuple(seeds), kept, words, consoles)


def finding(repeats: Repeats) -> Finding | None:
    """Return the finding for a kernel that failed in some boots; None if it failed in none."""
    failed = [each for each in repeats.boots if each.verdict is Verdict.FAILED]
    if not failed:
        return None
    named = dict.fromkeys(name for each in failed for name in each.symptoms)
    seeds = ", ".join(map(str, repeats.seeds_failed[:20]))
    evidence = {"boots": repeats.runs, "failed": repeats.failed, "low": repeats.low}
    return Finding(
        CODE,
        Severity.ERROR,
        repeats.words,
        evidence={
            **evidence,
            "high": repeats.high,
            **({"seeds": seeds} if seeds else {}),
            "symptoms": ", ".join(list(named)[:8]) or "the suite",
        },
        advice=_again(failed),
    )


def _again(failed: Sequence[RepeatedBoot]) -> str | None:
    """Return how to repeat the first failed boot that has a seed; None if none has."""
    found = next((each for each in failed if each.seed is not None), None)
    if found is None:
        return None
    options = f"--seed {found.seed} --shifts {found.shift}"
    return (
        f"boot the first one again: `mermapctl run {options}`, with the other options of this run"
    )
