# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts and findings of consoles: cases that no captured log shows, and wrong input."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mermapctl.console import ktap_fast
from mermapctl.console.ktap import Status
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.root_cause import RULES
from mermapctl.judge.suites import Manifest
from mermapctl.judge.verdict import Boot, Ended, Finding, Reason, Severity, Verdict
from tests.tables import LOGS, MANIFEST, NAMES

GOOD = (LOGS / "good.log").read_bytes()
OOPS = (LOGS / "oops.log").read_bytes()


def judged(
    log: bytes | str,
    *,
    boot: Boot = Boot(),  # noqa: B008 - frozen
    suites: str | None = None,
    known: Manifest = MANIFEST,
) -> Judgement:
    data = log.encode() if isinstance(log, str) else log
    return judge(io.BytesIO(data), boot=boot, manifest=known, expected_suites=suites)


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.findings]


def mermap(body: str, *, before: str = "", after: str = "") -> str:
    """Return a console whose suite mermap has this body, after a plan of four."""
    return (
        f"Linux version 7.3.4 (x)\n{before}KTAP version 1\n1..1\n    KTAP version 1\n"
        f"    # Subtest: mermap\n    # module: mermap_kunit\n    1..4\n{body}{after}"
    )


def results(*statuses: str) -> str:
    """Return result lines for the four tests, then the suite's own."""
    lines = [f"    {s} {i} {n}\n" for i, (s, n) in enumerate(zip(statuses, NAMES, strict=False), 1)]
    bad = "not ok" in statuses
    return "".join(lines) + f"{'not ok' if bad else 'ok'} 1 mermap\n"


def failed(index: int, text: str) -> str:
    """Return results of four passed tests, except the one that prints `text` first."""
    lines = results(*("not ok" if i == index else "ok" for i in range(4))).splitlines(keepends=True)
    return "".join((*lines[:index], text, *lines[index:]))


PASS = results("ok", "ok", "ok", "ok")


# The rules of the manifest, a log for each.

SOURCE = "mm/tests/mermap_kunit.c"
ZERO = "0000000000000000"


def block(test: str, *lines: str, macro: str = "EXPECTATION") -> str:
    return "\n".join((f"    # {test}: {macro} FAILED at {SOURCE}:9", *lines, ""))


def null(test: str, name: str, *message: str) -> str:
    """Return the assertion of a pointer that must not be NULL."""
    return block(
        test,
        f"    Expected {name} != ((void *)0), but",
        f"        {name} == {ZERO}",
        f"        ((void *)0) == {ZERO}",
        *message,
        macro="ASSERTION",
    )


def counter(expected: str, printed: str) -> str:
    return block(
        "test_tlb_flushed", f"    Expected {expected}, but", f"        mc->tlb_flushes == {printed}"
    )


# The expansion of ARRAY_SIZE() in an assertion's text. The value behind so long a text is cut off.
SLOTS = (
    "(sizeof(((struct mm_struct *)((void *)0))->mermap.cpu->normal_allocs) / sizeof((((struct "
    "mm_struct *)((void *)0))->mermap.cpu->normal_allocs)[0]) + ((int)sizeof(struct "
    '{_Static_assert(!(!(!__builtin_types_compatible_p(typeof(a), typeof(&(a)[0])))), "must be '
    'array");})))'
)
FOURTH = f"__mermap_get(mm, pages[{SLOTS}], ((1UL) << 12), ((pgprot_t) {{ 1 }} ), false)"


FIRST_NULL: tuple[str, dict[str, object]] = ("allocation-failed", {"allocation": 0})

