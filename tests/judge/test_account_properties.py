# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts do not depend on bounds of memory, and incomplete results never pass.

The results consist of the plan of the document and of each suite, and of every result line. They do
not include lines that only name or explain (`KTAP version`, `# Subtest:`, `# module:`, totals,
messages of tests), nor the plan of a test with subtests, which KUnit often leaves out: only totals
can then show that the last of several results within a test is missing.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

from mermapctl import render
from mermapctl.commands.judge_log import of_logs
from mermapctl.console import ktap_state
from mermapctl.console.ktap import Status
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.leaf_tests import counted, leaves
from mermapctl.judge.result_types import Verdict
from mermapctl.render.account import account
from tests.tables import LOGS, MANIFEST

GOOD = (LOGS / "good.log").read_text("utf-8")
EXAMPLE = """\
KTAP version 1
1..2
    KTAP version 1
    # Subtest: first
    # module: first_kunit
    1..3
    ok 1 one
        KTAP version 1
        # Subtest: params
        1..2
        ok 1 low
        ok 2 high
    # params: pass:2 fail:0 skip:0 total:2
    ok 2 params
    ok 3 three # SKIP not here
# first: pass:2 fail:0 skip:1 total:3
# Totals: pass:3 fail:0 skip:1 total:4
ok 1 first
    KTAP version 1
    # Subtest: second
    1..1
    ok 1 only
ok 2 second
"""

Body = list[list[str]]
"""Draw suites, each a list of results: ok, not ok, skip."""


def judged(log: str, suites: str | None = None) -> Judgement:
    return judge(io.BytesIO(log.encode()), manifest=MANIFEST, expected_suites=suites)


def console(body: Body) -> str:
    lines = ["KTAP version 1", f"1..{len(body)}"]
    for number, tests in enumerate(body, 1):
        lines += ["    KTAP version 1", f"    # Subtest: s{number}", f"    1..{len(tests)}"]
        for at, word in enumerate(tests, 1):
            said = f"ok {at} t{at} # SKIP no" if word == "skip" else f"{word} {at} t{at}"
            lines.append(f"    {said}")
        lines.append(f"{'not ok' if 'not ok' in tests else 'ok'} {number} s{number}")
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def little_room(room: int) -> Iterator[None]:
    with (
        patch.object(ktap_state, "KEEP_TESTS", room),
        patch.object(ktap_state, "KEEP_FAILED", room),
        patch.object(ktap_state, "KEEP_SUITES", room),
        patch.object(ktap_state, "KEEP_NOTES", max(1, room)),
    ):
        yield


WORD = st.sampled_from(["ok", "ok", "ok", "skip", "not ok"])
BODY = st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=6)
ROOM = st.integers(0, 8)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(BODY, ROOM)
def test_verdict_and_counts_do_not_depend_on_what_is_kept(body: Body, room: int) -> None:
    with little_room(room):
        judgement = judged(console(body))
    words = Counter(word for tests in body for word in tests)
    assert (judgement.verdict is Verdict.FAILED) == bool(words["not ok"])
    suites = len(judgement.suites) + judgement.omitted
    bad = sum(not s.status.good for s in judgement.suites) + judgement.omitted_bad
    assert (suites, bad) == (len(body), sum("not ok" in tests for tests in body))
    counts = counted(judgement.suites, judgement.unlisted)
    assert (counts.passed, counts.failed, counts.skipped, counts.total) == (
        words["ok"],
        words["not ok"],
        words["skip"],
        sum(words.values()),
    )


@settings(deadline=None, derandomize=True, max_examples=300)
@given(BODY, ROOM, st.integers(0, 3), st.data())
def test_a_failed_line_never_makes_a_failed_run_pass(
    body: Body, room: int, depth: int, data: st.DataObject
) -> None:
    lines = console(body).splitlines(keepends=True)
    failed = any("not ok" in tests for tests in body)
    at = data.draw(st.integers(2, len(lines)))
    number = data.draw(st.integers(1, 9))
    lines.insert(at, f"{'    ' * depth}not ok {number} late\n")
    with little_room(room):
        verdict = judged("".join(lines)).verdict
    inside = at < len(lines) - 1
    if failed or inside or depth == 0:
        assert verdict is Verdict.FAILED


@pytest.mark.parametrize("size", [1, 49, 50, 51, 1999, 2000, 2001, 5001])
def test_many_failures_fail(size: int) -> None:
    log = console([["not ok"] * size])
    for suites in (None, "s1", "*"):
        judgement = judged(log, suites)
        assert judgement.verdict is Verdict.FAILED
        assert "suite-missing" not in {finding.code for finding in judgement.findings}
        assert counted(judgement.suites, judgement.unlisted).failed == size


def test_a_suite_after_many_failures_is_seen() -> None:
    many = console([["not ok"] * 2001, ["ok", "ok"]])
    assert judged(many).suites[-1].name == "s2"
    cut = judged(many.removesuffix("    ok 2 t2\nok 2 s2\n"))
    assert (cut.suites[-1].name, cut.suites[-1].status) == ("s2", Status.MISSING)
    assert "output-truncated" in {finding.code for finding in cut.findings}


