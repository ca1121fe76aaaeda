# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run`: its words, its defaults, its choice of cells and of a tree, before a boot."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mermapctl.commands.moments import moment
from mermapctl.errors import UserError
from tests.conftest import git
from tests.forkserver import command
from tests.tables import LOGS

USAGE = 2


def planned(*words: str, **env: str) -> list[dict[str, object]]:
    done = command("run", "--dry-run", "--format=json", *words, env=env)
    assert done.returncode == 0, done.stderr
    cells: list[dict[str, object]] = json.loads(done.stdout)["cells"]
    return cells


def names(*words: str, **env: str) -> list[object]:
    return [cell["name"] for cell in planned(*words, **env)]


def test_a_dry_run_prints_the_cells_and_writes_nothing(fake_tree: Path, new_home: Path) -> None:
    done = command("run", "-n", f"--tree={fake_tree}", "--variant=base", "--variant=smp")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "x86_64 base",
        "x86_64 smp",
        "2 cells; nothing was run or written",
    ]
    for stage in ("config", "build", "exec"):
        assert sum(f"kunit.py {stage} " in line for line in lines) == 2
    assert sum("kunitconfig      " in line for line in lines) == 2
    assert [*new_home.rglob("*")] == []


@pytest.mark.parametrize(
    ("words", "suite"),
    [
        (["mermap.test_size"], "mermap.test_size"),
        (["-k", "test_size"], "mermap.test_size"),
        (["-k", "tlb"], "'mermap.*tlb*'"),
        (["-k", "test_s*"], "'mermap.test_s*'"),
        (["example", "-k", "any_name"], "example.any_name"),
    ],
)
def test_tests_are_picked(words: list[str], suite: str, fake_tree: Path) -> None:
    (cell,) = planned(f"--tree={fake_tree}", "--target=x86_64", *words)
    commands = cell["commands"]
    assert isinstance(commands, list)
    assert commands[-1].endswith(f" {suite}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-k", "test_sise"], "did you mean test_size or "),
        (["mermap.test_sizee"], "did you mean test_size or "),
        (["mermap.*sise*"], "the suite mermap has no test 'sise'"),
        (["--cpu=Hazwell"], "did you mean Haswell?"),
        (["-k", "x", "mermap.test_size"], "names a test already"),
        (["smp"], "did you mean --variant smp?"),
        (["um"], "did you mean --target um?"),
        (["./linux"], "is it --tree ./linux?"),
        (["linux/Makefile"], "linux/Makefile is a file, and no suite: --config linux/Makefile"),
        (["linux/none"], "linux/none is no suite, and no such file or directory exists"),
        (["--varient", "smp"], "did you mean --variant or "),
        (["example", "--suite", "mermap"], "is a second suite beside --suite mermap"),
        (["--kunitconfig=x"], "--config FILE merges a kunitconfig of your own"),
        (["--make_options", "LLVM=1"], "LLVM=1 in the environment"),
        (["--build_dir", "x"], "MERMAPCTL_HOME moves all of them"),
        (["--qemu_args=-smp 2"], "--smp N and --cpu MODEL"),
        (["--kconfig_add", "lower"], "is not SYMBOL=VALUE"),
        (["--varaint", "smp"], "--variant"),
        (["--variant", "smq"], "did you mean smp"),
        (["--timeout", "10x"], "not a number"),
        (["--last-failed", "--variant", "smp"], "leave out --variant"),
        (["--full", "-q"], "--full and --quiet exclude each other"),
        (["--full", "--format=json"], "--full goes with --format table"),
    ],
)
def test_what_is_wrong_is_answered_in_one_form(
    words: list[str], said: str, fake_tree: Path
) -> None:
    done = command("run", f"--tree={fake_tree}", *words, cwd=fake_tree.parent)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith("mermapctl: error: ")
    assert said in done.stderr
    assert "\n  hint: " in done.stderr


def test_a_misspelt_test_is_named_before_a_missing_tree(tmp_path: Path, home: Path) -> None:
    assert home.is_dir()
    done = command("run", "mermap.test_sizee", cwd=tmp_path)
    assert done.returncode == USAGE
    assert "did you mean test_size or " in done.stderr