ASSERTIONS: list[tuple[int, str, str, dict[str, object]]] = [
    (
        3,
        block("test_tlb_flushed", "no address reuse"),
        "no-address-reuse",
        {"rounds": 1_000_000},
    ),
    (
        1,
        block(
            "test_size",
            "    Expected fail->alloc == ((void *)0), but",
            "        fail->alloc == ffff9e5e7ec284e0",
            f"        ((void *)0) == {ZERO}",
        ),
        "region-too-large",
        {},
    ),
    (1, null("test_size", "full->alloc"), "region-too-small", {}),
    (1, null("test_size", "small->alloc"), "region-too-small", {}),
    (1, null("test_size", "large->alloc"), "allocation-failed", {}),
    (1, null("test_size", "alloc"), "reserve-lost", {}),
    (
        0,
        block("test_basic_alloc", "    Expected args->alloc is not null, but is"),
        "allocation-failed",
        {"allocation": 0},
    ),
    (
        2,
        null("test_multiple_allocs", "args->alloc", "alloc 2 failed"),
        "allocation-failed",
        {"allocation": 2},
    ),
    (
        2,
        block(
            "test_multiple_allocs",
            "    Expected addr >= mermap_cpu_base(args->cpu), but",
            "        addr == -131391637192704 (0xffff888002000000)",
            "        mermap_cpu_base(args->cpu) == -131941393006592 (0xffff880002000000)",
            "alloc 1 out of range",
        ),
        "address-out-of-range",
        {"allocation": 1, "addr": -131391637192704},
    ),
    (
        2,
        block(
            "test_multiple_allocs",
            "    Expected *ptr == magic + i, but",
            "        *ptr == 58535 (0xe4a7)",
            "        magic + i == 58532 (0xe4a4)",
        ),
        "wrong-page",
        {"index": 0, "read": 58535, "belongs_to": "no page of this test"},
    ),
    (
        2,
        block(
            "test_multiple_allocs",
            f"    Expected *ptr == magic + {SLOTS}, but",
            "        *ptr == 58535 (0xe4a7)",
            f"        magic + {SLOTS}"[:255],
        ),
        "wrong-page",
        {"read": 58535},
    ),
    (2, null("test_multiple_allocs", "reserved_alloc"), "reserve-lost", {}),
    *(
        (
            2,
            block(
                "test_multiple_allocs",
                f"    Expected {granted} == ((void *)0), but",
                f"        {granted} == ffff88803ffefb20"[:255],
                *([f"        ((void *)0) == {ZERO}"] if len(granted) < 200 else []),
                macro=macro,
            ),
            "too-many-live",
            {},
        )
        for granted in ("fail->alloc", FOURTH, f"{FOURTH}->alloc", "args->alloc")
        for macro in ("ASSERTION", "EXPECTATION")
    ),
    (3, counter("mc->tlb_flushes == 1", "0 (0x0)"), "missing-flush", {"flushes": 0}),
    (3, counter("mc->tlb_flushes == 1", "0"), "missing-flush", {"flushes": 0}),
    (3, counter("mc->tlb_flushes == 1", "0x0"), "missing-flush", {"flushes": 0}),
    (3, counter("1 == mc->tlb_flushes", "0x0"), "missing-flush", {"flushes": 0}),
    (3, counter("mc->tlb_flushes == 1", "0xa"), "extra-flush", {"flushes": 10}),
    (3, counter("mc->tlb_flushes == 1ULL", "2 (0x2)"), "extra-flush", {"flushes": 2}),
    (3, counter("mc->tlb_flushes == 0U", "0x1"), "early-flush", {"flushes": 1}),
    (0, null("test_basic_alloc", "args->alloc").replace("((void *)0)", "NULL"), *FIRST_NULL),
    (1, null("test_size", "full->alloc").replace("((void *)0)", "NULL"), "region-too-small", {}),
    (
        3,
        block(
            "test_tlb_flushed",
            "    Expected something_new == 3, but",
            "        something_new == 4 (0x4)",
        ),
        "test-failed",
        {"something_new": 4},
    ),
]


