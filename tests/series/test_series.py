# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --commits` on the stand-in tree: real git, real children, no kernel."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import git
from tests.forkserver import command
from tests.runner.test_run import processes_of
from tests.series import running
from tests.series.fake_commits import (
    KCONFIG,
    add,
    add_all,
    add_before_suite,
    add_side,
    boots,
    lose_suite,
    snapshot,
)
from tests.series.grid_runs import PLAIN, document, results, run, series


def test_each_commit_is_tested_and_the_first_bad_one_named(tree: Path) -> None:
    hashes = add_all(tree, "good", "good", "early-flush", "early-flush", "early-flush")
    done = series(tree, "HEAD~5..", "--format=jsonl")
    *lines, _ = map(json.loads, done.stdout.splitlines())
    base = git(tree, "rev-parse", "HEAD~5")
    # In a long range the last one comes first, and if it fails the base: what is there to look for?
    order = [hashes[4], base, *hashes[:4]]
    assert [each["cell"]["commit"] for each in lines] == order
    assert "the last commit fails; " in done.stderr
    made = document(command("report", "show", "--format=json"))
    assert results(made) == ["passed", "passed", "passed", "failed", "failed", "failed"]
    assert [cell["commit"] for cell in made["cells"]] == [base, *hashes]
    told = made["series"]
    assert [each["subject"] for each in told["commits"]] == [f"change {n}" for n in range(1, 6)]
    (column,) = told["columns"]
    assert column["first_bad"]["commit"] == hashes[2]
    assert column["first_bad"]["before"] == "passed"
    assert [each["code"] for each in column["first_bad"]["findings"]] == ["early-flush"]
    assert made["verdict"] == "failed"


