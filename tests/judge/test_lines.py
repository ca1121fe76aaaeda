# SPDX-License-Identifier: GPL-2.0-only
"""Lost and torn lines, splats between lines, and input that is no console."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mermapctl.console import ktap_fast
from mermapctl.console.ktap import Status
from mermapctl.judge.console_verdict import judge
from mermapctl.judge.result_types import Boot, Ended, Severity, Verdict
from tests.judge.consoles import GOOD, OOPS, PASS, codes, judged, mermap
from tests.tables import LOGS, MANIFEST, NAMES

# Lost and torn lines.


def test_a_lost_result_is_a_corrupt_output() -> None:
    judgement = judged(GOOD.replace(b"    ok 2 test_size\n", b""))
    assert judgement.verdict is Verdict.FAILED
    assert codes(judgement) == ["output-corrupt"]
    assert judgement.suites[0].tests[1].status is Status.MISSING


def test_a_torn_result_is_quoted() -> None:
    torn = GOOD.replace(b"    ok 2 test_size\n", b"    ok 2 test_sirandom: crng\nze\n")
    (finding,) = judged(torn).findings
    assert finding.code == "output-corrupt"
    assert finding.evidence["line"] == "ok 2 test_sirandom: crng"


@pytest.mark.parametrize("lost", range(1, 5))
@pytest.mark.parametrize("line", ["KTAP version 1", "# Subtest: mermap", "ok 4 test_tlb_flushed"])
def test_indentation_that_is_lost_costs_no_name(line: str, lost: int) -> None:
    begun = " " * lost + "random: crng init done\n"
    log = mermap(PASS).replace(f"    {line}\n", f"{begun}{' ' * (4 - lost)}{line}\n")
    judgement = judged(log)
    assert codes(judgement) == ["output-corrupt"]
    assert {test.name for suite in judgement.suites for test in suite.tests} == set(NAMES)


def test_a_space_too_many_is_no_level() -> None:
    judgement = judged(mermap(PASS).replace("    ok 4", " random: crng init done\n     ok 4"))
    assert (judgement.verdict, codes(judgement)) == (Verdict.PASSED, ["output-corrupt"])


def test_noise_behind_a_whole_result_is_a_warning() -> None:
    log = GOOD.replace(b"ok 2 test_size\n", b"ok 2 test_size[    1.234567] random: crng init\n")
    judgement = judged(log)
    assert judgement.verdict is Verdict.PASSED
    (finding,) = judgement.findings
    assert (finding.code, finding.severity) == ("output-corrupt", Severity.WARNING)


def test_totals_that_differ_fail_the_cell() -> None:
    log = GOOD.replace(b"pass:4 fail:0 skip:0", b"pass:3 fail:1 skip:0")
    assert (judged(log).verdict, codes(judged(log))) == (Verdict.FAILED, ["output-corrupt"])


# Splats and their places.

WARN = "WARNING: mm/mermap.c:37 at f+0x1/0x2\n---[ end trace 0000000000000000 ]---\n"
ONE = "    KTAP version 1\n    # Subtest: {0}\n    1..2\n    ok 1 a\n    ok 2 b\nok {1} {0}\n"
TWO = "KTAP version 1\n1..2\n" + ONE.format("s", 1) + "{}" + ONE.format("t", 2)


@pytest.mark.parametrize(
    ("log", "verdict", "test"),
    [
        (WARN + GOOD.decode(), Verdict.PASSED, None),
        (GOOD.decode() + WARN, Verdict.PASSED, None),
        (mermap(WARN + PASS), Verdict.FAILED, "test_basic_alloc"),
        (mermap(PASS).replace("    # module", WARN + "    # module"), Verdict.FAILED, None),
        (mermap(PASS).replace("1..1\n", "1..1\n" + WARN, 1), Verdict.FAILED, None),
        (TWO.format(WARN), Verdict.FAILED, None),
        (mermap(PASS.replace("    ok 4", WARN + "    ok 4")), Verdict.FAILED, "test_tlb_flushed"),
        (mermap(PASS.replace("ok 1 mermap", WARN + "ok 1 mermap")), Verdict.FAILED, None),
    ],
)
def test_a_splat_counts_between_first_and_last_line(
    log: str, verdict: Verdict, test: str | None
) -> None:
    judgement = judged(log)
    assert judgement.verdict is verdict
    (finding,) = judgement.findings
    assert (finding.code, finding.test) == ("kernel-warning", test)
    assert (finding.severity is Severity.ERROR) == (verdict is Verdict.FAILED)


def test_the_same_warning_in_several_tests_is_one_finding() -> None:
    body = "".join(f"{WARN}    ok {i} {name}\n" for i, name in enumerate(NAMES, 1))
    (finding,) = judged(mermap(body + "ok 1 mermap\n")).findings
    assert finding.evidence["times"] == 4
    assert finding.evidence["tests"] == ", ".join(NAMES)


TITLE, REST = "WARNING: mm/mermap.c:37 at f+0x1/0x2\n", "---[ end trace 0000000000000000 ]---\n"
INTO = [
    # the line into which a splat runs, and the test that it is reported for
    ("    # module: mermap_kunit\n", None),
    ("    ok 1 test_basic_alloc\n", "test_size"),
    ("    # test_size: said\n", "test_size"),
    ("    ok 4 test_tlb_flushed\n", None),
]


@pytest.mark.parametrize(("line", "test"), INTO)
def test_a_splat_that_runs_into_a_line_is_a_splat(line: str, test: str | None) -> None:
    log = mermap(PASS.replace("    ok 2", "    # test_size: said\n    ok 2"))
    judgement = judged(log.replace(line, line.rstrip("\n") + TITLE + REST))
    assert judgement.verdict is Verdict.FAILED
    complaint = next(each for each in judgement.findings if each.code == "kernel-warning")
    assert (complaint.test, complaint.severity) == (test, Severity.ERROR)
    assert {each.severity for each in judgement.findings} - {Severity.ERROR} <= {Severity.WARNING}


@pytest.mark.parametrize(
    "line",
    [
        "    # b: WARNING: mm/a.c:1 is what we want\n    ok 2 b\n",
        "    # b: said BUG: KASAN: before\n    ok 2 b\n",
        "    ok 2 b # SKIP WARNING: not here\n",
        "    ok 2 b # SKIP see BUG: 4711\n",
    ],
)
def test_words_of_a_result_are_no_splat(line: str) -> None:
    assert codes(judged(TWO.format("").replace("    ok 2 b\n", line, 1))) == []


SKIPPED = f"""\
KTAP version 1
1..2
    KTAP version 1
    # Subtest: s
    1..4
    ok 1 a
    ok 2 b # SKIP not here
    not ok 3 c
        KTAP version 1
        # Subtest: d
        ok 1 x
        ok 2 y
    ok 4 d
