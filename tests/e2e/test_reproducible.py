# SPDX-License-Identifier: GPL-2.0-only
"""One kernel, one console: an emulated boot does not depend on the machine's load."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mermapctl.judge import reproduction
from tests.e2e.conftest import Change, Ran, Run
from tests.faults import corpus, seeded

pytestmark = pytest.mark.e2e

EVERY = ("base", "smp", "debug", "kasan", "ubsan", "rt", "la57", "nopti", "hang")
RACE = "60-prepares-race"


@contextmanager
def load() -> Iterator[None]:
    """Keep every CPU of a small machine busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def guest_lines(ran: Ran) -> list[bytes]:
    """Return the console without kunit.py's own lines: the host's time, and QEMU's command line."""
    console = Path(ran.cell["artifacts"]["console"])
    return [*reproduction.guest_lines(console.read_bytes().splitlines())]


def twice(run: Run, *argv: str) -> tuple[Ran, Ran]:
    first = run("--accel=tcg", *argv)
    with load():
        return first, run("--accel=tcg", *argv)


def assert_one_console(first: Ran, second: Ran) -> None:
    assert first.cell["verdict"] == second.cell["verdict"] == "passed", second.document
    assert (first.cell["reproducible"], first.cell["seed"], first.cell["shift"]) == (True, 1, 4)
    lines = guest_lines(first)
    assert len(lines) > 60
    assert guest_lines(second) == lines


@pytest.mark.parametrize(
    "argv",
    [(), ("--no-trace",), ("--variant=smp", "--as-module")],
    ids=["traced", "base", "two-cpus"],
)
def test_a_kernel_has_one_console(run: Run, argv: tuple[str, ...]) -> None:
    assert_one_console(*twice(run, *argv))


@pytest.mark.nightly
@pytest.mark.parametrize("variant", EVERY)
def test_a_variant_has_one_console(run: Run, variant: str) -> None:
    assert_one_console(*twice(run, f"--variant={variant}"))


def costs(ran: Ran) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return the instructions of calls and tests: all that was counted."""
    cost = ran.cell["cost"]
    assert cost is not None, ran.cell["notes"]
    numbers = ("count", "median", "low", "high", "total")
    calls = {each["call"]: [each[name] for name in numbers] for each in cost["calls"]}
    return calls, {each["test"]: each["instructions"] for each in cost["tests"]}


def test_a_cost_does_not_depend_on_the_load(run: Run) -> None:
    first, second = twice(run, "--cost")
    calls, tests = costs(first)
    assert {*calls} == {"get", "put", "flush"}
    assert tests.keys() == first.statuses.keys()
    assert calls["get"][0] > 500
    assert 50 < calls["flush"][2] <= calls["get"][1] < tests["test_tlb_flushed"]
    assert costs(second) == (calls, tests)


@pytest.mark.nightly
def test_a_get_that_is_a_tenth_dearer_is_reported_at_once(run: Run, change: Change) -> None:
    calls, _ = costs(run("--accel=tcg", "--cost"))
    usual = calls["get"][1]
    nops = f'\tasm volatile(".rept {usual // 10 + 1}; nop; .endr");\n'
    change("\tmigrate_disable();\n", f"{nops}\tmigrate_disable();\n")
    dearer = run("--accel=tcg", "--cost-limit=9%")
    (found,) = [each for each in dearer.cell["findings"] if each["code"] == "dearer"]
    assert (dearer.code, found["severity"]) == (0, "warning")
    assert found["evidence"]["get"].startswith(f"{usual:,} to ")
    assert found["summary"].startswith("get takes ")


@pytest.mark.nightly
def test_a_failure_prints_the_same_console_again(run: Run, change: Change) -> None:
    change("mc->tlb_flushes++;", "mc->tlb_flushes += 2;")
    ran = run("--accel=tcg", "--confirm", "--no-witness")
    assert ran.cell["verdict"] == "failed"
    assert ran.cell["reproduction"]["identical"] is True, ran.cell["reproduction"]


@pytest.mark.nightly
def test_a_race_is_found_by_some_seed_and_again_by_that_seed(
    run: Run, reference_tree: Path
) -> None:
    (race,) = (case for case in corpus.faults() if case.name == RACE)
    with seeded.seeded(reference_tree, race):
        found = run("--accel=tcg", *race.run).cell["repeats"]
        assert 0 < found["failed"] < found["runs"], found["words"]
        seed, *_ = found["seeds_failed"]
        options = ("--variant=smp", "--no-trace", "--no-witness", f"--seed={seed}")
        again = [run("--accel=tcg", *options) for _ in range(10)]
    assert {each.cell["verdict"] for each in again} == {"failed"}
    assert len({tuple(guest_lines(each)) for each in again}) == 1


@pytest.mark.nightly
def test_kcsan_keeps_its_threads(run: Run) -> None:
    cell = run("--accel=tcg", "--variant=kcsan").cell
    assert (cell["verdict"], cell["reproducible"], cell["seed"]) == ("passed", False, None)
    assert any(note.startswith("not reproducible: KCSAN") for note in cell["notes"])
