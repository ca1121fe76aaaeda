# SPDX-License-Identifier: GPL-2.0-only
"""A farm behind a dask scheduler, from the client's side.

dask's client runs in the event loop of a thread; what happens there comes as reports. A cell is a
task that only one worker may run, and its result is fetched and released at once: dask would
compute a result again that was kept on a lost worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from distributed import Client

import mermapctl
from mermapctl.errors import HarnessError
from mermapctl.records import host
from mermapctl.series.engines import parcel, station
from mermapctl.series.engines.cluster_security import security_of, silence
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
from mermapctl.series.engines.scheduler_address import Scheduler

_CONNECTING = 10.0
_STOPPING = 3.0
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


class DaskFarm:
    """The workers of a scheduler, for one client. Leaving the block closes the connection."""

    def __init__(self, scheduler: Scheduler, patience: float) -> None:
        self._scheduler = scheduler
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client: Any = None
        self._watching: asyncio.Task[None] | None = None
        self._members: dict[str, _Member] = {}
        self._queue: deque[FarmReport] = deque()
        self._woken, self._wake = os.pipe()
        self._gone = False
        self.listed = False
        """Whether the workers that were there at the start have been asked."""

    @property
    def patience(self) -> float:
        """Seconds without an answer after which a worker counts as lost."""
        return self._patience

    def now(self) -> float:
        """Return a time in seconds."""
        return time.monotonic()

    def __enter__(self) -> Self:
        """Connect. Raises HarnessError, UserError."""
        silence()
        security = security_of(self._scheduler)
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._thread.start()
        try:
            self._wait_for(self._connect(security), _CONNECTING + 5)
        except TimeoutError as error:  # of ours: it keeps dask's client from giving up
            self._end_thread()
            raise self._unreached(f"it does not answer within {_CONNECTING:.0f} s") from error
        except BaseException:
            self._end_thread()
            raise
        return self

    def _unreached(self, why: str) -> HarnessError:
        return HarnessError(
            f"cannot reach the scheduler {self._scheduler.address}: {why}",
            "is it running there (`dask scheduler`), with TLS and the same CA?",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):  # whatever is broken, we are done with it
            self._wait_for(self._close(), _STOPPING)
        self._end_thread()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOPPING)

    def _wait_for(self, job: Coroutine[Any, Any, None], seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(seconds)

    def reports(self, seconds: float) -> Iterator[FarmReport]:
        """Yield what has happened; wait for it if nothing has, `seconds` at most."""
        if not self._queue:
            select.select([self._woken], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        while self._queue:
            yield self._queue.popleft()

    def start(self, worker: str, asked: CellParcel, bundle: Path | None) -> None:
        """Send a bundle, if one is given, and then a cell, which begins at once."""
        self._loop.call_soon_threadsafe(self._begin, worker, asked, bundle)

    def stop(self) -> None:
        """End all cells of ours, within some seconds."""
        with contextlib.suppress(TimeoutError, OSError, HarnessError):
            self._wait_for(self._stop(), _STOPPING)

    # All below runs in the loop's thread.

    def _report(self, report: FarmReport) -> None:
        self._queue.append(report)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b" ")

    async def _connect(self, security: Any) -> None:
        client = None
        try:
            client = Client(  # type: ignore[no-untyped-call]
                self._scheduler.address,
                asynchronous=True,
                security=security,
                timeout=_CONNECTING,
                set_as_default=False,
                name="mermapctl",
            )
            self._client = await client
        except Exception as error:  # what listens there may be anything
            if client is not None:  # it would complain where Python deletes it
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.close(timeout=_STOPPING), _STOPPING + 1)  # type: ignore[no-untyped-call]
            raise self._unreached(_reason(error)) from error
        self._watching = self._loop.create_task(self._watch())

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for member in self._members.values():
            if member.task is not None:
                member.task.cancel()
        if self._client is not None:
            await self._client.close(timeout=_STOPPING - 1)

    async def _stop(self) -> None:
        busy = [each for each in self._members.values() if each.token is not None]
        await asyncio.gather(
            *(self._asked(each.address, 2.0, station.stop, each.token) for each in busy),
            return_exceptions=True,
        )

    async def _asked(self, address: str, seconds: float, function: Any, *words: Any) -> Any:
        """Call a function in a worker. Raises OSError, TimeoutError, or what the worker raises."""
        job = self._client.run(function, *words, workers=[address])
        said = await asyncio.wait_for(job, seconds)
        return said[address]

    async def _watch(self) -> None:
        """Look at the scheduler's list of workers; report its loss, whatever ends that."""
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - an answer that dask's scheduler does not give
            self._lose_all(
                f"the scheduler {self._scheduler.address} answers what is no list of workers "
                f"({type(error).__name__}: {_reason(error)})"
            )

    async def _look(self) -> None:
        answered = time.monotonic()
        while not self._gone:
            try:
                job = self._client.scheduler.identity()
                found = await asyncio.wait_for(job, max(1.0, self._patience / 2))
            except Exception:  # noqa: BLE001 - whatever keeps it from answering
                if self._client.status == "closed" or (
                    time.monotonic() - answered > self._patience
                ):
                    self._lose_all(f"the scheduler {self._scheduler.address} is gone")
                    return
                await asyncio.sleep(_LOOKING / 2)
                continue
            answered = time.monotonic()
            there = {str(each["name"]): address for address, each in found["workers"].items()}
            await self._compare(there)
            self.listed = True
            await asyncio.sleep(_LOOKING)

    def _lose_all(self, why: str) -> None:
        self._gone = True
        for member in self._members.values():
            if member.task is not None:
                member.task.cancel()
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
                task = self._loop.create_task(self._revive(name, member))
                member.others.add(task)
                task.add_done_callback(member.others.discard)

    async def _greet(self, name: str) -> None:
        """Ask a worker what it is; report it, or why it gets no cells."""
        member = self._members[name]
        try:
            said = await self._asked(member.address, self._patience, station.facts)
            facts = parcel.unpacked(said, WorkerFacts) if said else None
        except Exception as error:  # noqa: BLE001 - another version raises anything
            self._report(WorkerRefused(name, f"it does not answer as ours does: {_reason(error)}"))
            return
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
            member.silent, member.token = False, None
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

    def _begin(self, name: str, asked: CellParcel, bundle: Path | None) -> None:
        member = self._members.get(name)
        if member is None or not member.ready:
            return  # its loss is reported already
        member.token = asked.token
        member.task = self._loop.create_task(self._cell(name, member, asked, bundle))

    async def _cell(
        self, name: str, member: _Member, asked: CellParcel, bundle: Path | None
    ) -> None:
        """Run one cell on a worker, and report what it prints, its end or its loss."""
        future = None
        listening = None
        try:
            if bundle is not None and (error := await self._send(member.address, bundle)):
                self._ended(name, member, CellHarvest(host.host_facts(), 0.0, {}, error=error))
                return
            future = self._client.submit(
                station.run_cell,
                parcel.packed(asked),
                key=asked.token,
                workers=[member.address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            result = asyncio.ensure_future(_result_of(future))
            listening = self._loop.create_task(self._listen(name, member, asked.token))
            await asyncio.wait({result, listening}, return_when=asyncio.FIRST_COMPLETED)
            if result.done():
                said = result.result()
                self._ended(name, member, parcel.unpacked(said, CellHarvest))
            else:
                result.cancel()
                await self._lose_if_alone(name, listening.result())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - dask has classes of errors without number
            await self._lose_if_alone(name, f"its cell ended with {_reason(error)}")
        finally:
            if listening is not None:
                listening.cancel()
            if future is not None:
                future.release()

    async def _lose_if_alone(self, name: str, why: str) -> None:
        """Give up a worker, unless it is the scheduler that does not answer: `_watch` reports that.

        Called by the task of its cell, which is not cancelled then.
        """
        while not self._gone:
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._client.scheduler.identity(), _LOOKING)
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


async def _result_of(future: Any) -> bytes:
    return bytes(await future)


def _reason(error: BaseException) -> str:
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
