# SPDX-License-Identifier: GPL-2.0-only
"""The workers that a client watches, behind a client that answers late, or has lost its future."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from mermapctl.series.engines import cluster_members, parcel, station
from mermapctl.series.engines.cluster_members import Members
from mermapctl.series.engines.farm import (
    CellBack,
    FarmReport,
    WorkerCame,
    WorkerLost,
    WorkerRefused,
)
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, Words

PATIENCE = 1.0
OURS = cluster_members.ours()
FACTS = station.facts_of(
    ("x86_64",), {}, cores=1, memory=None, kvm=False, distributed=OURS["distributed"]
)
CELL = CellParcel(b"", "token", "slug", "base", {}, PATIENCE)


async def never() -> Any:
    await asyncio.Event().wait()


@dataclass
class Lasting:
    """A future of dask's that ends as `ends` says."""

    ends: Callable[[], Awaitable[Any]]
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def __await__(self) -> Any:
        return self.ends().__await__()

    def release(self) -> None:
        self.released.set()


@dataclass
class Scripted:
    """In place of dask's client: one worker, which does not answer some calls of a function."""

    silent: dict[str, int] = field(default_factory=dict)
    future: Lasting = field(default_factory=lambda: Lasting(never))
    asked: list[str] = field(default_factory=list)
    status = "running"

    @property
    def scheduler(self) -> Scripted:
        return self

    async def identity(self) -> object:
        return {"workers": {"tcp://w": {"name": "alpha"}}}

    async def run(self, function: Any, *_: object, workers: list[str]) -> object:
        name = function.__name__
        self.asked.append(name)
        if self.silent.get(name, 0) > 0:
            self.silent[name] -= 1
            await never()
        made = {"facts": parcel.packed(FACTS), "listen": parcel.packed(Words((), b"", 0))}
        return {workers[0]: made.get(name)}

    def submit(self, *_: object, **__: object) -> Lasting:
        return self.future


def reports_of(client: Scripted, last: type, bundle: Path | None = None) -> list[FarmReport]:
    """Give the worker a cell when it first comes; return what is reported up to `last`."""
    found: list[FarmReport] = []

    async def watch() -> None:
        over = asyncio.Event()

        def report(said: FarmReport) -> None:
            if isinstance(said, WorkerCame) and not any(
                isinstance(each, WorkerCame) for each in found
            ):
                members.begin("alpha", CELL, bundle)
            found.append(said)
            if isinstance(said, last) and (len(found) > 1):
                over.set()

        members = Members(client, "tcp://s", PATIENCE, report)
        watching = asyncio.create_task(members.watch())
        try:
            await asyncio.wait_for(over.wait(), 20)
        finally:
            members.cancel()
            watching.cancel()
            await asyncio.sleep(0)

    asyncio.run(watch())
    return found


def test_a_worker_that_answers_late_gets_cells_then() -> None:
    refused, came = reports_of(Scripted({"facts": 1}), WorkerCame)
    assert refused == WorkerRefused("alpha", "it has not answered for 1 s")
    assert came == WorkerCame("alpha", FACTS)


def test_a_cell_whose_future_dask_has_cancelled_is_lost_and_ended(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def cut() -> Any:
        raise concurrent.futures.CancelledError("cell cancelled for reason: scheduler-connection")

    client = Scripted(future=Lasting(cut))
    came, lost, again = reports_of(client, WorkerCame)
    assert came == again == WorkerCame("alpha", FACTS)
    assert lost == WorkerLost("alpha", "the connection to the scheduler was cut")
    assert client.asked[-2:] == ["stop", "facts"]
    assert client.future.released.is_set()
    assert capfd.readouterr().err == ""


def test_a_worker_that_stops_while_it_is_sent_the_trees_is_lost(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(b"bundle")
    client = Scripted({"receive": 9, "listen": 9})
    _, lost = reports_of(client, WorkerLost, tmp_path / "bundle")
    assert lost == WorkerLost("alpha", "it has not answered for 1 s")


def test_a_lost_cell_leaves_no_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    async def at_its_release() -> Any:
        await client.future.released.wait()
        raise concurrent.futures.CancelledError

    client = Scripted({"listen": 9}, Lasting(at_its_release))
    reports_of(client, WorkerLost)
    assert client.future.released.is_set()
    assert capfd.readouterr().err == ""


def test_the_result_of_a_cell_comes_back() -> None:
    made = CellHarvest(FACTS.host, 1.0, {"cell.json": b""})

    async def done() -> Any:
        return parcel.packed(made)

    _, back = reports_of(Scripted(future=Lasting(done)), CellBack)
    assert cast("CellBack", back) == CellBack("alpha", "token", made)
