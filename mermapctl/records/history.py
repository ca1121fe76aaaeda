# SPDX-License-Identifier: GPL-2.0-only
"""Questions about many runs: a test over time, and flaky tests.

Answered from the store's index alone, without reading ten thousand records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from mermapctl.judge.repeats import wilson

if TYPE_CHECKING:
    import sqlite3

    from mermapctl.records.rows import Filters


@dataclass(frozen=True, slots=True)
class StoredCell:
    """One cell of one run."""

    run: str
    started: str
    commit: str | None
    describe: str | None
    dirty: bool
    target: str | None
    variant: str | None


@dataclass(frozen=True, slots=True)
class Occurrence(StoredCell):
    """One test in one cell of one run; `complaint`: the errors of a test that printed ok."""

    suite: str
    test: str
    status: str
    seconds: float | None
    expected: int | None
    counted: int | None
    observed: int | None
    complaint: str | None


@dataclass(frozen=True, slots=True)
class CostPoint(StoredCell):
    """The instructions of one test, or of a usual get, put or flush, in one cell of one run.

    `change` is in per cent of the one before it with the same tree, cell, guest and QEMU; null if
    there is none.
    """

    what: str
    instructions: int
    change: float | None = None


@dataclass(frozen=True, slots=True)
class Flaky:
    """A test that passed and did not pass on one commit in one configuration.

    `rate` is the share of `runs` in which it did not pass; `low`..`high` its 95 % interval.
    """

    suite: str
    test: str
    commit: str | None
    target: str | None
    variant: str | None
    accelerator: str | None
    setup: str
    runs: int
    bad: int
    rate: float
    low: float
    high: float
    latest: str


# Of a cell c of a run r: whether the filters choose it.
_CHOSEN = """
  (:target IS NULL OR c.target = :target) AND (:variant IS NULL OR c.variant = :variant)
  AND (:since IS NULL OR r.started >= :since)
  AND (:revision IS NULL OR substr(c.revision, 1, length(:revision)) = :revision
    OR substr(r.describe, 1, length(:revision)) = :revision)
"""

_NAMED = f"""
SELECT t.run, r.started, c.revision AS "commit", r.describe, r.dirty, c.target, c.variant, t.suite,
  t.test, t.status, t.seconds, t.expected, t.counted, t.observed, t.complaint
FROM tests t JOIN runs r ON r.id = t.run JOIN cells c ON c.run = t.run AND c.cell = t.cell
WHERE t.test = :test AND (:suite IS NULL OR t.suite = :suite)
  AND {_CHOSEN}
  AND (NOT :failed OR t.status NOT IN ('passed', 'skipped') OR t.complaint IS NOT NULL)
ORDER BY t.run DESC, t.cell, t.place LIMIT :limit
"""  # noqa: S608 - a constant

_COSTS = f"""
SELECT p.run, r.started, c.revision AS "commit", r.describe, r.dirty, c.target, c.variant, p.what,
  p.instructions, 100.0 * (p.instructions - p.former) / p.former AS change
FROM (
  SELECT k.*, lag(k.instructions) OVER (
    PARTITION BY t.tree, d.target, d.variant, k.setup ORDER BY k.run, k.cell
  ) AS former
  FROM costs k JOIN runs t ON t.id = k.run JOIN cells d ON d.run = k.run AND d.cell = k.cell
  WHERE k.what = :what
) p JOIN runs r ON r.id = p.run JOIN cells c ON c.run = p.run AND c.cell = p.cell
WHERE {_CHOSEN}
  AND (NOT :failed OR c.verdict = 'failed')
ORDER BY p.run DESC, p.cell LIMIT :limit
"""  # noqa: S608 - a constant

# Skip a modified tree: a clean tree with the same commit has other files, so their outcomes must
# not be mixed. Skip a cell without a verdict: it proves nothing about its tests.
_FLAKY = f"""
WITH cell AS MATERIALIZED (
  SELECT c.run, c.cell, c.revision, c.target, c.variant, c.accelerator, c.setup,
    dense_rank() OVER (ORDER BY c.revision, c.target, c.variant, c.accelerator, c.setup) AS same
  FROM cells c JOIN runs r ON r.id = c.run
  WHERE c.revision IS NOT NULL AND NOT r.dirty AND c.verdict <> 'no-verdict'
    AND {_CHOSEN}
)
SELECT t.suite, t.test, c.revision AS "commit", c.target, c.variant, c.accelerator, c.setup,
  count(*) AS runs, sum(t.status <> 'passed' OR t.complaint IS NOT NULL) AS bad,
  max(t.run) AS latest
FROM cell c CROSS JOIN tests t ON t.run = c.run AND t.cell = c.cell
WHERE t.status <> 'skipped'
GROUP BY c.same, t.suite, t.test HAVING bad BETWEEN 1 AND count(*) - 1
"""  # noqa: S608 - a constant


def occurrences(
    connection: sqlite3.Connection, suite: str | None, test: str, filters: Filters
) -> list[Occurrence]:
    """Return the test's results, newest first."""
    named = {"test": test, "suite": suite, **filters.parameters()}
    return [
        msgspec.convert(row | {"dirty": bool(row["dirty"])}, Occurrence)
        for row in _rows(connection.execute(_NAMED, named))
    ]


def costs(connection: sqlite3.Connection, what: str, filters: Filters) -> list[CostPoint]:
    """Return what a test, or a get, put or flush, cost in each run, newest first."""
    named = {"what": what, **filters.parameters()}
    return [
        msgspec.convert(row | {"dirty": bool(row["dirty"])}, CostPoint)
        for row in _rows(connection.execute(_COSTS, named))
    ]


def costed(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all tests and calls in the store whose instructions were counted."""
    return [what for (what,) in connection.execute("SELECT DISTINCT what FROM costs ORDER BY 1")]


def flaky(connection: sqlite3.Connection, filters: Filters) -> list[Flaky]:
    """Return the tests whose result differs on one commit and configuration, surest first."""
    found = []
    for row in _rows(connection.execute(_FLAKY, filters.parameters())):
        low, high = wilson(row["bad"], row["runs"])
        rate = row["bad"] / row["runs"]
        found.append(msgspec.convert(row | {"rate": rate, "low": low, "high": high}, Flaky))
    return sorted(found, key=lambda one: (-one.low, one.suite, one.test))


def names(connection: sqlite3.Connection) -> list[str]:
    """Return all test names in the store, as `suite.test`."""
    rows = connection.execute("SELECT DISTINCT suite, test FROM tests ORDER BY 1, 2")
    return [f"{suite}.{test}" for suite, test in rows]


def _rows(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)
