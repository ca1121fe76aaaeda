# SPDX-License-Identifier: GPL-2.0-only
"""The stress suite's boot in a judged cell: its findings, its verdict, and what is no verdict."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.judge import suites
from mermapctl.judge.result_types import Boot, Ended, Reason, Severity, Verdict
from mermapctl.judge.stress import StressSummary
from mermapctl.records.cell_verdict import judge_console
from mermapctl.records.record import Artifacts, Cell
from mermapctl.records.stressed import again, with_stress, without_boot
from mermapctl.system.paths import shipped
from tests.tables import LOGS

HISTORY = "g0.1.55.2,p0.1"
HEAD = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: mermap_stress
    # module: mermap_stress
    1..2
mermap_stress: history 0: g0.0.0.1
mermap_stress: history 1: g0.1.55.2,p0.1
"""
GOOD = """\
    ok 1 test_histories
    ok 2 test_two_cpus # SKIP there is one CPU
ok 1 mermap_stress
"""
SKIPPED = """\
    ok 1 test_histories # SKIP no 512 contiguous pages
    ok 2 test_two_cpus # SKIP there is one CPU
ok 1 mermap_stress # SKIP
"""
BAD = """\
    # test_histories: EXPECTATION FAILED at /home/me/b/mermapctl-stress/suite.c:213
history 1, thread 0, step 1: {message}
    not ok 1 test_histories
    ok 2 test_two_cpus # SKIP there is one CPU
not ok 1 mermap_stress
"""
WRONG_PAGE = "page 1 of 2 at ffff880000201000 reads 1, not 2"


def cell(log: str = "good") -> Cell:
    blank = Cell(
        None, None, Verdict.NO_VERDICT, suite="mermap", boot=Boot(Ended.EXITED),
        artifacts=Artifacts(console=str(LOGS / f"{log}.log")),
    )  # fmt: skip
    with (LOGS / f"{log}.log").open("rb") as console:
        return judge_console(blank, console)


def summary(tmp_path: Path, console: str) -> StressSummary:
    path = tmp_path / "console-stress.log"
    path.write_text(console)
    return StressSummary(1, 2, boot=Boot(Ended.EXITED), console=str(path))


def errors(judged: Cell) -> list[str]:
    return [each.code for each in judged.findings if each.severity is Severity.ERROR]


def test_a_pass_counts_its_histories_and_has_both_suites(tmp_path: Path) -> None:
    judged = with_stress(cell(), summary(tmp_path, HEAD + GOOD))
    assert judged.verdict is Verdict.PASSED
    assert [suite.name for suite in judged.suites] == ["mermap", "mermap_stress"]
    assert judged.stress is not None
    assert judged.stress.histories == 2
    assert "2 histories from seed 1, nothing wrong" in judged.stress.words
    assert judged.stress.words in judged.remarks


def test_a_pass_without_a_trace_does_not_hide_that(tmp_path: Path) -> None:
    judged = with_stress(cell(), summary(tmp_path, HEAD + GOOD))
    assert judged.stress is not None
    assert judged.stress.words.endswith("no flush of it was observed")


def test_a_failure_fails_the_cell_and_names_history_and_console(tmp_path: Path) -> None:
    console = HEAD + BAD.format(message=WRONG_PAGE)
    known = replace(summary(tmp_path, console), code="wrong-page", history=HISTORY, shrunk=HISTORY)
    judged = with_stress(cell(), known)
    assert judged.verdict is Verdict.FAILED
    (found,) = [each for each in judged.findings if each.severity is Severity.ERROR]
    assert (found.code, found.test) == ("wrong-page", "test_histories")
    assert found.evidence["history"] == HISTORY
    assert found.evidence["console"] == "console-stress.log:9"
    assert found.where == "kernel/stress/suite.c:213"
    assert found.console_line is None  # it is no line of the cell's first console


