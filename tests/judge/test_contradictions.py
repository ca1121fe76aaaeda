# SPDX-License-Identifier: GPL-2.0-only
"""Output that contradicts itself, or is not what was asked for, has not passed."""

from __future__ import annotations

import io

import pytest

from mermapctl.console import ktap_state
from mermapctl.judge import suites
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Boot, Verdict

MANIFEST = suites.load()
GOOD = """KTAP version 1
1..1
    KTAP version 1
    # Subtest: s
    1..2
    ok 1 a
    ok 2 b
# s: pass:2 fail:0 skip:0 total:2
# Totals: pass:2 fail:0 skip:0 total:2
ok 1 s
"""
TOTALS = "# Totals: pass:1 fail:1 skip:0 total:2\n"


def judged(log: str, glob: str | None = None) -> Judgement:
    return judge(io.BytesIO(log.encode()), boot=Boot(), manifest=MANIFEST, expected_suites=glob)


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.findings]


def test_the_example_passes() -> None:
    assert judged(GOOD).verdict is Verdict.PASSED
    assert judged(GOOD.replace("1..2\n", "1..2\n    1..2\n")).verdict is Verdict.PASSED
    assert judged(GOOD.replace("1..1\n", "1..1\n1..1\n")).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "log",
    [
        GOOD.replace("    ok 2 b\n", "    ok 2 b\n    1..9\n"),
        GOOD.replace("    1..2\n", "    1..2\n    1..1\n"),
        GOOD.replace("1..1\n", "1..1\n1..5\n", 1),
        GOOD.replace("# s: pass", "1..5\n# s: pass"),
    ],
)
def test_two_plans_that_differ_promise_nothing(log: str) -> None:
    judgement = judged(log)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])
    summary = judgement.findings[0].summary
    assert "a second plan contradicts the first" in summary or "planned numbers" in summary


@pytest.mark.parametrize(
    "log",
    [
        GOOD.replace("# Totals: pass:2 fail:0 skip:0 total:2\n", TOTALS),
        GOOD.replace("# s: pass:2 fail:0 skip:0 total:2\n", "").replace(
            "# Totals: pass:2 fail:0 skip:0 total:2\n", TOTALS
        ),
        GOOD + TOTALS,
        GOOD + GOOD + TOTALS,
    ],
)
def test_totals_that_count_a_failure_nobody_had(log: str) -> None:
    judgement = judged(log)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])
    assert "totals differ" in judgement.findings[0].summary


def test_totals_of_a_failure_that_is_listed_say_nothing_new() -> None:
    bad = GOOD.replace("    ok 2", "    not ok 2").replace("\nok 1 s", "\nnot ok 1 s")
    bad = bad.replace("pass:2 fail:0", "pass:1 fail:1")
    assert codes(judged(bad)) == codes(judged(bad.replace(TOTALS, "")))
    assert judged(bad).verdict is Verdict.FAILED
    assert "output-corrupt" not in codes(judged(bad + TOTALS))


@pytest.mark.parametrize("changed", ["ok \u0662 b", "ok \uff12 b"])
def test_a_number_has_ascii_digits(changed: str) -> None:
    assert judged(GOOD.replace("ok 2 b", changed)).verdict is Verdict.FAILED


def test_a_plan_has_ascii_digits() -> None:
    assert judged(GOOD.replace("1..2", "1..\u0662")).verdict is Verdict.FAILED


@pytest.mark.parametrize("glob", [None, "*", "s", "s*", "?", "[r-t]", "s.a", "s.*", "*.[ab]"])
def test_what_was_asked_for_is_there(glob: str | None) -> None:
    judgement = judged(GOOD, glob)
    assert (judgement.verdict, codes(judgement)) == (Verdict.PASSED, [])


@pytest.mark.parametrize("glob", ["t*", "??", "[", "[a-c]*", "t*.a", "S*"])
def test_no_suite_matches_the_pattern(glob: str) -> None:
    judgement = judged(GOOD, glob)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["suite-missing"])
    assert f"the suite {glob} did not run" in judgement.findings[0].summary


@pytest.mark.parametrize("glob", ["s.c", "s.a?", "*.c*", "s.A"])
def test_no_test_matches_the_pattern(glob: str) -> None:
    judgement = judged(GOOD, glob)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["test-missing"])
    assert glob in judgement.findings[0].summary


def test_a_skipped_suite_needs_no_test() -> None:
    log = "KTAP version 1\n1..1\n    # Subtest: s\n    1..0\nok 1 s # SKIP no device\n"
    assert judged(log, "s.c").verdict is Verdict.PASSED


def test_a_cut_log_is_not_also_said_to_lack_the_test() -> None:
    assert codes(judged(GOOD.partition("    ok 2")[0], "s.b")) == ["output-truncated"]


def test_a_suite_that_matches_is_found_behind_any_number_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KEEP_TESTS", "KEEP_FAILED", "KEEP_SUITES"):
        monkeypatch.setattr(ktap_state, name, 3)
    body = GOOD.partition("1..1\n")[2]
    others = "".join(
        body.replace("Subtest: s", f"Subtest: o{n}")
        .replace("# s:", f"# o{n}:")
        .replace("ok 1 s", f"ok {n} o{n}")
        for n in range(1, 20)
    )
    log = f"KTAP version 1\n1..20\n{others}{body.replace('ok 1 s', 'ok 20 s')}"
    for glob in ("s*", "s.b", "o1?.a", "s.c", "*"):  # a test may be among those not kept
        assert (judged(log, glob).verdict, glob) == (Verdict.PASSED, glob)
    assert codes(judged(log, "t*")) == ["suite-missing"]
