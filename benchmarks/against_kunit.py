# SPDX-License-Identifier: GPL-2.0-only
"""Compare mermapctl with kunit.py: same tree, same machine, in turn, medians, as ratios.

kunit.py's configuration is its own default for the suite: KUnit, the suite, and Kconfig's defaults
for the rest. Both run under software emulation. Each round of a row runs every command once; a
cold build begins with an empty directory and an empty ccache.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.records import record
from mermapctl.runner import accelerator, kvm_probe

MERMAPCTL = [sys.executable, "-m", "mermapctl"]
THEIRS, OURS, UNTRACED = "kunit.py", "mermapctl", "mermapctl --no-trace --no-witness"
PLAIN = "mermapctl --no-reproducible"
SECOND = "la57"
"""A variant that is built after base and differs in no object."""
BOOTS = 7
"""Rounds of the rows that only boot, which are short: half a second varies by a fifth."""
PHASES = ("config", "build", "boot")


@dataclass(frozen=True, slots=True)
class Place:
    """The tree, the directory and the environment of both programs."""

    tree: Path
    path: Path
    env: dict[str, str]

    def ours(self, *argv: str) -> list[str]:
        """Return the command of a run of mermapctl."""
        return [
            *MERMAPCTL,
            "run",
            f"--tree={self.tree}",
            "--accel=tcg",
            "--format=json",
            "--quiet",
            *argv,
        ]

    def theirs(self) -> list[str]:
        """Return the command of a run of kunit.py."""
        return [
            *(sys.executable, str(self.tree / "tools/testing/kunit/kunit.py"), "run"),
            "--arch=x86_64",
            f"--kunitconfig={self.path / 'kunitconfig'}",
            f"--build_dir={self.path / 'build'}",
            *("--kernel_args=pti=on", "--kernel_args=panic=-1"),
            f"--jobs={os.cpu_count()}",
            "mermap",
        ]

    def their_boot(self) -> list[str]:
        """Return the command of a boot by kunit.py of the kernel that it has built."""
        kunit, _, *options = self.theirs()[1:]
        built = [each for each in options if not each.startswith("--jobs=")]
        return [sys.executable, kunit, "exec", *built]

    def empty(self) -> None:
        """Remove everything that was built."""
        for name in ("home", "build", "ccache"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def ran(self, who: str, argv: list[str]) -> tuple[float, record.Phases | None]:
        """Run a command that must succeed; return its wall seconds and mermapctl's own phases."""
        began = time.monotonic()
        done = subprocess.run(argv, env=self.env, capture_output=True, check=False)
        spent = time.monotonic() - began
        if done.returncode != 0:
            sys.exit(f"{shlex.join(argv)}: {done.returncode}\n{done.stderr.decode()[-2000:]}")
        if who == THEIRS:
            return spent, None
        return spent, record.from_json(done.stdout).cells[0].phases


def _measure(
    place: Place, commands: dict[str, list[str]], rounds: int, before: Callable[[str], None]
) -> tuple[dict[str, float], dict[str, record.Phases]]:
    """Return medians of the wall seconds of each command, and of mermapctl's phases."""
    times: dict[str, list[float]] = defaultdict(list)
    phases: dict[str, list[record.Phases]] = defaultdict(list)
    for _ in range(rounds):
        for who, argv in commands.items():
            before(who)
            spent, spent_by_phase = place.ran(who, argv)
            times[who].append(spent)
            phases[who] += [spent_by_phase] if spent_by_phase else []
    medians = {
        who: record.Phases(
            *(statistics.median(getattr(one, name) or 0.0 for one in all_of) for name in PHASES)
        )
        for who, all_of in phases.items()
        if all_of
    }
    return {who: statistics.median(each) for who, each in times.items()}, medians


def row(name: str, mine: float, other: float, limit: float, *, of: str = THEIRS) -> bool:
    """Print a comparison; return whether the ratio is within its limit."""
    ratio = mine / other
    word = "ok" if ratio <= limit else "NOT REACHED"
    print(
        f"{name:28} {of} {other:7.2f} s  mermapctl {mine:7.2f} s  "
        f"ratio {ratio:.2f} (<= {limit:.2f}) {word}",
        flush=True,
    )
    return ratio <= limit


def _spent(phases: record.Phases) -> None:
    each = ", ".join(f"{name} {getattr(phases, name):.1f} s" for name in PHASES)
    print(f"{'':28} of which {each}", flush=True)


def _help(tree: Path, env: dict[str, str]) -> bool:
    kunit = [sys.executable, str(tree / "tools/testing/kunit/kunit.py"), "--help"]
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(11):
        for who, argv in ((THEIRS, kunit), (OURS, [*MERMAPCTL, "--help"])):
            began = time.monotonic()
            subprocess.run(argv, env=env, capture_output=True, check=True)
            times[who].append(time.monotonic() - began)
    return row("--help", statistics.median(times[OURS]), statistics.median(times[THEIRS]), 1.0)


