# SPDX-License-Identifier: GPL-2.0-only
"""The earlier run to compare a run with: the last one of the same cells."""

from __future__ import annotations

from collections.abc import Iterator

from mermapctl.errors import HarnessError
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import RunRecord, State
from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.records.store import Store

LOOK_BACK = 50
"""Runs searched, newest first; an older one is of little use for a change."""


def previous(record: RunRecord) -> RunRecord | None:
    """Return the newest finished run before `record` with a verdict on a target and variant of it.

    A series is compared with a series, a bisect with nothing. None for a log, for a run that is
    not stored, and where there is none.
    """
    of_series = series_of(record) is not None
    if bisect_of(record) is not None:
        return None
    wanted = {(cell.target, cell.configuration) for cell in record.cells if cell.target}
    if not wanted:
        return None
    store = Store.open()
    if record.run.id not in store.ids():
        return None
    for other in earlier(record, store):
        same = {
            (cell.target, cell.configuration)
            for cell in other.cells
            if cell.verdict is not Verdict.NO_VERDICT
        }
        if (
            bisect_of(other) is None
            and same & wanted
            and (series_of(other) is not None) == of_series
        ):
            return other
    return None


def earlier(record: RunRecord, store: Store) -> Iterator[RunRecord]:
    """Yield the finished runs before `record`, newest first, of the LOOK_BACK runs before it."""
    ids = sorted((other for other in store.ids() if other < record.run.id), reverse=True)
    for run_id in ids[:LOOK_BACK]:
        try:
            other = store.read(run_id)
        except HarnessError:
            continue  # a damaged record is reported where it is requested
        if other.run.state is State.FINISHED:
            yield other
