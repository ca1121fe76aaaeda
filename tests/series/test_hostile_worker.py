# SPDX-License-Identifier: GPL-2.0-only
"""What a worker sends is data: a hostile or damaged one loses its cells, and not the series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import simulated_farm
from benchmarks.simulated_farm import SimulatedFarm
from mermapctl.judge.result_types import Verdict
from mermapctl.records.farm_facts import LostTry
from mermapctl.records.host import Host
from mermapctl.records.json_text import encoded
from mermapctl.records.record import Artifacts, Cell
from mermapctl.series import cell_job
from mermapctl.series.engines import harvest, parcel, tries
from mermapctl.series.engines.farm import CellBack, CellHeard
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, ParcelError, Words
from mermapctl.series.grid import Grid

ROWS = 6
HOST = Host("\x1b[2J", "", "", -1, "")
NAMES = [
    *("../x", "/etc/x", "a//b", "a/../b", ".", "..", "", "a\0b", "a/", "cell.json/x"),
    *("console.log/x", "x" * 300, "a/" * 3000 + "b", "try-1", "try-1/console.log"),
]
LINES = [
    *(b"", b"[]", b"[" * 100_000, b"\xff", b'["Note",null]', b'["Note",{"text":"\\ud800"}]'),
    b'["StageStarted",{"stage":"\\u001b[2J","limit":1e308}]',
    b'["Objects",{"made":9223372036854775807,"expected":-1}]',
    b'["StageEnded",{"stage":"x","seconds":-1e308,"ok":true}]',
]


class HostileFarm(SimulatedFarm):
    """A farm whose first worker sends something else in place of its results."""

    sent: Callable[[Cell], CellHarvest | Words]

    def start(self, worker: str, asked: CellParcel, bundle: Path | None) -> None:
        """Let the first worker answer at once, the others as they do."""
        if worker != self.names[0]:
            super().start(worker, asked, bundle)
            return
        job = cell_job.decoded(asked.job, "a job")
        variant = job.request.variants[0]
        made = self.sent(Cell("x86_64", variant, Verdict.PASSED, commit=job.commit))
        if isinstance(made, Words):
            self._at(self.time + 1, CellHeard(worker, asked.token, made))
            made = results(encoded(Cell("x86_64", variant, Verdict.PASSED, commit=job.commit)))
        arrived = parcel.unpacked(parcel.packed(made), CellHarvest)
        self._at(self.time + 2, CellBack(worker, asked.token, arrived))


def results(cell: bytes, seconds: float = 1.0, name: str = "init.log") -> CellHarvest:
    files = {"cell.json": cell, name: b"x"}
    return CellHarvest(HOST, seconds, {n: parcel.compressed(data) for n, data in files.items()})


def grid_with(sent: Callable[[Cell], CellHarvest | Words], place: Path) -> Grid:
    farm = HostileFarm(1, rows=ROWS, columns=1, workers=3)
    farm.sent = sent
    before = {*place.rglob("*")}
    (place / "in").mkdir()
    grid = simulated_farm.simulate(farm, place / "in")
    assert {*place.iterdir()} - before == {place / "in"}
    assert len(grid.cells) == ROWS
    assert {cell.verdict for cell in grid.cells.values()} == {Verdict.PASSED}
    return grid


def lost(grid: Grid) -> list[LostTry]:
    return [each for cell in grid.cells.values() for each in cell.tries]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_a_false_name_costs_the_worker_its_cells(name: str, tmp_path: Path) -> None:
    found = grid_with(lambda cell: results(encoded(cell), name=name), tmp_path)
    assert [each.why for each in lost(found)] == [
        f"a worker sent a file of the name {name[:100]!r}"
    ] * 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"garbage", "is damaged"),
        (parcel.compressed(b"x" * 1000)[:-4], "is cut off"),
        (parcel.compressed(b"{}"), "it left no result"),
        (parcel.compressed(b"[" * 100_000), "it left no result"),
    ],
)
def test_a_damaged_result_is_tried_on_another_worker(data: bytes, why: str, tmp_path: Path) -> None:
    found = grid_with(lambda _: CellHarvest(HOST, 1.0, {"cell.json": data}), tmp_path)
    assert len(lost(found)) == 2
    assert all(why in each.why for each in lost(found))


def test_all_files_of_a_cell_have_one_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "LARGEST", 3 << 20)
    monkeypatch.setattr(harvest, "MOST_FILES", 10)
    one = parcel.compressed(bytes(1 << 20))
    harvest.put(dict.fromkeys("abc", one), tmp_path / "three")
    with pytest.raises(ParcelError, match="more than 3 MB"):
        harvest.put(dict.fromkeys("abcd", one), tmp_path / "four")
    with pytest.raises(ParcelError, match="more than 10 files"):
        harvest.put(dict.fromkeys("abcdefghi", parcel.compressed(b"")), tmp_path / "nine")
    assert not (tmp_path / "nine").exists()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e308, 0.0])
def test_false_seconds_stop_nothing(seconds: float, tmp_path: Path) -> None:
    assert not lost(grid_with(lambda cell: results(encoded(cell), seconds), tmp_path))


def test_paths_of_another_machine_are_not_kept(tmp_path: Path) -> None:
    lying = Artifacts(*["/etc/passwd"] * 8)
    grid = grid_with(lambda cell: results(encoded(replace(cell, artifacts=lying))), tmp_path)
    kept = {cell.artifacts for cell in grid.cells.values()}
    assert kept == {Artifacts()}


@pytest.mark.parametrize("offset", [-1, -(2**63), 2**27, 2**62, 2**64 - 1])
def test_a_console_is_not_written_at_a_false_place(offset: int, tmp_path: Path) -> None:
    tries.keep_console(tmp_path, Words((), b"abc", offset))
    assert not [*tmp_path.iterdir()]
    tries.keep_console(tmp_path, Words((), b"abc", 0))
    tries.keep_console(tmp_path, Words((), b"def", 3))
    assert (tmp_path / parcel.CONSOLE).read_bytes() == b"abcdef"


@pytest.mark.parametrize("line", LINES)
def test_false_lines_of_events_stop_nothing(line: bytes, tmp_path: Path) -> None:
    assert not lost(grid_with(lambda _: Words((line,), b"", 0), tmp_path))
