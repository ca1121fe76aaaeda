# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl bisect` on the stand-in tree: real git, real children, no kernel."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git
from tests.forkserver import Done, command
from tests.series import running
from tests.series.fake_commits import (
    add,
    add_all,
    add_before_suite,
    add_no_part,
    add_side,
    boots,
    snapshot,
)

PLAIN = ("--accel=tcg", "--no-trace")
RARE = "good early-flush " + " ".join(str(3 * each) for each in range(1, 200))
"""A kernel that fails in one boot of three."""
FEWER = """
from mermapctl.series import bisect_ends
bisect_ends.MOST_AT_END, bisect_ends.MOST_ALIKE = 9, 4
"""
"""Fewer boots of each end, as 45 take 10 s of CPU time on the stand-in tree."""


def bisect(tree: Path, *argv: str, first: str = "") -> Done:
    return command("bisect", f"--tree={tree}", *PLAIN, *argv, first=first)


def answer(tree: Path, *argv: str, code: int = 0, first: str = "") -> dict[str, Any]:
    done = bisect(tree, "--format=json", *argv, first=first)
    assert done.returncode == code, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)["bisect"]
    return made


def said(made: dict[str, Any]) -> str:
    return "\n".join(made["words"])


def test_a_fault_that_always_shows_takes_two_boots_of_each_kernel(tree: Path) -> None:
    hashes = add_all(tree, *["good"] * 6, *["early-flush"] * 5)
    before = snapshot(tree)
    made = answer(tree, "HEAD~11", "HEAD")
    assert snapshot(tree) == before
    assert made["outcome"] == "found"
    assert made["culprit"] == hashes[6]
    assert (made["finding"], made["test"]) == ("early-flush", "test_tlb_flushed")
    assert made["by_default"]
    assert made["certain"]
    assert made["error"] < 0.01
    assert made["builds"] <= 6
    assert boots(tree) == made["boots"] <= 6 + 2 * (made["builds"] - 2)
    assert made["words"][0] == f"first bad commit: {hashes[6][:12]} (change 7)"
    assert f"2 of 2 boots there, 0 of 2 boots at its parent {hashes[5][:12]} (change 6)" in said(
        made
    )
    show, again = made["reproduce"]
    assert show.endswith(f"show {hashes[6]}")
    assert f"--commits={hashes[6]}^..{hashes[6]}" in shlex.split(again)


