# SPDX-License-Identifier: GPL-2.0-only
"""Turns failed assertions into findings on the code under test, by the manifest's rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mermapctl.console.ktap import Account, Failure, Status, Suite, Test
from mermapctl.judge import leaf_tests
from mermapctl.judge.root_cause import Draft, draft
from mermapctl.judge.suites import ExpectedSuite, Manifest, Rule
from mermapctl.trace.violations import Evidence

FAILED_SHOWN = 50
"""Failed tests without a rule that get a finding each; the rest share one."""

_PRINTED = re.compile(r"(-?\d+) \(0x[0-9a-f]+\)\Z")
_HEX = re.compile(r"0x[0-9a-f]{1,16}\Z")


def read(suites: tuple[Suite, ...], account: Account, manifest: Manifest) -> list[Draft]:
    """Make one draft for each broken rule of a test, and one for each failure without a rule.

    The last draft sums up the failures that are not shown, and those that `account` only counted.
    """
    drafts: list[Draft] = []
    unknown: list[Draft] = []
    for suite in suites:
        expected = manifest.suites.get(suite.name)
        for test in suite.tests:
            if test.status is Status.PASSED and not test.failures and not test.tests:
                continue
            known, rest = _by_rule(test, expected)
            drafts += known
            if test.status in (Status.FAILED, Status.CRASHED) and (rest or not known):
                unknown.append(_unknown(test, rest))
        if suite.status is Status.FAILED and (suite.failures or not _explained(suite)):
            unknown.append(_suite_failed(suite))
    more = _more(unknown[FAILED_SHOWN:], suites, account)
    return [*drafts, *unknown[:FAILED_SHOWN], *([more] if more else [])]


def _explained(suite: Suite) -> bool:
    """Return whether the suite failed because one of its tests failed."""
    unlisted = suite.unlisted is not None and suite.unlisted.bad > 0
    return unlisted or any(not test.status.good for test in suite.tests)


def _more(rest: list[Draft], suites: tuple[Suite, ...], account: Account) -> Draft | None:
    """Make one finding for the failures without their own, and for those not kept."""
    unlisted = leaf_tests.unlisted(suites, account.unlisted)
    tests = len(rest) + unlisted.bad
    suites_bad = account.omitted_bad
    if not tests and not suites_bad:
        return None
    said = [
        f"{count} more {what}{'s' * (count != 1)}"
        for count, what in ((tests, "test"), (suites_bad, "suite"))
        if count
    ]
    line = rest[0].finding.console_line if rest else None
    return draft(
        "test-failed", f"{' and '.join(said)} failed", {}, "look at the console", line=line
    )


def _failures(test: Test) -> Iterator[Failure]:
    """Yield the failures of a test and of the tests inside it."""
    yield from test.failures
    for inner in test.tests:
        yield from _failures(inner)


def _by_rule(test: Test, expected: ExpectedSuite | None) -> tuple[list[Draft], list[Failure]]:
    by_rule: dict[int, list[Failure]] = {}
    rest = []
    rules = expected.rules if expected else ()
    for failure in _failures(test):
        index = next((i for i, rule in enumerate(rules) if _fits(rule, test, failure)), None)
        if index is None:
            rest.append(failure)
        else:
            by_rule.setdefault(index, []).append(failure)
    return [_draft(rules[index], test, found) for index, found in by_rule.items()], rest


def _fits(rule: Rule, test: Test, failure: Failure) -> bool:
    if rule.test is not None and rule.test != test.name:
        return False
    if rule.expected is not None and not re.fullmatch(rule.expected, failure.expected or ""):
        return False
    if rule.message is not None and not re.search(rule.message, failure.message or ""):
        return False
    evidence = _evidence(rule, failure)
    return all(evidence.get(key) == value for key, value in rule.when.items())


def _evidence(rule: Rule, failure: Failure) -> Evidence:
    evidence: Evidence = {
        key: number(failure.values[expression])
        for key, expression in rule.evidence.items()
        if expression in failure.values
    }
    if rule.message and (match := re.search(rule.message, failure.message or "")):
        evidence |= {key: number(text) for key, text in match.groupdict().items() if text}
    if rule.values:
        evidence |= {name: number(text) for name, text in failure.values.items()}
    return {**evidence, **rule.constants}


def number(printed: str) -> int | str:
    """Parse a value as KUnit prints it, `58533 (0xe4a5)`, or a plain number; else return the text.

    KUnit prints pointers without `0x`; they remain text.
    """
    if match := _PRINTED.match(printed):
        return int(match[1])
    if _HEX.match(printed):
        return int(printed, 16)
    return int(printed) if re.fullmatch(r"-?\d{1,15}", printed) else printed


def _draft(rule: Rule, test: Test, found: list[Failure]) -> Draft:
    first = found[0]
    evidence = _evidence(rule, first)
    summary = rule.summary
    if rule.pages_from is not None:
        pages, summary = _pages(rule, found)
        evidence |= pages
    if len(found) > 1:
        evidence["times"] = len(found)
        if test.failures_omitted:
            evidence["failures_omitted"] = test.failures_omitted
    made = draft(
        rule.code,
        _fill(summary, evidence),
        evidence,
        rule.advice,
        test=test.name,
        line=first.console_line,
        where=_where(first),
    )
    return replace(made, follows=rule.follows, row=_fill(rule.row, evidence))


def _pages(rule: Rule, found: list[Failure]) -> tuple[Evidence, str]:
    """Find which page each wrong mapping shows. The test wrote `pages_from` + N into page N."""
    base = rule.pages_from or 0
    pairs = []
    for failure in found:
        values = _evidence(rule, failure)
        read, wanted = values.get("read"), values.get("expected")
        if isinstance(read, int) and isinstance(wanted, int):
            pairs.append((wanted - base, read - base))
    if not pairs:
        return {}, rule.summary
    count = max(index for index, _ in pairs) + 1
    index, shown = pairs[0]
    evidence: Evidence = {
        "index": index,
        "belongs_to": f"page {shown}" if 0 <= shown < count else "no page of this test",
    }
    shifts = {shown - index for index, shown in pairs if 0 <= shown < count}
    if len(shifts) == 1 and len(pairs) > 1:
        shift = shifts.pop()
        strangers = [index for index, shown in pairs if not 0 <= shown < count]
        if shift and all(not 0 <= index + shift < count for index in strangers):
            evidence["shift"] = shift
            which = "each mapping" if len(pairs) == count else "a mapping"
            return evidence, f"{which} shows the page of index {shift:+d}".replace(
                "index +", "index + "
            ).replace("index -", "index - ")
    return evidence, rule.summary


def _fill(template: str, evidence: Evidence) -> str:
    """Format a sentence with the evidence; a missing value or a non-number becomes "?"."""
    try:
        return template.format_map(evidence)
    except (KeyError, ValueError, TypeError):
        return re.sub(r"\{[^}]*\}", "?", template)


def _where(failure: Failure) -> str | None:
    return f"{failure.file}:{failure.line}" if failure.file and failure.line else None


def _unknown(test: Test, failures: list[Failure]) -> Draft:
    """Make a finding for a failure without a rule, in the assertion's own words."""
    inner = [t for t in test.tests if not t.status.good]
    evidence: Evidence = {}
    if failures:
        first = failures[0]
        evidence |= {name: number(text) for name, text in first.values.items()}
        if len(failures) + test.failures_omitted > 1:
            evidence["failures"] = len(failures) + test.failures_omitted
    if inner:
        evidence["failed"] = ", ".join(t.name for t in inner[:5])
    return draft(
        "test-failed",
        f"{test.name} failed: {_words(failures[0])}" if failures else _silent(test),
        evidence,
        "look at the assertion" if failures else "look at the console before this line",
        test=test.name,
        line=failures[0].console_line if failures else test.console_line,
        where=_where(failures[0]) if failures else None,
    )


