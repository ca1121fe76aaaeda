# SPDX-License-Identifier: GPL-2.0-only
"""Makes findings for missing, lost, torn or cut off KTAP output. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from mermapctl.console.assertion_block import TIMED_OUT, Failure
from mermapctl.console.ktap import KtapNote, Status, Suite, Test, Trouble, leaf_tests
from mermapctl.judge.boot_end import Facts, SuiteEnd
from mermapctl.judge.result_types import Ended, Severity
from mermapctl.judge.root_cause import Draft, draft
from mermapctl.trace.violations import Evidence

_INCOMPLETE = (
    *(Trouble.LOST, Trouble.TORN, Trouble.MISCOUNTED, Trouble.BAILED),
    Trouble.CONTRADICTED,
)
_CURIOUS = (
    *(Trouble.RUN_INTO, Trouble.MISPLACED, Trouble.REPEATED, Trouble.VERSION),
    *(Trouble.DISORDER, Trouble.HEADLESS, Trouble.DEEP),
)
LOOP = "look for an endless loop, or a wait for something that never comes"
NAMED = 8
"""Lines and names quoted as evidence."""


def read(facts: Facts, suites: tuple[Suite, ...], end: SuiteEnd | None) -> list[Draft]:
    """Make drafts for everything that makes the account incomplete."""
    drafts = [each for suite in suites for each in _out_of_time(suite)]
    if end is not None:
        drafts.append(_cut(facts, suites, end))
    drafts += [*_missing(facts, suites, end), *_corrupt(facts, end)]
    if facts.complaints_dropped:  # the kept ones already fail the cell
        drafts.append(
            draft(
                "kernel-warning",
                "there are more kernel complaints than are listed here",
                {"more": facts.complaints_dropped},
                "the first ones mostly explain the others; the console has them all",
                severity=Severity.WARNING,
            )
        )
    return drafts


def _out_of_time(suite: Suite) -> Iterator[Draft]:
    """Make drafts for tests, or a suite without tests, that KUnit or a runner timed out."""
    for _, test in leaf_tests(suite.tests):
        if test.status is Status.HUNG and test.directive == "TIMEOUT":
            yield _timed_out(suite, test.name, test.reason, test.console_line)
        elif test.status is Status.HUNG and (failure := _limit(test)) is not None:
            yield draft(
                "hang",
                f"{test.name} ran into KUnit's own time limit",
                {"suite": suite.name, "message": failure.message},
                LOOP,
                test=test.name,
                line=failure.console_line,
            )
    if suite.directive == "TIMEOUT":
        yield _timed_out(suite, None, suite.reason, suite.last_line)


def _limit(test: Test) -> Failure | None:
    """Find KUnit's message that its own time limit ended a test."""
    return next((f for f in test.failures if TIMED_OUT.search(f.message or "")), None)


def _timed_out(suite: Suite, test: str | None, said: str | None, line: int | None) -> Draft:
    """Describe a runner's TIMEOUT; `said` is the text after it, mostly the limit."""
    seconds = re.search(r"\d+(?:\.\d+)?", said or "")
    limit = f"its limit of {seconds[0]} s" if seconds else "its time limit"
    evidence: Evidence = {"suite": suite.name, "said": said}
    if seconds:
        evidence["limit"] = float(seconds[0])
    return draft(
        "hang", f"{test or suite.name} ran into {limit}", evidence, LOOP, test=test, line=line
    )


