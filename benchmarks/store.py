# SPDX-License-Identifier: GPL-2.0-only
"""Measure `report` on a store of ten thousand runs: each command in under a second.

Print a line per command: wall and CPU seconds of the whole process (medians of three) and the
limit. Exit with 1 if one takes longer. Usage: python -m benchmarks.store [RUNS]
"""

from __future__ import annotations

import datetime as dt
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from mermapctl.console.ktap import Failure, FailureKind, Status, Suite, Test
from mermapctl.judge.result_types import Finding, Flush, Reason, Severity, Verdict
from mermapctl.records import rows
from mermapctl.records.record import (
    SCHEMA,
    Artifacts,
    Cell,
    Phases,
    RunRecord,
    State,
    TreeFacts,
    begin,
    new_run_id,
    this_tool,
    to_json,
)
from mermapctl.records.store import Store
from tests.tables import LOGS, NAMES

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
ALLOWED_SECONDS = 1.0

QUESTIONS = (
    ("list", "report list"),
    ("list, every run", "report list --limit 0"),
    ("list, JSON of all", "report list --limit 0 --format json"),
    ("list, filtered", "report list --failed --target x86_64 --variant kasan --since 2025-06-01"),
    ("list, one commit", "report list --commit {commit}"),
    ("latest", "report"),
    ("compare", "report compare latest~5000 latest"),
    ("history", "report history test_tlb_flushed"),
    ("history, all", "report history test_tlb_flushed --limit 0"),
    ("flaky", "report flaky"),
    ("rejudge one", "report rejudge latest --dry-run"),
    ("prune by count", "report prune --keep 9000 --dry-run"),
    ("prune by age", "report prune --older 1d --dry-run"),
    ("prune by size", "report prune --max-size 20M --dry-run"),
    ("completion", "completion-of-ids"),
)


def fill(store: Store, number: int, console: bytes) -> str:
    """Write `number` runs with start times spread over months; return one of their commits."""
    chance = random.Random(12)  # noqa: S311 - the same store each time
    commits = [f"{chance.getrandbits(160):040x}" for _ in range(number // 8 + 1)]
    blank = begin(command=("mermapctl", "run"), tree=TreeFacts())
    for index in range(number):
        moment = START + dt.timedelta(minutes=37 * index)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        run = replace(
            blank.run,
            id=new_run_id(moment),
            started=stamp,
            seconds=40.0,
            state=State.FINISHED,
            pid=None,
        )
        folder = store.folder(run.id)
        tree = TreeFacts("7.3.4", commits[index // 8], "v7.3.4", dirty=False, path="/src/linux")
        cells = tuple(
            _cell(chance, variant, bad=chance.random() < 0.1) for variant in _variants(chance)
        )
        worst = Verdict.PASSED
        for cell in cells:
            worst = cell.verdict if cell.verdict is not Verdict.PASSED else worst
            directory = folder.cell_path(f"x86_64-{cell.variant}")
            directory.mkdir(parents=True)
            (directory / "console.log").write_bytes(console)
        cells = tuple(_placed(cell, folder.path) for cell in cells)
        record = RunRecord(SCHEMA, this_tool(), run, tree, worst, cells)
        folder.record.write_bytes(to_json(record))  # no fsync: the disk is not measured
    return commits[number // 16]


def _variants(chance: random.Random) -> tuple[str, ...]:
    return ("base", "kasan") if chance.random() < 0.2 else ("base",)


def _placed(cell: Cell, folder: Path) -> Cell:
    directory = folder / "cells" / f"x86_64-{cell.variant}"
    kept = Artifacts(console=str(directory / "console.log"), directory=str(directory))
    return replace(cell, artifacts=kept)


def failed_cell() -> Cell:
    """Return a cell that failed."""
    return _cell(random.Random(0), "base", bad=True)  # noqa: S311 - the same cell each time


def _cell(chance: random.Random, variant: str, *, bad: bool) -> Cell:
    phases = Phases(chance.uniform(1, 2), chance.uniform(5, 90), chance.uniform(1, 3))
    if chance.random() < 0.03:
        return Cell("x86_64", variant, Verdict.NO_VERDICT, reason=Reason.BOOT_FAILED, phases=phases)
    failure = Failure(
        FailureKind.ASSERTION,
        "mm/tests/mermap_kunit.c",
        194,
        "mc->tlb_flushes == 0",
        {"mc->tlb_flushes": "1 (0x1)"},
        "unexpected flush before alloc 3",
    )
    tests = tuple(
        Test(
            name,
            Status.FAILED if bad and name == NAMES[3] else Status.PASSED,
            chance.uniform(0.001, 0.05),
            (failure,) if bad and name == NAMES[3] else (),
        )
        for name in NAMES
    )
    finding = Finding(
        "early-flush",
        Severity.ERROR,
        "1 flush before allocation 3: the TLB was flushed while no address had been used twice",
        test=NAMES[3],
        evidence={"flushes": 1, "allocation": 3},
        where="mm/tests/mermap_kunit.c:194",
        advice="look at where the allocator decides to wrap",
    )
    return Cell(
        "x86_64",
        variant,
        Verdict.FAILED if bad else Verdict.PASSED,
        accelerator="tcg",
        kernel_args=("pti=on",),
        phases=phases,
        suites=(Suite("mermap", Status.FAILED if bad else Status.PASSED, tests),),
        flushes=(Flush(NAMES[3], 1, 1 + bad, None, None, "as expected"),),
        findings=(finding,) if bad else (),
        suite="mermap",
    )


def ask(words: list[str], home: Path) -> tuple[float, float]:
    """Run one mermapctl process; return its wall and CPU seconds."""
    env = {**os.environ, "MERMAPCTL_HOME": str(home)}
    argv = [sys.executable, "-m", "mermapctl", *words]
    if words == ["completion-of-ids"]:
        argv = [str(Path(sys.executable).parent / "mermapctl")]
        env |= {
            "_MERMAPCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": "mermapctl report 2025",
            "COMP_CWORD": "2",
        }
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    spent, after = time.perf_counter() - start, os.times()
    assert done.returncode in {0, 1, 3}, (words, done.stderr)
    assert done.stdout, words
    cpu = after.children_user + after.children_system
    return spent, cpu - before.children_user - before.children_system


def main(number: int = 10_000) -> int:
    """Fill a store, run every command, print its time; return 1 if one is too slow."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        store = Store.open(home / "state")
        start = time.perf_counter()
        commit = fill(store, number, (LOGS / "good.log").read_bytes())
        print(f"{number:,} runs made in {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        assert store.query(rows.count) == number
        spent = time.perf_counter() - start
        index = (home / "state" / "store.sqlite3").stat().st_size / 1e6
        print(f"index made from their records in {spent:.1f} s, {index:.1f} MB")
        slow = 0
        for name, line in QUESTIONS:
            words = line.format(commit=commit[:12]).split()
            times = [ask(words, home) for _ in range(3)]
            spent, cpu = (statistics.median(column) for column in zip(*times, strict=True))
            slow += spent > ALLOWED_SECONDS
            print(f"{name:20} {spent:6.2f} s, CPU {cpu:5.2f} s  (allowed {ALLOWED_SECONDS:.0f} s)")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
