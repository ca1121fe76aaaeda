# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a series, one file each, written once; a record in progress joins them.

To rewrite a whole record twice for each cell would make 1,000 failed cells write 8.8 GB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.records import first_bad
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Cell, RunRecord, verdict_of
from mermapctl.records.record_kinds import series_of
from mermapctl.system import files
from mermapctl.system.inputs import read_regular

if TYPE_CHECKING:
    from mermapctl.records.folder import RunFolder

CELL = "cell.json"
LARGEST = 64 << 20
"""Bytes of a cell: a long trace's takes 1 MB."""


def write(folder: Path, cell: Cell) -> None:
    """Write a finished cell into its folder. Raises HarnessError."""
    try:
        data = encoded(cell)
    except UnicodeEncodeError as error:
        raise HarnessError(f"a cell of {folder} cannot be written: {error}") from error
    files.write_own(folder / CELL, data)


def read(folder: Path) -> Cell | None:
    """Read the finished cell of a folder; None where there is none, or a damaged one."""
    try:
        return msgspec.json.decode(read_regular(folder / CELL, LARGEST), type=Cell)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def joined(record: RunRecord, folder: RunFolder) -> RunRecord:
    """Return the record of a series in progress, or of a killed one, with its finished cells."""
    if series_of(record) is None:
        return record
    try:
        folders = sorted((folder.path / "cells").iterdir())
    except OSError:
        return record
    kept = {cell.place for cell in record.cells}
    read_now = [cell for each in folders if (cell := read(each)) and cell.place not in kept]
    return with_cells(record, (*record.cells, *read_now))


def with_cells(record: RunRecord, cells: Iterable[Cell]) -> RunRecord:
    """Return the record of a series with these cells in the grid's order, and what they say."""
    series = series_of(record)
    if series is None:
        return record
    rows = [series.base, *(each.commit for each in series.commits)]
    places = (column.place(commit) for commit in rows for column in series.columns)
    order = {place: number for number, place in enumerate(places)}
    found = sorted(
        (cell for cell in cells if cell.place in order), key=lambda cell: order[cell.place]
    )
    made = replace(record, cells=tuple(found), verdict=verdict_of(found))
    return first_bad.filled(made)