def _cut(facts: Facts, suites: tuple[Suite, ...], end: SuiteEnd) -> Draft:
    """Make the finding for a console that ends in the middle."""
    open_ = facts.account.unfinished
    assert open_ is not None  # noqa: S101 - an end needs an open suite or document
    suite = next((s for s in suites if s.console_line == open_.console_line), None)
    place = f"the suite {open_.suite}" if open_.suite else "the KTAP document"
    unknown = [t.name for t in suite.tests if t.status is Status.MISSING] if suite else []
    evidence: Evidence = {"last_line": facts.log.last}
    if open_.planned is not None:
        evidence["results"] = f"{open_.results} of {open_.planned}"
    line = facts.boundary or open_.console_line
    if end.status is Status.HUNG:
        if facts.boot.silence is not None:
            evidence["silence"] = round(facts.boot.silence, 1)
        if facts.boot.limit is not None:
            evidence["limit"] = facts.boot.limit
        if end.test is not None:
            summary = f"the kernel hung in {end.test}"
            advice = LOOP
        elif open_.planned and open_.results >= open_.planned:
            summary = f"the kernel hung in {place}, after its last test"
            advice = "look at the suite's own clean-up, and at what its tests left running"
        else:
            summary = (
                f"the kernel hung in {place}; the test is unknown, since one CPU with "
                "preemption off loses the last lines that it printed"
            )
            advice = (
                "the variant `hang` has two CPUs and the soft-lockup detector, which names the "
                "function and the test"
            )
            evidence["without_result"] = ", ".join(unknown[:NAMED]) or None
        return draft("hang", summary, evidence, advice, test=end.test, line=line)
    evidence["without_result"] = ", ".join(unknown[:NAMED]) or None
    if facts.boot.ended is Ended.EXITED and not end.explained:
        summary = f"the machine ended in {place} without a message"
        advice = "a triple fault or a reset looks like this; boot once with --smp 2 or with KASAN"
    else:
        summary = f"the console ends in {place}, before its last result"
        advice = "the log is cut off: judge a whole one, or look at what ended the boot"
    return draft("output-truncated", summary, evidence, advice, test=end.test, line=line)


def _missing(facts: Facts, suites: tuple[Suite, ...], end: SuiteEnd | None) -> list[Draft]:
    drafts = []
    required = set(facts.manifest.required(facts.glob))
    lossy = {note.suite for note in facts.account.notes if note.trouble in _INCOMPLETE}
    for suite in suites:
        if suite.console_line is None:
            drafts.append(_suite_missing(suite.name, facts))
            continue
        known = facts.manifest.tests(suite.name, facts.glob)
        names = {test.name for test in known}
        missing = [test.name for test in suite.tests if test.status is Status.MISSING]
        strangers = [t.name for t in suite.tests if t.name not in names] if known else []
        cut = suite.console_line == _unfinished_line(facts)
        if missing and not cut and suite.name not in lossy:
            drafts += [_test_missing(suite, name, strangers) for name in missing]
    if not suites and not required and end is None and not facts.account.omitted:
        drafts.append(_suite_missing(facts.glob, facts))
    if suites and end is None and not lossy and not facts.account.suites_lost:
        drafts += _unanswered(facts, suites)
    return drafts


def _unanswered(facts: Facts, suites: tuple[Suite, ...]) -> Iterator[Draft]:
    """Make a draft for a filter (SUITE[.TEST]) that no suite, or none of their tests, matches."""
    name, _, test = (facts.glob or "*").partition(".")
    matching = [suite for suite in suites if fnmatchcase(suite.name, name)]
    if not matching:
        yield _suite_missing(facts.glob, facts)
    elif test and not (facts.account.omitted or any(_answers(each, test) for each in matching)):
        yield draft(
            "test-missing",
            f"no test that matches {facts.glob} has a result",
            {"tests": ", ".join(each.name for each in matching[0].tests[:NAMED]) or "none"},
            "a mistyped filter looks like this; was the test renamed or removed?",
            line=matching[0].console_line,
        )


def _answers(suite: Suite, test: str) -> bool:
    """Return whether a suite has such a test, may have dropped it, or ended before it."""
    if suite.omitted or (not suite.tests and suite.status is not Status.PASSED):
        return True
    return any(fnmatchcase(each.name, test) for each in suite.tests)


def _unfinished_line(facts: Facts) -> int | None:
    return facts.account.unfinished.console_line if facts.account.unfinished else None


def _suite_missing(name: str | None, facts: Facts) -> Draft:
    others = ", ".join(suite.name for suite in facts.account.suites[:NAMED])
    evidence: Evidence = {"suites": others or "none", "documents": facts.account.documents}
    if facts.account.kunit_messages:
        evidence["kunit"] = facts.account.kunit_messages[0]
    summary = f"the suite {name} did not run" if name else "no suite ran"
    return draft(
        "suite-missing",
        summary,
        evidence,
        "is it in this kernel, as built-in code or as a module that was loaded? "
        "A mistyped filter looks the same: `--suite` takes the suite's name",
    )


