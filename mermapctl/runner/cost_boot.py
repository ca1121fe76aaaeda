# SPDX-License-Identifier: GPL-2.0-only
"""Boot a kernel that passed once more, without probes, and count its instructions.

From the first test on QEMU executes blocks of one instruction, and logs each. Nothing is added to
the guest, and with `-icount` the log does not change its time: a stop at each get would, because
the clock of a stopped guest jumps to its next timer (QEMU 7.2, icount_start_warp_timer()).
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mermapctl.console.ktap import leaf_tests
from mermapctl.events import Note
from mermapctl.judge import cost
from mermapctl.judge.cost import Cost, TestCost
from mermapctl.judge.result_types import Ended, Verdict
from mermapctl.judge.unprobed import symptoms
from mermapctl.records.record import Cell
from mermapctl.runner import (
    boot,
    cost_places,
    further_boot,
    gdb_client,
    guest_clock,
    guest_memory,
    qmp,
    socket_place,
    system_map,
    witness_boot,
)
from mermapctl.runner.boot import Booted
from mermapctl.runner.gdb_client import Breakpoint, GdbClient
from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.guest_clock import EMULATED
from mermapctl.runner.job import Job
from mermapctl.runner.system_map import SystemMap
from mermapctl.runner.witness import CONNECT, Beside
from mermapctl.trace.instructions import InstructionCounter

NAME = "cost"
"""A part of the names of this boot's files."""
STUB, MONITOR, LOG = "stub", "qmp", "executed"
"""Names in the directory of QEMU's sockets."""
MOST = 50_000_000
"""The most instructions that are read; the suite takes a million on a kernel of base."""
PIECE = 1 << 16
LOOK_MS = 100
"""Milliseconds between two checks whether the boot is over."""
_ONE_BY_ONE = ("one-insn-per-tb on", "singlestep on")
"""Commands of QEMU's monitor from 8.1 on, and before; it answers an unknown one with an error."""
_LOG = "log exec,nochain"


class Counter(Beside):
    """Counts the instructions of one boot."""

    def __init__(self, place: Path, known: SystemMap, tests: Sequence[str], *, moves: bool) -> None:
        """Prepare to count; `place` is the directory of QEMU's sockets and its log, a FIFO."""
        super().__init__(NAME, known, tests, moves=moves)
        self.counted: InstructionCounter | None = None
        self._place = place

    def run(self) -> None:
        """Count. Raises nothing."""
        try:
            log = os.open(self._place / LOG, os.O_RDONLY | os.O_NONBLOCK)
            try:
                self._count(log)
            finally:
                os.close(log)  # QEMU goes on without a reader
        except (StubError, TimeoutError, OSError, ValueError) as error:
            self.error = str(error) or "QEMU does not answer"

    def _count(self, log: int) -> None:
        """Let the guest run to its first test, then read what it executes, to its end."""
        with contextlib.closing(GdbClient(self._place / STUB, CONNECT, self._over.is_set)) as stub:
            stub.begin()
            try:
                counter = self._log_begun(stub)
            finally:
                stub.detach()  # the guest goes on
        self._read(log, counter)
        counter.finish()
        self.counted = counter

    def _log_begun(self, stub: GdbClient) -> InstructionCounter:
        """Return a counter once the guest is at its first test, and QEMU logs from there on."""
        offset = guest_memory.find(stub, self._known) if self._moves else 0
        found = cost_places.places(self._known, self._tests, offset)
        begins = [int(at, 16) for at, begin in found.begins.items() if begin.test]
        stub.set([Breakpoint(at) for at in begins])
        stub.go_on()
        stop = stub.stopped()
        if stop.exited:
            raise StubError("the guest ended before its first test")
        counter = InstructionCounter(found)
        counter.starts(max(stop.thread - 1, 0), stub.words(stub.registers()["rsp"])[0])
        with contextlib.closing(qmp.Monitor(self._place / MONITOR)) as monitor:
            if all(monitor.ask(each) for each in _ONE_BY_ONE):
                raise StubError("this QEMU cannot execute one instruction at a time")
            if said := monitor.ask(_LOG):
                raise StubError(f"QEMU does not log what it executes: {said.strip()}")
        return counter

    def _read(self, log: int, counter: InstructionCounter) -> None:
        ready = select.poll()
        ready.register(log, select.POLLIN)
        while True:
            if not ready.poll(LOOK_MS):
                if self._over.is_set():
                    raise StubError("QEMU logged nothing")
                continue
            if not (piece := os.read(log, PIECE)):
                return
            counter.feed(piece)
            if counter.executed > MOST:
                raise StubError(f"the tests take more than {MOST:,} instructions")