@pytest.mark.parametrize(("index", "text", "code", "evidence"), ASSERTIONS)
def test_assertions_and_their_findings(
    index: int, text: str, code: str, evidence: dict[str, object]
) -> None:
    judgement = judged(mermap(failed(index, text)))
    (finding,) = judgement.findings
    assert (finding.code, finding.test) == (code, NAMES[index])
    assert {key: finding.evidence.get(key) for key in evidence} == evidence
    assert finding.where == "mm/tests/mermap_kunit.c:9"
    assert "{" not in finding.summary
    assert judgement.verdict is Verdict.FAILED


def test_an_excess_mapping_stays_live_and_leaves_no_room() -> None:
    """The suites of the postings put it only at their end."""
    granted = block(
        "test_size",
        "    Expected fail->alloc == ((void *)0), but",
        "        fail->alloc == ffff9e5e7ec284e0",
        f"        ((void *)0) == {ZERO}",
    )
    judgement = judged(mermap(failed(1, granted + null("test_size", "large->alloc"))))
    (finding,) = judgement.findings
    assert finding.code == "region-too-large"
    assert any("a second large mapping was refused" in said for said in finding.consequences)


def test_every_rule_of_the_manifest_can_be_filled_in() -> None:
    for rule in MANIFEST.suites["mermap"].rules:
        names = set(re.findall(r"\{(\w+)", rule.summary + rule.row))
        known = {*rule.evidence, *rule.constants, *re.findall(r"\(\?P<(\w+)>", rule.message or "")}
        assert names <= known | ({"index"} if rule.pages_from else set()), rule.code


def test_the_manifest_names_only_tests_it_has() -> None:
    for suite in MANIFEST.suites.values():
        assert {rule.test for rule in suite.rules} <= {None, *suite.names}


# One cause, one finding.

WARN_IN_GET = """\
------------[ cut here ]------------
WARNING: mm/mermap.c:189 at __mermap_get+0x2b6/0x310, CPU#0: kunit_try_catch/27
RIP: 0010:__mermap_get+0x2b6/0x310
RAX: 0000000000000000 RBX: ffffa1bcc0013c40 RCX: {prot}
Call Trace:
 <TASK>
 test_basic_alloc+0x15e/0x400
 </TASK>
---[ end trace 0000000000000000 ]---
"""
ISOLATED = "Kernel/User page tables isolation: enabled\n"
GLOBAL, LOCAL = "8000000000000163", "8000000000000063"


@pytest.mark.parametrize(
    ("before", "prot", "code"),
    [
        ("", GLOBAL, "global-mapping-refused"),
        (ISOLATED, GLOBAL, "kernel-warning"),
        (ISOLATED, LOCAL, "kernel-warning"),
        ("", LOCAL, "kernel-warning"),
    ],
)
def test_a_refused_protection_needs_its_proof(before: str, prot: str, code: str) -> None:
    text = WARN_IN_GET.format(prot=prot) + null("test_basic_alloc", "args->alloc")
    judgement = judged(mermap(failed(0, text), before=before))
    assert codes(judgement) == [code]
    assert any("very first get" in text for text in judgement.findings[0].consequences)


@pytest.mark.parametrize(
    ("prot", "code"),
    [("0" * 16, "global-mapping-refused"), (LOCAL, "kernel-warning")],
)
def test_isolation_that_a_whole_boot_never_mentions_is_off(prot: str, code: str) -> None:
    command = "$ qemu-system-x86_64 -append 'x'\n"
    text = WARN_IN_GET.format(prot=prot) + null("test_basic_alloc", "args->alloc")
    judgement = judged(command + mermap(failed(0, text)))
    assert codes(judgement) == [code]
    assert judgement.findings[0].evidence.get("isolation") == (
        "off" if code == "global-mapping-refused" else None
    )


def test_a_null_get_explains_what_trips_over_it() -> None:
    oops = (
        "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        "RIP: 0010:test_multiple_allocs+0x1f5/0x490\n---[ end trace 0000000000000000 ]---\n"
    )
    text = null("test_multiple_allocs", "args->alloc", "alloc 0 failed") + oops
    judgement = judged(mermap(failed(2, text)))
    assert codes(judgement) == ["allocation-failed"]
    assert "oopsed" in judgement.findings[0].consequences[0]