def _test_missing(suite: Suite, name: str, strangers: list[str]) -> Draft:
    evidence: Evidence = {"suite": suite.name, "planned": suite.planned}
    summary = f"{name} has no result in the suite {suite.name}"
    if strangers:
        evidence["unexpected"] = ", ".join(strangers[:NAMED])
        summary += f"; {strangers[0]}, which is not expected, has one"
    return draft(
        "test-missing",
        summary,
        evidence,
        "was it renamed or removed? configs/suites.toml lists the tests of a suite",
        test=name,
        line=suite.last_line,
    )


def _corrupt(facts: Facts, end: SuiteEnd | None) -> list[Draft]:
    """Make drafts for lost or torn lines; an error if results are missing."""
    notes = facts.account.notes
    bad = [note for note in notes if note.trouble in _INCOMPLETE]
    curious = [note for note in notes if note.trouble in _CURIOUS]
    lost_suites = 0
    if end is None:  # the machine went on, so the open test lost its last lines
        lost_suites = max(facts.account.suites_lost, facts.account.unfinished is not None)
    if end is not None:  # the last line of a cut-off log is always torn
        bad = [note for note in bad if note.console_line < facts.boundary]
    if not bad and not curious and not lost_suites:
        return []
    first = next(iter([*bad, *curious]), None)
    torn = [note for note in notes if note.trouble in (Trouble.TORN, Trouble.SUSPECT)]
    quoted = torn[0] if torn and (bad or lost_suites) else first
    troubles = facts.account.troubles
    lost = troubles.get(Trouble.LOST, 0) if any(n.trouble is Trouble.LOST for n in bad) else 0
    evidence: Evidence = {"line": quoted.text.strip() if quoted else None}
    if lost or lost_suites:
        evidence["lost"] = lost or lost_suites
    if dropped := troubles.get(Trouble.DROPPED):
        evidence["messages_dropped"] = dropped
    serious = bool(bad) or bool(lost_suites)
    return [
        draft(
            "output-corrupt",
            _how_corrupt(bad, lost_suites) if serious else _how_curious(curious),
            evidence,
            "another writer shares the console, or printk dropped messages: boot with a larger log "
            "buffer (log_buf_len=4M) and a separate console",
            line=quoted.console_line if quoted else None,
            severity=Severity.ERROR if serious else Severity.WARNING,
        )
    ]


def dropped(facts: Facts, drafts: Iterable[Draft]) -> list[Draft]:
    """Make a warning for messages that printk dropped, unless a draft reports them already."""
    lost = facts.account.troubles.get(Trouble.DROPPED)
    if not lost or any("messages_dropped" in each.finding.evidence for each in drafts):
        return []
    first = [note for note in facts.account.notes if note.trouble is Trouble.DROPPED]
    return [
        draft(
            "output-corrupt",
            "printk dropped messages while the tests ran: a complaint may be among them",
            {"messages_dropped": lost},
            "boot with a larger log buffer (log_buf_len=4M)",
            line=first[0].console_line if first else None,
            severity=Severity.WARNING,
        )
    ]


_SUMMARIES = {
    Trouble.BAILED: "the test program gave up: Bail out!",
    Trouble.CONTRADICTED: "a test printed ok, but one of its assertions failed",
    Trouble.TORN: "result lines are torn: they cannot be counted",
}
"""Texts of troubles, the most important first: a finding quotes one."""


def _how_corrupt(bad: list[KtapNote], lost_suites: int) -> str:
    troubles = {note.trouble for note in bad}
    lost = [note for note in bad if note.trouble is Trouble.LOST]
    for trouble, words in _SUMMARIES.items():
        if trouble in troubles:
            return words
    if Trouble.LOST in troubles or lost_suites:
        if lost_suites or all(note.text.startswith(("1..", "no result")) for note in lost):
            return "result lines are lost: there are fewer than the plan promised"
        if all(note.text.startswith("the plan") for note in lost):
            return f"{lost[0].text} is lost: it is unknown whether all results are there"
        return "results are numbered out of order, or lost: planned numbers never came"
    if all(note.text.lstrip().startswith("1..") for note in bad):
        return "a second plan contradicts the first: how many results there are cannot be told"
    return "the suite's own totals differ from its result lines"


def _how_curious(curious: list[KtapNote]) -> str:
    troubles = {note.trouble for note in curious}
    if Trouble.DEEP in troubles:
        return "results are nested too deeply to be listed; of those only failures are counted"
    if Trouble.DISORDER in troubles:
        return "results are numbered out of order, but none of the planned numbers is missing"
    return "KTAP lines are malformed, but every result was read"
