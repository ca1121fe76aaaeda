# SPDX-License-Identifier: GPL-2.0-only
"""A quoted console: what a person left out or a mailer wrapped proves nothing of the kernel."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from mermapctl.console.quotation import CutMarks, wrapped
from mermapctl.judge.result_types import Boot, Ended, Reason, Verdict
from tests.judge.consoles import GOOD, PASS, codes, failed, judged, mermap
from tests.tables import LOGS

CASES = LOGS.parent / "cases"
MARKS = (
    *("[...]", "[…]", "…", "...", "....", "[snip]", "<snip>", "(snip)", "[ ... ]", "--8<--"),
    *("[... 300 lines ...]", "[cut]", "---8<---", "-- >8 --", "[200 lines omitted]", "[trimmed]"),
    *("> [...]", "> > ...", "   [...]", "... snip ...", "8< snip >8", "[ snip 12 lines ]"),
)
COMPLETE = mermap(PASS)
SPLAT = "WARNING: CPU: 0 PID: 9 at mm/mermap.c:107 __mermap_get+0x2b6/0x310\n"


def in_place_of(text: str, wanted: str, mark: str) -> str:
    """Return a console with a mark in place of the line that has `wanted`."""
    assert wanted in text
    return "".join(
        f"{mark}\n" if wanted in line else line for line in text.splitlines(keepends=True)
    )


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("lost", ["1..4", "ok 2 test_size", "ok 4 ", "ok 1 mermap", "KTAP version"])
def test_no_verdict_comes_of_lines_that_were_left_out(mark: str, lost: str) -> None:
    judgement = judged(in_place_of(COMPLETE, lost, mark), suites="mermap")
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, Reason.QUOTED)
    assert codes(judgement) == ["lines-left-out"]
    (finding,) = judgement.findings
    assert f"console line {finding.console_line}" in finding.summary
    assert judgement.detail == finding.summary
    assert "printk" not in (finding.advice or "")


@pytest.mark.parametrize("mark", ["[...]", "...", "--8<--"])
def test_a_complete_account_with_a_mark_in_it_does_not_pass(mark: str) -> None:
    text = COMPLETE.replace("    ok 3", f"{mark}\n    ok 3")
    assert judged(text).reason is Reason.QUOTED


@pytest.mark.parametrize("mark", ["[...]", "...", "--8<--"])
def test_a_mark_outside_the_results_changes_nothing(mark: str) -> None:
    text = f"{mark}\n{COMPLETE}{mark}\nreboot: Power down\n"
    assert judged(text).verdict is Verdict.PASSED


@pytest.mark.parametrize("lost", ["1..4", "ok 4 ", "ok 1 mermap"])
def test_a_failure_that_is_left_is_a_failure(lost: str) -> None:
    failing = failed(1, "    # test_size: EXPECTATION FAILED at mm/tests/mermap_kunit.c:9\n")
    shown = judged(in_place_of(mermap(failing), lost, "[...]"), suites="mermap")
    assert shown.verdict is Verdict.FAILED
    assert "lines-left-out" in codes(shown)
    assert "output-corrupt" not in codes(shown)
    complaint = COMPLETE.replace("    ok 3", f"{SPLAT}    ok 3")
    assert judged(in_place_of(complaint, lost, "[...]")).verdict is Verdict.FAILED


def test_a_trace_with_lines_left_out_is_not_judged() -> None:
    text = (LOGS / "trace-good.log").read_text()
    lines = [line for line in text.splitlines() if "flush_tlb" not in line]
    at = next(n for n, line in enumerate(lines) if "ok 1 test_basic_alloc" in line)
    judgement = judged("\n".join([*lines[: at + 1], "[...]", *lines[at + 1 :], ""]))
    assert (judgement.verdict, codes(judgement)) == (Verdict.NO_VERDICT, ["lines-left-out"])
    assert judgement.trace is None


@pytest.mark.parametrize(
    "line", ["Booting...", "[    0.1] ...", "---[ end trace 00 ]---", "[...] a"]
)
def test_a_line_of_the_kernel_is_no_mark(line: str) -> None:
    text = COMPLETE.replace("    ok 3", f"{line}\n    ok 3")
    assert judged(text).verdict is Verdict.PASSED


def test_marks_are_no_matter_in_a_boot_of_our_own() -> None:
    text = COMPLETE.replace("    ok 3", "...\n    ok 3")
    assert judged(text, boot=Boot(Ended.EXITED)).verdict is Verdict.PASSED


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_marks_are_found_at_any_edge_of_the_chunks(size: int) -> None:
    data = b"a\n[...]\nb\n" + b"x" * 500 + b"...\n...\nlast\n  [snip]"
    marks = CutMarks(data[at : at + size] for at in range(0, len(data), size))
    assert b"".join(marks) == data
    assert marks.lines == [2, 5, 7]


def wrap(text: str, width: int = 72) -> str:
    """Wrap as a mailer does: at spaces, with nothing before the rest."""
    return "".join(
        "\n".join(
            textwrap.wrap(
                line,
                width,
                drop_whitespace=True,
                break_long_words=False,
                break_on_hyphens=False,
                replace_whitespace=False,
            )
            or [""]
        )
        + "\n"
        for line in text.splitlines()
    )


def stamped(text: str) -> str:
    return "".join(f"[    {n}.123456] {line}\n" for n, line in enumerate(text.splitlines(), 1))


LONG = "    # test_size: a message of a test that is longer than a line of a mail usually is: 512\n"


@pytest.mark.parametrize("width", [66, 72, 76, 78])
@pytest.mark.parametrize("quote", ["", "> "])
def test_no_verdict_comes_of_wrapped_lines(width: int, quote: str) -> None:
    text = COMPLETE.replace("    ok 3", LONG + LONG + "    ok 3")
    console = wrap(stamped(text), width)
    judgement = judged("".join(quote + line for line in console.splitlines(keepends=True)))
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, Reason.QUOTED)
    assert codes(judgement) == ["lines-wrapped"]


def test_a_failure_in_wrapped_lines_is_a_failure() -> None:
    text = mermap(failed(1, LONG + LONG))
    judgement = judged(wrap(stamped(text)))
    assert judgement.verdict is Verdict.FAILED
    assert "lines-wrapped" in codes(judgement)


@pytest.mark.parametrize("log", [*LOGS.glob("*.log"), *CASES.glob("*.log")], ids=lambda p: p.stem)
def test_no_stored_console_is_taken_for_a_quotation(log: Path) -> None:
    data = log.read_bytes()
    marks = CutMarks([data])
    assert b"".join(marks) == data
    assert marks.lines == []
    assert wrapped(data.decode("utf-8", "replace")) is None


def test_the_same_console_whole_passes() -> None:
    assert judged(GOOD).verdict is Verdict.PASSED
    assert (
        judged(stamped(COMPLETE.replace("    ok 3", LONG + "    ok 3"))).verdict is Verdict.PASSED
    )
