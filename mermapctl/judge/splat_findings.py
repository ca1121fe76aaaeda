# SPDX-License-Identifier: GPL-2.0-only
"""Turns splats into findings; detects the environment in which every mapping is refused. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from mermapctl.console.boot_log import BootLog
from mermapctl.console.ktap import Status, Suite
from mermapctl.console.splat import DEADLY, Splat, SplatKind, sameness
from mermapctl.judge.result_types import Severity
from mermapctl.judge.root_cause import Draft, draft
from mermapctl.judge.suites import ExpectedSuite, Manifest
from mermapctl.trace.violations import Evidence


class _Words(NamedTuple):
    code: str
    did: str
    advice: str


_TABLE: dict[SplatKind, _Words] = {
    SplatKind.WARNING: _Words(
        "kernel-warning", "the kernel warned", "look at the condition of the WARN at this place"
    ),
    SplatKind.OTHER: _Words(
        "kernel-warning", "the kernel complained", "look at the title and at the call trace"
    ),
    SplatKind.BUG: _Words(
        "kernel-oops", "the kernel hit a BUG", "look at the condition of the BUG at this place"
    ),
    SplatKind.OOPS: _Words(
        "kernel-oops", "the kernel oopsed", "look at the top frame and at the faulting address"
    ),
    SplatKind.PANIC: _Words("kernel-panic", "the kernel panicked", "look at what came before it"),
    SplatKind.KASAN: _Words(
        "kasan", "KASAN saw a bad access", "compare where the object was allocated and freed"
    ),
    SplatKind.KFENCE: _Words(
        "kfence", "KFENCE saw a bad access", "compare where the object was allocated and freed"
    ),
    SplatKind.KMSAN: _Words(
        "kmsan", "KMSAN saw uninitialized memory used", "look at where the value was stored"
    ),
    SplatKind.KCSAN: _Words(
        "kcsan", "KCSAN saw a data race", "look at both accesses of the report"
    ),
    SplatKind.UBSAN: _Words(
        "ubsan", "UBSAN saw undefined behaviour", "look at the index or shift of the report"
    ),
    SplatKind.LOCKDEP: _Words(
        "lockdep",
        "lockdep complained",
        "look at the order or context of the locks it lists; lockdep stops at its first report, so "
        "that no lock taken later is checked",
    ),
    SplatKind.RCU_STALL: _Words(
        "rcu-stall", "an RCU grace period stalled", "look for a loop in the top frame"
    ),
    SplatKind.SLEEP_IN_ATOMIC: _Words(
        "sleep-in-atomic",
        "the kernel slept, or might have, in atomic context",
        "look for what the callers of the top frame hold: a spinlock, preemption or IRQs disabled",
    ),
    SplatKind.PERCPU_PREEMPTIBLE: _Words(
        "percpu-preemptible",
        "a per-CPU variable was used while the task could migrate",
        "disable preemption or migration around the access in the top frame; nothing slept here",
    ),
    SplatKind.MEMORY_LEAK: _Words(
        "memory-leak",
        "kmemleak found memory that nothing refers to",
        "read /sys/kernel/debug/kmemleak in the guest: it shows where each object was allocated",
    ),
    SplatKind.LOCKUP: _Words(
        "lockup", "a CPU or a task is stuck", "look for a loop in the top frame"
    ),
}
_SLEEPS = _Words(
    "lockup",
    "a task has slept for too long",
    "look for what the top frame waits for, and for what should have ended the wait",
)
"""A hung task: it runs on no CPU."""
_IN_MERMAP = {
    SplatKind.SLEEP_IN_ATOMIC: (
        "from a get to its put no sleep may need another CPU; with IRQs off none is allowed"
    ),
}
"""Advice for reports that contain the mermap, by kind."""
_PURPOSE = (
    "{test} printed ok nevertheless: if it provokes this on purpose, --allow-splats keeps it as a "
    "finding only"
)
_PROVOKED = "{test} provokes this on purpose"

_REPEATED = re.compile(
    r"\AWARNING: (?:CPU: \d+ (?:UID: \d+ )?PID: \d+ )?(?:at )?|\ABUG: (?:K\w+: )?"
    r"|, CPU#\d+: .*\Z|\AKernel panic - |\AUBSAN: |\AOops: |\A(?:rcu: )?INFO: "
)
_LOCAL_BITS, _GLOBAL, _NX = 0x063, 0x100, 1 << 63
"""x86-64 PAGE_KERNEL (present, writable, accessed, dirty), the global bit, and no-execute."""
_REGISTER = re.compile(r"\bR\w\w: ([0-9a-f]{16})\b")


def read(
    splats: tuple[Splat, ...], suites: tuple[Suite, ...], manifest: Manifest, *, allow: bool
) -> list[Draft]:
    """Make one draft for each complaint; the same complaint in several tests is one.

    Outside the suites, and if the user allows them, splats are warnings and fail nothing.
    """
    same: dict[tuple[SplatKind, str, bool], list[Splat]] = {}
    for splat in splats:
        same.setdefault((*sameness(splat), splat.in_suite), []).append(splat)
    return [_draft(group, suites, manifest, allow=allow) for group in same.values()]


def _draft(
    group: list[Splat], suites: tuple[Suite, ...], manifest: Manifest, *, allow: bool
) -> Draft:
    splat = group[0]
    words = _SLEEPS if splat.title.startswith("INFO: task ") else _TABLE[splat.kind]
    expected = _suite_of(splat, suites, manifest)
    top = top_frame(splat, expected)
    times = sum(one.count for one in group)
    tests = list(dict.fromkeys(one.test for one in group if one.test))
    evidence: Evidence = {"title": splat.title}
    if splat.message:
        evidence["message"] = splat.message
    elif splat.cause and splat.cause not in splat.title:
        evidence["cause"] = splat.cause
    if top:
        evidence["top_frame"] = top
    if times > 1:
        evidence["times"] = times
    if len(tests) > 1:
        evidence["tests"] = ", ".join(tests)
    provoked = all(_provoked(one, suites, manifest) for one in group)
    severe = splat.in_suite and not (allow or provoked)
    place = f"in {splat.test}" if splat.test else _outside(splat, suites)
    advice = _PROVOKED.format(test=splat.test)
    return draft(
        words.code,
        f"{words.did} {place}: {_short(splat)}",
        evidence,
        advice if provoked else _advice(splat, words, suites, expected),
        test=splat.test,
        line=splat.line,
        severity=Severity.ERROR if severe else Severity.WARNING,
        where=splat.where or _last_seen(splat, suites),
    )


def _advice(
    splat: Splat, words: _Words, suites: tuple[Suite, ...], expected: ExpectedSuite | None
) -> str:
    """Give advice; for a suite outside the manifest also whether the splat may be on purpose."""
    advice = words.advice
    if splat.kind in _IN_MERMAP and any("mermap" in frame for frame in splat.frames):
        advice = _IN_MERMAP[splat.kind]
    if expected is None and _status(splat, suites) is Status.PASSED:
        advice += f"; {_PURPOSE.format(test=splat.test)}"
    return advice


def _status(splat: Splat, suites: tuple[Suite, ...]) -> Status | None:
    """Return the status of the test in which the splat was printed."""
    for suite in suites:
        if suite.contains(splat.line):
            for test in suite.tests:
                if test.name == splat.test:
                    return test.status
    return None


def _provoked(splat: Splat, suites: tuple[Suite, ...], manifest: Manifest) -> bool:
    """Return whether the manifest lists this kind for a test that printed ok."""
    expected = _suite_of(splat, suites, manifest)
    return expected is not None and any(
        test.name == splat.test
        and splat.kind in test.provokes
        and _status(splat, suites) is Status.PASSED
        for test in expected.tests
    )


def _suite_of(splat: Splat, suites: tuple[Suite, ...], manifest: Manifest) -> ExpectedSuite | None:
    for suite in suites:
        if suite.contains(splat.line) and suite.name in manifest.suites:
            return manifest.suites[suite.name]
    return None


def top_frame(splat: Splat, expected: ExpectedSuite | None) -> str | None:
    """Return the innermost function of the code under test, else the innermost."""
    if expected is not None:
        own = next((frame for frame in splat.frames if expected.owns(frame)), None)
        if own is not None:
            return own
    return splat.frames[0] if splat.frames else None


def _outside(splat: Splat, suites: tuple[Suite, ...]) -> str:
    if splat.in_suite:
        return "while the suites ran"
    begun = any(s.console_line is not None and s.console_line < splat.line for s in suites)
    return "after the suites" if begun else "before the suites"


def _short(splat: Splat) -> str:
    """Shorten a title by the words that the sentence repeats."""
    return _REPEATED.sub("", splat.title)


def _last_seen(splat: Splat, suites: tuple[Suite, ...]) -> str | None:
    """Return FILE:LINE of the running test, if KUnit prints it."""
    for suite in suites:
        for test in suite.tests:
            if test.name == splat.test and splat.kind in DEADLY:
                for failure in test.failures:
                    if failure.file and (failure.message or "").startswith("try faulted"):
                        return f"{failure.file}:{failure.line}"
    return None


def global_refused(drafts: list[Draft], splats: tuple[Splat, ...], boot: BootLog) -> Draft | None:
    """Make the finding that explains all: PAGE_KERNEL is global here, and the mermap refuses it.

    It needs a get that warned, gets that returned NULL, and evidence of the protection. The
    evidence is a register of the splat that contains it with the global bit; or page-table
    isolation is off and no register contains it without (a CPU may have no global pages).
    """
    refused = [each for each in drafts if "global-mapping-refused" in each.follows]
    warned = next(
        (
            splat
            for splat in splats
            if splat.kind is SplatKind.WARNING
            and splat.in_suite
            and any("mermap_get" in frame for frame in splat.frames[:2])
        ),
        None,
    )
    if not refused or warned is None or boot.isolation:
        return None
    values = {int(value, 16) for text in warned.excerpt for value in _REGISTER.findall(text)}
    prot = next((value for value in values if value & ~_NX == _LOCAL_BITS | _GLOBAL), None)
    local = any(value & ~_NX == _LOCAL_BITS for value in values)
    if prot is None and (local or boot.isolation is None):
        return None
    evidence: Evidence = {"title": warned.title}
    if prot is not None:
        evidence["prot"] = f"{prot:#x}"
    if boot.isolation is False:
        evidence["isolation"] = "off"
    return draft(
        "global-mapping-refused",
        "every get is refused: without page-table isolation PAGE_KERNEL is global",
        evidence,
        "this is the environment, not the mermap: boot with pti=on, or with a CPU model that needs "
        "isolation (such as --cpu Haswell)",
        line=warned.line,
        where=warned.where,
    )