not ok 1 s
{ONE.format("t", 2)}"""
AT = range(1, SKIPPED.count("\n"))


def _spoilt(how: str, at: int) -> str:
    lines = SKIPPED.splitlines(keepends=True)
    if how == "glued":
        lines[at - 1] = lines[at - 1].rstrip("\n")
    elif how == "twice":
        lines.insert(at, lines[at])
    else:
        lines.insert(at, WARN)
    return "".join(lines)


@pytest.mark.parametrize("how", ["glued", "twice", "warning"])
@pytest.mark.parametrize("at", AT)
def test_reading_at_once_gives_the_same_as_line_by_line(
    how: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _spoilt(how, at)
    at_once = judged(log)
    monkeypatch.setattr(ktap_fast, "RUN", re.compile("(?!)"))
    assert at_once == judged(log)
    assert {suite.name for suite in at_once.suites} <= {"s", "t", "?"}
    assert at_once.verdict is Verdict.FAILED


def test_a_failure_glued_to_a_skip_is_not_taken_for_a_pass() -> None:
    lost = TWO.format("").replace("ok 1 a\n    ok 2 b\n", "ok 1 a # SKIP x    not ok 2 b\n", 1)
    judgement = judged(lost)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])


# Wrong input.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\0" * 1000,
        bytes(range(256)) * 100,
        b"\x1b[2J\x1b[H" * 100,
        b"\xff\xfe" * 1000,
        b"x" * (2 << 20),
        b"KTAP version 1",
        b"1..4\nok 1 a\n",
        b"ok 1 mermap\n",
        b"    # Subtest: mermap",
        b"KTAP version 1\n1..%s\nok %s a\n" % (b"9" * 5000, b"9" * 5000),
        b"KTAP version %s\n[%s.5] KTAP version 1\n" % (b"9" * 5000, b"9" * 400),
        b"".join(b" " * i + b"KTAP version 1\n" for i in range(2000)),
        b"KTAP version 1\n" + b"".join(b" " * i + b"# Subtest: s\n" for i in range(2000)),
        b"KTAP version 1\n1..1\n" + b"".join(b" " * i + b"ok 1 a\n" for i in range(1, 2000)),
        b"KTAP version 1\n    # Subtest: s\n    # t: ASSERTION FAILED at a:%s\n" % (b"9" * 5000),
        b"qemu-system-x86_64: Command '[' timed out after %s seconds\n" % (b"9" * 5000),
    ],
)
def test_wrong_input_never_passes(data: bytes) -> None:
    for suites in ("mermap", None):
        assert judged(data, suites=suites).verdict is not Verdict.PASSED


def test_dirt_around_a_good_log_changes_nothing() -> None:
    dirty = GOOD.replace(b"\n", b"\r\n").replace(b"ACPI", b"\0\x1b[31mACPI\x1b[0m\xff")
    judgement = judged(b"y" * (1 << 20) + b"\n" + dirty)
    assert judgement.verdict is Verdict.PASSED
    assert judgement.lines == GOOD.count(b"\n") + 1


PREFIXES = {  # {0} is the line's number
    "printk": "<6>[    0.123456] ",
    "printk-caller": "[    0.123456][   T27] ",
    "dmesg-caller": "[    0.123456] [   T27] ",
    "dmesg-decoded": "kern  :info  : [    0.123456] ",
    "dmesg-time": "[Tue Nov 25 15:31:02 2025] ",
    "journal": "Nov 25 15:31:02 host kernel: ",
    "syslog": "2025-11-25T15:31:02.{0:06}+00:00 host kernel: [    0.123456] ",
    "lava": "2025-11-25 15:31:02,{0:03} INFO [serial] ",
    "arrival": "[1764084662.{0:06}] ",
    "console": "ci 10:01> ",
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "name",
    ["good", "oops", "early-flush", "global-refused", "wrong-page", "kasan",
     "trace-counted-not-done"],
)  # fmt: skip
def test_prefixes_change_nothing(name: str, prefix: str) -> None:
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    plain = judged("\n".join(lines) + "\n")
    shown = PREFIXES[prefix]
    judgement = judged("".join(f"{shown.format(i)}{line}\n" for i, line in enumerate(lines)))
    assert judgement.verdict is plain.verdict
    assert codes(judgement) == codes(plain)
    assert [[t.status for t in s.tests] for s in judgement.suites] == [
        [t.status for t in s.tests] for s in plain.suites
    ]


END_OF_ACCOUNT = GOOD.index(b"ok 1 mermap") + len(b"ok 1 mermap")


@pytest.mark.parametrize("line", range(1, GOOD.count(b"\n") + 1))
def test_a_log_that_is_cut_off_never_passes_before_its_account_is_complete(line: int) -> None:
    starts = [0, *(m.end() for m in re.finditer(rb"\n", GOOD))]
    first, after = starts[line - 1], starts[line]
    for cut in (first, (first + after) // 2, after - 1, after):
        judgement = judged(GOOD[:cut], suites="mermap")
        if cut < END_OF_ACCOUNT:
            assert judgement.verdict is not Verdict.PASSED
            assert judgement.findings
        else:
            assert judgement.verdict is Verdict.PASSED
        names = [t.name for s in judgement.suites for t in s.tests]
        assert set(names) <= set(NAMES)


LINES = GOOD.splitlines(keepends=True) + OOPS.splitlines(keepends=True)[140:]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(LINES) | st.binary(max_size=80), max_size=60), st.sampled_from(Ended)
)
@example([], Ended.UNKNOWN)
@example([b"    # Subtest: mermap\n", b"reboot: Restarting system\n"], Ended.EXITED)
def test_any_mixture_has_a_verdict(lines: list[bytes], ended: Ended) -> None:
    judgement = judged(b"".join(lines), boot=Boot(ended), suites="mermap")
    if judgement.verdict is Verdict.NO_VERDICT:
        assert judgement.reason is not None
        return
    assert judgement.reason is None
    if judgement.verdict is Verdict.FAILED:
        assert judgement.findings
        return
    passed = [s for s in judgement.suites if s.name == "mermap"]
    assert passed
    for suite in passed:
        assert {t.name for t in suite.tests if t.status.good} >= set(NAMES)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=40))
def test_a_torn_log_never_gains_a_test(at: int, junk: bytes) -> None:
    torn = GOOD[:at] + junk + GOOD[at:]
    judgement = judged(torn, suites="mermap")
    if judgement.verdict is Verdict.PASSED:
        assert {t.name for s in judgement.suites for t in s.tests} >= set(NAMES)


@pytest.mark.parametrize("before", [b"x" * 200_000, b"\0" * 300_000, b"50%\r" * 50_000, b"\x1b]0;"])
def test_a_complaint_behind_a_line_that_is_too_long_fails_the_run(before: bytes) -> None:
    title = b"WARNING: CPU: 0 PID: 1 at mm/mermap.c:1 f+0x1/0x2\n"
    at = GOOD.index(b"    ok 3")
    for end in (b"\n", b"\r"):
        log = (GOOD[:at] + before + title + GOOD[at:]).replace(b"\n", end)
        judgement = judge(io.BytesIO(log), manifest=MANIFEST)
        assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["kernel-warning"])


@pytest.mark.parametrize("before", [b"    ok 3", b"# mermap: pass", b"reboot: Restarting"])
@pytest.mark.parametrize(
    "line", ["    not ok test_size", "not ok", "not ok - x", "not ok # 2 x", "not ok +2 test_size"]
)
def test_a_failure_without_a_number_is_not_lost(line: str, before: bytes) -> None:
    log = GOOD.replace(before, line.encode() + b"\n" + before)
    judgement = judge(io.BytesIO(log), manifest=MANIFEST)
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])
    assert judgement.findings[0].evidence == {"line": line.strip()}


@pytest.mark.parametrize("line", ["not okay", "not okular 3", "notok"])
def test_a_word_that_begins_like_a_failure_is_none(line: str) -> None:
    log = GOOD.replace(b"    ok 3", line.encode() + b"\n    ok 3")
    assert judge(io.BytesIO(log), manifest=MANIFEST).verdict is Verdict.PASSED


def test_a_plan_that_cannot_be_counted_is_not_kept() -> None:
    nested = b"        KTAP version 1\n        # Subtest: test_size\n        1..9999999999\n"
    log = GOOD.replace(b"    ok 2", nested + b"        ok 1 p\n    ok 2")
    assert codes(judge(io.BytesIO(log), manifest=MANIFEST)) == ["output-corrupt"]


def failed_assertion(name: str) -> str:
    return f"    # {name}: EXPECTATION FAILED at a.c:1\n    Expected a == 1, but\n        a == 2\n"


@pytest.mark.parametrize(
    ("name", "result", "verdict"),
    [
        ("t", "    ok 1 t", Verdict.FAILED),  # its `not` is lost
        ("t", "        ok 2 p\n    ok 1 t", Verdict.FAILED),  # a parameter's
        ("t", "    ok 1 t # SKIP no such CPU", Verdict.PASSED),  # KUnit's skip takes it back
        ("fake", "    ok 1 t", Verdict.PASSED),  # a test of KUnit's own assertions
    ],
)
def test_an_ok_after_a_failed_assertion_is_a_contradiction(
    name: str, result: str, verdict: Verdict
) -> None:
    head = "KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n"
    if "ok 2 p" in result:
        head += "        KTAP version 1\n        # Subtest: t\n        ok 1 o\n"
    judgement = judged(f"{head}{failed_assertion(name)}{result}\nok 1 s\n")
    assert judgement.verdict is verdict
    if verdict is Verdict.FAILED:
        (finding,) = judgement.findings
        assert finding.summary == "a test printed ok, but one of its assertions failed"


def test_messages_that_printk_dropped_are_no_silent_pass() -> None:
    log = (
        "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n"
        "** 94 printk messages dropped **\n** 6 printk messages dropped **\n    ok 2 b\nok 1 s\n"
    )
    judged = judge([log.encode()], manifest=MANIFEST)
    (finding,) = judged.findings
    assert judged.verdict is Verdict.PASSED
    assert (finding.code, finding.severity) == ("output-corrupt", Severity.WARNING)
    assert finding.evidence == {"messages_dropped": 100}
    assert finding.console_line == 7
    plain = log.replace("** 94", "* 94").replace("** 6", "* 6")
    assert judge([plain.encode()], manifest=MANIFEST).findings == ()
