# SPDX-License-Identifier: GPL-2.0-only
"""Which commit of one series is which of another: v2 against v3. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mermapctl.records.series_facts import Series, SeriesCommit

BASE, WORK_TREE = "the base", "the work tree"


class Match(enum.StrEnum):
    """How a commit of A is found in B."""

    PATCH = "same patch"
    CHANGED = "changed"
    SUBJECT = "same subject"  # one of the two has no patch-id
    NEW = "only in B"
    GONE = "only in A"


@dataclass(frozen=True, slots=True)
class CommitMatch:
    """A commit of A, or of B, or of both; the subject is that of B, if it is there."""

    match: Match
    a: str | None
    b: str | None
    subject: str


def matches(a: Series, b: Series) -> tuple[CommitMatch, ...]:
    """Match by hash, patch-id, then subject; in the order of B, then of A. Not the work tree."""
    left, right = _committed(a), _committed(b)
    found: dict[str, str] = {}
    for key in (_commit, _patch, _subject):
        here = [each for each in left if each.commit not in found.values()]
        there = [each for each in right if each.commit not in found]
        found |= _pairs(here, there, key)
    by_commit = {each.commit: each for each in left}
    made = [
        CommitMatch(_how(by_commit.get(known or ""), each), known, each.commit, each.subject)
        for each in right
        for known in (found.get(each.commit),)
    ]
    taken = {*found.values()}
    made += [
        CommitMatch(Match.GONE, each.commit, None, each.subject)
        for each in left
        if each.commit not in taken
    ]
    return tuple(made)


def _commit(each: SeriesCommit) -> str:
    return each.commit


def _patch(each: SeriesCommit) -> str | None:
    return each.patch_id


def _subject(each: SeriesCommit) -> str:
    return each.subject


def _how(a: SeriesCommit | None, b: SeriesCommit) -> Match:
    if a is None:
        return Match.NEW
    if a.commit == b.commit or (a.patch_id and a.patch_id == b.patch_id):
        return Match.PATCH
    return Match.CHANGED if a.patch_id and b.patch_id else Match.SUBJECT


def _committed(series: Series) -> tuple[SeriesCommit, ...]:
    return series.commits[:-1] if series.work_tree else series.commits


def _pairs(
    left: Iterable[SeriesCommit],
    right: Iterable[SeriesCommit],
    key: Callable[[SeriesCommit], str | None],
) -> dict[str, str]:
    """Return commits of the right with those of the left that have the same key, in their order.

    A key that one side has more often than the other matches nothing.
    """
    here, there = _by_key(left, key), _by_key(right, key)
    return {
        b: a
        for name, commits in there.items()
        if len(here.get(name, ())) == len(commits)
        for a, b in zip(here[name], commits, strict=True)
    }


def _by_key(
    commits: Iterable[SeriesCommit], key: Callable[[SeriesCommit], str | None]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in commits:
        name = key(each)
        if name:
            found.setdefault(name, []).append(each.commit)
    return found


def labels(series: Series, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a name for each commit: that in `known`, else its subject.

    A commit whose subject is the name of another one gets a number.
    """
    named = {series.base: BASE, **(known or {})}
    taken = {*named.values()}
    for each in series.commits:
        if each.commit in named:
            continue
        subject = WORK_TREE if _is_work_tree(series, each) else each.subject
        label, number = subject, 2
        while label in taken:
            label, number = f"{subject} #{number}", number + 1
        named[each.commit] = label
        taken.add(label)
    return named


def _is_work_tree(series: Series, commit: SeriesCommit) -> bool:
    return series.work_tree and commit is series.commits[-1]


def common_labels(a: Series, b: Series) -> tuple[dict[str, str], dict[str, str]]:
    """Return names for the commits of two series; a commit that is in both has one name.

    No other commit of A has the name of one of B.
    """
    right = labels(b)
    same = {each.a: right[each.b] for each in matches(a, b) if each.a and each.b}
    if a.work_tree and b.work_tree and a.commits and b.commits:
        same[a.commits[-1].commit] = right[b.commits[-1].commit]
    lone = {label: label for label in right.values() if label not in same.values()}
    named = labels(a, {**lone, **same})
    return {commit: name for commit, name in named.items() if commit not in lone}, right
