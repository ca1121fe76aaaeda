# SPDX-License-Identifier: GPL-2.0-only
"""The table of TLB flushes: expected and counted flushes of each test, and a comment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.judge.result_types import Flush
from mermapctl.judge.root_cause import Draft
from mermapctl.judge.suites import ExpectedTest, Manifest

UNSEEN = "counted, not observed"
"""Label of a number that only the suite's own counter gives."""

_WORDS = {
    Status.FAILED: "unknown: the test failed before it compared them",
    Status.SKIPPED: "unknown: the test was skipped",
    Status.CRASHED: "unknown: the test crashed before it compared them",
    Status.HUNG: "unknown: the test hung before it compared them",
    Status.MISSING: "unknown: the test has no result",
}


def rows(suites: Iterable[Suite], drafts: Iterable[Draft], manifest: Manifest) -> tuple[Flush, ...]:
    """Make a row for each test that asserts its flushes; without a trace no others are known."""
    words = {draft.finding.test: draft for draft in drafts if draft.row}
    table = []
    for suite in suites:
        expected = {test.name: test for test in manifest.tests(suite.name, None)}
        for test in suite.tests:
            known = expected.get(test.name)
            if known is not None and known.counter is not None:
                table.append(_row(test, known, words.get(test.name)))
    return tuple(table)


def _row(test: Test, known: ExpectedTest, draft: Draft | None) -> Flush:
    if test.status is Status.PASSED:
        return Flush(test.name, known.flushes, known.flushes, words=_at_reuse(known.flushes))
    counted = draft.finding.evidence.get("flushes") if draft else None
    return Flush(
        test=test.name,
        expected=known.flushes,
        counted=counted if isinstance(counted, int) else None,
        words=draft.row if draft else _WORDS[test.status],
    )


def observed(table: Iterable[Flush]) -> tuple[Flush, ...]:
    """Add the trace's numbers to the rows: they win where the counter differs.

    A row without a traced number is labelled as the suite's own count.
    """
    return tuple(replace(row, words=_words(row)) for row in table)


def _words(row: Flush) -> str:
    if row.counted is None:
        return row.words
    if row.observed is None:
        return f"{row.words}: {UNSEEN}"
    if row.observed != row.counted:
        return f"counted {row.counted}, but {row.observed} done"
    return f"{row.words}, as required" if row.counted == row.expected else row.words


def _at_reuse(flushes: int | None) -> str:
    return "one flush at reuse" if flushes == 1 else f"{flushes} flushes"
