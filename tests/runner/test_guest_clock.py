# SPDX-License-Identifier: GPL-2.0-only
"""Which boots have a clock of their own, and what QEMU is given for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.config import target
from mermapctl.runner import guest_clock, kernel
from mermapctl.runner.guest_clock import GuestClock
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from tests import jobs

OPTIONS = (
    *("-icount", "shift=4,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm"),
    *("-seed", "1"),
)


def booting(
    tree: Path, build_dir: Path, *symbols: str, reproducible: bool, seed: int
) -> tuple[Job, Kernel]:
    """Return a job of a request, and its kernel with `symbols`."""
    (build_dir / ".config").write_text("".join(f"CONFIG_{symbol}=y\n" for symbol in symbols))
    made = jobs.job(
        tree,
        target.read(tree).find("x86_64"),
        build_dir=build_dir,
        kunitconfig=build_dir / "kunitconfig",
    )
    request = replace(made.cell.request, reproducible=reproducible, seed=seed)
    job = replace(made, cell=replace(made.cell, request=request))
    return job, kernel.read(job)


@pytest.mark.parametrize(
    ("accel", "reproducible", "symbols", "clock"),
    [
        ("tcg", True, ("SMP",), GuestClock(7)),
        ("tcg", True, (), GuestClock(7)),
        ("tcg", False, (), None),
        ("tcg", True, ("KCSAN",), None),
        ("kvm", True, (), None),
        ("none", True, (), None),
    ],
)
def test_an_emulated_guest_has_a_clock_of_its_own(
    fake_tree: Path,
    tmp_path: Path,
    accel: str,
    reproducible: bool,
    symbols: tuple[str, ...],
    clock: GuestClock | None,
) -> None:
    job, built = booting(fake_tree, tmp_path, *symbols, reproducible=reproducible, seed=7)
    assert guest_clock.of_boot(job, built, accel) == clock
    why = guest_clock.why_threads(job, built, accel)
    assert (why or "").startswith("KCSAN ") is ("KCSAN" in symbols)


def test_what_qemu_is_given() -> None:
    assert GuestClock(1).options == OPTIONS


SEED_9 = 10_191
"""Instructions of a turn."""


def turn(clock: GuestClock) -> int:
    """Return the microseconds of a CPU's turn."""
    *_, given = clock.options
    return int(given.rpartition("interval=")[2])


def test_a_seed_chooses_the_turns_of_the_cpus() -> None:
    turns = [turn(GuestClock(seed)) for seed in range(2, 202)]
    assert turns == [turn(GuestClock(seed)) for seed in range(2, 202)]
    assert len({*turns}) > 100
    assert 32 <= min(turns) < 64
    assert 512 < max(turns) <= 1048


@pytest.mark.parametrize("shift", range(11))
def test_turns_count_instructions(shift: int) -> None:
    assert turn(GuestClock(9, shift)) * 1000 / 2**shift == pytest.approx(SEED_9, rel=0.1)
    assert GuestClock(9, shift).options[1] == f"shift={shift},sleep=off"
