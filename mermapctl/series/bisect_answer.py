# SPDX-License-Identifier: GPL-2.0-only
"""The answer of a bisect in sentences, with its evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mermapctl.judge import repeats
from mermapctl.records.bisect_facts import BisectCommit, BisectOutcome
from mermapctl.series import bisect_known
from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import BootCounts, Posterior
from mermapctl.series.bisect_step import Named, Step, Undecided, WrongEnds
from mermapctl.series.bisect_target import Wanted
from mermapctl.tree.commits import Commit

SHORT = 12
_MOST = 8
"""Commits that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The state of a bisect at its end. `failed` is why it ended early, if it did.

    `commits` are those of the range, the good end first. `skipped` are reasons by commit, `notes`
    are about the range. `seen` is what boots of the bad end show, in words.
    """

    commits: tuple[Commit, ...]
    known: Known
    counts: Mapping[int, BootCounts]
    target: Wanted | None
    step: Step | None = None
    failed: str | None = None
    skipped: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seen: str = ""

    @property
    def outcome(self) -> BisectOutcome:
        """Return how the bisect ended."""
        if self.failed:
            return BisectOutcome.NO_VERDICT
        if isinstance(self.step, Named):
            return BisectOutcome.FOUND if len(self.step.suspects) == 1 else BisectOutcome.RANGE
        if isinstance(self.step, Undecided):
            return BisectOutcome.UNDECIDED
        return (
            BisectOutcome.WRONG_ENDS
            if isinstance(self.step, WrongEnds)
            else BisectOutcome.UNFINISHED
        )

    @property
    def suspects(self) -> tuple[int, ...]:
        """Return the commits that may have brought the finding."""
        return self.step.suspects if isinstance(self.step, Named | Undecided) else ()

    @property
    def error(self) -> float | None:
        """Return the chance that none of them did."""
        return self.step.error if isinstance(self.step, Named | Undecided) else None


def named(commit: Commit) -> str:
    """Return a commit's hash and subject: `9f2c41d07a3e (mm: flush once)`."""
    return f"{commit.id[:SHORT]} ({commit.subject})"


def chance_words(error: float) -> str:
    """Return a chance of error in words: `below 0.1 %`, `2.3 %`."""
    return "below 0.1 %" if error < 0.001 else f"{error:.1%}".replace("%", " %")


def of_boots(counts: BootCounts) -> str:
    """Return counts as a phrase: `23 of 30 boots`, `0 of 45 boots (2 fail in another way)`."""
    other = f" ({counts.other} fail in another way)" if counts.other else ""
    return f"{counts.bad} of {boots_words(counts.boots)}{other}"


def boots_words(number: int) -> str:
    """Return a number of boots: `1 boot`, `3 boots`."""
    return f"{number} boot{'s' if number != 1 else ''}"


def words(answer: Answered) -> Iterator[str]:
    """Yield the sentences: the answer first, then its evidence, then what limits it."""
    match answer.outcome:
        case BisectOutcome.NO_VERDICT:
            yield f"no commit is blamed: {answer.failed}"
        case BisectOutcome.WRONG_ENDS:
            yield from _wrong_ends(answer)
        case BisectOutcome.UNFINISHED:
            yield "interrupted: the same command goes on where it was"
        case _:
            yield from _suspects(answer)
            yield from _evidence(answer)
    yield from answer.notes
    yield from _limits(answer)


def _suspects(answer: Answered) -> Iterator[str]:
    commits = [answer.commits[index] for index in answer.suspects]
    if answer.outcome is BisectOutcome.FOUND:
        yield f"first bad commit: {named(commits[0])}"
        return
    listed = ", ".join(named(each) for each in commits[:_MOST])
    more = f" and {len(commits) - _MOST} more" if len(commits) > _MOST else ""
    why = (
        "all but the last have no verdict"
        if answer.outcome is BisectOutcome.RANGE
        else "more boots would not decide"
    )
    yield f"one of {len(commits)} commits ({why}): {listed}{more}"


def _at(answer: Answered, index: int) -> tuple[int, BootCounts]:
    """Return the boots at a commit, or at the nearest one before it that has some."""
    while index > 0 and index not in answer.counts:
        index -= 1
    return index, answer.counts.get(index, BootCounts())


