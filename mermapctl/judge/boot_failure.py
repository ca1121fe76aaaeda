# SPDX-License-Identifier: GPL-2.0-only
"""Explains why a console without any suite gives no verdict. Pure."""

from __future__ import annotations

from typing import NamedTuple

from mermapctl.console import refusals
from mermapctl.console.boot_log import TEXT_LIMIT
from mermapctl.console.refusals import FoundRefusal
from mermapctl.console.splat import SplatKind
from mermapctl.judge.boot_end import Facts
from mermapctl.judge.result_types import Ended, Finding, Reason, Severity

CUT = {Ended.INTERRUPTED: Reason.INTERRUPTED, Ended.KILLED: Reason.HARNESS_ERROR}
"""Ends of a boot that are not the kernel's doing: a suite that they cut off has no verdict."""


class BootFailure(NamedTuple):
    """The reason for having no verdict; `detail` is the console line with it, or a sentence."""

    reason: Reason
    detail: str | None
    findings: tuple[Finding, ...] = ()


class _Cause(NamedTuple):
    """`text` is a console line; `sufficient` is True if it explains the failure by itself."""

    summary: str
    advice: str
    text: str | None = None
    line: int | None = None
    sufficient: bool = True


def read(facts: Facts) -> BootFailure | None:
    """Return None if a suite printed anything, so that there is something to judge."""
    account, boot = facts.account, facts.boot
    spoke = bool(account.documents)
    complete = spoke and account.unfinished is None
    if complete:
        return None
    refusal = None if spoke or facts.log.kernel else refusals.first(facts.opening)
    if (
        boot.ended is Ended.ACCELERATOR_FAILED
        or (refusal is not None and refusal.kind.kvm)
        or (not spoke and _mute_under_kvm(facts))
    ):
        why = _accelerator(facts, refusal)
        return _failed(Reason.ACCELERATOR_FAILED, "accelerator-failed", why)
    if spoke:
        return None
    if (cut := CUT.get(boot.ended)) is not None:
        return BootFailure(cut, boot.killed or facts.log.last)
    if refusal is not None:
        return _failed(Reason.BOOT_FAILED, "boot-failed", _refused(refusal))
    return _failed(Reason.BOOT_FAILED, "boot-failed", _no_ktap(facts))


def _failed(reason: Reason, code: str, why: _Cause) -> BootFailure:
    finding = Finding(
        code=code,
        severity=Severity.ERROR,
        summary=why.summary,
        evidence={"line": why.text} if why.text else {},
        advice=why.advice,
        console_line=why.line,
    )
    detail = why.text if why.sufficient and why.text else why.summary
    return BootFailure(reason, detail, (finding,))


def _mute_under_kvm(facts: Facts) -> bool:
    """Return whether a log asked for KVM, has no line of the guest, and ends in a kill.

    QEMU's `KVM internal error` goes to a stream that kunit.py does not show. A kernel booted with
    `quiet` or a low `loglevel` looks the same, and is excluded.
    """
    log = facts.log
    killed = log.timed_out is not None or log.terminated is not None
    return killed and log.accelerated and not log.booted and not log.muted and not facts.supervised


def _refused(refusal: FoundRefusal) -> _Cause:
    text = refusal.text.strip()[:TEXT_LIMIT]
    return _Cause(refusal.kind.summary, refusal.kind.advice, text, refusal.line)


def _accelerator(facts: Facts, refusal: FoundRefusal | None) -> _Cause:
    """Find KVM's own message; a guest that is silent under KVM counts as the same failure."""
    error = facts.log.accelerator_error
    if error is not None:
        told = refusals.refusal_in(error.text) or refusals.UNABLE
        return _Cause(told.summary, told.advice, error.text, error.line)
    if refusal is not None and refusal.kind.kvm:
        return _refused(refusal)
    advice = refusals.UNABLE.advice
    limit = facts.log.timed_out
    when = "never printed a line" if limit is None else f"printed no line in {limit:g} seconds"
    summary = f"QEMU was started with KVM, and the guest {when}"
    said = facts.log.terminated
    text, line = (said.text, said.line) if said else (None, None)
    return _Cause(summary, advice, text, line, sufficient=False)


def _no_ktap(facts: Facts) -> _Cause:
    """Return the line that best explains the missing KTAP."""
    log = facts.log
    for splat in facts.splats:
        if splat.kind is SplatKind.PANIC:
            summary = "the kernel panicked before any KTAP"
            return _Cause(summary, "look at its call trace", splat.title, splat.line)
    if facts.account.kunit_messages:
        advice = "look at kunit.enable=, kunit.filter_glob= and kunit.action= on the command line"
        return _Cause("KUnit ran no suite", advice, facts.account.kunit_messages[0])
    if log.muted:
        advice = "take `quiet` and low `loglevel=` off the command line: KTAP is printed at info"
        return _Cause("the command line mutes the kernel's messages, KTAP too", advice, log.last)
    if not log.booted:
        advice = "look at the machine's program (QEMU, UML) and its command line"
        return _Cause("the console has no line of a kernel", advice, log.last)
    if facts.boot.ended in (Ended.TIMEOUT, Ended.SILENCE):
        advice = "look at the last line; `initcall_debug` shows what the kernel is doing"
        return _Cause("the kernel hung before any KTAP", advice, log.last)
    advice = "is CONFIG_KUNIT built in and enabled (kunit.enable=1), or are all suites modules?"
    return _Cause("the kernel printed no KTAP", advice, log.last)