@pytest.mark.parametrize(
    ("console", "why"),
    [
        ("", None),
        ("[    1.0][    T1] mermapctl-init: cannot insert /mermap_stress.ko: errno 2\n", None),
        (HEAD + SKIPPED, "test_histories did not run: no 512 contiguous pages"),
    ],
    ids=["nothing", "not inserted", "skipped"],
)
def test_a_pass_of_the_four_tests_is_none_if_the_stress_suite_did_not_run(
    tmp_path: Path, console: str, why: str | None
) -> None:
    judged = with_stress(cell(), summary(tmp_path, console))
    assert judged.verdict is Verdict.NO_VERDICT
    assert judged.reason is not None
    assert (judged.detail or "").startswith("the stress suite: ")
    assert why is None or why in (judged.detail or "")


def test_a_failure_of_the_four_tests_stays_one(tmp_path: Path) -> None:
    judged = with_stress(cell("missing-flush"), summary(tmp_path, HEAD + SKIPPED))
    assert judged.verdict is Verdict.FAILED
    assert errors(judged) == ["missing-flush"]


def test_a_suite_that_ends_in_the_middle_is_a_failure(tmp_path: Path) -> None:
    judged = with_stress(cell(), summary(tmp_path, HEAD))
    assert judged.verdict is not Verdict.PASSED


def test_without_its_boot_there_is_no_verdict_also_when_judged_again() -> None:
    judged = without_boot(cell(), StressSummary(1, 2), "it exports no mermap_cpu_end()")
    assert (judged.verdict, judged.reason) == (Verdict.NO_VERDICT, Reason.HARNESS_ERROR)
    assert judged.stress is not None
    twice = again(cell(), judged.stress)
    assert (twice.verdict, twice.detail) == (judged.verdict, judged.detail)


@pytest.mark.parametrize("shrunk", ["", "zz", "\x1b[31m", "g" * 5000])
def test_a_record_with_a_false_history_is_judged_again(tmp_path: Path, shrunk: str) -> None:
    console = HEAD + BAD.format(message=WRONG_PAGE)
    known = replace(summary(tmp_path, console), code="wrong-page", history="zz", shrunk=shrunk)
    assert with_stress(cell(), known).verdict is Verdict.FAILED


def test_judged_again_a_history_is_not_that_of_another_finding(tmp_path: Path) -> None:
    console = HEAD + BAD.format(message=WRONG_PAGE)
    known = replace(summary(tmp_path, console), code="early-flush", history=HISTORY, shrunk=HISTORY)
    told = with_stress(cell(), known).stress
    assert told is not None
    assert (told.code, told.shrunk) == ("wrong-page", None)
    assert "early-flush" not in told.words


def test_judged_again_it_is_the_same(tmp_path: Path) -> None:
    once = with_stress(cell(), summary(tmp_path, HEAD + BAD.format(message=WRONG_PAGE)))
    assert once.stress is not None
    assert again(cell(), once.stress) == once


_MESSAGE = re.compile(r'wrong\(\s*&?[\w>\[\]. -]+,\s*"([^"]+)"')
_NUMBERS = (("%lx", "ffff880000200000"), ("%px", "ffff880000200000"), ("%llx", "1f"), ("%s", "{}"))


def messages() -> list[str]:
    """Return each sentence with which the module can end a history."""
    found = []
    for path in sorted((shipped("kernel") / "stress").glob("*.c")):
        for printed in _MESSAGE.findall(path.read_text()):
            text = re.sub(r"%l?[ud]", "3", printed)
            text = functools.reduce(lambda said, pair: said.replace(*pair), _NUMBERS, text)
            reasons = ("no slot is free", "there is no room") if "{}" in text else ("",)
            found += [text.format(each) for each in reasons]
    return found


OWN = {
    "mermap_mm_prepare() returned 3",
    "the second thread does not come back",
}
"""Sentences without a rule: their finding is `test-failed`, in these words."""


def test_every_sentence_of_the_module_is_known() -> None:
    assert len(messages()) >= 20
    rules = suites.load().suites["mermap_stress"].rules
    for message in messages():
        whole = f"history 1, thread 0, step 3: {message}"
        fitting = [rule.code for rule in rules if re.search(rule.message or "", whole)]
        assert (len(fitting) == 1) != (message in OWN), (message, fitting)


def test_a_sentence_without_a_rule_is_a_failed_test(tmp_path: Path) -> None:
    console = HEAD + BAD.format(message="mermap_mm_prepare() returned -12")
    assert errors(with_stress(cell(), summary(tmp_path, console))) == ["test-failed"]