def _evidence(answer: Answered) -> Iterator[str]:
    assert answer.target is not None  # noqa: S101 - an answer has one
    what = answer.target.words
    first, last = answer.suspects[0], answer.suspects[-1]
    culprit = answer.counts.get(last, BootCounts())
    before, parent = _at(answer, first - 1)
    where = "its parent" if before == first - 1 else "the last one booted before it,"
    at = (
        "there"
        if answer.outcome is BisectOutcome.FOUND
        else f"at {answer.commits[last].id[:SHORT]}"
    )
    yield (
        f"{what}: {of_boots(culprit)} {at}, {of_boots(parent)} at {where} "
        f"{named(answer.commits[before])}"
    )
    error = answer.error or 0.0
    if answer.known.certain:
        yield "boots with other seeds print the same console: chance has no part"
    else:
        belief = bisect_known.belief_of(bisect_known.focused(answer.known))
        yield (
            f"chance of error: {chance_words(error)}; boots from it on show it at a rate of about "
            f"{belief.high:.0%}, those before it at {belief.low:.0%}"
        )


def _wrong_ends(answer: Answered) -> Iterator[str]:
    last = answer.known.last
    good, bad = answer.commits[0], answer.commits[-1]
    of_good, of_bad = answer.known.at(0), answer.known.at(last)
    if not any(bisect_known.prior_of(answer.known)):
        yield (
            f"{good.id[:SHORT]} and {bad.id[:SHORT]} are the same kernel, byte by byte: what "
            "differs between them is not built in this configuration"
        )
        return
    what = answer.target.words if answer.target else "a failure"
    if not of_bad.bad:
        _, high = repeats.interval(0, of_bad.boots)
        seen = f"; it shows {answer.seen}" if answer.seen else ""
        if last in answer.known.even:
            seen += "; boots with other seeds print the same console"
        yield (
            f"the bad end {named(bad)} does not show {what} in {of_bad.boots} boots (its rate is "
            f"below {high:.0%}, at 95 %){seen}"
        )
    elif of_good.bad * max(1, of_bad.boots) > of_bad.bad * max(1, of_good.boots):
        yield (
            f"{what}: {of_boots(of_good)} of the good end, {of_boots(of_bad)} of the bad one: is "
            "it the other way round?"
        )
    else:
        yield (
            f"the good end {named(good)} shows {what} too: {of_boots(of_good)}, and "
            f"{of_boots(of_bad)} of the bad end {bad.id[:SHORT]}: name an older good commit"
        )


def _limits(answer: Answered) -> Iterator[str]:
    known = bisect_known.focused(answer.known)
    if known.floor:
        yield (
            f"it came and went before: {named(answer.commits[known.floor])} does not show it, and "
            "an older commit does; this is its last arrival"
        )
    shown = {**answer.skipped}
    if shown:
        listed = ", ".join(
            f"{answer.commits[index].id[:SHORT]} ({shown[index]})"
            for index in sorted(shown)[:_MOST]
        )
        more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
        yield f"skipped: {listed}{more}"
    if answer.outcome is BisectOutcome.FOUND:
        culprit = answer.commits[answer.suspects[0]]
        for other in culprit.others:
            yield (
                f"it is a merge; to bisect what it brought: mermapctl bisect "
                f"$(git merge-base {culprit.id[:SHORT]}^ {other[:SHORT]}) {other[:SHORT]}"
            )


def _chances(answer: Answered, belief: Posterior) -> dict[int, float]:
    """Return the probability of each commit; those that cannot be told apart share theirs."""
    found: dict[int, float] = {}
    for index, chance in enumerate(belief.culprit):
        if index not in answer.known.skipped:
            group = bisect_known.suspects(answer.known, index)
            found |= dict.fromkeys(group, round(chance / len(group), 6))
    return found


def told(answer: Answered, kernels: Mapping[int, str]) -> tuple[BisectCommit, ...]:
    """Return the commits that were booted or skipped, or are suspects, oldest first."""
    belief = None
    if isinstance(answer.step, Named | Undecided):
        belief = bisect_known.belief_of(bisect_known.focused(answer.known))
    first: dict[str, int] = {}
    for index in sorted(kernels):
        first.setdefault(kernels[index], index)
    chances = _chances(answer, belief) if belief else {}
    made = []
    for index, commit in enumerate(answer.commits):
        counts = answer.counts.get(index, BootCounts())
        if not (counts.boots or index in answer.skipped or index in answer.suspects):
            continue
        twin = first.get(kernels.get(index, ""), index)
        made.append(
            BisectCommit(
                commit.id,
                commit.subject,
                counts.bad,
                counts.good,
                counts.other,
                same_as=answer.commits[twin].id if twin != index else None,
                skipped=answer.skipped.get(index),
                chance=chances.get(index),
            )
        )
    return tuple(made)
