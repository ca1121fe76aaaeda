# SPDX-License-Identifier: GPL-2.0-only
"""A series of real kernels: the reference mermap, then a fault, a comment, the fault's fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git
from tests.e2e.conftest import ROOT, lasting_clone, mermapctl

pytestmark = pytest.mark.e2e

FAULT = ROOT / "kernel/faults/06-flushes-early.patch"


@pytest.fixture(scope="module")
def tree(reference_tree: Path) -> Path:
    """Return a clone, at a lasting place so that a later test run builds incrementally."""
    return lasting_clone(reference_tree, "e2e-series")


def run(tree: Path, *argv: str) -> dict[str, Any]:
    done = mermapctl("run", f"--tree={tree}", "--format=json", *argv)
    assert done.stdout, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def words(made: dict[str, Any]) -> list[str]:
    return [cell["reason"] or cell["verdict"] for cell in made["cells"]]


def test_a_fault_a_comment_and_a_fix_are_told_apart(tree: Path) -> None:
    base = git(tree, "config", "--file", str(_config(tree)), "mermapctl.base")
    commits = git(tree, "rev-list", "--count", f"{base}..HEAD")
    git(tree, "apply", str(FAULT))
    git(tree, "commit", "-qam", "flush early")
    with (tree / "mm/mermap.c").open("a") as source:
        source.write("/* The end. */\n")
    git(tree, "commit", "-qam", "a comment")
    git(tree, "apply", "-R", str(FAULT))
    git(tree, "commit", "-qam", "fix it")
    bad, comment, fixed = git(tree, "rev-list", "--reverse", "HEAD~3..").split()

    made = run(tree, f"--commits={base}..", "--rerun")
    absent = int(commits) - 1  # the suite is the last of the reference's own commits
    assert words(made) == ["absent"] * absent + ["passed", "failed", "failed", "passed"]
    (column,) = made["series"]["columns"]
    assert column["first_bad"] is None
    (episode,) = column["episodes"]
    assert (episode["code"], episode["before"]) == ("early-flush", "passed")
    assert (episode["commit"], episode["fixed"]) == (bad, fixed)
    assert made["cells"][-2]["commit"] == comment
    assert made["cells"][-2]["inherited"] == bad, "a comment at the end changes no kernel"

    again = run(tree, "--commits=HEAD~3..HEAD~1")
    assert words(again) == ["passed", "failed", "failed"]  # the base, as the oldest one fails
    assert {cell["reused"] for cell in again["cells"]} == {made["run"]["id"]}
    assert again["series"]["columns"][0]["first_bad"]["commit"] == bad


@pytest.mark.nightly
def test_ten_commits_of_three_variants_have_each_its_first_bad_one(tree: Path) -> None:
    source = tree / "mm/mermap.c"
    counted = "mc->tlb_flushes++;"
    assert source.read_text().count(counted) == 1
    for number in range(1, 11):
        if number == 4:
            git(tree, "apply", str(FAULT))
        if number == 6:
            git(tree, "apply", "-R", str(FAULT))
        if number == 8:  # counts twice, with five levels of page tables only
            twice = "mc->tlb_flushes += 1 + pgtable_l5_enabled();"
            source.write_text(source.read_text().replace(counted, twice))
        with source.open("a") as file:  # another kernel at each commit
            file.write(f"const int mermap_step_{number} = {number};\n")
        git(tree, "commit", "-qam", f"step {number}")
    commits = git(tree, "rev-list", "--reverse", "HEAD~10..").split()

    variants = ("base", "la57", "nopti")
    made = run(tree, "--commits=HEAD~10..", *(f"--variant={each}" for each in variants))
    columns = {column["variant"]: column for column in made["series"]["columns"]}
    assert columns.keys() == {*variants}
    bad = {"base": {4, 5}, "la57": {4, 5, 8, 9, 10}, "nopti": {4, 5}}
    for variant, column in columns.items():
        cells = [  # without the base, which runs where the last commit failed
            cell
            for cell in made["cells"]
            if cell["variant"] == variant and cell["commit"] in commits
        ]
        assert [cell["commit"] for cell in cells] == commits
        failed = {n for n, cell in enumerate(cells, 1) if cell["verdict"] == "failed"}
        assert failed == bad[variant], variant
        assert {cell["verdict"] for cell in cells} == {"passed", "failed"}
        episode = column["episodes"][0]
        assert (episode["commit"], episode["fixed"]) == (commits[3], commits[5])
        first = column["first_bad"]
        assert (first and first["commit"]) == (commits[7] if variant == "la57" else None)


def _config(tree: Path) -> Path:
    """Return the configuration of the tree that was cloned: it names the base."""
    return Path(git(tree, "config", "remote.origin.url")) / ".git/config"
