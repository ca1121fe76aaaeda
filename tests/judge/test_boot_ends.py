# SPDX-License-Identifier: GPL-2.0-only
"""How boots end, and what that says of the kernel and of the machine."""

from __future__ import annotations

import pytest

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Boot, Ended, Reason, Verdict
from tests.judge.consoles import GOOD, PASS, codes, failed, judged, mermap, null
from tests.tables import NAMES

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
