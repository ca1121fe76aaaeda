# SPDX-License-Identifier: GPL-2.0-only
"""The brief report of a series: on one screen the grid, the first bad commit, how to reproduce."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records import first_bad
from mermapctl.records.record import Artifacts, Cell, RunRecord
from mermapctl.records.series_facts import Column, Series, SeriesCommit
from mermapctl.render.terminal import record as terminal
from mermapctl.render.terminal.plain import PlainLook
from mermapctl.render.terminal.verdict_line import verdict_line
from mermapctl.render.terminal.wrap import rows_of
from tests import sample_records as samples

FOLDER = "/home/dev/.local/state/mermapctl/runs/20261123-070512-123a1b2"
BASE = "0" * 40
SUBJECT = "mm: mermap: flush the TLB only where an address comes back, commit"


def commit(number: int) -> str:
    return f"{number:x}" * 40


def cell(number: int, variant: str, made: Cell) -> Cell:
    one = commit(number)
    place = f"{FOLDER}/cells/{one[:12]}-x86_64-{variant}"
    line = (
        f"mermapctl run --tree=/home/dev/src/linux --commits={one}^..{one} --rerun --target=x86_64 "
        f"--variant={variant} --suite=mermap --accel=auto --seed=1 --timeout=300 --silence=60"
    )
    kept = Artifacts(f"{place}/console.log", directory=place)
    return dataclasses.replace(
        made, commit=one, variant=variant, reproduce=(line, "kunit.py …"), artifacts=kept
    )


def series(*results: str, variants: tuple[str, ...] = ("base",), **more: object) -> RunRecord:
    """Return a series of one commit a result: `.` passed, `x` failed, `?` not built, `-` absent.

    The first one is that of the base.
    """
    make: dict[str, Callable[[], Cell]] = {
        ".": samples.cell_passed,
        "x": samples.cell_missing_flush,
        "?": lambda: samples.cell_no_verdict(Reason.BUILD_FAILED),
        "-": lambda: samples.cell_no_verdict(Reason.ABSENT),
    }
    cells = [
        cell(number, variant, make[letter]())
        for number in range(len(results[0]))
        for variant, letters in zip(variants, results, strict=True)
        if (letter := letters[number]) != " "
    ]
    named = [SeriesCommit(commit(n), f"{SUBJECT} {n}") for n in range(1, len(results[0]))]
    columns = tuple(Column("x86_64", variant) for variant in variants)
    told = Series(BASE, named[-1].commit, tuple(named), columns, **more)  # type: ignore[arg-type]
    return first_bad.filled(dataclasses.replace(samples.record(*cells), series=told))


def shown(
    record: RunRecord,
    width: int = 80,
    *,
    color: bool = False,
    full: bool = False,
    unicode: bool = True,
) -> str:
    return terminal.render(record, width=width, color=color, full=full, unicode=unicode)


ONE_COLUMN = [
    "..",
    ".x",
    ".....xxxx",
    "........x",
    ".xxxxxxxx",
    "xxxxxxxxx",
    "....?xxxx",
    "---.xx.xx",
]


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("results", ONE_COLUMN)
def test_eight_commits_in_one_column_are_one_screen(results: str, unicode: bool) -> None:
    text = shown(series(results), unicode=unicode)
    lines = text.splitlines()
    assert rows_of(lines, 80) <= 23, text
    grid = [line for line in lines if re.match(r"[0-8]{12}  ", line)]
    absent_base = results[0] == "-"
    assert len(grid) == len(results), text
    assert all(cell_len(line) <= 80 for line in grid)
    assert absent_base or "(before the series)" in grid[0]
    assert re.match(r"1{12}  .* mm: mermap: flush the", grid[1]) or "first bad" in grid[1], text


def test_the_answer_is_the_first_bad_commit_with_all_that_is_needed() -> None:
    text = shown(series(".....xxxx"))
    lines = text.splitlines()
    bad = commit(5)
    said = " ".join(text.split())
    assert lines[0].startswith("mermap on Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)   8 commits")
    assert f"first bad commit: {bad[:12]} (mm: mermap: …); the commit before it passed" in lines
    assert "✗ missing-flush in test_tlb_flushed  mm/tests/mermap_kunit.c:210" in lines
    assert "assertion  Expected mc->tlb_flushes == 1" in text
    (command,) = [line for line in lines if line.startswith("reproduce  ")]
    words = shlex.split(command.removeprefix("reproduce  "))
    assert f"--commits={bad[:12]}^..{bad[:12]}" in words
    assert "--tree=/home/dev/src/linux" in words
    assert f"run      {FOLDER}" in lines
    assert "more     mermapctl report show --full 123a1b2" in lines
    assert said.endswith(
        f"✗ FAILED first bad commit {bad[:12]}: missing-flush in test_tlb_flushed "
        "(mm/tests/mermap_kunit.c:210)"
    )


def test_the_last_line_names_the_first_bad_commit() -> None:
    (line,) = verdict_line(series(".....xxxx"), PlainLook())
    assert line == (
        "✗ FAILED first bad commit 555555555555: missing-flush in test_tlb_flushed "
        "(mm/tests/mermap_kunit.c:210)"
    )
    (line,) = verdict_line(series("...x", work_tree=True), PlainLook())
    assert line.startswith("✗ FAILED first bad: the work tree: missing-flush in test_tlb_flushed")
    (line,) = verdict_line(series("...x", "..xx", variants=("base", "smp")), PlainLook())
    assert line.startswith("✗ FAILED first bad commit 222222222222 (x86_64/smp): missing-flush")
    assert line.endswith("; and 1 more first bad commit")
    (line,) = verdict_line(series("xxx"), PlainLook())
    assert line.startswith("✗ FAILED 3 of 3 cells: missing-flush in test_tlb_flushed")
    (line,) = verdict_line(series("...."), PlainLook())
    assert line == "✓ PASSED 4 cells, 16 tests"


def test_of_a_long_series_equal_results_in_a_row_are_counted() -> None:
    text = shown(series("." * 9 + "x" * 6))
    lines = text.splitlines()
    assert rows_of(lines, 80) <= 23, text
    assert re.search(r"^7 more +the same$", text, re.MULTILINE), text
    assert re.search(r"^4 more +the same$", text, re.MULTILINE), text
    for number in (0, 8, 9, 14):
        assert any(line.startswith(commit(number)[:12]) for line in lines), text
    assert shown(series("." * 9 + "x" * 6), full=True).count("✓ passed   ") >= 9


def test_columns_stand_side_by_side_and_the_same_bad_commit_is_named_once() -> None:
    variants = ("base", "smp", "kasan")
    text = shown(series(".....xxxx", ".....xxxx", ".........", variants=variants))
    said = " ".join(text.split())
    assert "x86_64/base, x86_64/smp: first bad commit: 555555555555" in said
    assert text.count("first bad commit: ") == 1
    row = next(line for line in text.splitlines() if line.startswith("555555555555"))
    assert row.split()[1:7] == ["✗", "missing-flush", "✗", "missing-flush", "✓", "passed"]
    assert cell_len(row) <= 80
    wide = shown(series(".....xxxx", ".....xxxx", ".........", variants=variants), 160)
    assert "✗ missing-flush  <- first bad" in wide


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_word_of_a_series_is_broken(width: int) -> None:
    record = series("....?xxxx", notes=("a note that is long enough to be wrapped at any width",))
    wide = {*shown(record, 200).split(), *shown(record, 200, full=True).split()}
    plain = {word.strip("…);,") for word in wide}
    for word in shown(record, width).split():
        bare = word.strip("…);,")
        assert not bare or bare in plain or re.fullmatch(r"[\d,)(:]+|and|more:?|the|same", bare), (
            word
        )


def test_without_a_first_bad_commit_the_latest_failure_is_shown() -> None:
    text = shown(series("xxxx"))
    assert "was there already in 000000000000 (before the series)" in " ".join(text.split())
    assert "✗ missing-flush in test_tlb_flushed" in text
    text = shown(series("..?"))
    assert "no verdict: build failed" in text
    assert "\n~ NO VERDICT 1 of 3 cells: " in text
    passed = shown(series("...."))
    assert "reproduce" not in passed
    assert passed.splitlines()[-1] == "✓ PASSED 4 cells, 16 tests"


def test_of_a_fault_that_was_fixed_the_commit_that_brought_it_is_reproduced() -> None:
    lines = shown(series("...xx..")).splitlines()
    (command,) = [line for line in lines if line.startswith("reproduce  ")]
    assert f"--commits={commit(3)[:12]}^..{commit(3)[:12]}" in shlex.split(command)


def test_full_has_the_grid_and_every_cell() -> None:
    text = shown(series("..xx"), full=True)
    assert text.count("first bad commit: 222222222222") == 1
    for number in range(4):
        assert len(re.findall(rf"^{commit(number)[:12]}  ", text, re.MULTILINE)) == 1
    assert text.count("✗ FAILED") == 3  # two cells, and the verdict
    assert Verdict.FAILED.value in text


def test_colour_changes_no_row() -> None:
    for results in ONE_COLUMN:
        painted = shown(series(results), color=True)
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == shown(series(results))