@pytest.mark.parametrize(
    ("frame", "first", "found"),
    [
        ("test_multiple_allocs", True, ["allocation-failed"]),
        ("test_multiple_allocs", False, ["kernel-oops"]),
        ("__mermap_get", True, ["allocation-failed", "kernel-oops"]),
    ],
)
def test_where_no_get_succeeds_a_null_pointer_in_a_test_is_no_cause_of_its_own(
    frame: str, *, first: bool, found: list[str]
) -> None:
    oops = (
        "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        f"RIP: 0010:{frame}+0x1f5/0x490\n---[ end trace 0000000000000000 ]---\n"
    )
    log = mermap(failed(2, oops))
    if first:
        null_first = null("test_basic_alloc", "args->alloc") + "    not ok 1"
        log = log.replace("    ok 1", null_first)
    assert codes(judged(log)) == found


def test_two_causes_are_two_findings() -> None:
    body = failed(3, ASSERTIONS[0][1]).replace(
        "    ok 2", "WARNING: mm/mermap.c:37 at __mermap_put+0x1/0x2\n    ok 2"
    )
    assert codes(judged(mermap(body))) == ["kernel-warning", "no-address-reuse"]


def test_causes_are_never_their_own_effects() -> None:
    for causes, effects, _ in RULES:
        assert causes
        assert effects


@given(st.lists(st.sampled_from(sorted({c for rule in RULES for c in (*rule[0], *rule[1])}))))
def test_no_finding_is_lost_in_the_merge(found: list[str]) -> None:
    from mermapctl.judge.root_cause import Draft, merge  # noqa: PLC0415

    drafts = [
        Draft(Finding(code, Severity.ERROR, f"sentence {i}", console_line=i + 1))
        for i, code in enumerate(found)
    ]
    merged = merge(drafts)
    told = [s for f in merged for s in (f.summary, *f.consequences)]
    assert sorted(told) == sorted(draft.finding.summary for draft in drafts)


# How boots end.

HALF = mermap("    ok 1 test_basic_alloc\n")
PANIC = """\
BUG: kernel NULL pointer dereference, address: 0000000000000010
RIP: 0010:__mermap_get+0x27b/0x320
Call Trace:
 <TASK>
{frames} kunit_try_run_case+0x90/0x180
 </TASK>
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception
---[ end Kernel panic - not syncing: Fatal exception ]---
"""
SMP = "smp: Brought up 1 node, 2 CPUs\n"
STUCK = (
    "watchdog: BUG: soft lockup - CPU#1 stuck for 8s! [kunit_try_catch:29]\n"
    "RIP: 0010:__mermap_get+0x27b/0x320\nCall Trace:\n <TASK>\n test_size+0x154/0x870\n"
    " kunit_try_run_case+0x90/0x180\n </TASK>\nKernel panic - not syncing: softlockup: hung tasks\n"
)

ENDS = [
    # log, how it ended, statuses, the one finding, its test
    (HALF, Boot(Ended.UNKNOWN), "missing", "output-truncated", None),
    (HALF, Boot(Ended.TIMEOUT, limit=300), None, "hang", None),
    (HALF, Boot(Ended.SILENCE, silence=60.1), None, "hang", None),
    (SMP + HALF, Boot(Ended.SILENCE, silence=60.1), "hung", "hang", "test_size"),
    (SMP + HALF, Boot(Ended.EXITED), "crashed", "output-truncated", "test_size"),
    (HALF, Boot(Ended.EXITED), None, "output-truncated", None),
    (HALF + "    # test_size: hello\n", Boot(Ended.SILENCE), "hung", "hang", "test_size"),
    (
        HALF + PANIC.format(frames=" test_size+0x154/0x870\n"),
        Boot(Ended.EXITED),
        "crashed",
        "kernel-oops",
        "test_size",
    ),
    (HALF + PANIC.format(frames=""), Boot(Ended.TIMEOUT), "crashed", "kernel-oops", "test_size"),
    (SMP + HALF + STUCK, Boot(Ended.EXITED), "hung", "lockup", "test_size"),
]


