# SPDX-License-Identifier: GPL-2.0-only
"""Hang triage: chooses the tests to boot alone after a hang, and evaluates their boots. Pure."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.console.ktap import Status, Suite
from mermapctl.console.splat import STUCK, Splat
from mermapctl.console.splat import function as function_of
from mermapctl.judge import splat_findings
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.result_types import Finding
from mermapctl.judge.suites import Manifest

if TYPE_CHECKING:
    from mermapctl.runner.qmp import Sample

DETECTED = "the kernel's own report"
SAMPLED_AFTER = 12
"""Seconds of silence before QEMU is asked where the CPUs are; the detector reports earlier."""
SHORT = 20
"""Seconds of silence after which a test booted alone counts as hung: a healthy one takes less than
one, and the detector below reports within ten."""
LONGEST = 60
"""Limit in seconds for such a boot, even on a busy machine."""
DETECTOR = ("watchdog_thresh=4", "softlockup_panic=1")
"""Report a CPU stuck for twice as many seconds, and panic, which flushes the console."""
LIST = "kunit.action=list"
MOST = 16
"""Limit on tests booted alone: the one that hangs is among the first without a result."""
HANG = "hang"
_CODES = (HANG, "lockup", "rcu-stall")


@dataclass(frozen=True, slots=True)
class Watching:
    """A configuration's means to watch a hang."""

    smp: bool
    detector: bool


def watching(config: Mapping[str, str]) -> Watching:
    """Read the means from the symbols of a .config."""
    return Watching(config.get("SMP") == "y", config.get("SOFTLOCKUP_DETECTOR") == "y")


