# SPDX-License-Identifier: GPL-2.0-only
"""KTAP's directives, and suites that are no KUnit suites."""

from __future__ import annotations

import io

import pytest

from mermapctl.console.ktap import Status
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Severity, Verdict
from tests.tables import MANIFEST


def judged(log: str) -> Judgement:
    return judge(io.BytesIO(log.encode()), manifest=MANIFEST)


@pytest.mark.parametrize(
    ("line", "status", "directive", "reason"),
    [
        ("ok 1 t # SKIP not here", Status.SKIPPED, "SKIP", "not here"),
        ("not ok 1 t # SKIP: not here", Status.SKIPPED, "SKIP", "not here"),
        ("ok 1 t # TODO later", Status.PASSED, "TODO", "later"),
        ("not ok 1 t # TODO later", Status.FAILED, "TODO", "later"),
        ("ok 1 t # XFAIL known", Status.PASSED, "XFAIL", "known"),
        ("not ok 1 t # XFAIL", Status.FAILED, "XFAIL", None),
        ("not ok 1 t # TIMEOUT 90 seconds", Status.HUNG, "TIMEOUT", "90 seconds"),
        ("ok 1 t # TIMEOUT", Status.HUNG, "TIMEOUT", None),
        ("not ok 1 t # ERROR no memory", Status.FAILED, "ERROR", "no memory"),
        ("ok 1 t # ERROR no memory", Status.FAILED, "ERROR", "no memory"),
        ("not ok 1 t # exit=1", Status.FAILED, None, "exit=1"),
        ("ok 1 t # SKIPPED", Status.PASSED, None, None),
        ("ok 1 t#SKIP", Status.PASSED, None, None),
    ],
)
def test_a_directive(line: str, status: Status, directive: str | None, reason: str | None) -> None:
    log = f"KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n    {line}\nok 1 s\n"
    judgement = judged(log)
    (test,) = judgement.suites[0].tests
    assert (test.status, test.directive, test.reason) == (status, directive, reason)
    assert (judgement.verdict is Verdict.PASSED) == status.good


KSELFTEST = """\
TAP version 13
1..2
# overriding timeout to 90
# selftests: mm: one
# not ok 3 what it prints is its own affair
ok 1 selftests: mm: one
# selftests: mm: two
{}
"""


def test_a_kselftest_out_of_time_hung_and_its_limit_is_named() -> None:
    judgement = judged(KSELFTEST.format("not ok 2 selftests: mm: two # TIMEOUT 90 seconds"))
    assert [suite.status for suite in judgement.suites] == [Status.PASSED, Status.HUNG]
    (finding,) = judgement.findings
    assert (finding.code, finding.severity) == ("hang", Severity.ERROR)
    assert finding.evidence["limit"] == 90
    assert "its limit of 90 s" in finding.summary


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not ok 2 selftests: mm: two", "selftests: mm: two failed"),
        ("not ok 2 selftests: mm: two # exit=1", "the suite selftests: mm: two failed: exit=1"),
    ],
)
def test_no_finding_names_a_test_that_a_suite_does_not_have(line: str, said: str) -> None:
    (finding,) = judged(KSELFTEST.format(line)).findings
    assert finding.summary == said


def test_a_suite_fails_although_none_of_its_tests_did() -> None:
    log = "KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n    ok 1 t\nnot ok 1 s\n"
    (finding,) = judged(log).findings
    assert "although none of its tests did" in finding.summary


@pytest.mark.parametrize(
    ("inner", "verdict"),
    [
        ("1..2\nok 1 a\nok 2 b\n", Verdict.PASSED),
        ("1..2\nok 2 b\nok 1 a\n", Verdict.PASSED),
        ("1..2\nok 1 a\nok 1 b\n", Verdict.FAILED),
        ("1..2\nok 1 a\nok 3 b\n", Verdict.FAILED),
        ("1..3\nok 1 a\nok 2 b\n", Verdict.FAILED),
        ("1..1\nok 1 a\nok 2 b\n", Verdict.PASSED),
    ],
)
def test_numbers_and_plans_within_a_test(inner: str, verdict: Verdict) -> None:
    within = "".join(f"        {line}\n" for line in inner.splitlines())
    log = (
        "KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n        KTAP version 1\n"
        f"{within}    ok 1 t\nok 1 s\n"
    )
    judgement = judged(log)
    assert judgement.verdict is verdict
    sound = inner == "1..2\nok 1 a\nok 2 b\n"
    assert [finding.code for finding in judgement.findings] == ["output-corrupt"] * (not sound)