@pytest.mark.parametrize(("log", "boot", "status", "code", "test"), ENDS)
def test_ends_of_boots(
    log: str, boot: Boot, status: str | None, code: str, test: str | None
) -> None:
    judgement = judged(log, boot=boot, suites="mermap")
    assert (judgement.verdict, judgement.reason) == (Verdict.FAILED, None)
    (finding,) = judgement.findings
    assert (finding.code, finding.test) == (code, test)
    (suite,) = judgement.suites
    assert [t.name for t in suite.tests] == list(NAMES)
    statuses = [t.status for t in suite.tests]
    assert statuses[0] is Status.PASSED
    assert statuses[1] == (status if test else "missing")
    assert statuses[2:] == [Status.MISSING, Status.MISSING]


def test_a_hang_without_a_known_test() -> None:
    (finding,) = judged(HALF, boot=Boot(Ended.SILENCE, silence=60.08, limit=300)).findings
    assert "the test is unknown" in finding.summary
    assert finding.evidence["silence"] == 60.1
    assert finding.evidence["last_line"] == "ok 1 test_basic_alloc"
    assert finding.evidence["without_result"] == ", ".join(NAMES[1:])


def test_a_panic_after_the_oops_is_its_consequence() -> None:
    log = HALF + PANIC.format(frames=" test_size+0x154/0x870\n")
    (finding,) = judged(log, boot=Boot(Ended.EXITED)).findings
    assert any("panicked" in text for text in finding.consequences)
    assert not any("without a message" in text for text in finding.consequences)


def test_a_hang_behind_the_last_test_is_no_tests() -> None:
    log = mermap(PASS.replace("ok 1 mermap\n", ""))
    (finding,) = judged(log, boot=Boot(Ended.SILENCE, silence=60)).findings
    assert (finding.code, finding.test) == ("hang", None)
    assert "after its last test" in finding.summary


def test_a_failure_before_a_hang_is_no_time_limit_of_kunits() -> None:
    log = HALF + null("test_size", "full->alloc")
    judgement = judged(log, boot=Boot(Ended.SILENCE, silence=60))
    assert codes(judgement) == ["hang", "region-too-small"]
    assert judgement.suites[0].tests[1].status is Status.HUNG


@pytest.mark.parametrize("ended", [each for each in Ended if each is not Ended.ACCELERATOR_FAILED])
@pytest.mark.parametrize(
    ("lost", "missing"),
    [
        ("ok 1 mermap\n", []),
        ("    ok 4 test_tlb_flushed\nok 1 mermap\n", ["test_tlb_flushed"]),
    ],
)
def test_a_machine_that_was_shut_down_neither_hung_nor_crashed(
    ended: Ended, lost: str, missing: list[str]
) -> None:
    shut = PASS.replace(lost, "random: crng init done" + lost[:-4] + "\nreboot: Power down\n")
    judgement = judged(mermap(shut), boot=Boot(ended))
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])
    (suite,) = judgement.suites
    assert [t.name for t in suite.tests if t.status is Status.MISSING] == missing


def test_kunits_own_time_limit() -> None:
    text = "    # test_size: try timed out\n    # test_size: test case timed out\n"
    judgement = judged(mermap(failed(1, text)))
    assert codes(judgement) == ["hang"]
    assert judgement.suites[0].tests[1].status is Status.HUNG


def test_interrupted_is_no_verdict_unless_the_account_is_complete() -> None:
    interrupted = Boot(Ended.INTERRUPTED)
    half = judged(HALF, boot=interrupted)
    assert (half.verdict, half.reason) == (Verdict.NO_VERDICT, Reason.INTERRUPTED)
    assert judged(GOOD, boot=interrupted).verdict is Verdict.PASSED
    before = judged("Linux version 7.3\n", boot=interrupted)
    assert (before.verdict, before.reason) == (Verdict.NO_VERDICT, Reason.INTERRUPTED)


