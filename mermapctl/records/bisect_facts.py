# SPDX-License-Identifier: GPL-2.0-only
"""The facts of a bisect in a record: its target, the boots by commit, the answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class BisectOutcome(enum.StrEnum):
    """How a bisect ended."""

    FOUND = "found"
    RANGE = "range"  # commits without a verdict are between the last good and the first bad one
    UNDECIDED = "undecided"  # more boots would not decide
    WRONG_ENDS = "wrong-ends"  # the ends do not differ as good and bad do
    NO_VERDICT = "no-verdict"  # an end has none, or the machine fails
    UNFINISHED = "unfinished"  # interrupted, killed, or still at work


@dataclass(frozen=True, slots=True)
class BisectCommit:
    """A commit of the range that was booted, skipped, or is a suspect.

    Of its boots `bad` show the finding, `good` do not, `other` fail in another way. `same_as` is
    the commit with the same kernel whose boots these are. `skipped` is why it has no boots.
    `chance` is the probability that this commit brought the finding; null without an answer.
    """

    commit: str
    subject: str
    bad: int = 0
    good: int = 0
    other: int = 0
    same_as: str | None = None
    skipped: str | None = None
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Bisect:
    """A bisect of the `range` commits after `good`, up to `bad`.

    `finding` (a code) and `test` are what was looked for; with `by_default` the bad end's boots
    chose it. `culprit` is null but for the outcome `found`; `suspects` are commits, oldest first.
    `error` is the chance that none of them brought it. With `certain`, boots with other seeds
    print the same console. `boots` and `builds` are those of this run, `known_boots` those of
    earlier runs. `words` is all of this in sentences, `reproduce` are shell lines.
    """

    good: str
    bad: str
    range: int
    confidence: float
    target: str
    variant: str
    outcome: BisectOutcome = BisectOutcome.UNFINISHED
    finding: str | None = None
    test: str | None = None
    by_default: bool = False
    culprit: str | None = None
    suspects: tuple[str, ...] = ()
    error: float | None = None
    certain: bool = False
    builds: int = 0
    boots: int = 0
    known_boots: int = 0
    commits: tuple[BisectCommit, ...] = ()
    words: tuple[str, ...] = ()
    reproduce: tuple[str, ...] = ()
