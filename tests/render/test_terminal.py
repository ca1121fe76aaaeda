# SPDX-License-Identifier: GPL-2.0-only
"""The terminal report on every kind of terminal, whatever a kernel printed."""

from __future__ import annotations

import dataclasses
import io
import re
import unicodedata
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.judge.result_types import Flush, Reason
from mermapctl.records.record import Former, RunRecord, State, Tool
from mermapctl.render.account import why
from mermapctl.render.terminal import record as terminal
from mermapctl.render.terminal.columns import columns, sparkline
from mermapctl.render.terminal.plain import colored, count, seconds
from mermapctl.render.terminal.text import Look, look_of
from mermapctl.render.visible import one_line, visible
from tests import sample_records as samples
from tests.forkserver import command
from tests.hostile import TEXTS, infect

if TYPE_CHECKING:
    from pathlib import Path

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(
    record: RunRecord,
    width: int = 100,
    *,
    color: bool = False,
    full: bool = True,
    unicode: bool = True,
) -> str:
    return terminal.render(record, width=width, color=color, full=full, unicode=unicode)


def words(text: str) -> str:
    """Return the text without the characters that tables and wrapping add."""
    return re.sub(r"[\s|│─+]+", "", text)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("passed", ["Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)\nin /src/linux\n"]),
        ("passed", ["run 20261123-070512-123a1b2, 2026-11-23 07:05:12 UTC, 38.4 s"]),
        ("passed", ["x86_64/base, accelerator tcg, CPU Haswell"]),
        ("passed", ["kernel arguments pti=on panic=-1"]),
        ("passed", ["config 2.1 s, build 33.9 s, boot 1.4 s"]),
        ("passed", ["note: KVM cannot run this kernel here; booted under TCG."]),
        ("passed", ["mermap   test_size              ✓ passed     0.010"]),
        ("passed", ["test_tlb_flushed          1         1          1   ✓ one flush at the reuse"]),
        ("passed", ["  console      /runs/1/console.log\n"]),
        ("passed", ["  kunitconfig  /runs/1/kunitconfig\n"]),
        ("passed", ["\n  mermapctl run --tree /src/linux --target x86_64 --variant base\n"]),
        ("passed", ["\n4 tests: 4 passed\n✓ PASSED 4 tests\n"]),
        ("failed", ["✗ missing-flush in test_tlb_flushed  mm/tests/mermap_kunit.c:210\n"]),
        (
            "failed",
            ["    evidence   flushes 0, expected 1\n", "    console    /runs/1/console.log:157\n"],
        ),
        ("failed", ["    look next  Look at the wrap in __mermap_get()"]),
        (
            "failed",
            ["    assertion  Expected mc->tlb_flushes == 1, but mc->tlb_flushes == 0 (0x0)"],
        ),
        (
            "failed",
            ["\n4 tests: 3 passed, 1 failed; 1 finding\n✗ FAILED missing-flush in test_tlb"],
        ),
        ("no verdict", ["no verdict: boot failed: Kernel panic - not syncing: initcall"]),
        ("no verdict", ["\nPREEMPT_RT   y           n\n\nCONFIG_PREEMPT_RT is n, not y, on"]),
        ("no verdict", ["\n  blocked by EXPERT [=n] (init/Kconfig:1589): nothing asks for it\n"]),
        ("no verdict", ["olddefconfig gives y):\n    CONFIG_EXPERT=y\n    CONFIG_PREEMPT_RT=y\n"]),
        ("no verdict", ["\n1 finding\n~ NO VERDICT boot failed: Kernel panic"]),
        ("bare log", ["console log: standard input\n"]),
        ("traced", ["Traced test"]),
        ("multi cell", ["\n8 cells: 1 passed, 6 failed, 1 no verdict; 27 tests: "]),
        ("multi cell", ["~ boot-failed", "∞ hung", "? missing", "✸ crashed", "○ skipped"]),
        ("multi cell", ["✗ but kernel-warning"]),
    ],
)
def test_the_report_contains_its_sentences(record: str, expected: list[str]) -> None:
    text = shown(samples.SAMPLES[record]())
    assert [part for part in expected if part not in text] == []


