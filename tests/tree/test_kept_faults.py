# SPDX-License-Identifier: GPL-2.0-only
"""A run of all faults that was killed goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import git
from tests.faults import corpus, kept
from tests.faults.kept import Kept
from tests.faults.verdicts import Judged

CASE = corpus.faults()[0]


def results(place: Path, mark: str = "one") -> Kept[Judged]:
    return Kept("faults", mark, lambda each: each.error is not None, place)


def never() -> Judged:
    pytest.fail("tried again")


def test_a_result_is_found_once(tmp_path: Path) -> None:
    first = results(tmp_path).get(CASE.name, lambda: Judged(CASE, None))
    again = results(tmp_path)
    assert again.count == 1
    assert again.get(CASE.name, never) == first


@pytest.mark.parametrize("how", ["ended", "other mark", "damaged", "failed"])
def test_a_result_is_found_again(tmp_path: Path, how: str) -> None:
    error = "the disk is full" if how == "failed" else None
    first = results(tmp_path)
    first.get(CASE.name, lambda: Judged(CASE, None, error=error))
    if how == "ended":
        first.end()
    if how == "damaged":
        (tmp_path / "faults.pickle").write_bytes(b"x")
    again = results(tmp_path, "two" if how == "other mark" else "one")
    assert again.count == 0
    assert again.get(CASE.name, lambda: Judged(CASE, None, error="new")).error == "new"


def test_a_mark_is_that_of_a_program_and_a_tree(fake_tree: Path) -> None:
    first = kept.mark(fake_tree)
    assert kept.mark(fake_tree) == first
    git(fake_tree, "commit", "-q", "--allow-empty", "-m", "another")
    assert kept.mark(fake_tree) != first