@pytest.mark.parametrize("words", [["mermap.test_flushes"], ["-k", "test_flushes"], ["-k", "hes"]])
def test_a_test_that_only_the_tree_has_is_run(words: list[str], fake_tree: Path) -> None:
    source = fake_tree / "mm/tests/mermap_kunit.c"
    source.parent.mkdir()
    source.write_text('\tKUNIT_CASE(test_flushes),\n\t.name = "mermap",\n')
    (cell,) = planned(f"--tree={fake_tree}", *words)
    assert words[-1] in str(cell["commands"])


def test_a_test_that_is_not_in_this_commit_is_skipped_by_git_bisect(fake_tree: Path) -> None:
    done = command("run", f"--tree={fake_tree}", "mermap.test_new", "--bisect-exit")
    assert (done.returncode, done.stdout) == (125, "")


@pytest.mark.parametrize("model", ["Haswell", "Haswell,-avx2"])
def test_a_cpu_model_of_qemu_is_run(model: str, fake_tree: Path) -> None:
    done = command("run", f"--tree={fake_tree}", "--accel=tcg", "-q", f"--cpu={model}")
    assert done.stdout.startswith("✓ PASSED")


def test_a_misspelt_command_has_near_names() -> None:
    assert "did you mean run?" in command("rum").stderr
    assert "did you mean list or " in command("config", "lits").stderr


