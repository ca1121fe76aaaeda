# SPDX-License-Identifier: GPL-2.0-only
"""The workers of a farm, from the client's side: listed, greeted, given cells, and lost.

All of it runs in the event loop of dask's client. A cell is a task that only one worker may run,
and its result is fetched and released at once: dask would compute a result again that was kept on a
lost worker.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import mermapctl
from mermapctl.errors import HarnessError
from mermapctl.records import host
from mermapctl.series.engines import parcel, station
from mermapctl.series.engines.farm import (
    CellBack,
    CellHeard,
    FarmGone,
    FarmReport,
    WorkerCame,
    WorkerLost,
    WorkerRefused,
)
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, Words, WorkerFacts

_T = TypeVar("_T")

_LOOKING = 1.0
"""Seconds between two looks at the scheduler's list of workers."""
_PART = 8 << 20
"""Bytes of a bundle that are sent at once: they also pass through the scheduler's memory."""


@dataclass(slots=True)
class _Member:
    """A worker that was seen: its address, whether it gets cells, and the cell that it runs."""

    address: str
    ready: bool = False
    token: str | None = None
    task: asyncio.Task[None] | None = None
    silent: bool = False
    others: set[asyncio.Task[None]] = field(default_factory=set)


class Members:
    """The workers that the scheduler of a client lists. `report` takes what happens to them."""

    def __init__(
        self, client: Any, scheduler: str, patience: float, report: Callable[[FarmReport], None]
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._patience = patience
        self._report = report
        self._members: dict[str, _Member] = {}
        self._gone = False
        self.listed = False
        """Whether the workers that were there at the start have been asked."""

    async def watch(self) -> None:
        """Look at the scheduler's list of workers; report its loss, whatever ends that."""
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - an answer that dask's scheduler does not give
            self._lose_all(
                f"the scheduler {self._scheduler} answers what is no list of workers "
                f"({type(error).__name__}: {reason_of(error)})"
            )

    async def _look(self) -> None:
        answered = time.monotonic()
        while not self._gone:
            try:
                found = await self._listed()
            except Exception:  # noqa: BLE001 - whatever keeps it from answering
                if self._client.status == "closed" or (
                    time.monotonic() - answered > self._patience
                ):
                    self._lose_all(f"the scheduler {self._scheduler} is gone")
                    return
                await asyncio.sleep(_LOOKING / 2)
                continue
            answered = time.monotonic()
            there = {str(each["name"]): address for address, each in found["workers"].items()}
            await self._compare(there)
            self.listed = True
            await asyncio.sleep(_LOOKING)

    async def _listed(self) -> Any:
        """Ask the scheduler for its list of workers. Raises whatever keeps it from answering."""
        job = self._client.scheduler.identity()
        return await asyncio.wait_for(job, max(1.0, self._patience / 2))

    def _lose_all(self, why: str) -> None:
        self._gone = True
        self.cancel()
        self._report(FarmGone(why))

    async def _compare(self, there: dict[str, str]) -> None:
        """Greet new workers, and lose those that are not listed any more."""
        for name, member in list(self._members.items()):
            if there.get(name) != member.address:
                self._lose(name, "it is gone: killed, ended, or its machine is down")
        new = [name for name in there if name not in self._members]
        for name in new:
            self._members[name] = _Member(there[name])
        await asyncio.gather(*(self._greet(name) for name in new))
        for name, member in self._members.items():
            if member.silent and not member.others:
                task = asyncio.create_task(self._revive(name, member))
                member.others.add(task)
                task.add_done_callback(member.others.discard)

    async def _greet(self, name: str) -> None:
        """Ask a worker what it is; report it, or why it gets no cells."""
        member = self._members[name]
        try:
            said = await self._asked(member.address, self._patience, station.facts)
            facts = parcel.unpacked(said, WorkerFacts) if said else None
        except (OSError, TimeoutError) as error:  # asked again at the next look
            if not member.silent:
                member.silent = True
                why = f"it has not answered for {self._patience:.0f} s"
                if not isinstance(error, TimeoutError):
                    why = f"it cannot be reached: {reason_of(error)}"
                self._report(WorkerRefused(name, why))
            return
        except Exception as error:  # noqa: BLE001 - another version raises anything
            member.silent = False
            self._report(
                WorkerRefused(name, f"it does not answer as ours does: {reason_of(error)}")
            )
            return
        member.silent = False
        if facts is None:
            self._report(WorkerRefused(name, "it is a dask worker, but no `mermapctl worker`"))
        elif flaw := _flaw(facts):
            self._report(WorkerRefused(name, flaw))
        else:
            member.ready = True
            self._report(WorkerCame(name, facts))

    async def _revive(self, name: str, member: _Member) -> None:
        """End what a worker runs that has not answered; once it answers, it gets cells again."""
        with contextlib.suppress(Exception):  # still silent: asked again at the next look
            await self._asked(member.address, self._patience, station.stop, member.token)
            member.token = None
            await self._greet(name)

    def _lose(self, name: str, why: str, *, listed: bool = False) -> None:
        """Give up a worker; one that is still listed may answer later."""
        member = self._members[name]
        if member.task is not None:
            member.task.cancel()
            member.task = None
        was_ready, member.ready = member.ready, False
        if listed:
            member.silent = True
        else:
            del self._members[name]
        if was_ready:
            self._report(WorkerLost(name, why))

    def begin(self, name: str, asked: CellParcel, bundle: Path | None) -> None:
        """Send a bundle, if one is given, and then a cell, which begins at once."""
        member = self._members.get(name)
        if member is None or not member.ready:
            return  # its loss is reported already
        member.token = asked.token
        member.task = asyncio.create_task(self._cell(name, member, asked, bundle))

    async def _cell(
        self, name: str, member: _Member, asked: CellParcel, bundle: Path | None
    ) -> None:
        """Run one cell on a worker, and report what it prints, its end or its loss."""
        working = _watched(self._harvest(member.address, asked, bundle))
        listening = _watched(self._listen(name, member, asked.token))
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                self._ended(name, member, working.result())
            else:
                await self._lose_if_alone(name, listening.result())
        except asyncio.CancelledError:
            raise
        except concurrent.futures.CancelledError:  # dask's, where its client had to connect again
            await self._lose_if_alone(name, "the connection to the scheduler was cut")
        except Exception as error:  # noqa: BLE001 - dask has classes of errors without number
            await self._lose_if_alone(name, f"its cell ended with {reason_of(error)}")
        finally:
            working.cancel()
            listening.cancel()

    async def _harvest(self, address: str, asked: CellParcel, bundle: Path | None) -> CellHarvest:
        """Send a bundle, if one is given, and then a cell; return what the cell has left."""
        if bundle is not None and (error := await self._send(address, bundle)):
            return CellHarvest(host.host_facts(), 0.0, {}, error=error)
        future = self._client.submit(
            station.run_cell,
            parcel.packed(asked),
            key=asked.token,
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        try:
            return parcel.unpacked(bytes(await future), CellHarvest)
        finally:
            future.release()

    async def _lose_if_alone(self, name: str, why: str) -> None:
        """Give up a worker, unless it is the scheduler that does not answer: `watch` reports that.

        Called by the task of its cell, which is not cancelled then.
        """
        while not self._gone:
            with contextlib.suppress(Exception):
                await self._listed()
                member = self._members.get(name)
                if member is not None and member.task is asyncio.current_task():
                    member.task = None
                    self._lose(name, why, listed=True)
                return
            await asyncio.sleep(_LOOKING / 2)

    def _ended(self, name: str, member: _Member, harvest: CellHarvest) -> None:
        token, member.token, member.task = member.token, None, None
        self._report(CellBack(name, str(token), harvest))

    async def _send(self, address: str, bundle: Path) -> str | None:
        """Send a bundle in parts; return in words why the worker cannot take it."""
        offset = 0
        with bundle.open("rb") as file:
            while data := file.read(_PART):
                said = await self._asked(
                    address, max(60.0, self._patience), station.receive, bundle.name, offset, data
                )
                if said:
                    return str(said)
                offset += len(data)
        return None

    async def _listen(self, name: str, member: _Member, token: str) -> str:
        """Report what a cell prints; return why its worker counts as lost."""
        offset = 0
        answered = time.monotonic()
        every = min(1.0, self._patience / 10)
        while True:
            await asyncio.sleep(every)
            rest = answered + self._patience - time.monotonic()
            if rest <= 0:
                return f"it has not answered for {self._patience:.0f} s"
            try:
                said = await self._asked(member.address, rest, station.listen, token, offset)
                words = parcel.unpacked(said, Words)
            except (OSError, TimeoutError, ValueError, KeyError, HarnessError):
                continue
            answered = time.monotonic()
            if words.console or words.lines:
                offset += len(words.console)
                self._report(CellHeard(name, token, words))

    async def stop(self) -> None:
        """End all cells of ours, within some seconds."""
        busy = [each for each in self._members.values() if each.token is not None]
        await asyncio.gather(
            *(self._asked(each.address, 2.0, station.stop, each.token) for each in busy),
            return_exceptions=True,
        )

    def cancel(self) -> None:
        """Wait for no cell any more."""
        for member in self._members.values():
            if member.task is not None:
                member.task.cancel()

    async def _asked(self, address: str, seconds: float, function: Any, *words: Any) -> Any:
        """Call a function in a worker. Raises OSError, TimeoutError, or what the worker raises."""
        job = self._client.run(function, *words, workers=[address])
        said = await asyncio.wait_for(job, seconds)
        return said[address]


def _watched(job: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Start a task whose error nobody may ask for; asyncio would print it with a traceback."""
    task = asyncio.get_running_loop().create_task(job)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def reason_of(error: BaseException) -> str:
    """Return an error in one line."""
    said = " ".join(str(error).split())[:300]
    return said or type(error).__name__


def ours() -> dict[str, str]:
    """Return the versions that a worker must have as well."""
    return {
        "mermapctl": mermapctl.__version__,
        "distributed": metadata.version("distributed"),
        "files of mermapctl": parcel.package_digest(),
    }


def _flaw(facts: WorkerFacts) -> str | None:
    """Return in words why a worker gets no cells; None if it does."""
    theirs = {
        "mermapctl": facts.version,
        "distributed": facts.distributed,
        "files of mermapctl": facts.package,
    }
    return parcel.differs(theirs, ours())
