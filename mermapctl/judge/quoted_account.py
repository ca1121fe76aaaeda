# SPDX-License-Identifier: GPL-2.0-only
"""Decides what a quoted console proves: lines left out of it, or wrapped, are no kernel's doing.

A failure that the rest shows (`not ok`, a splat) is a failure. A missing line proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mermapctl.console.ktap import Account, Status, Suite, Trouble, leaf_tests
from mermapctl.console.quotation import Wrapped
from mermapctl.judge.result_types import Finding, Severity
from mermapctl.judge.root_cause import Draft

CUT, WRAPPED = "lines-left-out", "lines-wrapped"
_UNPROVEN = frozenset({"output-corrupt", "output-truncated", "test-missing", "suite-missing"})
"""Findings of an incomplete account; lines that were left out explain them as well."""
_BAD = {Status.FAILED, Status.CRASHED, Status.HUNG}


@dataclass(frozen=True, slots=True)
class Quotation:
    """What was done to a console before it was given: `marks` are lines in place of others."""

    marks: Sequence[int] = ()
    wrapped: Wrapped | None = None

    def finding(self, begun: int, boundary: int, *, complete: bool) -> Finding | None:
        """Return the finding if results may be affected; None if all was done outside of them.

        `begun` is the line of the first KTAP header (0: none), `boundary` that of the last result.
        """
        within = [line for line in self.marks if begun < line < boundary or not complete]
        if within:
            return _left_out(within)
        if self.wrapped is not None:
            return _lines_wrapped(self.wrapped)
        return None


def _left_out(marks: Sequence[int]) -> Finding:
    return Finding(
        code=CUT,
        severity=Severity.WARNING,
        summary=f"the console is a quotation: lines were left out at console line {marks[0]}",
        evidence={"marks": len(marks)},
        advice="judge the whole console: a result or a complaint may be in what was left out",
        console_line=marks[0],
    )


def _lines_wrapped(wrapped: Wrapped) -> Finding:
    lines = "1 line is" if wrapped.rests == 1 else f"{wrapped.rests} lines are"
    return Finding(
        code=WRAPPED,
        severity=Severity.WARNING,
        summary=f"{lines} wrapped, as by a mailer, from console line {wrapped.line} on",
        evidence={"wrapped": wrapped.rests, "width": wrapped.width},
        advice="judge the console as a file or an attachment: the rest of a wrapped line is not "
        "read, so a finding may be less exact than its console allows",
        console_line=wrapped.line,
    )


def is_complete(drafts: Iterable[Draft]) -> bool:
    """Return whether no finding reports a part of the account as missing."""
    return not any(
        each.finding.code in _UNPROVEN and each.finding.severity is Severity.ERROR
        for each in drafts
    )


def proven(drafts: Iterable[Draft], account: Account) -> list[Draft]:
    """Return the findings that lines left out do not explain."""
    bailed = bool(account.troubles.get(Trouble.BAILED))
    return [
        each
        for each in drafts
        if each.finding.code not in _UNPROVEN or (bailed and each.finding.code == "output-corrupt")
    ]


def shows_failure(account: Account, complaints: Iterable[Draft]) -> bool:
    """Return whether the account has a failed result, or a complaint of the kernel that counts."""
    bad = account.unlisted is not None and account.unlisted.bad - account.unlisted.missing > 0
    return (
        bad
        or bool(account.troubles.get(Trouble.BAILED))
        or any(each.finding.severity is Severity.ERROR for each in complaints)
        or any(map(_failed, account.suites))
    )


def _failed(suite: Suite) -> bool:
    unlisted = suite.unlisted
    return (
        suite.status in _BAD
        or any(test.status in _BAD for _, test in leaf_tests(suite.tests))
        or (unlisted is not None and unlisted.bad - unlisted.missing > 0)
    )


def unfinished(suites: Iterable[Suite], account: Account) -> tuple[Suite, ...]:
    """Return suites without a failure that is only a missing result."""
    failed = {suite.console_line for suite in account.suites if _failed(suite)}
    return tuple(
        replace(suite, status=Status.MISSING)
        if suite.status is Status.FAILED and suite.console_line not in failed
        else suite
        for suite in suites
    )
