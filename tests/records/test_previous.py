# SPDX-License-Identifier: GPL-2.0-only
"""Which earlier run the page of a run compares with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.records.previous import previous
from mermapctl.records.record import State
from mermapctl.records.store import Store
from tests import sample_records as samples

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord


def stored(number: int, record: RunRecord, state: State = State.FINISHED) -> RunRecord:
    run = replace(record.run, id=f"20261123-07051{number}-000abcd", state=state)
    made = replace(record, run=run)
    Store.open().begin(made)
    Store.open().finish(made)
    return made


NO_VERDICT = samples.record(replace(samples.cell_no_verdict(), variant="base"))
OTHER = samples.record(replace(samples.cell_passed(), variant="kasan"))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], None),
        ([(1, samples.passed())], 1),
        ([(1, samples.passed()), (2, samples.failed())], 2),
        ([(1, samples.passed()), (2, OTHER)], 1),
        ([(1, OTHER)], None),
        ([(1, samples.passed()), (2, NO_VERDICT)], 1),  # nothing can be compared with it
        ([(1, samples.multi_cell())], 1),
        ([(8, samples.passed())], None),  # later than the one asked for
        ([(1, samples.passed()), (2, replace(samples.passed(), cells=()))], 1),
    ],
)
def test_the_newest_of_the_same_cells(
    before: list[tuple[int, RunRecord]], expected: int | None
) -> None:
    made = {number: stored(number, record) for number, record in before}
    record = stored(5, samples.failed())
    found = previous(record)
    assert found == (made[expected] if expected else None)


def test_a_series_is_compared_with_a_series() -> None:
    earlier = stored(1, samples.series())
    stored(2, samples.failed())
    found = previous(stored(3, samples.series()))
    assert found is not None
    assert found.run.id == earlier.run.id


def test_an_interrupted_run_is_no_measure() -> None:
    stored(1, samples.passed(), State.INTERRUPTED)
    assert previous(stored(5, samples.failed())) is None


def test_a_damaged_record_is_passed_over() -> None:
    first, second = stored(1, samples.passed()), stored(2, samples.passed())
    (Store.open().folder(second.run.id).path / "record.json").write_text("{")
    assert previous(stored(5, samples.failed())) == first


def test_a_log_has_no_earlier_run() -> None:
    stored(1, samples.passed())
    assert previous(samples.bare_log()) is None