def test_a_known_suite_behind_many_others_keeps_its_tests() -> None:
    """Its four tests are expected by name: if only counted, they would be missing."""
    others = console([["ok"] * 5001]).replace("1..1\n", "1..2\n", 1)
    mermap = GOOD[GOOD.index("    KTAP version 1\n") : GOOD.index("ok 1 mermap")] + "ok 2 mermap\n"
    judgement = judged(others + mermap, "*")
    assert (judgement.verdict, judgement.findings) == (Verdict.PASSED, ())
    assert len(judgement.suites[-1].tests) == 4
    assert judged(others + mermap, "mermap").verdict is Verdict.PASSED


def test_a_lost_result_behind_many_notes_is_seen() -> None:
    noise = "".join(f"    ok {i} t{i}\n     ok {i + 1} t{i + 1}\n" for i in range(1, 601, 2))
    log = f"KTAP version 1\n1..1\n    # Subtest: s\n    1..601\n{noise}ok 1 s\n"
    assert judged(log).verdict is Verdict.FAILED


def test_kunits_time_limit_behind_many_failures_is_a_hang() -> None:
    block = "    # t: EXPECTATION FAILED at a.c:1\n    Expected x == 1, but\n        x == 2 (0x2)\n"
    log = (
        "KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n"
        f"{block * 40}    # t: try timed out\n    not ok 1 t\nnot ok 1 s\n"
    )
    (test,) = judged(log).suites[0].tests
    assert test.status is Status.HUNG
    assert len(test.failures) + test.failures_omitted == 41


def test_a_failure_nested_too_deeply_to_be_kept_fails() -> None:
    levels = 40
    opening = [f"{'    ' * i}KTAP version 1\n{'    ' * i}1..1\n" for i in range(levels)]
    closing = [f"{'    ' * i}ok 1 t{i}\n" for i in reversed(range(levels - 1))]
    log = "".join(opening) + "    " * (levels - 1) + "{} 1 leaf\n" + "".join(closing)
    assert judged(log.format("not ok")).verdict is Verdict.FAILED


ACCOUNT = re.compile(r"(?:    )?(?:1\.\.\d|(?:not )?ok \d)")


@pytest.mark.parametrize("log", [GOOD, EXAMPLE], ids=["captured", "nested"])
def test_a_line_less_never_passes_but_where_it_was_no_part_of_the_account(log: str) -> None:
    lines = log.splitlines(keepends=True)
    assert judged(log).verdict is Verdict.PASSED
    part = 0
    for at, line in enumerate(lines):
        verdict = judged("".join((*lines[:at], *lines[at + 1 :]))).verdict
        if ACCOUNT.match(line) or re.match(r" {8}ok \d", line):
            part += 1
            assert verdict is not Verdict.PASSED, line
        else:
            assert verdict is Verdict.PASSED, line
    assert part >= 7


@pytest.mark.parametrize("line", ["KTAP version 1\n", "    # Subtest: first\n"])
def test_a_header_less_is_no_part_but_remarked(line: str) -> None:
    judgement = judged(EXAMPLE.replace(line, "", 1))
    assert judgement.verdict is Verdict.PASSED
    assert [s.name for s in judgement.suites] == ["first", "second"]


def test_a_finding_counts_for_the_suite_that_ran() -> None:
    """Both suites have a test t1; only the second one's failed."""
    with tempfile.NamedTemporaryFile("w") as log:
        log.write(console([["ok"], ["not ok"]]))
        log.flush()
        (cell,) = of_logs([log.name], ("mermapctl",), suite=None).cells
    assert [(row.suite, row.bad) for row in account(cell).rows] == [("s1", False), ("s2", True)]
    assert [(leaf.suite, leaf.bad) for leaf in leaves(cell)] == [("s1", False), ("s2", True)]


# The number of tests, format by format.


def by_words(text: str) -> Counter[str]:
    """``3 passed, 1 failed``."""
    found = re.search(r"(\d+ (?:passed|failed|skipped)(?:, \d+ [a-z ]+)*)", " ".join(text.split()))
    assert found is not None, text
    counts: Counter[str] = Counter()
    for number, word in re.findall(r"(\d+) (passed|failed|skipped)\b", found[1]):
        counts[word] += int(number)
    return counts


def by_junit(text: str) -> Counter[str]:
    suites = [suite for suite in JUnitXml.fromstring(text.encode()) if "findings" not in suite.name]
    tests, bad = sum(s.tests for s in suites), sum(s.failures for s in suites)
    skipped = sum(s.skipped for s in suites)
    return Counter(passed=tests - bad - skipped, failed=bad, skipped=skipped)


def by_json(text: str) -> Counter[str]:
    (cell,) = json.loads(text)["cells"]
    return Counter({key: cell["counts"][key] for key in ("passed", "failed", "skipped")})