def _silent(test: Test) -> str:
    if test.tests:
        bad = sum(not inner.status.good for inner in test.tests)
        return f"{test.name} failed: {bad} of its {len(test.tests)} tests did not pass"
    if test.status is Status.CRASHED:
        return f"{test.name} crashed"
    if test.directive in ("TODO", "XFAIL"):
        return f"{test.name} failed, as its {test.directive} announces: {test.reason}"
    if test.reason:
        return f"{test.name} failed: {test.reason}"
    return f"{test.name} failed without an assertion"


def _words(failure: Failure) -> str:
    message = (failure.message or "").splitlines()
    if failure.expected is None:
        return message[0] if message else "no reason was printed"
    return f"expected {failure.expected}" + (f" ({message[0]})" if message else "")


def _suite_failed(suite: Suite) -> Draft:
    failure = suite.failures[0] if suite.failures else None
    advice = "look at the suite's own set-up and clean-up"
    summary = f"the suite {suite.name} failed"
    if failure:
        summary += f": {_words(failure)}"
    elif suite.reason:
        summary += f": {suite.reason}"
    elif suite.tests and suite.planned in (None, len(suite.tests) + suite.omitted):
        summary += " although none of its tests did"
    elif not suite.tests and not suite.omitted and not suite.planned:
        summary = f"{suite.name} failed"
        advice = "it has no tests of its own: look at the console before this line"
    line = failure.console_line if failure else suite.last_line
    where = _where(failure) if failure else None
    return draft("test-failed", summary, {}, advice, line=line, where=where)