def test_a_log_has_neither_a_run_nor_times() -> None:
    text = shown(samples.bare_log())
    assert "run 2026" not in text
    assert "config" not in text
    assert "artifacts" not in text


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [80, 81, 100, 132, 200])
@pytest.mark.parametrize("name", samples.SAMPLES)
def test_good_from_80_to_200_columns(name: str, width: int, unicode: bool) -> None:
    record = samples.SAMPLES[name]()
    text = shown(record, width, unicode=unicode)
    copied = {f"  {line}" for cell in record.cells for line in cell.reproduce}
    splats = [splat for cell in record.cells for splat in cell.splats]
    copied |= {f"      {line}" for splat in splats for line in splat.excerpt}  # the console's own
    long = [line for line in text.splitlines() if cell_len(line) > width]
    assert set(long) <= copied
    if unicode:
        assert not [line for line in text.splitlines() if line.endswith(" ")]
    else:
        assert text.isascii()
    for cell in record.cells:
        for finding in cell.findings:
            assert words(finding.summary) in words(text)
        for flush in cell.flushes:
            assert all(word in text for word in flush.words.split() if len(word) < 12)


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_narrow_terminals_lose_nothing_that_matters(name: str) -> None:
    for width in (20, 40, 50, 63, 79):
        text = words(shown(samples.SAMPLES[name](), width))
        for cell in samples.SAMPLES[name]().cells:
            assert all(words(finding.summary) in text for finding in cell.findings)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_commands_can_be_copied(width: int) -> None:
    record = samples.failed()
    text = shown(record, width)
    for line in record.cells[0].reproduce:
        assert f"\n  {line}\n" in text


def test_colour_never_stands_alone() -> None:
    """A report without colours has the same words."""
    record = samples.multi_cell()
    painted = shown(record, color=True)
    assert painted != SGR.sub("", painted)
    bare = "\n".join(line.rstrip() for line in SGR.sub("", painted).split("\n"))
    assert bare == shown(record)


def test_colours_are_the_terminals_own() -> None:
    """Only sixteen-colour codes, no background, no white or black: readable on light and dark."""
    codes = {
        int(number)
        for code in re.findall(r"\x1b\[([0-9;]*)m", shown(samples.multi_cell(), color=True))
        for number in code.split(";")
    }
    assert codes <= {0, 1, 2, 22, 31, 32, 33, 34, 35, 36, 39}
    assert 31 in codes
    assert 32 in codes


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_is_shown_not_obeyed(name: str, unicode: bool) -> None:
    for record in (samples.multi_cell(), samples.traced()):
        text = shown(infect(record, TEXTS[name]), 100, unicode=unicode, full=True)
        assert {char for char in text if unicodedata.category(char) in OBEYED} <= {"\n"}
        assert text.isascii() or unicode
        assert len(text) < 3_000_000


def test_no_format_character_is_shown_as_it_is() -> None:
    """All format characters of Unicode, not only those seen in a console."""
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.category(char) in unseen and char not in "\t\n":
            assert char not in visible(f"a{char}b"), hex(code)
            assert char not in one_line(f"a{char}b"), hex(code)
    for char in "\u034f\u115f\u3164\uffa0\ufe0f\U000e0100":  # no width, but other categories
        assert char not in visible(f"a{char}b")


def test_a_logs_kernel_version_is_not_obeyed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    version = "6.12\u200b\u202e\u00ad\x1b[31m"
    log.write_text(f"Linux version {version} (gcc)\nKTAP version 1\n1..1\nok 1 a\n")
    done = command("report", "log", str(log))
    assert "6.12" in done.stdout
    assert not {"\u200b", "\u202e", "\u00ad", "\x1b"} & set(done.stdout + done.stderr)


@pytest.mark.parametrize("name", ["escape codes", "wide", "rich markup", "many lines", "bidi"])
def test_hostile_names_break_no_row(name: str) -> None:
    test = Test(TEXTS[name][:60] or "x", Status.PASSED, 0.5)
    cell = samples.cell_passed(suites=(Suite("mermap", Status.PASSED, (test,)),), flushes=())
    lines = shown(samples.record(cell), 100).split("\n")
    start = next(index for index, line in enumerate(lines) if line.startswith("Suite"))
    table = lines[start : lines.index("", start)]
    assert len({cell_len(line) for line in table if "passed" in line or "─" in line}) == 1
    assert table[2].endswith("0.500")


