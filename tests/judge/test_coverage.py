# SPDX-License-Identifier: GPL-2.0-only
"""Numbers of a coverage: what ran, what each test adds, and no share rounded up to 100 %."""

from __future__ import annotations

import pytest

from mermapctl.judge import coverage
from mermapctl.judge.coverage import FileLines, LineCount, SourceLine

WHOLE = {
    "mm/b.c": (LineCount(1, 1),),
    "mm/a.c": (LineCount(2, 7, 2, 1), LineCount(3, 0), LineCount(4, 0), LineCount(6, 1, 2, 2)),
}
ALONE: dict[str, FileLines] = {
    "m.test_x": {"mm/a.c": (LineCount(2, 3, 2, 1), LineCount(3, 0), LineCount(6, 0, 2, 0))},
    "m.test_y": {"mm/a.c": (LineCount(2, 1, 2, 1), LineCount(6, 1, 2, 1))},
}
SOURCE = {"mm/a.c": ["/* a */", "if (x)", "\ty();", "\tz();", "", "w();"], "mm/b.c": ["b"]}


def test_files_and_tests_are_counted() -> None:
    made = coverage.of(WHOLE, ALONE, SOURCE, {"lcov": "/x/coverage.lcov"})
    assert [each.path for each in made.files] == ["mm/a.c", "mm/b.c"]
    first = made.files[0]
    assert (first.lines, first.lines_run, first.branches, first.branches_taken) == (4, 2, 4, 3)
    assert first.missed == (3, 4)
    assert (made.lines, made.branches) == ((3, 5), (3, 4))
    assert [
        (each.test, each.lines_run, each.branches_taken, each.alone) for each in made.tests
    ] == [
        ("m.test_x", 1, 1, 0),
        ("m.test_y", 2, 2, 1),
    ]
    assert (made.lcov, made.cobertura) == ("/x/coverage.lcov", None)


def test_each_line_of_source_has_its_count_and_the_tests_that_ran_it() -> None:
    (first, _) = coverage.of(WHOLE, ALONE, SOURCE, {}).files
    assert first.source[0] == SourceLine("/* a */")
    assert first.source[1] == SourceLine("if (x)", 7, 2, 1, (0, 1))
    assert first.source[2] == SourceLine("\ty();", 0)
    assert first.source[5] == SourceLine("w();", 1, 2, 2, (1,))


def test_too_much_source_is_left_out_and_the_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "SOURCE_LINES", 6)
    made = coverage.of(WHOLE, {}, SOURCE, {})
    assert [each.source for each in made.files] == [(), ()]
    assert made.lines == (3, 5)


@pytest.mark.parametrize(
    ("part", "of", "text"),
    [(1, 2, "50.0 %"), (9999, 10000, "99.9 %"), (7, 7, "100.0 %"), (0, 9, "0.0 %"), (0, 0, "-")],
)
def test_a_share_is_never_rounded_up(part: int, of: int, text: str) -> None:
    assert coverage.percent(part, of) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((3,), "3"), ((3, 4, 5, 9), "3-5, 9"), ((1, 3, 5, 7), "1, 3 and 2 more")],
)
def test_lines_are_named_in_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert coverage.ranges(numbers, 2) == text
