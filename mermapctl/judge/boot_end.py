# SPDX-License-Identifier: GPL-2.0-only
"""Determines how a boot ended, what was running then, and the status of its tests. Pure.

If the console is not enough to tell, nothing is claimed. One CPU without preemption can lose its
last lines, so they do not prove which test was running.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mermapctl.console.boot_log import BootLog
from mermapctl.console.ktap import Account, Status, Suite, Test
from mermapctl.console.splat import DEADLY, STUCK, Splat, SplatKind, function
from mermapctl.judge.result_types import Boot, Ended
from mermapctl.judge.suites import Manifest


@dataclass(frozen=True, slots=True)
class Facts:
    """Results of all readers of one console; `boundary` is the line of the last result.

    `supervised`: the supervisor reported how the boot ended. `complaints_dropped` counts complaints
    beyond the limit. `opening` are the console's first and last lines, with their line numbers.
    """

    account: Account
    splats: tuple[Splat, ...]
    log: BootLog
    boot: Boot
    manifest: Manifest
    glob: str | None
    boundary: int
    supervised: bool = False
    complaints_dropped: int = 0
    opening: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SuiteEnd:
    """The suite that had begun but not ended when the console ended; `test` ran then, if known.

    `explained`: a complaint of the kernel explains the end.
    """

    status: Status
    test: str | None
    explained: bool = False


def how_it_ended(boot: Boot, log: BootLog) -> Boot:
    """Return the supervisor's report, else what kunit.py and QEMU print in the console."""
    if boot.ended is not Ended.UNKNOWN:
        return boot
    if log.accelerator_error is not None:
        return replace(boot, ended=Ended.ACCELERATOR_FAILED)
    if log.timed_out is not None or log.terminated is not None:
        return replace(boot, ended=Ended.TIMEOUT, limit=boot.limit or log.timed_out)
    return boot


def suite_end(facts: Facts) -> SuiteEnd | None:
    """Return how the unfinished suite ended; None if there is none, or only lines are missing."""
    open_ = facts.account.unfinished
    if open_ is None:
        return None
    late = [splat for splat in facts.splats if _late(splat, facts)]
    died = any(splat.kind in DEADLY for splat in late)
    stuck = any(splat.kind in STUCK for splat in late)
    if facts.log.shut_down and not (died or stuck):
        return None
    if stuck:
        status = Status.HUNG
    elif died:
        status = Status.CRASHED
    else:
        status = {
            Ended.TIMEOUT: Status.HUNG,
            Ended.SILENCE: Status.HUNG,
            Ended.EXITED: Status.CRASHED,
        }.get(facts.boot.ended, Status.MISSING)
    test = open_.running or _named_by_trace(late, facts) or _next(late, facts)
    return SuiteEnd(status, test, explained=died or stuck)


def _late(splat: Splat, facts: Facts) -> bool:
    return splat.in_suite and splat.test is None and splat.line > facts.boundary


def _named_by_trace(late: list[Splat], facts: Facts) -> str | None:
    """Find the test whose function is in a call trace: an expected one, or what KUnit called."""
    names = _expected_names(facts)
    for splat in late:
        symbols = [function(frame) for frame in splat.frames]
        if names:
            called = next((symbol for symbol in symbols if symbol in names), None)
        elif "kunit_try_run_case" in symbols[1:]:
            called = symbols[symbols.index("kunit_try_run_case") - 1]
        else:
            called = None
        if called is not None:
            return called
    return None


def _next(late: list[Splat], facts: Facts) -> str | None:
    """Return the test after the last one with a result, unless its result may have been lost.

    A panic flushes all printed lines, and a second CPU keeps writing while one hangs.
    """
    reliable = any(splat.kind is SplatKind.PANIC for splat in late) or (facts.log.cpus or 1) > 1
    open_ = facts.account.unfinished
    if open_ is None or not reliable:
        return None
    names = _expected_names(facts)
    suite = _open_suite(facts)
    done = tuple(test.name for test in suite.tests) if suite else ()
    if len(done) < len(names) and done == names[: len(done)]:
        return names[len(done)]
    return None


def _open_suite(facts: Facts) -> Suite | None:
    open_ = facts.account.unfinished
    if open_ is None or open_.suite is None:
        return None
    last = facts.account.suites[-1] if facts.account.suites else None
    return last if last is not None and last.console_line == open_.console_line else None


def _expected_names(facts: Facts) -> tuple[str, ...]:
    open_ = facts.account.unfinished
    suite = open_.suite if open_ else None
    return tuple(test.name for test in facts.manifest.tests(suite or "", facts.glob))


def settle(facts: Facts, end: SuiteEnd | None) -> tuple[tuple[Suite, ...], tuple[Splat, ...]]:
    """Mark crashed, hung and missing tests in suites; add the running test to splats."""
    splats = facts.splats
    if end is not None and end.test is not None:
        splats = tuple(
            replace(splat, test=end.test) if _late(splat, facts) else splat for splat in splats
        )
    open_ = _open_suite(facts)
    suites = [
        _settle_suite(suite, facts, splats, end if suite is open_ else None)
        for suite in facts.account.suites
    ]
    present = {suite.name for suite in suites}
    for name in facts.manifest.required(facts.glob):
        if name not in present:
            tests = tuple(
                Test(test.name, Status.MISSING) for test in facts.manifest.tests(name, facts.glob)
            )
            suites.append(Suite(name, Status.MISSING, tests))
    return tuple(suites), splats


def _settle_suite(
    suite: Suite, facts: Facts, splats: tuple[Splat, ...], end: SuiteEnd | None
) -> Suite:
    crashed = {
        splat.test
        for splat in splats
        if splat.kind in DEADLY and splat.test and suite.contains(splat.line)
    }
    known = suite.name in facts.manifest.suites
    if end is None and not crashed and not known and suite.status.good:
        return suite
    tests = [
        replace(test, status=Status.CRASHED)
        if test.name in crashed and test.status is Status.FAILED
        else test
        for test in suite.tests
    ]
    names = [test.name for test in facts.manifest.tests(suite.name, facts.glob)]
    if end is not None and end.test is not None and end.test not in names:
        names.append(end.test)
    tests = _in_order(tests, names)
    if end is not None:
        tests = [
            replace(test, status=end.status)
            if test.name == end.test and test.status is Status.MISSING
            else test
            for test in tests
        ]
    return replace(suite, tests=tuple(tests), status=_status(suite, tests, end))


def _in_order(tests: list[Test], names: list[str]) -> list[Test]:
    """Return the tests, with those of `names` that lack a result inserted in order."""
    present = {test.name for test in tests}
    ordered = list(tests)
    for index, name in enumerate(names):
        if name in present:
            continue
        before = [test.name for test in ordered]
        at = next((before.index(n) for n in names[index + 1 :] if n in before), len(before))
        ordered.insert(at, Test(name, Status.MISSING))
        present.add(name)
    return ordered


def _status(suite: Suite, tests: list[Test], end: SuiteEnd | None) -> Status:
    if end is not None:
        return end.status
    statuses = {test.status for test in tests}
    if suite.unlisted is not None and suite.unlisted.hung:
        statuses.add(Status.HUNG)
    worst = next((s for s in (Status.HUNG, Status.CRASHED) if s in statuses), None)
    if worst is not None:
        return worst
    if suite.status is not Status.MISSING and statuses & {Status.FAILED, Status.MISSING}:
        return Status.FAILED
    return suite.status
