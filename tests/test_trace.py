# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.diagnosis import Severity
from mermapctl.tracetable import Layout
from tests.tracelog import codes, judge, read

LOGS = Path(__file__).parent / "logs"


def console(name: str) -> list[str]:
    return (LOGS / f"{name}.log").read_text(errors="replace").splitlines()


@pytest.mark.parametrize(
    ("log", "expected", "observed", "allocations"),
    [
        ("trace-good", [], 1, 511),
        ("trace-counted-not-done", ["stale-reuse", "counter-mismatch"], 0, 511),
        ("trace-lines-dropped", ["trace-incomplete"], None, None),
    ],
)
def test_captured_consoles(
    log: str, expected: list[str], observed: int | None, allocations: int | None
) -> None:
    found, rows, _ = judge(console(log))
    assert codes(found) == expected
    assert (rows[0].observed, rows[0].allocations) == (observed, allocations)


@pytest.mark.parametrize("log", ["good", "good-smp2", "oops", "kasan", "panic-before-ktap"])
def test_a_console_without_a_trace_gives_nothing(log: str) -> None:
    found, rows, account = judge(console(log))
    assert (found, rows[0].observed, account.events) == ((), None, 0)


def test_the_good_trace_in_numbers() -> None:
    account = read(console("trace-good"))
    assert sum(test.gets for test in account.tests) == 523
    assert {test.test: test.flushes_done for test in account.tests} == {
        "test_basic_alloc": 0,
        "test_size": 1,
        "test_multiple_allocs": 0,
        "test_tlb_flushed": 1,
    }
    assert account.layout is Layout.KNOWN
    assert account.complete


def test_the_stale_reuse_is_proved_by_its_lines() -> None:
    found, _, _ = judge(console("trace-counted-not-done"))
    stale = found[0]
    assert stale.severity is Severity.ERROR
    assert stale.evidence["put"] == "line 168: [0xffff880000200000, 0xffff8800003ff000)"
    assert stale.evidence["get"] == "line 172: [0xffff880000200000, 0xffff8800003fe000)"
    assert stale.evidence["tests"] == "test_size, test_tlb_flushed"
    assert stale.console_line == 172
