# SPDX-License-Identifier: GPL-2.0-only
"""Lines of 60 KB that repeat a word of a pattern: each is read in one pass, not one per word."""

from __future__ import annotations

import time

import pytest

from mermapctl.console.refusals import refusal_in
from mermapctl.judge.console_verdict import judge
from mermapctl.judge.result_types import Verdict
from mermapctl.records.cell_verdict import suites_known

BEFORE = b"KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n"
AFTER = b"    ok 2 b\nok 1 s\n"
LONG, LINES, SECONDS = 60_000, 10, 5.0
"""Twice as many lines of `$ qemu-system-…` took 50 s when the cost of a line was its square."""


def seconds_of(console: bytes) -> tuple[float, Verdict]:
    began = time.process_time()
    judged = judge(console.splitlines(keepends=True), manifest=suites_known())
    return time.process_time() - began, judged.verdict


@pytest.mark.parametrize(
    "unit",
    [b"qemu-system-", b"rcu: INFO: ", b"BUG: ", b"INFO: rcu_ stall ", b"UBSAN: a in ", b"Oops: 0 "],
)
@pytest.mark.parametrize("start", [b"", b"$ "])
def test_the_cost_of_a_line_is_linear(unit: bytes, start: bytes) -> None:
    line = start + unit * (LONG // len(unit)) + b"\n"
    took, verdict = seconds_of(BEFORE + line * LINES + AFTER)
    assert took < SECONDS
    assert verdict is not Verdict.NO_VERDICT


@pytest.mark.parametrize("unit", [b"checking ptrace ptrace ", b"UML.*", b"ptrace_", b"/linux"])
def test_the_cost_of_a_line_before_any_ktap_is_linear(unit: bytes) -> None:
    took, verdict = seconds_of((unit * (LONG // len(unit)) + b"\n") * LINES)
    assert took < SECONDS
    assert verdict is Verdict.NO_VERDICT


def test_a_complaint_behind_other_text_is_still_found() -> None:
    behind = b"x: INFO: y " * 20 + b"BUG: KASAN: slab-out-of-bounds in f+0x1/0x2\n"
    _, verdict = seconds_of(BEFORE + behind + AFTER)
    assert verdict is Verdict.FAILED
    said = "x" * 500 + " qemu-system-x86_64: failed to initialize kvm: Permission denied"
    assert refusal_in(said) is not None