@pytest.mark.parametrize(
    ("said", "fine", "plain"),
    [
        ("[bold]x[/] [migration/0]", "[bold]x[/] [migration/0]", "[bold]x[/] [migration/0]"),
        ("\x1b[31mx", "␛[31mx", "^[[31mx"),
        ("a\tb\nc", "a b c", "a b c"),
        ("世界", "世界", "\\u4e16\\u754c"),
        ("e\u0301", "e\\u0301", "e\\u0301"),
        ("🎉", "\\U0001f389", "\\U0001f389"),
        ("a\u200db", "a\\u200db", "a\\u200db"),
        ("naïve — µ", "naïve — µ", "na\\xefve \\u2014 \\xb5"),
    ],
)
def test_text_has_sure_widths(said: str, fine: str, plain: str) -> None:
    assert Look().plain(said) == fine
    assert Look(unicode=False).plain(said) == plain


def test_splats_are_short_or_whole() -> None:
    record = samples.record(samples.cell_warning())
    short = shown(record, full=False)
    assert "    evidence   title: WARNING: mm/mermap.c:189 at __mermap_get" in short
    assert "frame: __mermap_get+0x2b6/0x310\n" in short
    assert "cut here" not in short
    assert "1 kernel complaint\n" in shown(record)
    assert "      top frame: __mermap_get+0x2b6/0x310\n" in shown(record)
    assert "------------[ cut here ]------------" in shown(record, full=True)
    lines = [f"line {number}" for number in range(1, 400)]
    whole = terminal.render(record, console=lambda _: lines, width=100, color=False, full=True)
    assert "      line 124\n" in whole
    assert "      line 160\n" in whole
    assert "      line 161\n" not in whole


def test_a_splat_is_told_once() -> None:
    cell = samples.cell_warning()
    text = shown(samples.record(cell))
    assert cell.splats[0].top_frame is not None
    assert text.count("evidence") == 0  # title and frame are in the splat below
    assert text.count("top frame: ") == 1
    assert text.count(cell.splats[0].title) <= 2  # as the heading, and in the console's own text
    assert shown(samples.record(cell), full=False).count(cell.splats[0].title[:40]) == 1


def test_consequences_are_folded() -> None:
    cell = samples.cell_refused()
    many = tuple(f"consequence {number}" for number in range(9))
    finding = dataclasses.replace(cell.findings[0], consequences=many)
    record = samples.record(dataclasses.replace(cell, findings=(finding,)))
    assert "consequence" not in shown(record, full=False)
    assert "consequence 8" in shown(record, full=True)


def test_many_passed_tests_are_one_line() -> None:
    tests = tuple(Test(f"test_{number}", Status.PASSED, 0.5) for number in range(300))
    bad = Test("test_bad", Status.FAILED, 0.5)
    cell = samples.cell_passed(suites=(Suite("big", Status.FAILED, (*tests, bad)),), flushes=())
    text = shown(samples.record(cell), full=False)
    assert re.search(r"^test_bad +✗ failed", text, re.MULTILINE)
    assert "test_17" not in text
    assert "and 300 tests" in text
    assert len(text.splitlines()) < 12
    assert "test_17" in shown(samples.record(cell), full=True)


def test_the_matrix_is_split_where_it_is_too_wide() -> None:
    cells = [samples.cell_passed(variant=f"variant-{number}") for number in range(20)]
    text = shown(samples.record(*cells), 80)
    assert all(f"variant-{number}" in text for number in range(20))
    assert text.count("Test  ") >= 4


@pytest.mark.parametrize(
    ("flush", "mark"),
    [
        (Flush("t", 1, 1, None, None, ""), "✓ as expected"),
        (Flush("t", 1, 2, None, None, ""), "✗ not as expected"),
        (Flush("t", 1, 1, 0, 511, "counted, not done"), "✗ counted, not done"),
        (Flush("t", 1, None, None, None, ""), "~ not known"),
    ],
)
def test_flushes_in_words(flush: Flush, mark: str) -> None:
    assert mark in shown(samples.record(samples.cell_passed(flushes=(flush,))))


