# SPDX-License-Identifier: GPL-2.0-only
"""One kernel, one console: an emulated boot does not depend on the machine's load."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Ran, Run

pytestmark = pytest.mark.e2e

EVERY = ("base", "smp", "debug", "kasan", "ubsan", "rt", "la57", "nopti", "hang")


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


def guest_lines(ran: Ran) -> list[str]:
    """Return the console without kunit.py's own lines: the host's time, and QEMU's command line."""
    lines = Path(ran.cell["artifacts"]["console"]).read_text(errors="replace").splitlines()
    return [line for line in lines if not re.match(r"\[\d\d:\d\d:\d\d\]|\$ qemu-system-", line)]


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


@pytest.mark.nightly
def test_kcsan_keeps_its_threads(run: Run) -> None:
    cell = run("--accel=tcg", "--variant=kcsan").cell
    assert (cell["verdict"], cell["reproducible"], cell["seed"]) == ("passed", False, None)
    assert any(note.startswith("not reproducible: KCSAN") for note in cell["notes"])