def by_kcidb(text: str) -> Counter[str]:
    boot = json.loads(text)["tests"][0]
    tests = json.loads(text)["tests"][1:]
    statuses = Counter(test["status"] for test in tests if test["path"].count(".") > 1)
    counts = Counter(passed=statuses["PASS"], failed=statuses["FAIL"], skipped=statuses["SKIP"])
    if more := boot["misc"]["not_listed"]:
        counts += by_words(more.partition(": ")[2])
    assert counts.total() == boot["misc"]["tests"]
    return counts


def by_checks(text: str) -> Counter[str]:
    return by_words(json.loads(json.loads(text)[0]["details"])[0]["description"])


def by_table(text: str) -> Counter[str]:
    found = re.findall(r"^\d+ tests?: (.*)$", text, re.MULTILINE)
    return by_words(found[-1])  # the line above the verdict


def by_mail(text: str) -> Counter[str]:
    return by_words(text.partition("\n\n")[2])


def by_markdown(text: str) -> Counter[str]:
    return by_words(text.split("\n")[2])


def by_html(text: str) -> Counter[str]:
    found = re.search(r"<dt>tests passed</dt><dd>(\d+) <small>of (\d+)(?:, (\d+) sk)?", text)
    assert found is not None
    passed, tests, skipped = (int(number or 0) for number in found.groups())
    return Counter(passed=passed, failed=tests - passed - skipped, skipped=skipped)


COUNTERS = {
    "table": by_table,
    "json": by_json,
    "junit": by_junit,
    "markdown": by_markdown,
    "email": by_mail,
    "html": by_html,
    "kcidb": by_kcidb,
    "checks": by_checks,
}


@settings(deadline=None, derandomize=True, max_examples=40)
@given(BODY, st.sampled_from([0, 2, 5, 1000]))
def test_the_number_of_tests_is_the_same_in_every_format(body: Body, room: int) -> None:
    with little_room(room), tempfile.NamedTemporaryFile("w") as log:
        log.write(console(body))
        log.flush()
        record = of_logs([log.name], ("mermapctl",), suite=None)
    words = Counter(word for tests in body for word in tests)
    truth = Counter(passed=words["ok"], failed=words["not ok"], skipped=words["skip"])
    for name, count in COUNTERS.items():
        whole = render.document(record, name, full=name == "table")
        assert count(whole) == truth, name


SMALL = console([["ok"]])
CONTRADICTED = {
    "the test again, failed": SMALL.replace("    ok 1 t1\n", "    ok 1 t1\n    not ok 1 t1\n"),
    "the suite again, failed": SMALL + "not ok 1 s1\n",
    "the suite of an earlier boot": SMALL.replace("ok 1 s1", "ok 1 s1\nnot ok 1 s1") + SMALL,
    "a test after the end": SMALL + "    not ok 2 late\n",
    "a test before the header": "    not ok 3 early\n" + SMALL,
    "between two columns": SMALL.replace("    ok 1 t1\n", "    ok 1 t1\n  not ok 5 other\n"),
    "between two columns, the test again": SMALL.replace(
        "    ok 1 t1\n", "    ok 1 t1\n   not ok 1 t1\n"
    ),
    "a test between two suites": console([["ok"], ["ok"]]).replace(
        "ok 1 s1\n", "ok 1 s1\n    not ok 2 t2\n"
    ),
}


@pytest.mark.parametrize("name", CONTRADICTED)
def test_a_failure_that_contradicts_a_result_is_not_taken_for_its_repetition(name: str) -> None:
    """Also for a repeated line: if one says ok and the other not ok, one of them is false."""
    assert judged(SMALL).verdict is Verdict.PASSED
    assert judged(CONTRADICTED[name]).verdict is Verdict.FAILED


@given(
    body=st.lists(st.lists(st.sampled_from(["ok", "skip"]), min_size=1, max_size=3), min_size=1),
    at=st.integers(0),
    indent=st.integers(0, 9),
    number=st.integers(0, 4),
    name=st.sampled_from(["t1", "t2", "s1", "s2", "stray"]),
)
def test_no_failure_on_any_line_of_a_passed_log_is_lost(
    body: Body, at: int, indent: int, number: int, name: str
) -> None:
    lines = console(body).splitlines(keepends=True)
    assert judged("".join(lines)).verdict is Verdict.PASSED
    lines.insert(at % (len(lines) + 1), f"{' ' * indent}not ok {number} {name}\n")
    assert judged("".join(lines)).verdict is Verdict.FAILED


def test_a_whole_repetition_is_one_result() -> None:
    for body in ([["ok", "skip"]], [["ok", "not ok"]]):
        once = console(body)
        twice = re.sub(r"(?m)^ *(?:not )?ok .*\n", r"\g<0>\g<0>", once)
        assert twice != once
        assert judged(twice).verdict is judged(once).verdict
