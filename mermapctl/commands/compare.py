# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report compare`: two stored runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.errors import UserError
from mermapctl.records import comparison
from mermapctl.records.comparison import Comparison
from mermapctl.records.record_kinds import bisect_of

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord
    from mermapctl.records.store import Store


def compare(store: Store, a: str | None = None, b: str | None = None) -> Comparison:
    """Compare two stored runs: by default the latest two that are no bisects.

    Raises UserError for a bisect: its kernels are those of many commits, good and bad.
    """
    passed_over: list[str] = []
    one = _named(store, a) if a else None
    other = _named(store, b) if b else _latest(store, 0, passed_over)
    one = one or _latest(store, 1, passed_over)
    notes = tuple(f"{run} is a bisect, and is passed over" for run in dict.fromkeys(passed_over))
    made = comparison.compare(one, other)
    return replace(made, notes=(*notes, *made.notes))


def _named(store: Store, key: str) -> RunRecord:
    record = store.get(key)
    if bisect_of(record):
        raise UserError(
            f"{record.run.id} is a bisect: its kernels are those of many commits, good and bad",
            f"`mermapctl report show {record.run.id}` shows its answer, and what boots it again",
        )
    return record


def _latest(store: Store, back: int, passed_over: list[str]) -> RunRecord:
    """Return the latest run that is no bisect, or the one `back` before; note the bisects."""
    left = back
    for run_id in store.ids():
        record = store.get(run_id)
        if bisect_of(record):
            passed_over.append(run_id)
        elif left == 0:
            return record
        else:
            left -= 1
    if not passed_over:
        return store.get(f"latest~{back}" if back else "latest")  # raises: there are too few
    raise UserError(
        "there are not two runs to compare: the others are bisects",
        "`mermapctl report list` shows them",
    )