def test_the_state_of_a_run_is_shown() -> None:
    record = samples.record(samples.cell_no_verdict(Reason.INTERRUPTED), state=State.INTERRUPTED)
    assert "interrupted before its end" in shown(record)
    running = samples.record(state=State.RUNNING, pid=4711)
    assert "running, process 4711" in shown(running)
    assert "so far" in shown(running).splitlines()[-1]
    assert shown(record).splitlines()[-1].count("interrupted") == 1
    former = Former(record.verdict, Tool("mermapctl", "0.0.9"), "2026-12-01T00:00:00Z")
    again = dataclasses.replace(samples.passed(), former=(former,))
    assert "was NO VERDICT until judged again on 2026-12-01 (rules of mermapctl 0.0.9)" in shown(
        again
    )


@pytest.mark.parametrize(
    ("env", "terminal_", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_when_there_is_colour(
    env: dict[str, str],
    terminal_: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal_

    assert colored(Stream()) is expected


@pytest.mark.parametrize(
    ("encoding", "term", "unicode"),
    [("utf-8", "xterm", True), ("utf-8", "dumb", False), ("iso-8859-1", "xterm", False)],
)
def test_when_there_are_glyphs(
    encoding: str,
    term: str,
    unicode: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TERM", term)
    with (tmp_path / "out").open("w", encoding=encoding) as stream:
        assert look_of(stream) == Look(unicode=unicode)
        terminal.show(infect(samples.multi_cell(), TEXTS["wide"]), stream)
    assert (tmp_path / "out").read_bytes().isascii() is not unicode


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (1.23, "1.2 s"),
        (99.94, "99.9 s"),
        (99.96, "100 s"),
        (101.3, "101 s"),
        (723.0, "12 min 3 s"),
        (7322.0, "2 h 2 min"),
    ],
)
def test_durations_in_words(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_a_traces_probes_do_not_fill_the_screen() -> None:
    probes = "kprobe_event=" + "p:mm_get,__mermap_get;" * 30
    cell = dataclasses.replace(samples.cell_passed(), kernel_args=("pti=on", probes, "tp_printk"))
    assert "kprobe_event" not in terminal.render(samples.record(cell), width=100, color=False)
    whole = terminal.render(samples.record(cell), width=100, color=False, full=True)
    assert f"\nkernel arguments pti=on {probes} tp_printk\n" in whole  # to copy: not wrapped


def test_a_reason_is_not_repeated() -> None:
    cell = samples.cell_no_verdict(Reason.INTERRUPTED)
    assert why(cell).startswith("interrupted: Kernel panic")
    told = "interrupted by SIGINT during the boot"
    assert why(dataclasses.replace(cell, detail=told)) == told
    assert why(dataclasses.replace(cell, detail=None)) == "interrupted"


def test_counts_in_words() -> None:
    said = [count(1, "test"), count(2, "flush"), count(1200, "run"), count(0, "kernel complaint")]
    assert said == ["1 test", "2 flushes", "1,200 runs", "0 kernel complaints"]


@pytest.mark.parametrize(
    ("values", "fine", "plain"),
    [
        ([1.0, 2.0, 3.0], "▁▅█", "_+#"),
        ([1.0, None, 3.0], "▁ █", "_ #"),
        ([2.0, 2.0], "▁▁", "__"),
        ([None], "", ""),
    ],
)
def test_sparklines(values: list[float | None], fine: str, plain: str) -> None:
    assert sparkline(values, unicode=True) == fine
    assert sparkline(values, unicode=False) == plain


def test_columns_align_wide_text_and_leave_out_what_may_go() -> None:
    rows = [[("世界", ""), ("1", "bold"), ("x", "")], [("a", ""), ("100", ""), ("y", "")]]
    made = columns(("Name", "N", "Tail"), rows, color=False, right=["N"])
    assert made == "Name    N  Tail\n世界    1  x\na     100  y\n"
    narrow = columns(("Name", "N", "Tail"), rows, color=False, width=10, optional=["Tail"])
    assert narrow.split("\n")[0] == "Name  N"
    assert "\x1b[1m" in columns(("Name", "N", "Tail"), rows, color=True)
