# SPDX-License-Identifier: GPL-2.0-only
"""Coverage of real kernels: QEMU's through the second serial port, UML's from the host's disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Ran, Run
from tests.tables import NAMES

# A kernel with counters shares no object with another one (objtool's arguments): a cold build.
pytestmark = [pytest.mark.e2e, pytest.mark.nightly]


def files(ran: Ran) -> dict[str, dict[str, Any]]:
    coverage = ran.cell["coverage"]
    assert coverage is not None, ran.cell["notes"]
    return {each["path"]: each for each in coverage["files"]}


def line_of(file: dict[str, Any], text: str) -> dict[str, Any]:
    (found,) = (line for line in file["source"] if text in line["text"])
    made: dict[str, Any] = found
    return made


def test_the_lines_of_the_mermap_are_counted_as_the_trace_counts_calls(run: Run) -> None:
    ran = run("--accel=tcg", "--coverage")
    assert ran.code == 0, ran.document
    mermap = files(ran)["mm/mermap.c"]
    assert 95 <= mermap["lines_run"] < mermap["lines"] <= 140
    assert 20 <= mermap["branches_taken"] < mermap["branches"]
    gets = sum(each["gets"] for each in ran.cell["trace"]["tests"])
    assert line_of(mermap, "\tif (!mermap_size_ok(size))")["count"] == gets
    flushes = sum(each["flushes_done"] for each in ran.cell["trace"]["tests"])
    assert line_of(mermap, "\tmc->tlb_flushes++;")["count"] == flushes
    assert line_of(mermap, "page, PAGE_SIZE, prot, true);")["count"] == 0
    lcov = Path(ran.cell["coverage"]["lcov"]).read_text()
    assert f"LH:{mermap['lines_run']}\n" in lcov


def test_each_test_of_a_module_has_its_own_lines(run: Run) -> None:
    ran = run("--accel=tcg", "--coverage", "--as-module")
    assert ran.code == 0, ran.document
    tests = ran.cell["coverage"]["tests"]
    assert [each["test"] for each in tests] == [f"mermap.{name}" for name in NAMES]
    flush = line_of(files(ran)["mm/mermap.c"], "\tmc->tlb_flushes++;")
    assert [tests[at]["test"] for at in flush["tests"]] == [
        "mermap.test_size",
        "mermap.test_tlb_flushed",
    ]


def test_uml_counts_other_files(run: Run) -> None:
    ran = run("--target=um", "--suite=example", "--coverage-of=lib/kunit", "--coverage-tests")
    assert ran.code == 0, ran.document
    found = files(ran)
    assert found.keys() >= {"lib/kunit/test.c", "lib/kunit/executor.c"}
    assert all(path.startswith("lib/kunit/") for path in found)
    alone = [each["lines_run"] for each in ran.cell["coverage"]["tests"]]
    assert len(alone) > 3
    assert 0 < min(alone) <= max(alone) <= sum(each["lines_run"] for each in found.values())
