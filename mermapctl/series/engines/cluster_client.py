# SPDX-License-Identifier: GPL-2.0-only
"""The connection to a dask scheduler, from the client's side.

dask's client runs in the event loop of a thread; what happens there comes as reports.
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
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from distributed import Client

from mermapctl.errors import HarnessError
from mermapctl.series.engines.cluster_members import Members, reason_of
from mermapctl.series.engines.cluster_security import security_of, silence
from mermapctl.series.engines.farm import FarmReport
from mermapctl.series.engines.parcel import CellParcel
from mermapctl.series.engines.scheduler_address import Scheduler

_CONNECTING = 10.0
_STOPPING = 3.0


class DaskFarm:
    """The workers of a scheduler, for one client. Leaving the block closes the connection."""

    def __init__(self, scheduler: Scheduler, patience: float) -> None:
        self._scheduler = scheduler
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client: Any = None
        self._watching: asyncio.Task[None] | None = None
        self._members: Members | None = None
        self._queue: deque[FarmReport] = deque()
        self._woken, self._wake = os.pipe()

    @property
    def listed(self) -> bool:
        """Whether the workers that were there at the start have been asked."""
        return self._members is not None and self._members.listed

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
        if self._members is not None:
            self._loop.call_soon_threadsafe(self._members.begin, worker, asked, bundle)

    def stop(self) -> None:
        """End all cells of ours, within some seconds."""
        if self._members is not None:
            with contextlib.suppress(TimeoutError, OSError, HarnessError):
                self._wait_for(self._members.stop(), _STOPPING)

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
            raise self._unreached(reason_of(error)) from error
        self._members = Members(self._client, self._scheduler.address, self._patience, self._report)
        self._watching = self._loop.create_task(self._members.watch())

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._members is not None:
            self._members.cancel()
        if self._client is not None:
            await self._client.close(timeout=_STOPPING - 1)
