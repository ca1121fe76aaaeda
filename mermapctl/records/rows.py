# SPDX-License-Identifier: GPL-2.0-only
"""Records as rows of the index, and the rows as summaries of runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.judge.cost import figures
from mermapctl.judge.leaf_tests import leaves
from mermapctl.records.record import Cell, Phases, RunRecord
from mermapctl.records.record_kinds import outcome_words

if TYPE_CHECKING:
    import sqlite3


Value = str | float | None


@dataclass(frozen=True, slots=True)
class CellSummary:
    """A cell in a list of runs; `findings` are codes. A series has cells of several commits."""

    target: str | None
    variant: str | None
    verdict: str
    reason: str | None
    accelerator: str | None
    phases: Phases
    findings: tuple[str, ...]
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list of runs; `problem` is why its record cannot be read.

    `outcome` is what a bisect found, in words; null for another run, and while it runs.
    """

    id: str
    started: str
    seconds: float
    state: str
    verdict: str
    kernel: str | None
    commit: str | None
    describe: str | None
    dirty: bool
    former: str | None
    problem: str | None
    cells: tuple[CellSummary, ...]
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs to list; a field left out selects everything.

    `failed`, `target`, `variant` and `commit` are those of one cell.
    `commit` is a prefix of the commit, `since` RFC 3339 in UTC, `limit` 0 all.
    """

    failed: bool = False
    target: str | None = None
    variant: str | None = None
    commit: str | None = None
    since: str | None = None
    limit: int = 0

    def parameters(self) -> dict[str, Value | bool]:
        """Return the parameters of a query."""
        return {
            "failed": self.failed,
            "target": self.target,
            "variant": self.variant,
            "revision": self.commit,
            "since": self.since,
            "limit": self.limit or -1,
        }


def put(
    connection: sqlite3.Connection,
    record: RunRecord,
    *,
    stale: bool,
    seen: int | None = None,
    size: int = 0,
) -> None:
    """Replace all rows of one run."""
    run, tree = record.run, record.tree
    drop(connection, [run.id])
    former = record.former[-1].verdict if record.former else None
    qemu = run.host.qemu if run.host else None
    connection.execute(
        "INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,NULL,?,?,?,?)",
        _storable((
            run.id, run.started, run.seconds, run.state, record.verdict, tree.kernel, tree.commit,
            tree.describe, tree.dirty, tree.path, " ".join(run.command), former, size, stale,
            seen, outcome_words(record),
        )),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO cells VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            _storable((
                run.id, number, cell.commit or tree.commit, cell.target, cell.variant, cell.verdict,
                cell.reason, cell.accelerator, setup(cell), cell.phases.config, cell.phases.build,
                cell.phases.boot, " ".join(finding.code for finding in cell.findings),
            ))
            for number, cell in enumerate(record.cells)
        ],
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO tests VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        [
            _storable((run.id, number, place, *row))
            for number, cell in enumerate(record.cells)
            if not (cell.reused or cell.inherited)  # of one boot, which counts where it was
            for place, row in enumerate(_test_rows(cell))
        ],
    )
    connection.executemany(
        "INSERT INTO costs VALUES (?,?,?,?,?)",
        [
            _storable((run.id, number, what, instructions, f"{qemu} {cell.cost.guest}"))
            for number, cell in enumerate(record.cells)
            if cell.cost
            for what, instructions in figures(cell.cost).items()
        ],
    )


def _storable(row: tuple[Value, ...]) -> tuple[Value, ...]:
    """Replace lone surrogates in a row (bytes of a path or console that are not UTF-8)."""
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for value in row
    )


def put_unreadable(
    connection: sqlite3.Connection, run_id: str, problem: str, seen: int | None
) -> None:
    """Write a row for a run whose record cannot be read, for lists."""
    drop(connection, [run_id])
    connection.execute(
        "INSERT INTO runs (id, started, seconds, state, verdict, dirty, problem, stale, seen) "
        "VALUES (?, '', 0, 'unreadable', 'no-verdict', 0, ?, 1, ?)",
        (run_id, problem, seen),
    )


def drop(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Remove all rows of some runs."""
    keys = [(run_id,) for run_id in run_ids]
    connection.executemany("DELETE FROM runs WHERE id=?", keys)
    connection.executemany("DELETE FROM cells WHERE run=?", keys)
    connection.executemany("DELETE FROM tests WHERE run=?", keys)
    connection.executemany("DELETE FROM costs WHERE run=?", keys)