KVM = [
    "KVM internal error. Suberror: 1",
    "Could not access KVM kernel module: No such file or directory",
    "qemu-system-x86_64: failed to initialize kvm: Permission denied",
    "error: kvm run failed Invalid argument",
    "ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy",
]


@pytest.mark.parametrize("line", KVM)
@pytest.mark.parametrize("before", ["", "Linux version 7.3\n", HALF])
def test_an_accelerator_that_failed(line: str, before: str) -> None:
    judgement = judged(f"{before}{line}\nemulation failure\n")
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, Reason.ACCELERATOR_FAILED)
    assert codes(judgement) == ["accelerator-failed"]
    assert judgement.detail == line
    assert judgement.findings[0].console_line == before.count("\n") + 1


def test_an_accelerator_that_fell_back_is_no_failure() -> None:
    lines = f"{KVM[1]}\nqemu-system-x86_64: falling back to tcg\n".encode()
    assert judged(lines + GOOD).verdict is Verdict.PASSED


def test_an_accelerator_that_failed_by_what_its_supervisor_saw() -> None:
    judgement = judged("", boot=Boot(Ended.ACCELERATOR_FAILED))
    assert judgement.reason is Reason.ACCELERATOR_FAILED


QUIET = "$ qemu-system-x86_64 -append 'quiet' -accel kvm -accel tcg\n"
KILLED = "qemu-system-x86_64: terminating on signal 15 from pid 7 (/usr/bin/python3)\n"

NO_KTAP = [
    ("", Boot(), "no line of a kernel"),
    ("Linux version 7.3\nlast words\n", Boot(), "printed no KTAP"),
    ("Linux version 7.3\nlast words\n", Boot(Ended.SILENCE), "hung before any KTAP"),
    (QUIET + KILLED, Boot(), "mutes the kernel"),
    ("Linux version 7.3\nKernel panic - not syncing: VFS: no root\n", Boot(), "panicked"),
    ("2026-01-01T10:00:00Z Kernel panic - not syncing: VFS: no root\n", Boot(), "panicked"),
    ("kunit executor: error filtering suites: -22\n", Boot(), "KUnit ran no suite"),
    ("kunit: disabled\n", Boot(), "KUnit ran no suite"),
]


@pytest.mark.parametrize(("log", "boot", "words"), NO_KTAP)
def test_boots_without_ktap(log: str, boot: Boot, words: str) -> None:
    judgement = judged(log, boot=boot, suites="mermap")
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, Reason.BOOT_FAILED)
    (finding,) = judgement.findings
    assert finding.code == "boot-failed"
    assert words in finding.summary
    assert judgement.detail


def test_a_mute_guest_under_a_supervisor_is_no_accelerator_failure() -> None:
    log = "$ qemu-system-x86_64 -append 'x' -accel kvm -accel tcg\n" + KILLED
    assert judged(log).reason is Reason.ACCELERATOR_FAILED
    assert judged(log, boot=Boot(Ended.SILENCE, silence=60)).reason is Reason.BOOT_FAILED


# Tests and suites that must be present.


def test_a_renamed_test_fails_the_cell() -> None:
    judgement = judged(GOOD.replace(b"ok 2 test_size", b"ok 2 test_bounds"))
    assert judgement.verdict is Verdict.FAILED
    (finding,) = judgement.findings
    assert (finding.code, finding.test) == ("test-missing", "test_size")
    assert finding.evidence["unexpected"] == "test_bounds"
    assert [(t.name, t.status) for t in judgement.suites[0].tests][1:3] == [
        ("test_bounds", Status.PASSED),
        ("test_size", Status.MISSING),
    ]


