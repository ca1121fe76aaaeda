# SPDX-License-Identifier: GPL-2.0-only
"""Several logs make one record with a cell for each, under a unique name."""

from __future__ import annotations

import itertools
import json

import pytest

from mermapctl.commands.judge_log import names, of_logs
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import LogFacts, RunRecord, from_json, to_json
from tests.tables import LOGS

DIRTY, CLEAN = "7.3.4-gfcf46f19ecac-dirty", "7.3.4+"
LONG = "x" * 70


def judged(*logs: str) -> RunRecord:
    return of_logs([str(LOGS / f"{log}.log") for log in logs], ("mermapctl",), suite=None)


@pytest.mark.parametrize(
    ("logs", "named"),
    [
        (["/l/x.log"], ["x.log"]),
        (["/l/x.log", "/l/y.log"], ["x.log", "y.log"]),
        (["/l/a/x.log", "/l/b/x.log", "/l/y.log"], ["a/x.log", "b/x.log", "y.log"]),
        (["/c/a/x.log", "/d/a/x.log", "/d/b/x.log"], ["c/a/x.log", "d/a/x.log", "b/x.log"]),
        (["/x.log", "/a/x.log"], ["/x.log", "a/x.log"]),
        (["/l/x.log", "/l/x.log", "/l/x.log"], ["x.log", "x.log (2)", "x.log (3)"]),
        (["/a/x.log", "/b/x.log", "/a/x.log"], ["a/x.log", "b/x.log", "a/x.log (2)"]),
        (["/l/x.log (2)", "/l/x.log", "/l/x.log"], ["x.log (2)", "x.log", "x.log (3)"]),
        (["/l/a b.log", "/l/a_b.log", "/l/a+b.log"], ["a b.log", "a_b.log (2)", "a+b.log"]),
        (["-", "/l/x.log"], ["standard input", "x.log"]),
        (["-", "/l/standard input"], ["standard input", "l/standard input"]),
        (["/l/a\x1b.log", "/l/a\udcff.log"], ["a\ufffd.log", "a\ufffd.log (2)"]),
        ([f"/l/1{LONG}", f"/l/2{LONG}"], [f"…{LONG[:59]}", f"…{LONG[:59]} (2)"]),
    ],
)
def test_each_log_gets_a_unique_short_name(logs: list[str], named: list[str]) -> None:
    assert names(logs) == named


@pytest.mark.parametrize(
    "logs", [*itertools.permutations(("good", "oops", "panic-before-ktap"), 2)], ids="-".join
)
def test_the_verdict_is_the_worst(logs: tuple[str, ...]) -> None:
    record = judged(*logs)
    alone = {log: judged(log) for log in logs}
    verdicts = {alone[log].verdict for log in logs}
    order = (Verdict.FAILED, Verdict.NO_VERDICT, Verdict.PASSED)
    assert record.verdict is next(verdict for verdict in order if verdict in verdicts)
    assert [cell.verdict for cell in record.cells] == [alone[log].verdict for log in logs]
    assert [cell.artifacts.console for cell in record.cells] == [
        str(LOGS / f"{log}.log") for log in logs
    ]
    assert record.run.host is None


def test_the_kernel_is_that_of_all_logs_or_null() -> None:
    record = judged("good", "oops")
    assert record.tree.kernel == DIRTY
    assert [cell.log for cell in record.cells] == [
        LogFacts("good.log", DIRTY),
        LogFacts("oops.log", DIRTY),
    ]
    other = judged("good", "real-v1-trace-good")
    assert other.tree.kernel is None
    assert [cell.log for cell in other.cells] == [
        LogFacts("good.log", DIRTY),
        LogFacts("real-v1-trace-good.log", CLEAN),
    ]
    assert from_json(to_json(other)) == other


def test_one_log_has_no_name() -> None:
    document = json.loads(to_json(judged("good")))
    assert "log" not in document["cells"][0]
    assert document["tree"]["kernel"] == DIRTY