def setup(cell: Cell) -> str:
    """Return what, besides commit, target and variant, identifies a configuration."""
    flavour = f" {cell.flavour}" if cell.flavour else ""
    return f"cpu={cell.cpu or '-'} smp={cell.smp or 1} args={' '.join(cell.kernel_args)}{flavour}"


def _test_rows(cell: Cell) -> Iterator[tuple[Value, ...]]:
    flushes = {flush.test: flush for flush in cell.flushes}
    for leaf in leaves(cell):
        test = leaf.test
        flush = flushes.get(leaf.name)
        numbers = (flush.expected, flush.counted, flush.observed) if flush else (None,) * 3
        complaint = " ".join(leaf.codes) if leaf.codes and test.status.good else None
        yield (leaf.suite, leaf.name, test.status, test.seconds, *numbers, complaint)


_CHOOSE = """
CREATE TEMP TABLE chosen AS SELECT r.id FROM runs r WHERE
  (NOT :failed OR r.verdict = 'failed')
  AND (:since IS NULL OR r.started >= :since)
  AND (:target IS NULL AND :variant IS NULL OR EXISTS (SELECT * FROM cells c WHERE c.run = r.id
    AND (:target IS NULL OR c.target = :target) AND (:variant IS NULL OR c.variant = :variant)
    AND (:revision IS NULL OR substr(c.revision, 1, length(:revision)) = :revision
      OR substr(r.describe, 1, length(:revision)) = :revision)
    AND (NOT :failed OR c.verdict = 'failed')))
  AND (:revision IS NULL OR substr(r.describe, 1, length(:revision)) = :revision
    OR substr(r.revision, 1, length(:revision)) = :revision OR :revision IN
      (SELECT substr(revision, 1, length(:revision)) FROM cells WHERE run = r.id))
ORDER BY r.id DESC LIMIT :limit
"""


def summaries(connection: sqlite3.Connection, filters: Filters) -> list[RunSummary]:
    """Return the runs that pass `filters`, newest first."""
    connection.execute(_CHOOSE, filters.parameters())
    cells: dict[str, list[CellSummary]] = {}
    for run, commit, target, variant, *result, config, build, boot, codes in connection.execute(
        "SELECT run, revision, target, variant, verdict, reason, accelerator, config, build, boot, "
        "findings "
        "FROM cells WHERE run IN (SELECT id FROM chosen) ORDER BY run, cell"
    ):
        verdict, reason, accelerator = result
        phases = Phases(config, build, boot)
        cell = CellSummary(
            target, variant, verdict, reason, accelerator, phases, tuple(codes.split()), commit
        )
        cells.setdefault(run, []).append(cell)
    rows = connection.execute(
        "SELECT id, started, seconds, state, verdict, kernel, revision, describe, dirty, "
        "former, problem, outcome FROM runs WHERE id IN (SELECT id FROM chosen) ORDER BY id DESC"
    )
    names = [column[0].replace("revision", "commit") for column in rows.description]
    summaries = (dict(zip(names, row, strict=True)) for row in rows)
    return [
        RunSummary(**row | {"dirty": bool(row["dirty"]), "cells": tuple(cells.get(row["id"], ()))})
        for row in summaries
    ]


def count(connection: sqlite3.Connection) -> int:
    """Count the runs."""
    return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def looked_at(connection: sqlite3.Connection) -> dict[str, tuple[bool, int | None]]:
    """Return run id -> (stale, modification time of the record when it was read)."""
    return {
        run: (bool(stale), seen)
        for run, stale, seen in connection.execute("SELECT id, stale, seen FROM runs")
    }
