# SPDX-License-Identifier: GPL-2.0-only
"""Compares a failed traced boot with the same kernel's boot without probes. Pure.

Probes cost time and change code, so they may cause a failure. Compares, by name, only symptoms that
a boot without probes can show: tests that count as failed, and findings that belong to no test.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mermapctl.console.ktap import Suite
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.leaf_tests import all_tests, concerned
from mermapctl.judge.result_types import Boot, Finding, Reason, Severity, Verdict

CODE = "only-with-probes"
_AGAIN = "booted again without probes"
NAMED = 6
"""Names listed in a sentence."""


@dataclass(frozen=True, slots=True)
class Unprobed:
    """The boot without probes that followed a traced one.

    `symptoms` are the names of its failures, `seconds` its length. `stands`: the traced boot had no
    verdict, so the cell's verdict is this boot's. `words` is the comparison in a sentence.
    """

    verdict: Verdict
    seconds: float
    reason: Reason | None = None
    detail: str | None = None
    symptoms: tuple[str, ...] = ()
    stands: bool = False
    words: str = ""
    boot: Boot | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Result of the comparison; `confirmed` is null if the boot without probes cannot decide."""

    words: str
    confirmed: bool | None = None
    finding: Finding | None = None


def compare(traced: Collection[str], plain: Unprobed) -> Confirmation:
    """Compare the symptoms of a failed traced boot with the boot without probes.

    `traced` are the symptoms that a boot without probes could show.
    """
    if plain.verdict is Verdict.NO_VERDICT:
        why = plain.detail or plain.reason or "no reason given"
        return Confirmation(f"{_AGAIN}: no verdict there ({why})")
    there = [each for each in traced if each in plain.symptoms]
    other = [each for each in plain.symptoms if each not in traced]
    if not traced:
        how = f"fails there ({_listed(other)})" if other else "passes there"
        return Confirmation(
            f"{_AGAIN}: the suite {how}; what the trace alone shows is neither confirmed nor "
            "denied by it"
        )
    gone = [each for each in traced if each not in plain.symptoms]
    lacks = f"; only with probes: {_listed(gone)}" if gone else ""
    if there:
        besides = f"; only without: {_listed(other)}" if other else ""
        words = f"it fails there too ({_listed(there)}){lacks}{besides}"
        return Confirmation(f"{_AGAIN}: {words}", confirmed=True)
    if other:
        words = f"{_AGAIN}: it fails there, but otherwise ({_listed(other)}){lacks}"
        return Confirmation(words, confirmed=False)
    words = f"{_AGAIN}: it passes there"
    finding = _finding(f"{_listed(traced)} fails only with probes")
    return Confirmation(words, confirmed=False, finding=finding)


def without_verdict(traced: str, plain: Unprobed) -> Confirmation:
    """Describe a cell whose traced boot had no verdict; `traced` is the reason in words."""
    if plain.verdict is Verdict.NO_VERDICT:
        why = plain.detail or plain.reason or "no reason given"
        words = f"{_AGAIN}: no verdict there either ({why})"
        return Confirmation(words, confirmed=True)
    return Confirmation(
        f"the traced boot had no verdict ({traced}): this is the verdict of a boot without probes",
        confirmed=True if plain.verdict is Verdict.FAILED else None,
        finding=_finding(f"the kernel has no verdict with probes ({traced})"),
    )


def by_trials(trials: Iterable[Trial]) -> Confirmation | None:
    """Confirm a hang by the boots after it, which have no probes; None if they cannot decide."""
    tried = list(trials)
    hung = [each.glob for each in tried if each.outcome is Outcome.HUNG]
    if hung:
        return Confirmation(f"booted without probes it hangs too ({_listed(hung)})", confirmed=True)
    ended = [
        each.suite
        for each in tried
        if each.test is None and each.outcome in {Outcome.PASSED, Outcome.FAILED}
    ]
    if ended:
        words = f"booted without probes it does not hang ({_listed(ended)})"
        return Confirmation(words, confirmed=False)
    return None


def symptoms(suites: Iterable[Suite], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Name the failures: tests that are bad or have an error, then errors of no test."""
    tests = all_tests(suites)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    mine = concerned(tests, ((error.test, error.console_line) for error in errors))
    placed = {index for indices in mine.values() for index in indices}
    bad = [
        f"{suite.name}.{'/'.join(path)}"
        for at, (suite, path, test) in enumerate(tests)
        if at in mine or not test.status.good
    ]
    loose = [
        f"{error.code} in {error.test}" if error.test else error.code
        for index, error in enumerate(errors)
        if index not in placed
    ]
    return tuple(dict.fromkeys([*bad, *loose]))


def _finding(summary: str) -> Finding:
    return Finding(
        code=CODE,
        severity=Severity.WARNING,
        summary=summary,
        advice="a race that the probes' delay opens, or a fault of the probes themselves: "
        "`--no-trace` boots without them",
    )


def _listed(names: Iterable[str]) -> str:
    all_ = list(names)
    more = f" and {len(all_) - NAMED} more" if len(all_) > NAMED else ""
    return ", ".join(all_[:NAMED]) + more
