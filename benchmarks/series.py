# SPDX-License-Identifier: GPL-2.0-only
"""A series of ten commits against `git rebase --exec 'kunit.py run'`, in the same run, as ratios.

The commits change mm/mermap.c, so that each is another kernel. kunit.py has its own default
configuration; mermapctl has its defaults (traced, witnessed). All is under software emulation. A
build from nothing with kunit.py is measured twice, and counts ten times.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cells
from benchmarks.against_kunit import MERMAPCTL, OURS, THEIRS, Place, row
from mermapctl.judge.result_types import Verdict
from mermapctl.records import record
from mermapctl.records.record import RunRecord

COMMITS, AMENDED = 10, 6
FILE = "mm/mermap.c"
FROM_NOTHING = 2
"""Builds of kunit.py from nothing that are measured, of the ten that its user would wait for."""


def git(tree: Path, *argv: str, env: dict[str, str] | None = None) -> str:
    """Run git in a tree; return its output."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
    done = subprocess.run(
        ["git", *who, *argv], cwd=tree, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{shlex.join(['git', *argv])}: {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def commit_all(tree: Path, base: str, values: Sequence[int]) -> None:
    """Commit a function per value on top of `base`; each commit is another kernel."""
    git(tree, "checkout", "-q", "-B", "series", base)
    source = tree / FILE
    text = source.read_text(encoding="utf-8")
    for number, value in enumerate(values, 1):
        name = f"mermap_bench_{number}"
        text += f"\nint {name}(void);\nint {name}(void)\n{{\n\treturn {value};\n}}\n"
        source.write_text(text, encoding="utf-8")
        git(tree, "commit", "-q", "-a", "-m", f"mermap: change {number}")


@dataclass(frozen=True, slots=True)
class Bench:
    """Two clones of the tree, ours and theirs, and a third one as a second tree."""

    ours: Place
    theirs: Place
    second: Place
    base: str

    def series(self, commits: str) -> tuple[float, RunRecord]:
        """Run a series; return its wall seconds and its record."""
        argv = [*MERMAPCTL, "run", f"--tree={self.ours.tree}", f"--commits={commits}"]
        argv += ["--accel=tcg", "--format=json", "--quiet"]
        began = time.monotonic()
        done = subprocess.run(argv, env=self.ours.env, capture_output=True, check=False)
        spent = time.monotonic() - began
        if done.returncode != 0:
            sys.exit(f"{shlex.join(argv)}: {done.returncode}\n{done.stderr.decode()[-2000:]}")
        made = record.from_json(done.stdout)
        _require("each commit passes", held=all(c.verdict is Verdict.PASSED for c in made.cells))
        return spent, made

    def rebased(self) -> float:
        """Return the seconds of `git rebase --exec 'kunit.py run'` over the series."""
        began = time.monotonic()
        line = f"{shlex.join(self.theirs.theirs())} >/dev/null"
        git(self.theirs.tree, "rebase", "-q", "--exec", line, self.base, env=self.theirs.env)
        return time.monotonic() - began

    def from_nothing(self) -> float:
        """Return the seconds of kunit.py without anything built, and leave the base built."""
        git(self.theirs.tree, "checkout", "-q", self.base)
        shutil.rmtree(self.theirs.path / "build", ignore_errors=True)
        spent, _ = self.theirs.ran(THEIRS, self.theirs.theirs())
        git(self.theirs.tree, "checkout", "-q", "series")
        return spent


def _require(what: str, *, held: bool) -> None:
    if not held:
        sys.exit(f"not so: {what}")


def _round(bench: Bench, times: dict[str, list[float]]) -> None:
    """Measure each row once."""
    shutil.rmtree(bench.ours.path / "home", ignore_errors=True)
    shutil.rmtree(bench.ours.path / "ccache", ignore_errors=True)
    values = list(range(1, COMMITS + 1))
    for each in (bench.ours, bench.theirs):
        commit_all(each.tree, bench.base, values)
    for _ in range(FROM_NOTHING):
        times["kunit.py, from nothing"].append(bench.from_nothing())
    times["rebase --exec kunit.py"].append(bench.rebased())
    cold, made = bench.series(f"{bench.base}~1..{bench.base}")
    times["base"].append(cold)
    times["the first, cold"].append(_build_seconds(made))
    spent, made = bench.series(f"{bench.base}..")
    times["ours"].append(spent)
    _require("a cell for each commit", held=len(made.cells) == COMMITS)
    _require("each commit is another kernel", held=not any(c.inherited for c in made.cells))
    times["again"].append(bench.series(f"{bench.base}..")[0])
    commit_all(bench.ours.tree, bench.base, [*values[: AMENDED - 1], 60, *values[AMENDED:]])
    spent, made = bench.series(f"{bench.base}..")
    times["sixth"].append(spent)
    reused = [cell.reused is not None for cell in made.cells]
    expected = [number < AMENDED for number in values]
    _require("nothing before the sixth is built", held=reused == expected)
    _, phases = bench.second.ran(OURS, bench.second.ours())
    times["second"].append(sum(filter(None, (phases.config, phases.build))) if phases else 0)


def _build_seconds(made: RunRecord) -> float:
    (cell,) = made.cells
    return (cell.phases.config or 0.0) + (cell.phases.build or 0.0)


def _rows(times: dict[str, list[float]]) -> list[bool]:
    middle = {name: statistics.median(each) for name, each in times.items()}
    mine, nothing = middle["ours"], middle["kunit.py, from nothing"] * COMMITS
    whole = middle["base"] + mine  # the base's own boot included
    rebase, first = "rebase --exec kunit.py", "the first, cold"
    return [
        row("10 commits, base built", mine, middle[rebase], 0.45, of=rebase),
        row("10 commits, from nothing", whole, nothing, 0.10, of="10 x kunit.py, from nothing"),
        row("the same series again", middle["again"], mine, 0.03, of="the first time"),
        row("the sixth amended", middle["sixth"], mine, 0.55, of="the whole series"),
        row("a second tree, cold", middle["second"], middle[first], 0.25, of=first),
    ]


def main(tree: Path, rounds: int) -> bool:
    """Measure the series, and what a thousand cells cost in the record."""
    kept = cells.main()
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as directory:
        path = Path(directory)
        env = dict(os.environ)
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env["PYTHONPYCACHEPREFIX"] = str(path / "pycache")
        env |= {"MERMAPCTL_HOME": str(path / "home"), "CCACHE_DIR": str(path / "ccache")}
        (path / "kunitconfig").write_text("CONFIG_KUNIT=y\nCONFIG_MERMAP_KUNIT_TEST=y\n")
        for name in ("ours", "theirs", "second"):
            git(path, "clone", "-q", "--shared", str(tree), name)
        ours, theirs, second = (
            Place(path / name, path, env) for name in ("ours", "theirs", "second")
        )
        bench = Bench(ours, theirs, second, git(ours.tree, "rev-parse", "HEAD"))
        times: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            _round(bench, times)
        return all([*_rows(times), kept])
