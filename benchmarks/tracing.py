# SPDX-License-Identifier: GPL-2.0-only
"""Measure the trace reader on long traces: CPU time per event, and bounded memory.

Read traces of ten thousand, a hundred thousand and a million events, each in a process of its
own. Exit with 1 if the longest takes more than TARGET_MEMORY times the memory of the shortest.
Usage: python -m benchmarks.tracing [EVENTS]
"""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import TYPE_CHECKING

from mermapctl.trace.reader import TraceReader

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = 511
BASE = 0xFFFF880000200000
TARGET_MEMORY = 1.10


def lines(events: int) -> Iterator[str]:
    """Yield gets and puts of one page, as a correct mermap prints them; one flush per 511 pages."""
    mm = "mm=0xffff9e5e41063700"
    walk = f"mm_walk: (apply_to_existing_page_range+0x4/0x20) {mm} len=4096 at="
    for number in range(events // 5):
        page = BASE + number % PAGES * 4096
        yield f"mm_get: (__mermap_get+0x4/0x340) {mm} size=4096 rsv=0"
        if number and number % PAGES == 0:
            yield "mm_flush: (__flush_tlb_all+0x4/0x10) by=__mermap_get+0x2b6/0x310"
        yield f"{walk}{page:#x}"
        yield (
            "mm_got: (test_x+0x15f/0x400 <- __mermap_get) ret=0xffff9e5e7ec284e8 "
            f"w={{0x1,{page:#x},{page + 4096:#x},0x0,0x0,0x0,0x0,0x0}}"
        )
        yield "mm_put: (__mermap_put+0x4/0xc0) alloc=0xffff9e5e7ec284e8"
        yield f"{walk}{page:#x}"


def judge(events: int) -> tuple[float, int, int]:
    """Read a trace in a child process; return its CPU seconds, peak KiB and number of findings."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        reader = TraceReader()
        spent, number = 0.0, 0
        chunk: list[str] = []
        for line in lines(events):
            chunk.append(line)
            if len(chunk) == 1000:
                spent, number = spent + _feed(reader, chunk, number), number + len(chunk)
                chunk.clear()
        spent += _feed(reader, chunk, number)
        reader.test_ended("test_x")
        broken = len(reader.finish().breaches)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(theirs, f"{spent} {peak} {broken}".encode())
        os._exit(0)
    os.close(theirs)
    answer = os.read(ours, 200).split()
    os.close(ours)
    os.waitpid(child, 0)
    return float(answer[0]), int(answer[1]), int(answer[2])


def _feed(reader: TraceReader, chunk: list[str], number: int) -> float:
    start = time.process_time()
    for at, line in enumerate(chunk, number + 1):
        reader.feed(at, line, None, "T27")
    return time.process_time() - start


def main(most: int = 1_000_000) -> int:
    """Measure and print; return 1 if the memory grows with the trace."""
    peaks = []
    for events in (10_000, 100_000, most):
        seconds, peak, broken = judge(events)
        peaks.append(peak)
        print(
            f"{events:>9} events  {seconds / events * 1e6:6.1f} us each  {peak / 1024:6.1f} MiB  "
            f"{broken} findings"
        )
    grown = peaks[-1] / peaks[0]
    print(f"memory x {grown:.2f} (at most {TARGET_MEMORY})")
    return 0 if grown <= TARGET_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