def test_help_of_a_command_is_its_help() -> None:
    for words in (["run"], ["report", "list"], ["report"], []):
        asked = command(*words, "--help")
        done = command("help", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == asked.stdout
    assert "did you mean run?" in command("help", "rum").stderr


def test_kunits_words_are_taken(fake_tree: Path) -> None:
    (cell,) = planned(
        f"--tree={fake_tree}", "--arch=um", "--suite=example", "--kernel_args", "a.b=1",
        "--timeout=2m", "--kconfig_add=CONFIG_LOCALVERSION=\"-x\"",
    )  # fmt: skip
    commands = cell["commands"]
    assert isinstance(commands, list)
    assert "--arch=um" in commands[-1]
    assert "--kernel_args=a.b=1" in commands[-1]
    assert "--timeout=120" in commands[-1]


def test_a_symbol_needs_no_file(fake_tree: Path) -> None:
    done = command(
        "run", f"--tree={fake_tree}", "--accel=tcg", "--kconfig-add=KUNIT_DEBUGFS=y",
        "--kconfig-add", "SMP=n", "--format=json", "--no-witness",
    )  # fmt: skip
    (cell,) = json.loads(done.stdout)["cells"]
    asked = Path(cell["artifacts"]["kunitconfig"]).read_text()
    assert "CONFIG_KUNIT_DEBUGFS=y\n" in asked
    assert "# CONFIG_SMP is not set\n" in asked
    assert any("--config=" in line for line in cell["reproduce"])


def test_the_cells_that_did_not_pass_are_run_again(fake_tree: Path) -> None:
    run = ["run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness", "-q"]
    nothing = command("run", f"--tree={fake_tree}", "--last-failed")
    assert (nothing.returncode, "no run of" in nothing.stderr) == (USAGE, True)
    failed = command(
        *run, "--variant=base", "--variant=smp", "--timeout=50",
        env={"FAKE_LOG": str(LOGS / "early-flush.log")},
    )  # fmt: skip
    assert failed.returncode == 1
    again = [f"--tree={fake_tree}", "--last-failed"]
    assert names(*again) == ["x86_64 base", "x86_64 smp"]
    assert all("--timeout=50" in str(cell["commands"]) for cell in planned(*again))
    assert names(*again, MERMAPCTL_RUN_VARIANT="kasan") == ["x86_64 base", "x86_64 smp"]
    assert command("run", *again, "-q").returncode == 0
    passed = command("run", *again)
    assert (passed.returncode, "passed in every cell" in passed.stderr) == (USAGE, True)


def test_a_users_defaults(fake_tree: Path, home: Path) -> None:
    tree = f"--tree={fake_tree}"
    file = home / "config" / "config.toml"
    file.parent.mkdir()
    file.write_text('[run]\nvariant = ["smp"]\ntimeout = "2m"\nno-trace = true\n')
    (cell,) = planned(tree)
    assert (cell["name"], cell["traced"]) == ("x86_64 smp", False)
    assert "--timeout=120" in str(cell["commands"])
    assert names(tree, "--variant=base") == ["x86_64 base"]
    assert names(tree, MERMAPCTL_RUN_VARIANT="base kasan") == ["x86_64 base", "x86_64 kasan"]
    assert planned(tree, MERMAPCTL_RUN_NO_TRACE="0")[0]["traced"] is True
    for name in ("TARGET", "VARIANT", "CONFIG"):
        empty = command("run", tree, "--dry-run", env={f"MERMAPCTL_RUN_{name}": " "})
        assert (empty.returncode, f"MERMAPCTL_RUN_{name} is empty" in empty.stderr) == (2, True)
    shown = command("config", "defaults", env={"MERMAPCTL_RUN_ACCEL": "tcg"})
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["run", "--variant", "smp", str(file)] in rows
    assert ["run", "--accel", "tcg", "MERMAPCTL_RUN_ACCEL"] in rows
    document = json.loads(command("config", "defaults", "--format=json").stdout)
    assert {each["option"] for each in document["defaults"]} == {"variant", "timeout", "no-trace"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nvaraint = 'smp'\n", "did you mean variant"),
        ("[run]\ndry-run = true\n", "cannot be a default"),
        ("[run]\nrebuild = 'yes'\n", "is not true or false"),
        ("[run]\naccel = ['tcg']\n", "has several values"),
        ("[run]\naccel = 'fast'\n", "'fast' is not one of"),
        ("[run]\ntarget = []\n", "[run] target is empty"),
        ("[run\n", "config.toml: "),
        ("run = 1\n", "run is not a table"),
        ("[run.varaint]\nx = 1\n", "did you mean variant"),
        ("[run.variant]\nx = 1\n", "is no text and no number"),
    ],
)
def test_a_wrong_default_is_refused(text: str, said: str, home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text(text)
    done = command("run", "--tree=/nowhere")
    assert done.returncode == USAGE
    assert said in done.stderr


def test_a_table_of_no_command_is_refused(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("[rum]\naccel = 'tcg'\n")
    done = command("config", "defaults")
    assert (done.returncode, "did you mean run" in done.stderr) == (USAGE, True)


def test_another_repository_is_never_left_for_the_tree_prepared_last(
    fake_tree: Path, home: Path, tmp_path: Path
) -> None:
    (home / "state").mkdir()
    (home / "state" / "last-tree").write_bytes(os.fsencode(fake_tree) + b"\n")
    other = tmp_path / "other"
    other.mkdir()
    words = ["run", "--accel=tcg", "--no-witness"]
    outside = command(*words, cwd=other)
    assert outside.returncode == 0, outside.stderr
    assert f"mermapctl: the tree is {fake_tree}\n" in outside.stderr
    git(other, "init", "-q")
    inside = command(*words, cwd=other)
    assert (inside.returncode, inside.stdout) == (USAGE, "")
    assert f"--tree {fake_tree}" in inside.stderr
    named = command(*words, f"--tree={fake_tree}", cwd=other)
    assert "the tree is" not in named.stderr
    at_home = command(*words, cwd=fake_tree)
    assert at_home.returncode == 0
    assert "the tree is" not in at_home.stderr


def test_the_changes_of_a_modified_tree_are_kept(fake_tree: Path, tmp_path: Path) -> None:
    changed = next(path for path in sorted(fake_tree.rglob("Kconfig")) if path.is_file())
    text = changed.read_text()
    changed.write_text(f"{text}\n# changed\n")
    done = command("run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness", "--format=json")
    (cell,) = json.loads(done.stdout)["cells"]
    kept = Path(cell["artifacts"]["tree_diff"])
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "-q", str(fake_tree), str(copy)], check=True)
    git(copy, "apply", str(kept))
    assert (copy / changed.relative_to(fake_tree)).read_text() == f"{text}\n# changed\n"
    changed.write_text(text)
    clean = command("run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness", "--format=json")
    assert json.loads(clean.stdout)["cells"][0]["artifacts"]["tree_diff"] is None


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", 90),
        ("36h", 36 * 3600),
        ("2 weeks ago", 14 * 86400),
        ("2.weeks.ago", 14 * 86400),
        ("an hour ago", 3600),
        ("yesterday", 86400),
        ("now", 0),
        ("last week", 7 * 86400),
    ],
)
def test_ages_as_git_takes_them(text: str, ago: int) -> None:
    now = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)
    then = (now - dt.timedelta(seconds=ago)).isoformat(timespec="seconds")
    assert moment(text, now).startswith(then.removesuffix("+00:00"))


