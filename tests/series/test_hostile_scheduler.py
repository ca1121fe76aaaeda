# SPDX-License-Identifier: GPL-2.0-only
"""What listens as a scheduler may be anything: the client says so in one sentence, and ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("distributed")

from mermapctl.errors import HarnessError
from mermapctl.series.engines import cluster_client, farm
from mermapctl.series.engines.cluster_client import DaskFarm
from mermapctl.series.engines.cluster_members import Members
from mermapctl.series.engines.scheduler_address import Scheduler

FIRST = {
    "hangs up": b"",
    "another server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a huge frame": b"\xff" * 64,
    "no frame": (8).to_bytes(8, "little") + b"\xc1" * 8,
    "a frame of nothing": bytes(4096),
    "noise": os.urandom(1 << 12),
    "silent": None,
}


@pytest.fixture
def server() -> Iterator[Any]:
    """Listen, and answer each connection with some bytes; None: never."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as kept:

        def serve(first: bytes | None) -> int:
            def run() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        kept.enter_context(connection)
                        if first is not None:
                            connection.sendall(first)
                            connection.close()

            threading.Thread(target=run, daemon=True).start()
            return int(listener.getsockname()[1])

        yield serve
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def made() -> Iterator[Callable[[int], DaskFarm]]:
    """Make farms of a scheduler on a port; close what a process closes at its end."""
    farms = []

    def make(port: int) -> DaskFarm:
        farms.append(DaskFarm(Scheduler(f"tcp://127.0.0.1:{port}"), 1.0))
        return farms[-1]

    yield make
    for each in farms:
        each._loop.close()
        os.close(each._wake)
        os.close(each._woken)


@pytest.mark.parametrize("first", FIRST)
def test_what_is_no_scheduler_is_not_reached(
    first: str,
    server: Any,
    made: Callable[[int], DaskFarm],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_client, "_CONNECTING", 2.0)
    began = time.monotonic()
    unreached = made(server(FIRST[first]))
    with pytest.raises(HarnessError, match=r"^cannot reach the scheduler tcp:") as caught:
        unreached.__enter__()
    assert "\n" not in caught.value.message
    assert time.monotonic() - began < 20


LISTS: list[object] = [None, [1], {"x": None}, {"x": {}}, {"x": {"name": {}}, 1: {"name": 2}}]
ANSWERS: list[object] = [None, [], {}, 7, *({"workers": each} for each in LISTS)]


class Lying:
    """In place of dask's client: each question has the same answer."""

    status = "running"

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.scheduler = self

    async def identity(self) -> object:
        return self.answer

    async def run(self, *_: object, **__: object) -> object:
        return self.answer

    async def close(self, **_: object) -> None:
        pass


@pytest.mark.parametrize("answer", ANSWERS, ids=repr)
def test_an_answer_that_is_no_list_of_workers_ends_the_farm(
    answer: object, made: Callable[[int], DaskFarm]
) -> None:
    lied = made(1)
    members = Members(Lying(answer), "tcp://127.0.0.1:1", 1.0, lied._report)
    lied._thread.start()
    watching = asyncio.run_coroutine_threadsafe(members.watch(), lied._loop)
    reports = [*lied.reports(10)]
    watching.cancel()
    concurrent.futures.wait([watching], 5)
    lied._end_thread()
    assert reports
    assert isinstance(reports[-1], farm.FarmGone | farm.WorkerRefused)