def test_the_same_command_boots_nothing_again(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush", "early-flush")
    first = answer(tree, "HEAD~3")
    count = boots(tree)
    again = answer(tree, "HEAD~3")
    assert boots(tree) == count
    assert again["culprit"] == first["culprit"] == hashes[1]
    assert (again["boots"], again["known_boots"]) == (0, first["boots"])
    other = answer(tree, "HEAD~3", "--test=test_tlb_flushed")
    assert (other["culprit"], boots(tree)) == (hashes[1], count)
    assert "a failure of test_tlb_flushed" in said(other)
    third = answer(tree, "HEAD~3", "--rerun")
    assert third["culprit"] == hashes[1]
    assert boots(tree) == 2 * count


def test_a_fault_in_one_boot_of_three_is_found(tree: Path) -> None:
    hashes = add_all(tree, "good", RARE, RARE)
    made = answer(tree, "HEAD~3", "--confidence=70%", first=FEWER)
    assert made["culprit"] == hashes[1]
    assert 0 < made["error"] <= 0.3
    assert not made["certain"]
    ends = {each["commit"]: each for each in made["commits"]}
    assert (ends[hashes[2]]["bad"], ends[hashes[2]]["good"]) == (3, 6)
    assert "chance of error: " in said(made)
    assert "at a rate of about 3" in said(made)


def test_another_failure_is_not_the_finding(tree: Path) -> None:
    hashes = add_all(tree, "good", "kasan", "early-flush", "early-flush")
    made = answer(tree, "HEAD~4", "--finding=early-flush", code=3)
    assert made["suspects"] == hashes[1:3]
    (other,) = [each for each in made["commits"] if each["commit"] == hashes[1]]
    assert (other["bad"], other["good"]) == (0, 0)
    assert other["other"] == 4
    assert "each boot fails in another way" in said(made)


def test_what_the_good_end_shows_too_hides_nothing(tree: Path) -> None:
    add(tree, "kasan", "kasan came")
    hashes = add_all(tree, "kasan", "kasan", "early-flush")
    made = answer(tree, "HEAD~3", "--finding=early-flush")
    assert made["culprit"] == hashes[2]


def test_commits_without_a_verdict_are_suspects(tree: Path) -> None:
    hashes = add_all(tree, "good", "build-error", "build-error", "early-flush", "early-flush")
    made = answer(tree, "HEAD~5", code=3)
    assert made["outcome"] == "range"
    assert made["culprit"] is None
    assert made["suspects"] == hashes[1:4]
    assert "one of 3 commits (all but the last have no verdict)" in said(made)
    assert f"skipped: {hashes[1][:12]} (build-failed)" in said(made)


def test_the_same_kernel_is_no_culprit_and_shares_its_boots(tree: Path) -> None:
    first = add(tree, "early-flush", "the kernel")
    for name in ("one", "two", "three"):
        add_no_part(tree, name)
    made = answer(tree, "HEAD~4")
    assert made["culprit"] == first
    assert boots(tree) == made["boots"] == 6


def test_ends_with_the_same_kernel_are_told(tree: Path) -> None:
    add(tree, "early-flush", "the kernel")
    add_no_part(tree, "other")
    (tree / "other").write_text("not committed\n")
    made = answer(tree, "HEAD~1", "--finding=early-flush", code=3)
    assert made["outcome"] == "wrong-ends"
    assert "the work tree has changes, which are no commit" in said(made)
    assert "are the same kernel, byte by byte" in said(made)


@pytest.mark.parametrize(
    ("kernels", "argv", "words"),
    [
        (["good", "good"], [], "does not show a failure in 4 boots"),
        (["good", "kasan"], ["--finding=early-flush"], "it shows kasan"),
        (["early-flush", "early-flush"], [], "shows early-flush in test_tlb_flushed too: 3 of 3"),
        (["early-flush", "good"], ["--finding=early-flush"], "does not show early-flush in"),
    ],
)
def test_an_end_that_is_not_what_it_is_said_to_be(
    tree: Path, kernels: list[str], argv: list[str], words: str
) -> None:
    add(tree, kernels[0], "good?")
    add_all(tree, "good", kernels[1])
    made = answer(tree, "HEAD~2", *argv, code=3, first=FEWER)
    assert made["outcome"] == "wrong-ends"
    assert words in said(made)
    assert made["culprit"] is None
    shown = command("report", "show", "--format=email")
    assert shown.returncode == 3
    assert "Tested-by" not in shown.stdout


def test_an_end_without_a_verdict_blames_nobody(tree: Path) -> None:
    add_all(tree, "good", "build-error")
    made = answer(tree, "HEAD~2", code=3)
    assert made["outcome"] == "no-verdict"
    assert made["words"][0].startswith("no commit is blamed: the bad end ")
    assert "build-failed" in said(made)


def test_a_range_begins_with_the_suite(tree: Path) -> None:
    start, first = add_before_suite(tree)
    hashes = add_all(tree, "good", "early-flush")
    made = answer(tree, start)
    assert made["culprit"] == hashes[1]
    assert made["good"] == first
    assert f"1 oldest commits lack the suite: the good end is {first[:12]}" in said(made)


def test_a_merge_is_one_commit_and_tells_how_to_go_on(tree: Path) -> None:
    side = add_side(tree)
    add(tree, "good", "main")
    git(tree, "merge", "-q", "--no-ff", "--no-commit", "side")
    add(tree, "early-flush", "merge side")
    add(tree, "early-flush", "after it")
    made = answer(tree, "HEAD~3")
    assert made["culprit"] == git(tree, "rev-parse", "HEAD~1")
    assert f"mermapctl bisect $(git merge-base {made['culprit'][:12]}^ {side[:12]})" in said(made)


def test_a_good_commit_that_came_in_by_a_merge_is_told(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    add_side(tree)
    bad = add(tree, "early-flush", "main")
    git(tree, "merge", "-q", "--no-ff", "-m", "merge", "side")
    made = answer(tree, "side")
    assert (made["culprit"], made["good"]) == (bad, base)
    assert f"side came in by a merge: the good end is {base[:12]} (base)" in said(made)


def test_a_cache_that_keeps_no_boots_ends_it(tree: Path, home: Path) -> None:
    add_all(tree, "good", "early-flush")
    (home / "cache/series").mkdir(parents=True)
    (home / "cache/series/boots").write_text("no directory\n")
    made = answer(tree, "HEAD~2", code=3)
    assert made["outcome"] == "no-verdict"
    assert "no commit is blamed: the bad end" in said(made)
    assert "cannot write" in said(made)
    (home / "cache/series/boots").unlink()
    (home / "cache/series/boots").mkdir()
    (home / "cache/series/boots/kernels").write_text("no directory\n")
    made = answer(tree, "HEAD~2", code=3)
    assert "could not be kept in the cache" in said(made)


def test_an_arrival_that_is_not_the_first_is_told(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush", "good", "good", "early-flush")
    assert answer(tree, "HEAD~5", "HEAD~3")["culprit"] == hashes[1]
    assert answer(tree, "HEAD~2", "HEAD")["culprit"] == hashes[4]
    made = answer(tree, "HEAD~5", "HEAD")
    assert made["culprit"] == hashes[4]
    assert f"it came and went before: {hashes[3][:12]} (change 4) does not show it" in said(made)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["HEAD", "HEAD"], "are the same commit"),
        (["HEAD", "HEAD~1"], "HEAD comes after HEAD~1: the good commit is the older one"),
        (["HEAD~1..HEAD"], "is a range, and no commit"),
        (["nowhere"], "has no commit 'nowhere'"),
        (["HEAD~1", "--confidence=1.5"], "is no probability from 0.5 to 0.9999"),
        (["HEAD~1", "--confidence=nan"], "is no probability from 0.5 to 0.9999"),
        (["HEAD~1", "--variant=base", "--variant=smp"], "a bisect has one --variant"),
        (["HEAD~1", "--finding="], "it is empty"),
    ],
)
def test_a_wrong_command_line_is_refused(tree: Path, argv: list[str], words: str) -> None:
    add_all(tree, "good")
    done = bisect(tree, *argv)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert len(done.stderr.splitlines()) <= 5
    assert boots(tree) == 0