def test_dates_as_git_takes_them() -> None:
    assert moment("2026-01-31 12:00+00:00").startswith("2026-01-31T12:00:00")
    assert moment("Sat, 31 Jan 2026 12:00:00 +0100").startswith("2026-01-31T11:00:00")
    assert moment("@0").startswith("1970-01-01T00:00:00")
    assert moment("31 Jan 2026")[:7] == "2026-01"
    monday = moment("last monday", dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC))
    assert monday.startswith("2026-05-18")
    for wrong in ("", "soon", "13 parsecs ago", "2026-13-01"):
        with pytest.raises(UserError):
            moment(wrong)


def completed(*words: str) -> list[str]:
    line = " ".join(("mermapctl", *words))
    env = os.environ | {
        "_MERMAPCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
    }
    program = Path(sys.executable).parent / "mermapctl"
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [each.partition(",")[2] for each in done.stdout.splitlines()]


def test_words_are_completed(fake_tree: Path) -> None:
    assert "mermap" in completed("run", "--suite", "me")
    assert completed("run", "mermap.test_si") == ["mermap.test_size"]
    assert completed("run", "-k", "test_tlb") == ["test_tlb_flushed"]
    found = completed("run", "--tree", str(fake_tree), "--kconfig-add", "MERM")
    assert "MERMAP" in found
    command("run", f"--tree={fake_tree}", "--accel=tcg", "--no-witness", "-q")
    assert completed("report", "history", "test_tl") == ["test_tlb_flushed"]
    commit = git(fake_tree, "rev-parse", "HEAD")
    assert completed("report", "list", "--commit", commit[:4]) == [commit[:12]]


def test_refs_and_findings_are_completed_without_git(fake_tree: Path, tmp_path: Path) -> None:
    git(fake_tree, "branch", "mermap-v2")
    git(fake_tree, "branch", "mermap/topic")
    git(fake_tree, "tag", "mer-packed")
    git(fake_tree, "pack-refs", "--all")
    git(fake_tree, "tag", "mer$(true)")
    git(fake_tree, "tag", "mer-loose")
    linked = tmp_path / "linked"
    git(fake_tree, "worktree", "add", "-q", "--detach", str(linked))
    for tree in (fake_tree, linked):
        git(tree, "config", "core.fsmonitor", f"touch {tmp_path}/ran")
        where = ("--tree", str(tree))
        wanted = ["mer-loose", "mer-packed", "mermap-v2", "mermap/topic"]
        assert completed("bisect", *where, "mer") == wanted
        assert completed("run", *where, "--commits", "HE") == ["HEAD"]
        assert completed("run", *where, "--commits", "HEAD..mermap-") == ["HEAD..mermap-v2"]
    assert completed("bisect", "--finding", "ear") == ["early-flush"]
    assert not (tmp_path / "ran").exists()


def test_stress_leaves_the_suite_built_in(fake_tree: Path) -> None:
    (cell,) = planned(f"--tree={fake_tree}", "--stress", "--rounds=7")
    assert cell["name"] == "x86_64 base"
    assert str(cell["kunitconfig"]).endswith("x86_64-base-stress/kunitconfig")
    (module,) = planned(f"--tree={fake_tree}", "--stress", "--as-module")
    assert module["name"] == "x86_64 base as a module"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rounds=7",), "--rounds goes with --stress"),
        (("--history=p0.0",), "--history goes with --stress"),
        (("--stress", "--history=p9.0"), "no history of the stress suite: 'p9.0' has a number"),
        (("--stress", "--history=p0.0", "--rounds=2"), "not with --rounds"),
        (("--stress", "--suite=example"), "leave out --suite"),
        (("--stress", "-k", "size"), "leave out --suite"),
        (("--stress", "--commits=HEAD~1.."), "not with --commits"),
        (("--stress", "--gdb"), "not with --stress"),
    ],
)
def test_options_that_do_not_go_with_stress(
    fake_tree: Path, words: tuple[str, ...], said: str
) -> None:
    done = command("run", f"--tree={fake_tree}", *words)
    assert done.returncode == USAGE
    assert said in " ".join(done.stderr.split())
