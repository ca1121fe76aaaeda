# SPDX-License-Identifier: GPL-2.0-only
"""Commits of two versions of a series, in letters: `a1` has the subject a and the patch-id 1."""

from __future__ import annotations

import pytest

from mermapctl.records.series_facts import Series, SeriesCommit
from mermapctl.records.series_match import (
    BASE,
    WORK_TREE,
    Match,
    common_labels,
    labels,
    matches,
)


def series(name: str, words: str, *, work_tree: bool = False) -> Series:
    """Make a series; the hash of a commit is the series' name and its place, `-` has no patch."""
    commits = tuple(
        SeriesCommit(f"{name}{place}", word[0], None, None if word[1] == "-" else word[1:])
        for place, word in enumerate(words.split())
    )
    return Series(f"{name}base", "tip", commits, (), work_tree=work_tree)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("a1 b2", "a1 b2", "A0=B0 A1=B1"),
        ("a1 b2", "b2 a1", "A1=B0 A0=B1"),  # reordered
        ("a1 b2", "x1 b3", "A0=B0 A1~B1"),  # renamed; changed
        ("a1 b2", "a1 n9 b2", "A0=B0 -B1 A1=B2"),
        ("a1 b2 c3", "a1 c3", "A0=B0 A2=B1 A1-"),
        ("a1 b2", "b1 a3", "A0=B0 -B1 A1-"),  # the patch-id counts first
        ("f1 f2", "f3 f4", "A0~B0 A1~B1"),  # two fixups, in their order
        ("f1 f2", "f3", "-B0 A0- A1-"),  # which one is it?
        ("a- b-", "a- b-", "A0?B0 A1?B1"),  # of an earlier version, without patch-ids
        ("a1 a1", "a1 a1", "A0=B0 A1=B1"),
    ],
)
def test_commits_are_matched_by_patch_then_by_subject(a: str, b: str, told: str) -> None:
    sign = {
        "same patch": "=",
        "changed": "~",
        "same subject": "?",
        "only in A": "-",
        "only in B": "-",
    }
    found = [
        f"{each.a or ''}{sign[each.match]}{each.b or ''}"
        for each in matches(series("A", a), series("B", b))
    ]
    assert " ".join(found) == told


def test_what_is_one_commit_has_one_name_and_nothing_else_has() -> None:
    a, b = common_labels(series("A", "a1 b2 f3 f4"), series("B", "x1 b9 f7"))
    assert a == {"Abase": BASE, "A0": "x", "A1": "b", "A2": "f #2", "A3": "f #3"}
    assert b == {"Bbase": BASE, "B0": "x", "B1": "b", "B2": "f"}


def test_the_work_trees_are_one_row_whatever_their_patches() -> None:
    a, b = common_labels(
        series("A", "a1 w8", work_tree=True), series("B", "a1 b2 w9", work_tree=True)
    )
    assert (a["A1"], b["B2"]) == (WORK_TREE, WORK_TREE)
    assert labels(series("A", "a1 a2 a3")) == {
        "Abase": BASE,
        "A0": "a",
        "A1": "a #2",
        "A2": "a #3",
    }


def test_the_same_commit_is_the_same_patch_also_if_it_is_a_merge() -> None:
    one = series("A", "m- b2")
    assert [each.match for each in matches(one, one)] == [Match.PATCH] * 2
