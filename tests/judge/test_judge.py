# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts and findings of consoles that no captured log shows: assertions, causes, tests."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Finding, Severity, Verdict
from mermapctl.judge.root_cause import RULES
from tests.judge.consoles import GOOD, ZERO, block, codes, failed, judged, mermap, null
from tests.tables import MANIFEST, NAMES

# The rules of the manifest, a log for each.


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
