# SPDX-License-Identifier: GPL-2.0-only
"""A dask worker with the settings that a cell needs, in this process.

One thread, so one cell at a time. No nanny and no limit of memory: dask would kill the worker, and
not the compiler that takes the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import dask
from distributed import Worker

from mermapctl.errors import HarnessError
from mermapctl.series.engines import station
from mermapctl.series.engines.cluster_security import security_of, silence
from mermapctl.series.engines.scheduler_address import Scheduler

VERSION = metadata.version("distributed")
_CONNECTING = 30.0
_CLOSING = 5.0
_SETTINGS = {
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    "distributed.admin.tick.limit": "1h",
}


def serve(
    scheduler: Scheduler,
    name: str,
    resources: Mapping[str, float],
    place: Path,
    ready: Callable[[], None],
) -> bool:
    """Offer this process to the clients of a scheduler, until a signal ends it: then return True.

    Calls `ready` once it is connected. Raises HarnessError if the scheduler cannot be reached, or
    is gone.
    """
    security = security_of(scheduler, "worker")
    silence()
    with dask.config.set(_SETTINGS):
        return asyncio.run(_serve(scheduler, name, dict(resources), place, ready, security))


async def _serve(
    scheduler: Scheduler,
    name: str,
    resources: dict[str, float],
    place: Path,
    ready: Callable[[], None],
    security: Any,
) -> bool:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, ended.set)
    worker = Worker(
        scheduler.address,
        nthreads=1,
        name=name,
        resources=resources,
        memory_limit=0,
        security=security,
        local_directory=str(place),
        dashboard_address="127.0.0.1:0",
        death_timeout=_CONNECTING,
    )
    waiting = loop.create_task(ended.wait())
    starting = asyncio.ensure_future(_started(worker))
    await asyncio.wait({waiting, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return True
    if error := starting.exception():
        raise HarnessError(
            f"cannot reach the scheduler {scheduler.address}: {' '.join(str(error).split())[:300]}",
            "is it running there (`dask scheduler`), with TLS and the same CA?",
        ) from error
    ready()
    finished = asyncio.ensure_future(worker.finished())  # type: ignore[no-untyped-call]
    await asyncio.wait({waiting, finished}, return_when=asyncio.FIRST_COMPLETED)
    station.close_station()
    if ended.is_set():
        with contextlib.suppress(Exception):  # it ends in any case
            await asyncio.wait_for(worker.close(executor_wait=False), _CLOSING)
        return True
    raise HarnessError(
        f"the scheduler {scheduler.address} is gone, or has sent this worker away",
        "start it again, then this worker",
    )


async def _started(worker: Worker) -> None:
    await worker