def _cold(place: Place, rounds: int) -> Iterator[bool]:
    def before(who: str) -> None:
        if who == THEIRS:
            place.empty()

    second = place.ours(f"--variant={SECOND}")
    commands = {THEIRS: place.theirs(), OURS: place.ours(), SECOND: second}
    times, phases = _measure(place, commands, rounds, before)
    yield row("cold", times[OURS], times[THEIRS], 0.60)
    _spent(phases[OURS])
    with_ccache = "with ccache" if shutil.which("ccache") else "without ccache"
    yield row(f"then {SECOND}, {with_ccache}", times[SECOND], times[THEIRS], 0.06)
    _spent(phases[SECOND])


def _warm(place: Place, rounds: int) -> Iterator[bool]:
    commands = {THEIRS: place.theirs(), OURS: place.ours()}
    times, phases = _measure(place, commands, rounds, lambda _who: None)
    yield row("nothing changed", times[OURS], times[THEIRS], 0.28)
    _spent(phases[OURS])
    source = place.tree / "mm/mermap.c"
    text = source.read_text(encoding="utf-8")
    edits = iter(range(1000))

    def touch(_who: str) -> None:
        source.write_text(f"{text}\n/* {next(edits)} */\n", encoding="utf-8")

    try:
        times, phases = _measure(place, commands, rounds, touch)
    finally:
        source.write_text(text, encoding="utf-8")
    yield row("mm/mermap.c touched", times[OURS], times[THEIRS], 0.50)
    _spent(phases[OURS])


def _traced(place: Place, rounds: int) -> bool:
    """Compare a traced boot of the whole suite with an untraced one."""
    commands = {UNTRACED: place.ours("--no-trace", "--no-witness"), OURS: place.ours()}
    for who, argv in commands.items():
        place.ran(who, argv)
    _, phases = _measure(place, commands, rounds, lambda _who: None)
    plain, traced = (phases[who].boot or 0.0 for who in (UNTRACED, OURS))
    return row("boot, traced", traced, plain, 1.5, of="untraced")


def _reproducible(place: Place, rounds: int) -> bool:
    """Compare a boot with the guest's own clock with one that has the host's."""
    ours = place.ours("--no-trace", "--no-witness")
    commands = {PLAIN: [*ours, "--no-reproducible"], OURS: ours}
    for who, argv in commands.items():
        place.ran(who, argv)
    _, phases = _measure(place, commands, rounds, lambda _who: None)
    plain, mine = (phases[who].boot or 0.0 for who in (PLAIN, OURS))
    return row("boot, reproducible", mine, plain, 1.3, of="plain")


def _witnessed(place: Place, rounds: int) -> bool:
    """Compare a boot under the witness with kunit.py's boot of its kernel; also print our own.

    Our plain boot of the same run has the host's clock, without which the witness cannot boot.
    """
    plain, watched, theirs = [], [], []
    for _ in range(rounds):
        theirs.append(place.ran(THEIRS, place.their_boot())[0])
        argv = place.ours("--no-trace", "--no-reproducible", "--witness")
        done = subprocess.run(argv, env=place.env, capture_output=True, check=False)
        (cell,) = record.from_json(done.stdout).cells
        if cell.witness is None or not cell.witness.entries_checked:
            sys.exit(f"{shlex.join(argv)}: nothing was witnessed\n{done.stderr.decode()[-2000:]}")
        plain.append(cell.phases.boot or 0.0)
        watched.append(cell.witness.seconds)
    kept = row("boot, witnessed", statistics.median(watched), statistics.median(theirs), 3.0)
    ours = statistics.median(plain)
    print(f"{'':28} the plain boot of the same kernel: {ours:.2f} s", flush=True)
    works = kvm_probe.probe(accelerator.KVM).ability is kvm_probe.Ability.WORKS
    why = "the witness boots under emulation alone" if works else "no KVM works here"
    print(f"{'boot, witnessed, KVM':28} not measured: {why}", flush=True)
    return kept


def main(tree: Path, rounds: int) -> bool:
    """Measure start-up, builds (cold, second variant, no change, one file), trace, witness."""
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as directory:
        path = Path(directory)
        env = dict(os.environ)
        # Both cache their bytecode, as Python does by default, but not in the tree.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env["PYTHONPYCACHEPREFIX"] = str(path / "pycache")
        kept = _help(tree, env)
        env |= {"MERMAPCTL_HOME": str(path / "home"), "CCACHE_DIR": str(path / "ccache")}
        place = Place(tree, path, env)
        (path / "kunitconfig").write_text("CONFIG_KUNIT=y\nCONFIG_MERMAP_KUNIT_TEST=y\n")
        kept &= all(list(_cold(place, rounds)))
        kept &= all(list(_warm(place, rounds)))
        boots = max(rounds, BOOTS)
        kept &= _traced(place, boots)
        kept &= _reproducible(place, boots)
        kept &= _witnessed(place, boots)
    return kept