def add(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Return the cell with its cost, or with a note that gives the reason why it has none.

    A kernel that fails in this boot fails the cell. Raises Interrupted, HarnessError, OSError.
    """
    known = system_map.load(job.build_dir / system_map.NAME)
    why = _obstacle(job, cell, booted, known)
    if known is None or why:
        return _noted(cell, why)
    job.tell(Note("booting once more, without probes, to count instructions"))
    tests = [path[-1] for suite in cell.suites for path, _ in leaf_tests(suite.tests)]
    with socket_place.socket(job.folder) as socket:
        place = socket.parent
        os.mkfifo(place / LOG, 0o600)
        given = (
            *gdb_client.argument(place / STUB),
            *qmp.argument(place / MONITOR),
            *("-D", str(place / LOG)),
        )
        again = _again(job, booted, given)
        moves = booted.kernel.plain_image is None
        counter = Counter(place, known, tests, moves=moves)
        counter.start()
        try:
            second = boot.boot(again, booted.kernel, EMULATED)
        finally:
            counter.end()
    return _judged(again, cell, second, counter)


def _obstacle(job: Job, cell: Cell, booted: Booted, known: SystemMap | None) -> str | None:
    """Return why the cost cannot be counted, as a phrase; None if it can."""
    if job.target.name != witness_boot.TARGET:
        return f"instructions are counted on {witness_boot.TARGET} alone"
    if cell.verdict is not Verdict.PASSED:
        return "the kernel did not pass"
    if not job.can.has("exec", "--qemu_args"):
        return "this tree's kunit.py has no --qemu_args"
    if not job.request.reproducible:
        return "with --no-reproducible QEMU does not count instructions"
    if why := guest_clock.why_threads(job, booted.kernel, EMULATED):
        return f"QEMU does not count the instructions of several threads ({why})"
    return f"there is no {system_map.NAME}" if known is None else None


def _again(job: Job, booted: Booted, arguments: tuple[str, ...]) -> Job:
    return replace(
        further_boot.patient(job, booted),
        cell=replace(job.cell, untraced="", more_qemu_args=arguments),
        repeat=NAME,
    )


def _judged(again: Job, cell: Cell, second: Booted, counter: Counter) -> Cell:
    """Judge the boot that was counted. A QEMU that broke off says nothing about the kernel."""
    if second.boot.ended is not Ended.EXITED or further_boot.aborted(again.console):
        return _noted(cell, counter.error or "the boot that counts did not end by itself")
    judged = further_boot.judged(again, cell, second)
    if judged.verdict is not Verdict.PASSED:
        cell = _noted(cell, f"the kernel did not pass in that boot ({again.console})")
        if judged.verdict is not Verdict.FAILED:
            return cell
        found = cost.failure(symptoms(judged.suites, judged.findings))
        return replace(cell, verdict=Verdict.FAILED, findings=(*cell.findings, found))
    further_boot.remove_files(again)
    counted = counter.counted
    if counted is None or not counted.tests:
        return _noted(cell, counter.error or "no test of the suite was seen in QEMU's log")
    calls = cost.of_calls(counted.calls)
    return replace(
        cell,
        cost=Cost(
            round(second.seconds, 3),
            _guest(again, second),
            calls,
            tuple(TestCost(*each) for each in counted.tests),
            cost.worded(calls),
        ),
    )


def _guest(again: Job, second: Booted) -> str:
    clock = second.clock
    with_clock = f"seed={clock.seed} shift={clock.shift}" if clock else "no clock of its own"
    cell = again.cell
    return (
        f"suite={cell.suite} cpu={cell.cpu or '-'} smp={cell.smp or 1} {with_clock} "
        f"args={' '.join(second.limits.kernel_args)}"
    )


def _noted(cell: Cell, why: str | None) -> Cell:
    return replace(cell, notes=(*cell.notes, f"the cost is not known: {why or 'QEMU went away'}"))
