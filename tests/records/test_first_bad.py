# SPDX-License-Identifier: GPL-2.0-only
"""Who brought a finding: tables, and generated series against a slow definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records import first_bad
from mermapctl.records.record import Cell

# One letter a commit: p passed, a and b failed with that finding, c with both, n no verdict,
# x absent, - not run, ? failed without a finding.
_FOUND = {"a": ("a",), "b": ("b",), "c": ("a", "b"), "?": ()}


def cell(letter: str) -> Cell | None:
    if letter == "-":
        return None
    if letter in "nx":
        reason = Reason.ABSENT if letter == "x" else Reason.BUILD_FAILED
        return Cell("x86_64", "base", Verdict.NO_VERDICT, reason=reason)
    if letter == "p":
        return Cell("x86_64", "base", Verdict.PASSED)
    findings = tuple(Finding(code, Severity.ERROR, "it is so") for code in _FOUND[letter])
    return Cell("x86_64", "base", Verdict.FAILED, findings=findings)


def walked(letters: str) -> list[tuple[str, Cell | None]]:
    return [(str(at), cell(letter)) for at, letter in enumerate(letters)]


@pytest.mark.parametrize(
    ("letters", "commit", "before", "unsure"),
    [
        ("pppp", None, None, ()),
        ("ppaa", "2", "passed", ()),
        ("paap", None, None, ()),
        ("papaa", "3", "passed", ()),
        ("pnna", "3", "passed", ("1", "2")),
        ("p-a", "2", "passed", ("1",)),
        ("xxa", "2", "absent", ()),
        ("xna", "2", "absent", ("1",)),
        ("bba", "2", "failed", ()),
        ("baca", "1", "failed", ()),
        ("pan", "1", "passed", ()),
        ("p??", "1", "passed", ()),
        ("aa", None, None, ()),  # commit 0 is the base, which has it already
        ("-aa", "1", None, ("0",)),
        ("nnn", None, None, ()),
        ("", None, None, ()),
    ],
)
def test_the_first_bad_commit(
    letters: str, commit: str | None, before: str | None, unsure: tuple[str, ...]
) -> None:
    found = first_bad.column("x86_64", "base", walked(letters), "0").first_bad
    if commit is None:
        assert found is None
    else:
        assert found is not None
        assert (found.commit, found.before, found.unsure) == (commit, before, unsure)


def test_what_came_and_went_is_told_with_both_commits() -> None:
    (one,) = first_bad.episodes(walked("panpb"))[:1]
    assert (one.code, one.commit, one.fixed, one.fixed_unsure) == ("a", "1", "3", ("2",))


def _brought(letters: str) -> str | None:
    """The first bad commit by its definition; the base, commit 0, is none."""
    known = [at for at, letter in enumerate(letters) if letter in "pabc?"]
    if not known:
        return None

    def has(at: int) -> set[str]:
        letter = letters[at]
        return set(_FOUND.get(letter, ())) or ({"?"} if letter == "?" else set())

    first = []
    for code in has(known[-1]):
        start = known[-1]
        for at in reversed(known):
            if code not in has(at):
                break
            start = at
        first.append(start)
    mine = [at for at in first if at != 0]
    return str(min(mine)) if mine else None


@given(st.text(alphabet="pppabcnx-?", max_size=30))
def test_generated_series_have_the_first_bad_commit_of_the_definition(letters: str) -> None:
    found = first_bad.column("x86_64", "base", walked(letters), "0").first_bad
    assert (found.commit if found else None) == _brought(letters)
    for each in first_bad.episodes(walked(letters)):
        assert letters[int(each.commit)] in "abc?"
        assert all(letters[int(at)] in "n-" for at in (*each.unsure, *each.fixed_unsure))
