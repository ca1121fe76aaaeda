# SPDX-License-Identifier: GPL-2.0-only
"""A thousand cells of a series in the record: the time grows with their number, not faster.

No kernel is built: the cells are those of a failing log. Each is written as `run-cell` does, the
record as `run --commits` does at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks.store import failed_cell
from mermapctl.records import cell_files, record
from mermapctl.records.folder import cell_slug
from mermapctl.records.record import State, TreeFacts
from mermapctl.records.series_facts import Column, Series, SeriesCommit
from mermapctl.records.store import Store

FEW, MANY = 250, 1000
GROWTH = 1.3
"""The most that a cell of MANY may cost, in those of FEW."""
_renamed: Counter[str] = Counter()


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    """Count the files that are put in place, by name."""
    if event == "os.rename":
        _renamed[Path(str(arguments[1])).name] += 1


def _run(number: int) -> tuple[float, int]:
    """Write a series with `number` failed cells and read it again; return CPU seconds and bytes."""
    commits = tuple(
        SeriesCommit(f"{each:012x}{0:028x}", f"change {each}") for each in range(number)
    )
    series = Series("f" * 40, commits[-1].commit, commits, (Column("x86_64", "base"),))
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory))
        _renamed.clear()
        began = time.process_time()
        begun = record.begin(command=("mermapctl", "run"), tree=TreeFacts())
        begun = replace(begun, series=series)
        folder = store.begin(begun)
        cells = []
        for commit in commits:
            cell = replace(failed_cell(), commit=commit.commit)
            place = folder.cell_path(cell_slug("x86_64", "base", commit.commit))
            place.mkdir(parents=True)
            cell_files.write(place, cell)
            cells.append(cell)
        made = cell_files.with_cells(begun, cells)
        ran = store.finish(replace(made, run=replace(made.run, state=State.RUNNING)))
        assert len(store.read(ran.run.id).cells) == number
        spent = time.process_time() - began
        size = sum(each.stat().st_size for each in folder.path.rglob("*") if each.is_file())
    return spent, size


def main() -> bool:
    """Compare few cells with many; print a line."""
    sys.addaudithook(_listen)
    few, _ = _run(FEW)
    many, size = _run(MANY)
    growth = many / MANY / (few / FEW)
    written = _renamed[cell_files.CELL]
    held = growth <= GROWTH and written == MANY
    print(
        f"{MANY:,} cells in the record: {many:.2f} s CPU, {size / 1e6:.1f} MB, each written "
        f"{written / MANY:g} times; a cell costs {growth:.2f} of one of {FEW} (<= {GROWTH}) "
        f"{'ok' if held else 'NOT REACHED'}",
        flush=True,
    )
    return held


if __name__ == "__main__":
    sys.exit(not main())
