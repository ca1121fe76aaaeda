# SPDX-License-Identifier: GPL-2.0-only
"""Makes findings on a suite built as a module: its guard hides the counter. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from mermapctl.config.module_guard import Guard
from mermapctl.judge.result_types import Finding, Flush, Severity

CODE = "counter-not-in-module"

_NO_MEMBER = re.compile(
    r"^\S+:\d+:\d+: error: .*no member named \W(?P<member>\w*tlb_flushes)\W", re.MULTILINE
)
"""The message of gcc and clang; gcc's quotes depend on the locale."""
_UNCOUNTED = ("missing-flush", "counter-mismatch")


def without_member(build_log: str, found: tuple[Guard, ...]) -> Finding | None:
    """Make the finding for a build that stopped because the module cannot see the counter."""
    failed = _NO_MEMBER.search(build_log)
    if failed is None or not found:
        return None
    summary = (
        f"the suite cannot be built as a module: `{found[0].text}` hides {failed['member']} from it"
    )
    evidence = {"build": failed[0].strip(), "member": failed["member"]}
    return _finding(summary, evidence, found, None)


def explained(
    findings: tuple[Finding, ...], found: tuple[Guard, ...], flushes: Iterable[Flush] = ()
) -> tuple[Finding, ...]:
    """Explain by its guard a counter that stayed 0 in a module's boot.

    Leave the findings unchanged if a trace (`flushes`) shows that there was nothing to count.
    """
    undone = {row.test for row in flushes if row.observed == 0}
    effects = [
        each
        for each in findings
        if each.code in _UNCOUNTED and _counted(each) == 0 and each.test not in undone
    ]
    if not effects or not found:
        return findings
    # Prefer a guard in a .c file: the counting code.
    ordered = sorted(found, key=lambda guard: ".c:" not in guard.where)
    first = effects[0]
    summary = f"no flush is counted when the suite is a module: `{ordered[0].text}` is false there"
    cause = replace(
        _finding(summary, {"counted": 0}, tuple(ordered), first.test),
        console_line=first.console_line,
        consequences=tuple(
            sentence for each in effects for sentence in (each.summary, *each.consequences)
        ),
    )
    at = findings.index(first)
    rest = [each for each in findings if each not in effects]
    return (*rest[:at], cause, *rest[at:])


def _counted(finding: Finding) -> object:
    return finding.evidence.get("flushes", finding.evidence.get("counted"))


def _finding(
    summary: str, evidence: dict[str, str | int], found: tuple[Guard, ...], test: str | None
) -> Finding:
    others = ", ".join(guard.where for guard in found[1:])
    return Finding(
        code=CODE,
        severity=Severity.ERROR,
        summary=summary,
        test=test,
        evidence={"guard": found[0].text, **evidence, **({"also": others} if others else {})},
        where=found[0].where,
        advice=f"write `#if IS_ENABLED({_symbol(found[0].text)})`, which is true for =y and =m; "
        "a built-in suite does not show the difference",
    )


def _symbol(text: str) -> str:
    named = re.search(r"CONFIG_\w+", text)
    return named[0] if named else "CONFIG_…"
