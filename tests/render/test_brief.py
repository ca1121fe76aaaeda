# SPDX-License-Identifier: GPL-2.0-only
"""The brief report at 80 columns: its rows, its last line, words and paths in one piece."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mermapctl.commands import judge_log
from mermapctl.console.ktap import Failure, FailureKind, Status, Suite, Test
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Artifacts, RunRecord
from mermapctl.render.terminal import record as terminal
from mermapctl.render.terminal.plain import PlainLook
from mermapctl.render.terminal.verdict_line import verdict_line
from mermapctl.render.terminal.wrap import rows_of, shortened, wrapped
from tests import sample_records as samples
from tests.forkserver import command
from tests.tables import LOGS

CONSOLES = sorted(LOGS.glob("*.log"))
FOLDER = "/home/dev/.local/state/mermapctl/runs/20261123-070512-123a1b2"
PLACE = f"{FOLDER}/cells/x86_64-base"


def shown(record: RunRecord, width: int = 80, *, color: bool = False) -> str:
    return terminal.render(record, width=width, color=color)


def judged(path: Path) -> RunRecord:
    return judge_log.of_logs([str(path)], ("mermapctl",), suite=None, allow_splats=False)


def stored(record: RunRecord) -> RunRecord:
    """Return the record as the store has it: with its folders."""
    kept = Artifacts(f"{PLACE}/console.log", directory=PLACE)
    cells = tuple(dataclasses.replace(cell, artifacts=kept) for cell in record.cells)
    return dataclasses.replace(record, cells=cells)


@pytest.mark.parametrize("path", CONSOLES, ids=lambda path: path.stem)
def test_rows_of_each_console(path: Path) -> None:
    record = judged(path)
    text = shown(record)
    rows = rows_of(text.splitlines(), 80)
    assert rows <= (12 if record.verdict is Verdict.PASSED else 23), text
    assert text.splitlines()[-1] or rows
    for cell in record.cells:
        errors = [each for each in cell.findings if each.severity == "error"]
        if record.verdict is Verdict.FAILED and errors:
            last = " ".join(text[text.rindex("✗ FAILED") :].split())
            assert errors[0].code in last
            assert errors[0].test is None or errors[0].test in last
            assert errors[0].where is None or errors[0].where in last


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_rows_of_each_record(name: str) -> None:
    record = stored(samples.SAMPLES[name]())
    text = shown(record)
    most = 12 if record.verdict is Verdict.PASSED else 23
    assert rows_of(text.splitlines(), 80) <= most, text


def test_a_passed_run_names_what_was_run_the_tests_the_flushes_and_its_folder() -> None:
    text = shown(stored(samples.passed()))
    lines = text.splitlines()
    assert lines[0].startswith("mermap on Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)   x86_64/base")
    assert re.search(r"^test_tlb_flushed +✓ passed +1 +1$", text, re.MULTILINE)
    assert "not observed" not in text  # the trace of the sample has the numbers
    assert f"run      {FOLDER}" in lines
    assert lines[-1] == "✓ PASSED 4 tests"


def test_a_traced_run_has_its_flushes_beside_the_tests() -> None:
    text = shown(samples.traced(stale=False))
    assert re.search(r"^Test +Status +Gets +Flushes +Needed$", text, re.MULTILINE)
    assert re.search(r"^test_tlb_flushed +✓ passed +512 +1 +1$", text, re.MULTILINE)


def test_a_failed_run_says_what_where_and_where_to_read_on() -> None:
    lines = shown(stored(samples.failed())).splitlines()
    assert "✗ missing-flush in test_tlb_flushed  mm/tests/mermap_kunit.c:210" in lines
    assertion = "    assertion  Expected mc->tlb_flushes == 1, but mc->tlb_flushes == 0 (0x0)"
    assert assertion in lines
    assert f"console  {PLACE}/console.log:157" in lines
    assert "more     mermapctl report show --full 123a1b2" in lines
    assert lines[-1] == "✗ FAILED missing-flush in test_tlb_flushed (mm/tests/mermap_kunit.c:210)"


def test_a_finding_of_two_cells_is_printed_once_with_its_cells() -> None:
    cells = (
        samples.cell_passed(),
        samples.cell_missing_flush(),
        dataclasses.replace(samples.cell_missing_flush(), variant="smp"),
    )
    for full in (False, True):
        text = terminal.render(samples.record(*cells), width=100, color=False, full=full)
        assert text.count("Addresses were handed out again") == 1
        assert "x86_64/base, x86_64/smp" in text
    assert "2 of 3 cells: missing-flush" in shown(samples.record(*cells))
    other = dataclasses.replace(cells[1].findings[0], summary="Another sentence.")
    cells = (*cells[:2], dataclasses.replace(cells[2], findings=(other,)))
    assert "Another sentence." in terminal.render(
        samples.record(*cells), width=100, color=False, full=True
    )


def test_a_failed_test_without_a_finding_is_named_with_its_assertion() -> None:
    failure = Failure(FailureKind.EXPECTATION, "lib/x_test.c", 7, "a == 1", {"a": "2 (0x2)"})
    test = Test("test_x", Status.FAILED, 0.1, (failure,))
    cell = samples.cell_passed(
        verdict=Verdict.FAILED,
        suites=(Suite("example", Status.FAILED, (test,)),),
        flushes=(),
        suite="example",
    )
    text = shown(samples.record(cell))
    assert "    assertion  Expected a == 1, but a == 2 (0x2)\n" in text
    assert text.endswith("✗ FAILED failed in test_x (lib/x_test.c:7)\n")


def test_a_build_error_shows_the_compilers_lines() -> None:
    said = "mm/mermap.c:12:3: error: 'x' undeclared\n   12 |   x = 1;\n      |   ^"
    cell = dataclasses.replace(
        samples.cell_no_verdict(Reason.BUILD_FAILED), detail=said, missing=(), findings=()
    )
    text = shown(samples.record(cell))
    assert "no verdict: build failed: mm/mermap.c:12:3: error: 'x' undeclared\n" in text
    assert "\n   12 |   x = 1;\n      |   ^\n" in text
    assert text.splitlines()[-1].startswith("~ NO VERDICT build failed: mm/mermap.c:12:3: error:")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
@pytest.mark.parametrize("name", samples.SAMPLES)
def test_no_word_is_broken(name: str, width: int) -> None:
    """A line ends where a word ends: every word of a wide report is in a narrow one, or is cut."""
    record = stored(samples.SAMPLES[name]())
    wide = set(shown(record, 200).split()) | set(
        terminal.render(record, width=200, color=False, full=True).split()
    )
    for word in shown(record, width).split():
        bare = word.strip("…")
        counted = re.fullmatch(r"[\d,)(:]+|and|cells?|tests?|no|more:?", bare)
        assert bare in wide or not bare or counted, word


@pytest.mark.parametrize("width", [40, 80, 120])
def test_paths_and_commands_are_in_one_piece(width: int) -> None:
    text = shown(stored(samples.failed()), width)
    assert f"console  {PLACE}/console.log:157\n" in text
    assert f"run      {FOLDER}\n" in text
    assert "more     mermapctl report show --full 123a1b2\n" in text


def test_colour_changes_no_row() -> None:
    for make in samples.SAMPLES.values():
        painted = shown(make(), color=True)
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == shown(make())


def test_the_last_line_alone() -> None:
    look = PlainLook()
    assert verdict_line(samples.passed(), look) == ["✓ PASSED 4 tests"]
    (line,) = verdict_line(samples.failed(), look)
    assert line == "✗ FAILED missing-flush in test_tlb_flushed (mm/tests/mermap_kunit.c:210)"
    assert verdict_line(samples.nothing_ran(), look) == [
        "~ NO VERDICT interrupted; no cell was run"
    ]
    absent = samples.cell_no_verdict(Reason.ABSENT)
    open_ones = samples.record(absent, samples.cell_no_verdict())
    (line,) = verdict_line(open_ones, look)
    assert line.startswith("~ NO VERDICT 1 of 2 cells: ")
    assert "boot failed" in line  # the absent commit is not the reason
    assert verdict_line(samples.record(absent), look) == ["~ NO VERDICT no commit has the suite"]
    assert verdict_line(samples.failed(), PlainLook(unicode=False))[0].startswith("x FAILED ")


@pytest.mark.parametrize(
    ("log", "code", "line"),
    [
        ("good", 0, "✓ PASSED 4 tests\n"),
        (
            "early-flush",
            1,
            "✗ FAILED early-flush in test_tlb_flushed (mm/tests/mermap_kunit.c:194)\n",
        ),
    ],
)
def test_quiet_is_the_last_line(log: str, code: int, line: str, fake_tree: Path) -> None:
    env = {"FAKE_LOG": str(LOGS / f"{log}.log")}
    argv = ["run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness"]
    done = command(*argv, "-q", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (code, line, "")
    loud = command(*argv, env=env)
    assert " ".join(loud.stdout.split()).endswith(line.strip())
    assert "boot" in loud.stderr


def test_wrapping_keeps_words_and_commands_whole() -> None:
    said = "use `mermapctl config explain X --target um` or /a/very/long/path, then go on"
    lines = wrapped(said, 30, label="hint: ")
    assert lines[0] == "hint: use"
    assert lines[1] == "      `mermapctl config explain X --target um`"
    assert " ".join(" ".join(lines).split()) == f"hint: {said}"
    assert wrapped("a b c d", 3, most=1) == ["a …"]
    assert shortened("one two three", 9) == "one two …"
    assert shortened("unbreakable", 4) == "unbreakable …"
