# SPDX-License-Identifier: GPL-2.0-only
"""The table of TLB flushes: what each test needs, what it counted, and that in words. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.diagnosis import Flush
from mermapctl.ktap import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mermapctl.causes import Draft
    from mermapctl.ktap import Suite, Test
    from mermapctl.manifest import ExpectedTest, Manifest

_WORDS = {
    Status.FAILED: "unknown: the test failed before it compared them",
    Status.SKIPPED: "unknown: the test was skipped",
    Status.CRASHED: "unknown: the test crashed before it compared them",
    Status.HUNG: "unknown: the test hung before it compared them",
    Status.MISSING: "unknown: the test has no result",
}


def rows(suites: Iterable[Suite], drafts: Iterable[Draft], manifest: Manifest) -> tuple[Flush, ...]:
    """One row for each test that asserts its flushes: without a trace only those are known."""
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
        return Flush(test.name, known.flushes, known.flushes, words=_as_it_must_be(known.flushes))
    counted = draft.finding.evidence.get("flushes") if draft else None
    return Flush(
        test=test.name,
        expected=known.flushes,
        counted=counted if isinstance(counted, int) else None,
        words=draft.row if draft else _WORDS[test.status],
    )


def observed(table: Iterable[Flush]) -> tuple[Flush, ...]:
    """The rows with the trace's word: it is the truth where the counter says otherwise."""
    return tuple(
        replace(row, words=f"counted {row.counted}, but {row.observed} done")
        if row.observed is not None and row.counted not in (None, row.observed)
        else row
        for row in table
    )


def _as_it_must_be(flushes: int | None) -> str:
    if flushes == 1:
        return "one flush at reuse, as it must be"
    return f"{flushes} flushes, as it must be"
