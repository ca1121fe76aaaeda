# SPDX-License-Identifier: GPL-2.0-only
"""Watch a guest's mermap from outside, through QEMU's gdb stub, and log the events."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from mermapctl.runner.gdb_client import GdbClient
from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.system_map import SystemMap
from mermapctl.runner.witness_file import WitnessLog
from mermapctl.runner.witness_stops import Stops

CONNECT = 60.0
"""Seconds until QEMU must listen: kunit.py starts first, perhaps on a busy machine."""


class Beside(threading.Thread):
    """Works beside a boot until the guest has ended; `error` is a sentence."""

    def __init__(self, name: str, known: SystemMap, tests: Sequence[str], *, moves: bool) -> None:
        """With `moves`, the kernel moved itself (KASLR), and its place is found first."""
        super().__init__(name=name, daemon=True)
        self.error: str | None = None
        self._known = known
        self._tests = tests
        self._moves = moves
        self._over = threading.Event()

    def end(self) -> None:
        """Stop after the boot, and wait until all has been read and written."""
        self._over.set()
        self.join()


class Witness(Beside):
    """Watches one boot, and logs what it sees."""

    def __init__(
        self, socket: Path, log: Path, system_map: SystemMap, tests: Sequence[str], *, moves: bool
    ) -> None:
        """Prepare to watch."""
        super().__init__("witness", system_map, tests, moves=moves)
        self._socket = socket
        self._path = log

    def run(self) -> None:
        """Watch the boot. Raises nothing; the log's last line reports how it ended."""
        try:
            with self._path.open("w", encoding="ascii") as file:
                self._watch(WitnessLog(file))
        except OSError as error:
            self.error = f"cannot write {self._path}: {error.strerror}"

    def _watch(self, log: WitnessLog) -> None:
        client = None
        try:
            client = GdbClient(self._socket, CONNECT, self._over.is_set)
            client.begin()
            Stops(client, log, self._known, self._tests).watch(moves=self._moves)
        except (StubError, TimeoutError, ValueError) as error:
            self.error = str(error) or "QEMU's gdb stub does not answer"
            log.sentence("lost", self.error)
        finally:
            if client is not None:
                client.detach()
                with contextlib.suppress(OSError):
                    client.close()