def test_a_finding_that_came_and_went_blames_nobody_in_the_end(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush", "early-flush", "good")
    made = run(tree, "HEAD~4..")
    (column,) = made["series"]["columns"]
    assert column["first_bad"] is None
    (episode,) = column["episodes"]
    assert (episode["commit"], episode["fixed"]) == (hashes[1], hashes[3])
    table = " ".join(series(tree, "HEAD~4..").stdout.split())
    assert (
        f"came with {hashes[1][:12]} (change 2), was fixed by {hashes[3][:12]} (change 4)" in table
    )


def _add_warned(tree: Path, subject: str, *lines: str) -> str:
    """Commit a change of mm/mermap.c, for which the compiler prints these lines."""
    (tree / "mm/mermap.c").write_text(f"/* {subject} */\n")
    (tree / "mm/warns").write_text("".join(f"{line}\n" for line in lines))
    return add(tree, "good", subject)


def test_new_warnings_in_files_that_a_commit_touches_are_named(tree: Path) -> None:
    def unused(line: int, name: str, file: str = "mm/mermap.c") -> str:
        return f"{file}:{line}:5: warning: unused variable '{name}' [-Wunused-variable]"

    (tree / "mm/other.c").write_text("")
    _add_warned(tree, "first", unused(3, "old"))
    second = _add_warned(
        tree, "second", unused(4, "old"), unused(9, "new"), unused(1, "x", "mm/other.c")
    )
    _add_warned(tree, "third", unused(5, "old"), unused(10, "new"))
    done = series(tree, "HEAD~3..")
    assert done.returncode == 0  # a warning is no failure
    made = run(tree, "HEAD~3..")
    (column,) = made["series"]["columns"]
    assert [(each["commit"], each["warning"]["line"]) for each in column["warnings"]] == [
        (git(tree, "rev-parse", "HEAD~2"), 3),
        (second, 9),
    ]
    assert [each["sure"] for each in column["warnings"]] == [False, True]
    said = f"new warning in {second[:12]} (second): mm/mermap.c:9: unused variable 'new'"
    assert said in " ".join(done.stdout.split())
    assert said in command("report", "show", "--format=markdown").stdout
    junit = command("report", "show", "--format=junit").stdout
    assert 'name="new-warning" value="mm/mermap.c:9: unused variable' in junit


def test_a_commit_without_a_verdict_leaves_doubt(tree: Path) -> None:
    hashes = add_all(tree, "good", "build-error", "early-flush")
    made = run(tree, "HEAD~3..")
    assert results(made) == ["passed", "build-failed", "failed"]
    assert [cell["inherited"] for cell in made["cells"]] == [None] * 3  # not of the old vmlinux
    (column,) = made["series"]["columns"]
    assert column["first_bad"]["commit"] == hashes[2]
    assert column["first_bad"]["unsure"] == [hashes[1]]


def test_commits_before_the_suite_are_absent_and_no_failure(tree: Path) -> None:
    add_before_suite(tree)
    made = run(tree, "HEAD~2..")
    assert results(made) == ["absent", "passed"]
    assert made["verdict"] == "passed"
    junit = command("report", "show", "--format=junit").stdout
    assert 'errors="0" skipped="1"' in junit
    assert len(json.loads(command("report", "show", "--format=kcidb").stdout)["builds"]) == 1


def test_a_suite_that_got_lost_is_no_absence(tree: Path) -> None:
    add(tree, "good", "with the suite")
    lose_suite(tree)
    made = run(tree, "HEAD~2..")
    assert results(made)[0] == "passed"
    assert "absent" not in results(made)


def test_the_oldest_commit_is_not_blamed_for_what_the_base_has(tree: Path) -> None:
    add(tree, "early-flush", "the base has it")
    add_all(tree, "early-flush", "early-flush")
    done = series(tree, "HEAD~2..")
    made = run(tree, "HEAD~2..")
    base = git(tree, "rev-parse", "HEAD~2")
    assert made["series"]["base"] == base
    assert made["cells"][0]["commit"] == base
    (column,) = made["series"]["columns"]
    assert column["first_bad"] is None
    assert f"early-flush in test_tlb_flushed was there already in {base[:12]}" in done.stdout


def test_the_oldest_commit_is_blamed_where_the_base_is_good(tree: Path) -> None:
    hashes = add_all(tree, "early-flush", "early-flush")
    made = run(tree, "HEAD~2..")
    (column,) = made["series"]["columns"]
    assert column["first_bad"]["commit"] == hashes[0]
    assert column["first_bad"]["before"] == "passed"


@pytest.mark.parametrize("lanes", ["1", "2"])
def test_a_base_without_the_suite_is_absent_and_not_run(tree: Path, lanes: str) -> None:
    whole = (tree / KCONFIG).read_text()
    base = lose_suite(tree)
    (tree / KCONFIG).write_text(whole)
    hashes = add_all(tree, "early-flush", "early-flush")
    made = run(tree, f"{base}..", f"--lanes={lanes}")
    assert results(made) == ["absent", "failed", "failed"]
    assert made["cells"][0]["commit"] == base
    (column,) = made["series"]["columns"]
    assert (column["first_bad"]["commit"], column["first_bad"]["before"]) == (hashes[0], "absent")
    assert boots(tree) == 2


def test_a_dirty_work_tree_is_one_more_commit_and_nothing_is_written_into_the_tree(
    tree: Path,
) -> None:
    add_all(tree, "good", "good")
    (tree / "mm/boots").write_text("early-flush\n")
    (tree / "mm/new.c").write_text("new\n")
    git(tree, "status")  # git itself refreshes the index here, and not later
    before = snapshot(tree)
    made = run(tree, "HEAD~2..")
    assert snapshot(tree) == before
    assert results(made) == ["passed", "passed", "failed"]
    assert made["series"]["work_tree"] is True
    assert made["tree"]["dirty"] is True
    (column,) = made["series"]["columns"]
    assert column["first_bad"]["commit"] == made["series"]["tip"]
    reproduce = made["cells"][-1]["reproduce"][0]
    assert f"--tree={tree}" in reproduce
    assert "--commits" not in reproduce
    again = run(tree, "HEAD..")
    assert results(again) == ["passed", "failed"]  # the commit that it stands on, then itself
    assert {cell["reused"] for cell in again["cells"]} == {made["run"]["id"]}
    without = run(tree, "HEAD~2..HEAD~1")
    assert results(without) == ["passed"]


def test_two_variants_are_two_columns(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    made = run(tree, "HEAD~2..", "--variant=base", "--variant=smp")
    assert results(made) == ["passed", "passed", "failed", "failed"]
    assert [each["variant"] for each in made["series"]["columns"]] == ["base", "smp"]
    assert len({cell["artifacts"]["directory"] for cell in made["cells"]}) == 4


def test_lanes_side_by_side_give_the_same_grid(tree: Path) -> None:
    add_all(tree, *["good"] * 3, *["early-flush"] * 4)
    made = run(tree, "HEAD~7..", "--lanes=3")
    assert results(made) == ["passed"] * 4 + ["failed"] * 4  # the base, as the last one fails


def test_the_commands_of_a_cell_reproduce_it(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    (ours, checkout, config, build, boot) = run(tree, "HEAD~2..")["cells"][1]["reproduce"]
    tip = git(tree, "rev-parse", "HEAD")
    assert f"--commits={tip}^..{tip}" in shlex.split(ours)
    for line in (checkout, config, build, boot):
        done = subprocess.run(line, shell=True, check=True, capture_output=True, text=True)  # noqa: S602
    assert "not ok" in done.stdout


@pytest.mark.parametrize(
    ("commits", "said"),
    [
        ("HEAD", "is no range"),
        ("HEAD~1...HEAD", "three dots"),
        ("..HEAD", "BASE before the dots is missing"),
        ("nowhere..HEAD", "has no commit 'nowhere'"),
        ("HEAD~1..nowhere", "has no commit 'nowhere'"),
        ("--all..HEAD", "would be '--all..HEAD', an option"),
        ("HEAD..HEAD~1", "has no commits: all of HEAD~1 is in HEAD"),
        ("HEAD..HEAD", "has no commits"),
    ],
)
def test_a_range_that_is_none_is_refused(tree: Path, commits: str, said: str) -> None:
    add_all(tree, "good")
    done = command("run", f"--tree={tree}", "--commits", commits)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert len(done.stderr.splitlines()) <= 5


def test_a_shallow_clone_says_so(tree: Path, tmp_path: Path) -> None:
    add_all(tree, "good", "good")
    old = git(tree, "rev-parse", "HEAD~2")
    shallow = tmp_path / "shallow"
    git(tree, "clone", "-q", "--depth=2", f"file://{tree}", str(shallow))
    git(shallow, "fetch", "-q", "--depth=1", "origin", old)
    done = series(shallow, f"{old}..HEAD")
    assert done.returncode == 2
    assert "is a shallow clone" in done.stderr
    assert results(run(shallow, "HEAD~1..")) == ["passed"]


def test_a_merge_is_one_commit(tree: Path) -> None:
    add_side(tree)
    add(tree, "good", "main")
    git(tree, "merge", "-q", "--no-ff", "-m", "merge side", "side")
    made = run(tree, "HEAD~2..")
    assert [each["subject"] for each in made["series"]["commits"]] == ["main", "merge side"]
    assert results(made) == ["passed", "passed"]


def test_options_of_a_series_need_one(tree: Path) -> None:
    for argv in (["--lanes=2"], ["--rerun"], ["--format=jsonl"]):
        done = command("run", f"--tree={tree}", *argv)
        assert done.returncode == 2
        assert "goes with --commits" in done.stderr
    there = ("--engine=dask", "--scheduler=tls://farm:8786", "--coverage")
    done = command("run", f"--tree={tree}", "--commits=HEAD~1..", *there)
    assert done.returncode == 2
    assert "not with --engine dask" in done.stderr


def test_lines_of_json_come_one_by_one(tree: Path) -> None:
    hashes = add_all(tree, "good", "early-flush")
    *cells, last = map(json.loads, series(tree, "HEAD~2..", "--format=jsonl").stdout.splitlines())
    assert [(each["done"], each["of"], each["cell"]["commit"]) for each in cells] == [
        (1, 2, hashes[0]),
        (2, 2, hashes[1]),
    ]
    assert last["series"]["columns"][0]["first_bad"]["commit"] == hashes[1]
    assert last["cells"] == []


def test_a_report_shows_the_series_again(tree: Path) -> None:
    add_all(tree, "good", "early-flush")
    done = series(tree, "HEAD~2..")
    shown = command("report", "show")
    assert shown.returncode == 1
    assert shown.stdout == done.stdout
    tip = git(tree, "rev-parse", "--short=12", "HEAD")
    said = running.reports()
    assert {each.returncode for each in said.values()} == {1}
    assert f"| `{tip}` | ❌ `failed: early-flush` | `change 2` |" in said["markdown"].stdout
    assert f"  {tip}  failed: early-flush  change 2\n" in said["email"].stdout
    assert f"* first bad commit: {tip} (change 2)" in said["email"].stdout
    assert max(map(len, said["email"].stdout.split("== ")[0].splitlines())) <= 72
    assert command("report", "rejudge", "latest").returncode == 0


def test_two_versions_of_a_series_are_compared_by_patch_and_subject(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    add(tree, "good", "one")
    add(tree, "good", "two")
    first = run(tree, f"{base}..")["run"]["id"]
    git(tree, "reset", "-q", "--hard", base)
    (tree / "mm/new.c").write_text("new\n")
    add(tree, "good", "a new one")
    (tree / "mm/new.c").write_text("newer\n")
    add(tree, "good", "one")
    add(tree, "early-flush", "two")
    second = run(tree, f"{base}..")["run"]["id"]
    second_tip = git(tree, "rev-parse", "HEAD")
    told = command("report", "compare", first, second, "--format=json")
    found = json.loads(told.stdout)["comparison"]
    newly = [each for each in found["tests"] if each["change"] == "newly failing"]
    assert [(each["cell"], each["test"]) for each in newly] == [
        ("two: x86_64/base", "mermap.test_tlb_flushed")
    ]
    assert found["notes"] == ["a new one: x86_64/base is only in B"]
    assert [each["match"] for each in found["commits"]] == ["only in B", "changed", "changed"]
    git(tree, "commit", "-q", "--amend", "-m", "two, said better")
    third = run(tree, f"{base}..")
    patches = git(tree, "log", "-p", "--first-parent", f"{base}..", "--format=commit %H")
    said = subprocess.run(
        ["git", "patch-id", "--stable"], input=patches, capture_output=True, text=True, check=True
    )
    assert [each["patch_id"] for each in reversed(third["series"]["commits"])] == [
        line.split()[0] for line in said.stdout.splitlines()
    ]
    shown = " ".join(command("report", "compare", second, third["run"]["id"]).stdout.split())
    tips = [second_tip, git(tree, "rev-parse", "HEAD")]
    assert f"same patch {tips[0][:12]} {tips[1][:12]} two, said better" in shown


def _start(tree: Path, commits: str) -> subprocess.Popen[str]:
    words = (f"--tree={tree}", f"--commits={commits}", *PLAIN, "--format=json")
    return running.start("run", *words, build_seconds=0.3)


def test_an_interrupted_series_ends_at_once_and_goes_on_where_it_was(
    tree: Path, home: Path
) -> None:
    add_all(tree, "good", "good", "early-flush", "good")
    with _start(tree, "HEAD~4..") as process:
        running.until(process, "1/4 ")
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 3
    assert process.returncode == 130, err
    made = json.loads(out)
    assert made["run"]["state"] == "interrupted"
    assert results(made)[0] == "passed"
    assert not processes_of(home)
    again = run(tree, "HEAD~4..")
    assert results(again) == ["passed", "passed", "failed", "passed"]
    known = [cell["reused"] for cell in again["cells"]]
    assert known[0] == made["run"]["id"]
    assert known[-1] is None


def test_a_killed_series_loses_no_finished_cell(tree: Path, home: Path) -> None:
    add_all(tree, "good", "early-flush", "early-flush", "good")
    with _start(tree, "HEAD~4..") as process:
        running.until(process, "2/4 ")
        process.kill()
        process.communicate(timeout=30)
    running.wait_for_end(home)
    shown = json.loads(command("report", "show", "--format=json").stdout)
    assert shown["run"]["state"] == "interrupted"
    assert results(shown)[:2] == ["passed", "failed"]
    assert shown["series"]["columns"][0]["first_bad"]["commit"] == shown["cells"][1]["commit"]
    again = run(tree, "HEAD~4..")
    assert results(again) == ["passed", "failed", "failed", "passed"]
    assert [cell["reused"] for cell in again["cells"]][:2] == [shown["run"]["id"]] * 2


def test_a_dry_run_lists_the_cells_by_commit_and_touches_nothing(tree: Path, home: Path) -> None:
    hashes = add_all(tree, "good", "early-flush")
    before, ours = snapshot(tree), snapshot(home)
    words = ("run", "-n", f"--tree={tree}", "--commits=HEAD~2..", "--variant=base", "--variant=smp")
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == [
        f"{hashes[0][:12]}  change 1", "  x86_64 base", "  x86_64 smp"
    ]  # fmt: skip
    assert "2 commits, 4 cells " in done.stdout
    made = json.loads(command(*words, "--format=json").stdout)["commits"]
    assert [each["commit"] for each in made] == hashes
    assert command("run", "-n", f"--tree={tree}", "--commits=HEAD..HEAD").returncode == 2
    assert (snapshot(tree), snapshot(home)) == (before, ours)
    assert boots(tree) == 0
    (tree / "mm/boots").write_text("good\n# changed\n")
    assert "the work tree, with its changes" in command(*words).stdout
