# SPDX-License-Identifier: GPL-2.0-only
"""Compare judging a log with `kunit.py parse --summary` on the same log in the same run.

The logs are boot messages with suites and splats between them, or KTAP alone, each with and without
printk's time stamps. Both programs run as whole processes; the time for a log of one suite is
subtracted, so that Python's start is not compared. Seconds are CPU time, which a busy machine
disturbs least. Memory is compared between a log of 10 MB and one of 100 MB.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL, MIDDLE, LARGE = 10_000_000, 20_000_000, 100_000_000
TARGET_RATIO = 8.0
TARGET_MEMORY = 1.10
"""Largest allowed ratio of peak memory, large log to small log; 10 % is the allocator's noise."""
REPEATS = 3

JUDGE = """
import sys
from mermapctl.judge import console_verdict, suites as manifest
with open(sys.argv[1], "rb") as log:
    judgement = console_verdict.judge(log, manifest=manifest.load())
sys.exit(0 if judgement.lines > 0 and judgement.suites else 1)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds and peak memory in bytes of one process."""

    seconds: float
    memory: int


def _between(log: str, first: str, last: str) -> list[str]:
    lines = (LOGS / log).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith(last))
    return lines[start:end]


def _suite(number: int, splat: list[str]) -> Iterator[str]:
    """Yield the lines of a suite as KUnit prints them; a few fail, skip, or contain a warning."""
    name, tests = f"suite_{number}", 20
    yield "    KTAP version 1"
    yield f"    # Subtest: {name}"
    yield "    # module: some_kunit"
    yield f"    1..{tests}"
    bad = number % 10 == 5
    for test in range(1, tests + 1):
        if bad and test == 7:
            yield f"    # case_{test}: EXPECTATION FAILED at lib/some_kunit.c:{test}"
            yield "    Expected value == 1, but"
            yield "        value == 2 (0x2)"
            yield f"    not ok {test} case_{test}"
        elif number % 10 == 3 and test == 9:
            yield f"    ok {test} case_{test} # SKIP not on this machine"
        else:
            if number % 40 == 11 and test == 12:
                yield from splat
            yield f"    ok {test} case_{test}"
    skipped = int(number % 10 == 3)
    passed = tests - bad - skipped
    for label in (name, "Totals"):
        yield f"# {label}: pass:{passed} fail:{int(bad)} skip:{skipped} total:{tests}"
    yield f"{'not ok' if bad else 'ok'} {number} {name}"


def write_log(path: Path, size: int, *, noise: bool, stamps: bool = False) -> int:
    """Write a log of about `size` bytes; return its number of lines."""
    boot = _between("good.log", "BIOS-e820", "KTAP version 1") if noise else []
    splat = _between("warn-but-ok.log", "------------[ cut here", "    ok 2 test_size")
    unit = sum(len(line) + 1 + 15 * stamps for line in (*boot, *_suite(1, splat)))
    suites = max(1, size // unit)
    count = 0
    with path.open("w", encoding="utf-8") as file:

        def put(line: str) -> None:
            nonlocal count
            count += 1
            prefix = f"[{count / 10000:12.6f}] " if stamps else ""
            file.write(f"{prefix}{line}\n")

        put("KTAP version 1")
        put(f"1..{suites}")
        for number in range(1, suites + 1):
            for line in (*_suite(number, splat), *boot):
                put(line)
    return count


def run(argv: list[str], directory: Path) -> Cost:
    """Run a program to its end without its output."""
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.chdir(directory)
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{argv} failed: {status}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _best(directories: dict[Path, list[str]]) -> list[float]:
    """Return the CPU seconds of the quickest of a few runs of each program, in turn.

    A disturbance only makes a run slower, and a machine that is slow for a while slows down both.
    """
    rounds = [
        [run(argv, directory).seconds for directory, argv in directories.items()]
        for _ in range(REPEATS)
    ]
    return [min(column) for column in zip(*rounds, strict=True)]


def _summary_option(tree: Path) -> list[str]:
    """Return `--summary` if this tree's kunit.py has it; older ones print every test."""
    source = (tree / "tools/testing/kunit/kunit.py").read_text(encoding="utf-8")
    return ["--summary"] if "'--summary'" in source else []


def main(tree: Path) -> bool:
    """Print the table; return whether the ratio and the memory are as promised."""
    here = Path(__file__).parent.parent
    theirs = ["python3", "tools/testing/kunit/kunit.py", "parse", *_summary_option(tree)]
    ours = [sys.executable, "-c", JUDGE]
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        log, one = Path(scratch) / "console.log", Path(scratch) / "one-suite.log"
        write_log(one, 0, noise=True)
        start_them, start_us = _best({tree: [*theirs, str(one)], here: [*ours, str(one)]})
        print(f"{'log':<24}{'lines':>10}{'kunit.py/s':>12}{'judge/s':>12}{'ratio':>8}")
        for name, noise, stamps in (
            ("mixed", True, False),
            ("mixed, time stamps", True, True),
            ("KTAP only", False, False),
            ("KTAP only, time stamps", False, True),
        ):
            lines = write_log(log, MIDDLE, noise=noise, stamps=stamps)
            seconds = _best({tree: [*theirs, str(log)], here: [*ours, str(log)]})
            them, we = lines / (seconds[0] - start_them), lines / (seconds[1] - start_us)
            good &= we / them >= TARGET_RATIO
            print(f"{name:<24}{lines:>10}{them:>12.0f}{we:>12.0f}{we / them:>8.1f}")
        peaks = []
        for size in (SMALL, LARGE):
            lines = write_log(log, size, noise=True)
            cost = run([*ours, str(log)], here)
            peaks.append(cost.memory)
            megabytes = f"{size // 1_000_000} MB"
            rate = lines / cost.seconds
            print(f"{megabytes:<24}{lines:>10}{rate:>24.0f}{cost.memory / 1e6:>9.1f} MB peak")
        good &= peaks[1] <= peaks[0] * TARGET_MEMORY
    print(f"one suite, start-up included: kunit.py {start_them:.2f} s, judge {start_us:.2f} s")
    print(f"promised: at least {TARGET_RATIO:g} x, and the same memory for both sizes")
    return good


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1])) else 1)
