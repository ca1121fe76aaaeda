# SPDX-License-Identifier: GPL-2.0-only
"""Bisects of real kernels: a fault that always shows, and one that shows in one boot of three."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git
from tests.e2e.conftest import ROOT, lasting_clone, mermapctl

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

FAULT = ROOT / "kernel/faults/06-flushes-early.patch"
SUITE = "mm/tests/mermap_kunit.c"
COMMITS, CULPRIT = 6, 3


def flush_early(tree: Path) -> None:
    git(tree, "apply", str(FAULT))


def fail_by_the_clock(tree: Path) -> None:
    """Let test_size fail where a bit of the clock says so: the turns of two CPUs decide that."""
    text = (tree / SUITE).read_text("utf-8")
    start = text.index("static void test_size(struct kunit *test)\n{")
    end = text.index("\n}\n", start)
    line = "\n\n\tKUNIT_EXPECT_NE(test, (unsigned int)(ktime_get_ns() >> 6) % 3, 0U);"
    text = text[:end] + line + text[end:]
    include = "#include <kunit/test.h>\n"
    text = text.replace(include, f"{include}#include <linux/ktime.h>\n", 1)
    (tree / SUITE).write_text(text, "utf-8")


def series(reference_tree: Path, change: Callable[[Path], None]) -> tuple[Path, list[str]]:
    """Return a clone with six commits, the third of which has a fault, and their hashes."""
    tree = lasting_clone(reference_tree, "e2e-bisect")
    for number in range(1, COMMITS + 1):
        with (tree / "mm/mermap.c").open("a") as source:
            source.write(f"int mermap_{number}(void);\nint mermap_{number}(void) {{ return 0; }}\n")
        if number == CULPRIT:
            change(tree)
        git(tree, "commit", "-qam", f"change {number}")
    return tree, git(tree, "rev-list", "--reverse", f"HEAD~{COMMITS}..").split()


def bisect(tree: Path, *argv: str) -> dict[str, Any]:
    done = mermapctl("bisect", f"--tree={tree}", "--format=json", f"HEAD~{COMMITS}", *argv)
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    made: dict[str, Any] = json.loads(done.stdout)["bisect"]
    return made


def test_a_fault_that_always_shows_is_found_in_few_builds(reference_tree: Path) -> None:
    tree, hashes = series(reference_tree, flush_early)
    made = bisect(tree, "--accel=tcg", "--rerun")
    assert made["culprit"] == hashes[CULPRIT - 1]
    assert (made["finding"], made["test"]) == ("early-flush", "test_tlb_flushed")
    assert made["certain"], "one CPU: seeds change nothing"
    assert made["builds"] <= 5
    assert made["boots"] <= 12


def test_a_fault_in_one_boot_of_three_is_found(reference_tree: Path) -> None:
    tree, hashes = series(reference_tree, fail_by_the_clock)
    argv = ("--accel=tcg", "--variant=smp", "--no-trace", "--rerun")
    made = bisect(tree, *argv)
    assert made["culprit"] == hashes[CULPRIT - 1]
    assert not made["certain"]
    assert 0 < made["error"] <= 0.05
    found = {each["commit"]: each for each in made["commits"]}
    assert 0 < found[hashes[-1]]["bad"] < found[hashes[-1]]["good"] + found[hashes[-1]]["bad"]
