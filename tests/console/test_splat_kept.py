# SPDX-License-Identifier: GPL-2.0-only
"""Many splats and a deadly one behind them: which are kept, which are counted, and the end."""

from __future__ import annotations

import io

import pytest

from mermapctl.console.ktap import Status
from mermapctl.console.splat import Splat, SplatKind
from mermapctl.console.splat_kept import KeptSplats
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Boot, Ended, Severity, Verdict
from tests.tables import MANIFEST

NUMBERS = (0, 1, 15, 16, 17, 63, 64, 65, 66, 200)
WARNING = (
    "------------[ cut here ]------------",
    "WARNING: CPU: 0 PID: 31 at mm/a.c:{n} f{n}+0x1/0x2",
    "Call Trace:",
    " f{n}+0x1/0x2",
    " kunit_try_run_case+0x90/0x180",
    "---[ end trace 0000000000000000 ]---",
)
DEATHS = {
    "panic": (
        "Kernel panic - not syncing: no way on",
        "CPU: 0 UID: 0 PID: 31 Comm: kunit_try_catch",
        "Call Trace:",
        " last+0x1/0x2",
        "---[ end Kernel panic - not syncing: no way on ]---",
    ),
    "oops": (
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "Oops: Oops: 0000 [#1] SMP",
        "RIP: 0010:last+0x1/0x2",
        "Call Trace:",
        " last+0x1/0x2",
    ),
    "bug": (
        "------------[ cut here ]------------",
        "kernel BUG at mm/a.c:9999!",
        "Oops: invalid opcode: 0000 [#1] SMP",
        "RIP: 0010:last+0x1/0x2",
    ),
    "lockup": (
        "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [kunit_try_catch:31]",
        "RIP: 0010:last+0x1/0x2",
    ),
}


def console(target: str, lines: list[str]) -> bytes:
    """Return lines as the target prints them: with time stamps under QEMU, without under UML."""
    text = [f"[{n / 1000:12.6f}] {line}" if target == "x86_64" else line
            for n, line in enumerate(lines)]  # fmt: skip
    return ("\n".join(text) + "\n").encode()


def opened(planned: int) -> list[str]:
    return [
        "Linux version 6.12.0", "KTAP version 1", "1..1",
        "    KTAP version 1", "    # Subtest: many", f"    1..{planned}",
    ]  # fmt: skip


def judged(target: str, lines: list[str]) -> Judgement:
    boot = Boot(ended=Ended.EXITED)
    return judge(io.BytesIO(console(target, lines)), boot=boot, manifest=MANIFEST)


def warnings(number: int, *, results: bool) -> list[str]:
    lines = []
    for n in range(1, number + 1):
        lines += [line.format(n=n) for line in WARNING]
        lines += [f"    ok {n} test_{n}"] if results else []
    return lines


@pytest.mark.parametrize("target", ["um", "x86_64"])
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("results", [False, True], ids=["in one test", "in a test each"])
@pytest.mark.parametrize("death", DEATHS)
def test_the_last_word_of_a_kernel_is_kept(
    target: str, number: int, *, results: bool, death: str
) -> None:
    found = judged(target, [*opened(300), *warnings(number, results=results), *DEATHS[death]])
    last = found.splats[-1]
    assert last.kind is SplatKind(death)
    assert len(found.splats) == min(number, 64) + 1
    assert found.verdict is Verdict.FAILED
    (suite,) = [each for each in found.suites if each.name == "many"]
    assert suite.status is (Status.HUNG if death == "lockup" else Status.CRASHED)
    codes = {each.code for each in found.findings if each.severity is Severity.ERROR}
    assert "output-truncated" not in codes
    more = [each.evidence["more"] for each in found.findings if "more" in each.evidence]
    assert more == ([number - 64] if number > 64 else [])


@pytest.mark.parametrize("target", ["um", "x86_64"])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_panic_before_the_suites(target: str, number: int) -> None:
    lines = ["Linux version 6.12.0", *warnings(number, results=False), *DEATHS["panic"]]
    found = judged(target, lines)
    assert found.splats[-1].kind is SplatKind.PANIC
    assert len(found.splats) == min(number, 16) + 1
    assert found.verdict is Verdict.NO_VERDICT
    assert "panic" in found.findings[0].summary


@pytest.mark.parametrize("target", ["um", "x86_64"])
def test_of_many_deadly_ones_the_last_is_kept(target: str) -> None:
    lines = opened(300)
    for n in range(1, 101):
        lines += [f"kernel BUG at mm/a.c:{n}!", f"Oops: invalid opcode: 0000 [#{n}] SMP",
                  f"RIP: 0010:f{n}+0x1/0x2", f"    not ok {n} test_{n}"]  # fmt: skip
    found = judged(target, [*lines, *DEATHS["bug"]])
    assert found.splats[-1].where == "mm/a.c:9999"
    assert len(found.splats) == 65
    assert [each.evidence["more"] for each in found.findings if "more" in each.evidence] == [36]


def splat(kind: SplatKind, n: int, count: int = 1) -> Splat:
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(n))
    return Splat(kind, f"title {letters}", None, n, count=count)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("kind", SplatKind)
def test_every_complaint_is_kept_or_counted(number: int, kind: SplatKind) -> None:
    kept = KeptSplats(16)
    for n in range(number):
        kept.add(splat(SplatKind.WARNING, n, count=2))
        kept.add(splat(SplatKind.WARNING, n))
    for n in range(number, number + 40):
        kept.add(splat(kind, n))
    taken = kept.take()
    assert sum(each.count for each in taken) + kept.dropped == 3 * number + 40
    assert len(taken) <= 17
    assert not kept.take()
