# SPDX-License-Identifier: GPL-2.0-only
"""Histories of the stress suite: their text, their table, and the search for a smaller one."""

from __future__ import annotations

import pytest

from mermapctl.judge import stress, stress_shrink
from mermapctl.judge.stress import HistoryStep
from mermapctl.judge.stress_shrink import Shrinking

HISTORIES = (
    "g0.1.55.1",
    "g0.1.55.1,p0.1,r2.344,c1,x2,d200,F0.3.195.2,T1.0.0.0",
    "d5,g0.0.0.3|g0.0.9.1,p0.0",
    "|g0.0.9.1",
)


@pytest.mark.parametrize("text", HISTORIES)
def test_a_history_is_read_as_it_is_printed(text: str) -> None:
    assert stress.spelled(stress.parsed(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no step"),
        ("|", "no step"),
        ("z1", "'z1' is no step"),
        ("g0.1.2", "'g0.1.2' is no step"),
        ("p0.-1", "'p0.-1' is no step"),
        ("p3.0", "too large"),
        ("p0.5", "too large"),
        ("g0.0.70000.1", "too large"),
        ("p0.0|p0.0|p0.0", "more than two threads"),
        (",".join(["p0.0"] * 41), "more than 40 steps"),
        ("p0.0," * 300, "more than 1000 characters"),
        ("p\u0661.0", "no step"),
        ("p0.0000000009", "too large"),
    ],
)
def test_what_is_no_history_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        stress.parsed(text)


def test_the_table_has_a_row_for_each_step() -> None:
    assert stress.table(stress.parsed("g0.1.55.3,p0.1|r2.4")).splitlines() == [
        "static const struct given_step given[] = {",
        "\t{ 0, 'g', 0, 1, 55, 3 },\t/* process 0 gets 3 pages as mapping 1 */",
        "\t{ 0, 'p', 0, 1, 0, 0 },\t/* process 0 puts mapping 1 */",
        "\t{ 1, 'r', 2, 0, 4, 0 },\t/* process 2 uses the reserve */",
        "};",
    ]


def test_the_history_of_a_line_is_the_last_one_printed_before_it() -> None:
    lines = [
        b"[ 1.0][ T30] mermap_stress: history 0: g0.0.0.1\n",
        b"[ 1.0][ T30] mm_get: (__mermap_get+0x0/0x220)\n",
        b"[ 1.0][ T30] mermap_stress: pair 1: p0.0|r0.1\n",
    ]
    histories = stress.shown(lines)
    assert [each.line for each in histories] == [1, 3]
    assert stress.at(histories, 2) == "g0.0.0.1"
    assert stress.at(histories, 3) == "p0.0|r0.1"
    assert stress.at(histories, None) == "p0.0|r0.1"
    assert stress.at((), 3) is None


@pytest.mark.parametrize(
    "torn", ["g0.0.", "g0.0.0.1mermap_stress", "_", "p0.0,", "|", "x3", "p9.9"]
)
def test_a_torn_history_of_a_console_is_none(torn: str) -> None:
    lines = [f"mermap_stress: history 0: p0.0\nmermap_stress: history 1: {torn}\n".encode()]
    histories = stress.shown(b"".join(lines).splitlines())
    assert stress.at(histories, None) == ("p0.0," if torn == "p0.0," else None)


def shrunk(text: str, *needed: str) -> tuple[str, int]:
    """Shrink a history that fails with all of `needed`, in that order; also count the boots."""
    search = Shrinking(stress.parsed(text))
    search.begin()
    boots = 0
    while search.candidate is not None:
        boots += 1
        rest = iter([str(each) for each in search.candidate])
        search.tell(shows=all(each in rest for each in needed))
    return stress.spelled(search.best), boots


LONG = "g0.0.7.1,r0.1,p0.0,g1.0.3.511,p1.0,r1.5,x2,c1,g0.1.2.3,p0.1,r0.9,r0.8,t0.2.4.1,p0.2,r1.1"


@pytest.mark.parametrize(
    ("needed", "smallest"),
    [
        (("r1.5",), "r1.5"),
        (("g0.0.7.1", "r1.1"), "g0.0.7.1,r1.1"),
        (("p0.0", "x2", "t0.2.4.1"), "p0.0,x2,t0.2.4.1"),
    ],
)
def test_only_the_steps_that_matter_are_left(needed: tuple[str, ...], smallest: str) -> None:
    found, boots = shrunk(LONG, *needed)
    assert found == smallest
    assert boots < 60


def test_numbers_become_simple_where_they_do_not_matter() -> None:
    search = Shrinking(stress.parsed("g1.0.300.40,p1.0"))
    search.begin()
    while search.candidate is not None:
        search.tell(shows=[each.what for each in search.candidate] == ["g", "p"])
    assert search.best == (HistoryStep(0, "g", n=1), HistoryStep(0, "p"))


def test_a_pair_stays_a_pair() -> None:
    search = Shrinking(stress.parsed("g0.0.0.1,p0.0|g0.0.0.1,p0.0"))
    search.begin()
    while search.candidate is not None:
        assert stress.is_pair(search.candidate)
        search.tell(shows=True)
    assert stress.spelled(search.best).startswith("|")


def test_a_history_that_nothing_makes_smaller_stays() -> None:
    search = Shrinking(stress.parsed(LONG))
    search.begin()
    while search.candidate is not None:
        search.tell(shows=False)
    assert stress.spelled(search.best) == LONG


@pytest.mark.parametrize("text", ["g0.0.0.1", ",".join(["r0.0"] * 40), "g0.0.0.1|r0.0,r0.0"])
def test_a_history_that_is_innocent_alone_is_tried_behind_a_get_of_all_that_fits(text: str) -> None:
    first, second = stress_shrink.alone(stress.parsed(text))
    assert stress.spelled(first) == text
    assert stress.spelled(second).startswith("f2.0.0.1,p2.0,x2,")
    assert stress.parsed(stress.spelled(second)) == second
    assert stress.spelled(second)[17:] == text[: len(stress.spelled(second)) - 17]