def unfinished(suites: Iterable[Suite], findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """List suite and test of all tests that hung, or that a hang left without a result.

    A hung test whose function is already known needs no boot of its own.
    """
    known = {each.test for each in findings if each.code in _CODES and _function_of(each)}
    return [
        (suite.name, test.name)
        for suite in suites
        if suite.status is Status.HUNG
        for test in suite.tests
        if test.status in {Status.HUNG, Status.MISSING} and test.name not in known
    ]


def nameless(suites: Iterable[Suite]) -> list[Suite]:
    """List suites that hung before tests that the manifest does not name."""
    return [
        suite
        for suite in suites
        if suite.status is Status.HUNG and (suite.planned or 0) > len(suite.tests) + suite.omitted
    ]


def listed(console: Iterable[bytes], suite: str) -> list[str]:
    """List a suite's tests from the console of a boot with LIST, in the order they run."""
    name = re.escape(os.fsencode(suite))
    line = re.compile(rb"(?:\[[^\]]*\] ?){0,2}%s\.([^\s.]+)\s*" % name)
    found = (line.fullmatch(each) for each in console)
    return [match[1].decode(errors="replace") for match in found if match]


def _function_of(finding: Finding) -> str | None:
    found = finding.evidence.get("function") or finding.evidence.get("top_frame")
    return str(found) if found else None


def outcome(
    suite: str, test: str | None, suites: Iterable[Suite], findings: Iterable[Finding]
) -> tuple[Outcome, str | None]:
    """Return the result of a boot of `test` alone (None: of the suite), and which test hung.

    If only one test was booted, a hang is that test's, even if the console lost its lines.
    """
    stuck = any(each.code in _CODES for each in findings)
    mine = next((each for each in suites if each.name == suite), None)
    if mine is None:
        return Outcome.UNKNOWN, None
    if test is None:
        named = next((one.name for one in mine.tests if one.status is Status.HUNG), None)
        return Outcome.HUNG if stuck else _OUTCOMES[mine.status], named
    status = next((one.status for one in mine.tests if one.name == test), Status.MISSING)
    return Outcome.HUNG if stuck and status is Status.MISSING else _OUTCOMES[status], None


_OUTCOMES: dict[Status, Outcome] = {Status.MISSING: Outcome.UNKNOWN}
_OUTCOMES |= {each: Outcome(each.value) for each in Status if each is not Status.MISSING}


def function(splats: Iterable[Splat], suite: str, manifest: Manifest) -> str | None:
    """Return where a stuck CPU was, by the kernel's own report: ``symbol+offset/size``.

    Prefers the code under test to its callees. Skips the frames of the interrupting watchdog, which
    follow a panic's title.
    """
    known = manifest.suites.get(suite)
    for splat in splats:
        if splat.kind in STUCK and (frame := splat_findings.top_frame(splat, known)):
            return frame
    return None


def sampled(
    seen: Iterable[Sample], suite: str, manifest: Manifest
) -> tuple[str | None, str | None]:
    """Return the function in most CPU samples, and their number; the code under test goes first.

    A CPU that idles between interrupts is in several functions, one that loops in few.
    """
    known = manifest.suites.get(suite)
    places: Counter[str] = Counter()
    offsets: dict[str, str] = {}
    looks = [each.frames for each in seen if each.frames]
    for frames in looks:
        own = next((frame for frame in frames if known is not None and known.owns(frame)), None)
        frame = own or frames[0]
        places[function_of(frame)] += 1
        offsets.setdefault(function_of(frame), frame)
    if not places:
        return None, None
    name, times = places.most_common(1)[0]
    if times * 2 < len(looks):
        return None, None
    return offsets[name], f"{times} of {len(looks)} samples of the CPU"


def completed(
    suites: tuple[Suite, ...], findings: tuple[Finding, ...], trials: tuple[Trial, ...]
) -> tuple[tuple[Suite, ...], tuple[Finding, ...]]:
    """Complete the hung boot's suites and findings with the results of the trials."""
    if not trials:
        return suites, findings
    named = dict(_named(findings, trials))
    told = tuple(
        _told(each, trials, named.get(each.test)) if each.code in _CODES else each
        for each in findings
    )
    hung = {each.test for each in told if each.code == HANG}
    return tuple(_settled(suite, hung) for suite in suites), told


def _named(
    findings: tuple[Finding, ...], trials: tuple[Trial, ...]
) -> list[tuple[str | None, Trial]]:
    """Find the trial that explains a finding, by the finding's test."""
    found = []
    for finding in findings:
        if finding.code not in _CODES:
            continue
        hung = [each for each in trials if each.outcome is Outcome.HUNG]
        mine = [each for each in hung if finding.test in {None, each.test, each.named}]
        # Alone before together: a boot of one test cannot blame another one.
        first = next(iter(sorted(mine, key=lambda each: each.test is None)), None)
        if first is not None:
            found.append((finding.test, first))
    return found


def _told(finding: Finding, trials: tuple[Trial, ...], hung: Trial | None) -> Finding:
    evidence = dict(finding.evidence)
    test = finding.test
    if hung is not None:
        test = test or hung.test or hung.named
        if hung.function and finding.code == HANG:
            evidence["function"] = hung.function
            evidence["seen"] = hung.seen
    alone = [each for each in trials if each.test is not None]
    if alone:
        evidence["alone"] = ", ".join(f"{each.test} {each.outcome}" for each in alone)
    together = next((each for each in trials if each.test is None), None)
    if together is not None:
        evidence["again"] = f"the whole suite {together.outcome}"
    if finding.code != HANG:
        return replace(finding, evidence=evidence)
    where = _function_of(replace(finding, evidence=evidence))
    return replace(
        finding,
        test=test,
        evidence=evidence,
        summary=_summary(finding, test, where, alone),
        advice=_advice(finding, where, hung),
    )


def _summary(finding: Finding, test: str | None, where: str | None, alone: list[Trial]) -> str:
    if test is None:
        if alone and all(each.outcome is Outcome.PASSED for each in alone):
            return f"{finding.summary.partition(';')[0]}; each of its tests passes alone"
        return finding.summary
    said = f"the kernel hung in {test}"
    if where:
        said += f", in {function_of(where)}()"
    others = [
        str(each.test) for each in alone if each.outcome is Outcome.HUNG and each.test != test
    ]
    if others:
        said += f"; booted alone, {' and '.join(others)} {'hang' if others[1:] else 'hangs'} too"
    if any(each.test == test and each.outcome is Outcome.PASSED for each in alone):
        said += "; alone it passes"
    return said


def _advice(finding: Finding, where: str | None, hung: Trial | None) -> str | None:
    if where:
        return f"look for an endless loop in {function_of(where)}(), or in what it waits for"
    if hung is not None:
        return (
            "look for an endless loop, or a wait for something that never comes; the variant "
            "`hang` has the soft-lockup detector, which names the function"
        )
    return finding.advice


def _settled(suite: Suite, hung: set[str | None]) -> Suite:
    """Mark the test that the trials found hanging in its suite."""
    if suite.status is not Status.HUNG:
        return suite
    tests = tuple(
        replace(test, status=Status.HUNG)
        if test.name in hung and test.status is Status.MISSING
        else test
        for test in suite.tests
    )
    return replace(suite, tests=tests)
