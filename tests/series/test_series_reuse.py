# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of a series that count again: of an earlier run, and of the same kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import git
from tests.forkserver import command
from tests.series.fake_commits import add, add_all, add_no_part, boots
from tests.series.grid_runs import results, run


def test_nothing_is_run_twice(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    first = run(tree, "HEAD~2..")
    count = boots(tree)
    again = run(tree, "HEAD~2..")
    assert results(again) == results(first)
    assert {cell["reused"] for cell in again["cells"]} == {first["run"]["id"]}
    assert boots(tree) == count == 2
    add(tree, "good", "one more")
    more = run(tree, "HEAD~3..")
    assert [cell["reused"] for cell in more["cells"]] == [first["run"]["id"]] * 2 + [None]
    third = run(tree, "HEAD~3..", "--rerun")
    assert [cell["reused"] for cell in third["cells"]] == [None] * 3


def test_what_decides_a_verdict_is_in_the_key(tree: Path) -> None:
    add_all(tree, "good")
    run(tree, "HEAD~1..")
    for other in ("--kernel-arg=x=1", "--smp=2", "--seed=2", "--variant=smp", "--timeout=100"):
        (cell,) = run(tree, "HEAD~1..", other)["cells"]
        assert cell["reused"] is None, other
    (cell,) = run(tree, "HEAD~1..", "--jobs=1", "--lanes=1")["cells"]
    assert cell["reused"]


def test_the_same_files_in_another_commit_are_known(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    first = run(tree, "HEAD~2..")
    git(tree, "commit", "-q", "--amend", "-m", "another message")
    again = run(tree, "HEAD~2..")
    assert {cell["reused"] for cell in again["cells"]} == {first["run"]["id"]}
    assert again["cells"][1]["commit"] == git(tree, "rev-parse", "HEAD")


def test_the_same_kernel_is_not_booted_twice(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add(tree, "early-flush", "the kernel")
    add_no_part(tree, "other")
    add(tree, "good", "another kernel")
    made = run(tree, "HEAD~3..")
    base, one, same, other = made["cells"]
    assert [each["verdict"] for each in made["cells"]] == ["passed", "failed", "failed", "passed"]
    assert [each["inherited"] for each in made["cells"]] == [None, None, first, None]
    assert same["findings"] == one["findings"]
    assert (same["phases"]["boot"], same["artifacts"]["console"]) == (None, None)
    assert same["commit"] == git(tree, "rev-parse", "HEAD~1")
    assert base["commit"] == made["series"]["base"]
    assert other["inherited"] is None
    (episode,) = made["series"]["columns"][0]["episodes"]
    assert episode["commit"] == first
    assert boots(tree) == 3  # the base, and two kernels
    monkeypatch.setenv("COLUMNS", "120")
    shown = command("report", "show").stdout
    assert f"same kernel as {first[:12]}" in " ".join(shown.split()), shown
    assert command("report", "rejudge", "latest").returncode == 0


@pytest.fixture
def slow_boots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let each boot wait until another kernel is built; return the file that lists both."""
    listed = tmp_path / "built"
    monkeypatch.setenv("FAKE_BUILT", str(listed))
    monkeypatch.setenv("FAKE_BOOT", "until-built")
    return listed


def test_the_next_commit_is_built_while_one_boots(tree: Path, slow_boots: Path, home: Path) -> None:
    add_all(tree, "good", "early-flush", "good", "good")
    made = run(tree, "HEAD~4..")
    assert results(made) == ["passed", "failed", "passed", "passed"]
    order = "built built booted built booted built booted booted"
    assert slow_boots.read_text() == order.replace(" ", "\n") + "\n"
    assert not list(home.rglob("booted"))
    failed = made["cells"][1]
    kept = Path(failed["artifacts"]["directory"])
    places = [*failed["reproduce"], *(each.read_text() for each in kept.glob("bin/*"))]
    assert len(places) > 5
    assert not [each for each in places if "/booted" in each]


def test_a_commit_with_the_kernel_that_boots_waits_for_its_verdict(
    tree: Path, slow_boots: Path
) -> None:
    first = add(tree, "early-flush", "the kernel")
    add_no_part(tree, "other")
    add(tree, "good", "another kernel")
    made = run(tree, "HEAD~3..")
    assert results(made) == ["passed", "failed", "failed", "passed"]
    assert [each["inherited"] for each in made["cells"]] == [None, None, first, None]
    assert slow_boots.read_text().split().count("booted") == 3


def test_a_reused_verdict_is_no_other_boot_in_the_history(tree: Path) -> None:
    add_all(tree, "good")
    run(tree, "HEAD~1..")
    run(tree, "HEAD~1..")
    told = command("report", "history", "test_size", "--format=json")
    assert len(json.loads(told.stdout)["history"]) == 1, told.stdout


def test_no_verdict_is_tried_again(tree: Path) -> None:
    add_all(tree, "build-error")
    run(tree, "HEAD~1..")
    (cell,) = run(tree, "HEAD~1..")["cells"]
    assert (cell["reason"], cell["reused"]) == ("build-failed", None)