def test_a_good_commit_that_is_no_ancestor_is_refused(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    add(tree, "good", "main")
    git(tree, "checkout", "-q", "-b", "side", base)
    add(tree, "early-flush", "side")
    done = bisect(tree, "main", "side")
    assert done.returncode == 2
    assert "main is no ancestor of side" in done.stderr
    assert f"mermapctl bisect {base[:12]} side" in done.stderr


def test_a_report_shows_the_bisect_again(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush")
    done = bisect(tree, "HEAD~2")
    assert done.returncode == 0
    assert f"\nfirst bad commit: {hashes[1][:12]} (change 2)\n" in done.stdout
    assert "mermapctl report show " in done.stdout.splitlines()[-1]
    shown = command("report", "show")
    assert (shown.returncode, shown.stdout) == (0, done.stdout)
    said = running.reports()
    assert {each.returncode for each in said.values()} == {0}
    assert f"- `first bad commit: {hashes[1][:12]} (change 2)`" in said["markdown"].stdout
    assert f"| `{hashes[1][:12]}` | 3 | 0 | 0 | `change 2` |" in said["markdown"].stdout
    assert f"first bad commit: {hashes[1][:12]} (change 2)</p>" in said["html"].stdout
    assert f"* first bad commit: {hashes[1][:12]} (change 2)" in said["email"].stdout
    assert command("report", "list").returncode == 0
    assert command("report", "rejudge", "latest").returncode == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_bisect_that_was_ended_goes_on_where_it_was(
    tree: Path, home: Path, signum: signal.Signals
) -> None:
    hashes = add_all(tree, "good", "good", "early-flush", "early-flush")
    words = ("bisect", f"--tree={tree}", *PLAIN, "HEAD~4")
    with running.start(*words, build_seconds=0.1) as process:
        running.until(process, "looking for early-flush")
        process.send_signal(signum)
        out, err = process.communicate(timeout=30)
    if signum == signal.SIGINT:
        assert process.returncode == 130, err
        assert "interrupted: the same command goes on where it was" in out
    running.wait_for_end(home)
    assert command("report", "show").returncode in {3, 130}
    count = boots(tree)
    made = answer(tree, "HEAD~4")
    assert made["culprit"] == hashes[2]
    assert made["known_boots"] >= 4
    assert boots(tree) - count == made["boots"]


def test_a_misspelt_test_is_refused_before_a_boot(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    for test in ("test_sizee", "mermap.test_sizee", "test_sizee/1"):
        done = bisect(tree, "HEAD~2", f"--test={test}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "did you mean test_size or " in done.stderr
    series = ("run", f"--tree={tree}", "--commits=HEAD^..HEAD")
    for wrong, near in (("mermap.test_sizee", "test_size or "), ("--cpu=Hazwell", "Haswell?")):
        done = command(*series, wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"did you mean {near}" in done.stderr
    assert boots(tree) == 0


def test_progress_on_a_terminal_names_the_commit(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush")
    argv = ("bisect", f"--tree={tree}", *PLAIN, "HEAD~2")
    terminal = command(*argv, env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert terminal.returncode == 0
    for each in hashes:
        assert f"{each[:12]}: config 0." in terminal.stderr
    assert " : config" not in terminal.stderr
    assert "\n: config" not in terminal.stderr
    piped = bisect(tree, "--rerun", "HEAD~2")
    assert "mermapctl: config 0." in piped.stderr
    assert " of 0)" not in piped.stderr