def test_a_removed_test_fails_the_cell() -> None:
    log = GOOD.replace(b"    1..4\n", b"    1..3\n").replace(b"    ok 4 test_tlb_flushed\n", b"")
    judgement = judged(re.sub(rb"# .*total:4\n", b"", log))
    assert codes(judgement) == ["test-missing"]
    assert judgement.flushes[0].counted is None


def test_a_test_that_the_manifest_does_not_know_yet_may_pass() -> None:
    log = GOOD.replace(b"    1..4\n", b"    1..5\n").replace(
        b"    ok 4 test_tlb_flushed\n", b"    ok 4 test_tlb_flushed\n    ok 5 test_new\n"
    )
    judgement = judged(re.sub(rb"# .*total:4\n", b"", log))
    assert (judgement.verdict, codes(judgement)) == (Verdict.PASSED, [])


@pytest.mark.parametrize("suites", ["example", "mermapp"])
def test_a_suite_that_did_not_run(suites: str) -> None:
    judgement = judged(GOOD, suites=suites)
    assert judgement.verdict is Verdict.FAILED
    (finding,) = judgement.findings
    assert finding.code == "suite-missing"
    assert suites in finding.summary
    assert finding.evidence["suites"] == "mermap"
    assert judgement.suites[-1].status is Status.MISSING


def test_nothing_ran() -> None:
    judgement = judged("Linux version 7.3\nKTAP version 1\n1..0\n", suites="mermap")
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["suite-missing"])
    assert [t.name for t in judgement.suites[0].tests] == list(NAMES)
    anything = judged("KTAP version 1\n1..0\n")
    assert (anything.verdict, codes(anything)) == (Verdict.FAILED, ["suite-missing"])


def test_one_test_by_filter() -> None:
    body = "    ok 1 test_size\nok 1 mermap\n"
    log = mermap(body).replace("1..4", "1..1")
    assert judged(log, suites="mermap.test_size").verdict is Verdict.PASSED
    assert codes(judged(log, suites="mermap")) == ["test-missing"] * 3


def test_a_suite_without_manifest_needs_only_its_plan() -> None:
    log = (
        "KTAP version 1\n1..1\n    # Subtest: example\n    1..2\n    ok 1 a\n    ok 2 b # SKIP x\n"
    )
    assert judged(log + "ok 1 example\n", suites="example").verdict is Verdict.PASSED
    less = log.replace("    ok 2 b # SKIP x\n", "") + "ok 1 example\n"
    judgement = judged(less, suites="example")
    assert (judgement.verdict, codes(judgement)) == (Verdict.FAILED, ["output-corrupt"])


def test_a_failing_suite_without_manifest_has_its_reason() -> None:
    log = (
        "KTAP version 1\n1..1\n    # Subtest: example\n    1..1\n"
        "    # a: EXPECTATION FAILED at lib/kunit/kunit-example-test.c:30\n"
        "    Expected 1 + 1 == 3, but\n        1 + 1 == 2 (0x2)\n    not ok 1 a\nnot ok 1 example\n"
    )
    (finding,) = judged(log, suites="example").findings
    assert (finding.code, finding.where) == ("test-failed", "lib/kunit/kunit-example-test.c:30")
    assert finding.summary == "a failed: expected 1 + 1 == 3"
    assert finding.evidence == {"1 + 1": 2}


def test_a_suite_that_could_not_start_has_its_reason() -> None:
    log = "KTAP version 1\n1..1\n    # mermap:     # failed to initialize (-12)\nnot ok 1 mermap\n"
    judgement = judged(log, suites="mermap")
    assert judgement.verdict is Verdict.FAILED
    assert "failed to initialize (-12)" in judgement.findings[0].summary


def test_many_failures_share_a_finding() -> None:
    tests = "".join(f"    not ok {i} t{i}\n" for i in range(1, 201))
    log = f"KTAP version 1\n1..1\n    # Subtest: s\n    1..200\n{tests}not ok 1 s\n"
    judgement = judged(log)
    assert len(judgement.findings) == 51
    assert judgement.findings[-1].summary == "150 more tests failed"


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
