# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run` on the stand-in tree: real children, no kernel."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mermapctl.config import target
from mermapctl.runner import up_to_date
from tests import jobs
from tests.conftest import git
from tests.forkserver import Done, command
from tests.interruption import interrupted
from tests.tables import LOGS

BARE = ("--no-triage", "--no-trace")
MERMAPCTL = [sys.executable, "-m", "mermapctl"]


def run(tree: Path, *argv: str, **env: str) -> Done:
    return command("run", f"--tree={tree}", "--accel=tcg", *argv, env=env, seconds=60)


def document(tree: Path, *argv: str, **env: str) -> dict[str, Any]:
    return parsed(run(tree, "--format=json", *argv, **env))


def parsed(done: Done | subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def run_alone(tree: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run in a process that `processes_of` finds by its environment, with the guards it forks."""
    return subprocess.run(
        [*MERMAPCTL, "run", f"--tree={tree}", "--accel=tcg", "--format=json", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("log", "code", "verdict", "reason"),
    [
        ("good", 0, "passed", None),
        ("good-smp2", 0, "passed", None),
        ("missing-flush", 1, "failed", None),
        ("warn-but-ok", 1, "failed", None),
        ("panic-before-ktap", 3, "no-verdict", "boot-failed"),
    ],
)
def test_the_exit_code_is_the_verdict(
    fake_tree: Path, log: str, code: int, verdict: str, reason: str | None
) -> None:
    done = run(fake_tree, "--format=json", FAKE_LOG=str(LOGS / f"{log}.log"))
    assert done.returncode == code, done.stderr
    cell = json.loads(done.stdout)["cells"][0]
    assert (cell["verdict"], cell["reason"]) == (verdict, reason)


def test_bisect_skips_a_commit_without_a_verdict(fake_tree: Path) -> None:
    log = str(LOGS / "panic-before-ktap.log")
    assert run(fake_tree, "--bisect-exit", FAKE_LOG=log).returncode == 125
    assert run(fake_tree, "--bisect-exit").returncode == 0


def test_the_record_holds_the_whole_run(fake_tree: Path, home: Path) -> None:
    more = ("--cpu=Haswell", "--smp=2", "--kernel-arg=x=1", "--jobs=3")
    made = document(fake_tree, "--no-trace", *more)
    assert made["schema"] == 1
    assert made["tree"]["kernel"] == "6.12.99"
    assert made["tree"]["commit"] == git(fake_tree, "rev-parse", "HEAD")
    assert made["tree"]["dirty"] is False
    (cell,) = made["cells"]
    assert (cell["target"], cell["variant"], cell["accelerator"]) == ("x86_64", "base", "tcg")
    assert (cell["cpu"], cell["smp"]) == ("Haswell", 2)
    assert cell["kernel_args"] == ["panic=-1", "printk.time=1", "pti=on", "x=1"]
    assert all(seconds > 0 for seconds in cell["phases"].values())
    names = [test["name"] for test in cell["suites"][0]["tests"]]
    assert names == ["test_basic_alloc", "test_size", "test_multiple_allocs", "test_tlb_flushed"]
    artifacts = cell["artifacts"]
    console = Path(artifacts["console"])
    assert console.is_relative_to(home)
    assert (LOGS / "good.log").read_text() in console.read_text()
    assert "CONFIG_MERMAP_KUNIT_TEST=y" in Path(artifacts["kunitconfig"]).read_text()
    assert "CONFIG_MERMAP_KUNIT_TEST=y" in Path(artifacts["config"]).read_text()
    assert "  CC      mm/mermap.o" in Path(artifacts["build_log"]).read_text()


def test_the_kunit_commands_of_the_record_reproduce_the_boot(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    made = document(fake_tree, "--smp=2", FAKE_NEWER_TREE="1", FAKE_ARGS=str(said))
    ours, config, build, boot = made["cells"][0]["reproduce"]
    assert ours.startswith("mermapctl run ")
    assert "--smp=2" in ours
    for line in (config, build, boot):
        subprocess.run(  # noqa: S602 - a shell must accept the line unchanged
            line,
            shell=True,
            check=True,
            env={**os.environ, "FAKE_NEWER_TREE": "1", "FAKE_ARGS": str(said)},
            capture_output=True,
        )
    first, again = map(json.loads, said.read_text().splitlines())
    assert first == again
    assert first[:2] == ["-accel", "tcg"]
    assert "kvm" not in first
    assert first[-2:] == ["-smp", "2"]


def test_nothing_is_written_into_the_tree(fake_tree: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in fake_tree.rglob("*"))
    assert run(fake_tree).returncode == 0
    after = sorted((path, path.stat().st_mtime_ns) for path in fake_tree.rglob("*"))
    assert [entry for entry in after if ".git" not in entry[0].parts] == [
        entry for entry in before if ".git" not in entry[0].parts
    ]


def test_a_symbol_that_did_not_come_out_is_named(fake_tree: Path) -> None:
    made = document(fake_tree, FAKE_UNSATISFIED="MERMAP_KUNIT_TEST")
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "config-unsatisfied")
    (missing,) = cell["missing"]
    assert missing["symbol"].endswith("MERMAP_KUNIT_TEST")
    assert (missing["requested"], missing["resolved"]) == ("y", None)
    assert "olddefconfig gives no value all the same" in missing["why"]


def test_a_kconfig_that_changed_is_asked_again(fake_tree: Path) -> None:
    """kunit.py would keep the old .config, and the build would lack the suite."""
    assert document(fake_tree)["verdict"] == "passed"
    (fake_tree / "mm/Kconfig").write_text((fake_tree / "mm/Kconfig").read_text() + "\n")
    (cell,) = document(fake_tree, FAKE_UNSATISFIED="MERMAP_KUNIT_TEST")["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "config-unsatisfied")


@pytest.mark.parametrize(
    ("symbol", "heading"),
    [
        ("MERMAP", "CONFIG_MERMAP=y can be had on x86_64: asking for it is enough"),
        ("SERIAL_TINY", "CONFIG_SERIAL_TINY is not defined, not y, on x86_64: this tree's"),
    ],
    ids=["of the user's fragment", "of kunit.py's own lines"],
)
def test_a_missing_symbol_has_the_text_of_config_explain(
    fake_tree: Path, tmp_path: Path, symbol: str, heading: str
) -> None:
    extra = tmp_path / "extra.kunitconfig"
    extra.write_text("CONFIG_MERMAP=y\n")
    asked = f"--config={extra}"
    done = run(fake_tree, asked, FAKE_UNSATISFIED=symbol, COLUMNS="200")
    assert done.returncode == 3
    explain = ("config", "explain", f"{symbol}=y", f"--tree={fake_tree}", asked)
    explained = command(*explain, env={"FAKE_UNSATISFIED": symbol})
    first, *rest = explained.stdout[2:].splitlines()
    assert first.startswith(heading)
    assert [line for line in (first, *rest) if line not in done.stdout] == []


def test_a_symbol_that_is_lost_while_make_runs_is_no_failed_build(fake_tree: Path) -> None:
    """kunit.py itself prints only the elapsed time."""
    (cell,) = document(fake_tree, FAKE_LOST="MERMAP_KUNIT_TEST")["cells"]
    assert (cell["reason"], cell["phases"]["boot"]) == ("config-unsatisfied", None)
    (missing,) = cell["missing"]
    assert missing["why"].startswith("CONFIG_MERMAP_KUNIT_TEST=y can be had on x86_64")


def test_a_cell_that_cannot_be_is_explained_and_the_others_go_on(fake_tree: Path) -> None:
    made = document(fake_tree, "--target=um", "--target=x86_64")
    um, x86_64 = made["cells"]
    assert x86_64["verdict"] == "passed"
    assert (um["verdict"], um["reason"]) == ("no-verdict", "config-unsatisfied")
    assert um["detail"].startswith("target um cannot have the mermap")
    (missing,) = um["missing"]
    assert missing["symbol"] == "MERMAP_KUNIT_TEST"
    why = missing["why"].splitlines()
    assert why[0] == "CONFIG_MERMAP_KUNIT_TEST is n, not y, on um: its dependencies fail"
    assert "    selected by X86_64 (arch/x86/Kconfig:9, not read here)" in why
    assert why[-1] == "  other targets that can have it: x86_64"
    assert Path(um["artifacts"]["kunitconfig"]).is_file()


def test_a_cell_that_cannot_be_needs_no_programs(fake_tree: Path) -> None:
    config = fake_tree / "tools/testing/kunit/qemu_configs/arm64.py"
    config.write_text(config.read_text().replace('"aarch64"', '"of-no-machine"'))
    made = document(fake_tree, "--target=arm64", "--target=x86_64")
    assert [cell["reason"] for cell in made["cells"]] == ["config-unsatisfied", None]


@pytest.mark.parametrize(
    ("argv", "detail"),
    [
        ((), "this tree and target did not give what was asked of MERMAP_KUNIT_TEST"),
        (("--target=um", "--target=x86_64"), "target um cannot have the mermap: "),
    ],
)
def test_an_interrupted_explanation_leaves_what_is_known(
    fake_tree: Path, argv: tuple[str, ...], detail: str
) -> None:
    env = {"FAKE_VERIFY_SLEEP": "60", "FAKE_UNSATISFIED": "MERMAP_KUNIT_TEST"}
    until = "mermapctl: um base" if argv else "mermapctl: config"
    made = interrupted(fake_tree, *argv, until=until, env=env, after=1.5)
    (cell,) = made["cells"]
    assert made["run"]["state"] == "interrupted"
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "interrupted")
    assert cell["detail"].startswith(f"interrupted by SIGINT during the explanation; {detail}")
    assert [each["symbol"] for each in cell["missing"]] == ([] if argv else ["MERMAP_KUNIT_TEST"])
    assert not processes_of(fake_tree)


def test_a_build_error_is_quoted(fake_tree: Path) -> None:
    done = run(fake_tree, "--format=json", FAKE_BUILD_ERROR="unknown type name")
    (cell,) = json.loads(done.stdout)["cells"]
    assert done.returncode == 3
    assert cell["reason"] == "build-failed"
    assert cell["detail"] == "mm/mermap.c:12:5: error: unknown type name"


def run_with_kvm(tree: Path, *argv: str, **env: str) -> Done:
    """Run with a /dev/kvm and a short wait for its guest."""
    device = tree.parent / "kvm"
    device.write_text("")
    first = (
        "from pathlib import Path; from mermapctl.runner import accelerator\n"
        f"accelerator.KVM = Path({str(device)!r}); accelerator.MUTE = 0.7"
    )
    run = ("run", f"--tree={tree}", "--format=json", *argv)
    return command(*run, env=env, first=first, seconds=60)


@pytest.mark.parametrize("how", ["kvm-error", "kvm-mute"])
def test_a_kvm_that_cannot_run_the_kernel_is_replaced(fake_tree: Path, how: str) -> None:
    began = time.monotonic()
    done = run_with_kvm(fake_tree, FAKE_BOOT=how)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    (cell,) = json.loads(done.stdout)["cells"]
    assert (cell["verdict"], cell["accelerator"]) == ("passed", "tcg")
    assert (cell["reproducible"], cell["seed"], cell["shift"]) == (True, 1, 4)
    assert "KVM cannot run this kernel" in cell["notes"][0]
    assert (Path(cell["artifacts"]["directory"]) / "console-kvm.log").is_file()
    again = run_with_kvm(fake_tree)
    (cell,) = json.loads(again.stdout)["cells"]
    assert any("KVM failed earlier on this host" in note for note in cell["notes"])
    assert "KVM failed earlier" not in again.stderr  # the report says it
    asked = run_with_kvm(fake_tree, "--accel=kvm", FAKE_BOOT="kvm-error")
    (cell,) = json.loads(asked.stdout)["cells"]
    assert (asked.returncode, cell["reason"]) == (3, "accelerator-failed")
    assert run_with_kvm(fake_tree, "--accel=kvm").returncode == 0  # it works now
    mended = run_with_kvm(fake_tree)
    assert mended.returncode == 0
    (cell,) = json.loads(mended.stdout)["cells"]
    assert cell["accelerator"] == "kvm"
    assert (cell["reproducible"], cell["seed"], cell["shift"]) == (None, None, None)


def test_one_kernels_fault_is_not_kvms(fake_tree: Path) -> None:
    done = run_with_kvm(fake_tree, FAKE_BOOT="kvm-error", FAKE_PROBE="works")
    assert json.loads(done.stdout)["cells"][0]["accelerator"] == "tcg", done.stderr
    again = run_with_kvm(fake_tree)
    assert json.loads(again.stdout)["cells"][0]["accelerator"] == "kvm", again.stderr


@pytest.fixture
def cross(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the programs of a compiler prefix on PATH."""
    programs = tmp_path / "cross"
    programs.mkdir()
    for name in ("gcc", "ld", "as"):
        (programs / f"x-{name}").symlink_to(shutil.which(name) or "/bin/true")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return "x-"


def test_the_compiler_that_was_asked_for_is_the_one_looked_for(fake_tree: Path, cross: str) -> None:
    lacking = run(fake_tree, "--cross-compile=nowhere-")
    assert lacking.returncode == 3
    assert "nowhere-gcc" in lacking.stderr
    (cell,) = document(fake_tree, f"--cross-compile={cross}")["cells"]
    assert cell["verdict"] == "passed"


def test_another_clang_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LLVM", "1")
    um = target.without_tree("um", None)
    job = jobs.job(tmp_path, um, build_dir=tmp_path, kunitconfig=tmp_path / "k")
    for name in ("clang", "gcc", "ld.lld"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    before = up_to_date.signature(job, "", "state")
    (tmp_path / "gcc").write_text("#!/bin/sh\n# another\n")
    assert up_to_date.signature(job, "", "state") == before
    (tmp_path / "clang").write_text("#!/bin/sh\n# another\n")
    assert up_to_date.signature(job, "", "state") != before


@pytest.mark.parametrize("limit", ["--timeout=1", "--silence=1"])
def test_a_boot_that_goes_on_for_ever_is_ended(fake_tree: Path, limit: str) -> None:
    began = time.monotonic()
    log = str(LOGS / "hang-one-cpu.log")
    env = {"FAKE_BOOT": "stay,stubborn", "FAKE_LOG": log}
    made = parsed(run_alone(fake_tree, limit, *BARE, **env))
    assert time.monotonic() - began < 60
    (cell,) = made["cells"]
    assert cell["verdict"] == "failed"
    assert [finding["code"] for finding in cell["findings"]] == ["hang"]
    assert not processes_of(fake_tree)


def processes_of(tree: Path) -> list[str]:
    """Return the command lines of living processes that name this test's tree."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if os.fsencode(tree) in words and state != "Z":
                found.append(entry.name)
    return found


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stage", ["build", "boot"])
def test_a_signal_ends_everything_and_keeps_the_record(
    fake_tree: Path, stage: str, signum: signal.Signals
) -> None:
    env = {
        "FAKE_BOOT": "trickle,stubborn",
        "FAKE_BUILD_SLEEP": "60" if stage == "build" else "0",
    }
    until = {"build": "mermapctl: config", "boot": "mermapctl: build"}[stage]
    made = interrupted(fake_tree, until=until, env=env, after=0.3, signum=signum)
    (cell,) = made["cells"]
    assert made["run"]["state"] == "interrupted"
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "interrupted")
    assert stage in cell["detail"]
    assert not processes_of(fake_tree)
    assert run(fake_tree, "--no-wait").returncode == 0  # the lock is free


def test_a_target_without_the_mermap_is_refused_before_anything_is_built(
    fake_tree: Path, home: Path
) -> None:
    done = run(fake_tree, "--target=um")
    assert done.returncode == 2
    assert "ARCH_SUPPORTS_MERMAP is selected by X86_64" in done.stderr
    assert "--target um --suite example" in done.stderr
    assert not (home / "cache/builds").exists()


def test_progress_goes_to_stderr_and_quiet_silences_it(fake_tree: Path) -> None:
    loud = run(fake_tree)
    assert "ok test_tlb_flushed" in loud.stderr
    assert "build" in loud.stderr
    assert "test_tlb_flushed" in loud.stdout
    assert run(fake_tree, "--quiet").stderr == ""


def test_no_traceback_reaches_a_user(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("mermapctl: error: ")
    assert "hint:" in done.stderr


def build_lines(made: dict[str, Any]) -> int:
    """Return the number of objects in the build log of a run."""
    log = made["cells"][0]["artifacts"]["build_log"]
    return Path(log).read_text().count("  CC ") if log else 0


def test_nothing_is_built_where_nothing_has_changed(fake_tree: Path) -> None:
    assert build_lines(document(fake_tree)) == 3
    again = document(fake_tree)
    assert build_lines(again) == 0
    assert again["cells"][0]["phases"]["build"] == 0.0
    assert "nothing has changed" in again["cells"][0]["notes"][0]
    assert again["cells"][0]["verdict"] == "passed"
    assert build_lines(document(fake_tree, "--rebuild")) == 3


@pytest.mark.parametrize(
    ("argv", "image"),
    [
        ([], "vmlinux"),
        # The unpacker switches to five levels of page tables, and chooses a random address.
        (["--cpu=max"], "arch/x86/boot/bzImage"),
        (["--variant=la57"], "arch/x86/boot/bzImage"),
        (["--config=own"], "arch/x86/boot/bzImage"),
    ],
)
def test_the_kernel_need_not_be_packed_unless_the_unpacker_does_something(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], image: str
) -> None:
    (tmp_path / "own").write_text("CONFIG_RANDOMIZE_BASE=y\n")
    monkeypatch.chdir(tmp_path)
    said = tmp_path / "argv"
    made = document(fake_tree, *argv, FAKE_ARGS=str(said))
    assert made["cells"][0]["verdict"] == "passed"
    (booted,) = map(json.loads, said.read_text().splitlines())
    kernel = Path(booted[booted.index("-kernel") + 1])
    assert kernel.is_file()
    assert str(kernel).endswith(f"/{image}")


def test_a_stale_packed_kernel_is_not_booted(fake_tree: Path, home: Path) -> None:
    document(fake_tree, "--cpu=max")
    (packed,) = (home / "cache/builds").rglob("bzImage")
    document(fake_tree)
    assert not packed.exists()
    document(fake_tree, "--cpu=max")
    assert packed.exists()


@pytest.mark.parametrize("change", ["tracked", "untracked", "commit", "image", "config", "flags"])
def test_whatever_a_build_is_made_from_is_noticed(
    fake_tree: Path, home: Path, tmp_path: Path, change: str
) -> None:
    document(fake_tree)
    argv, env = [], {}
    if change == "tracked":
        (fake_tree / "mm/Kconfig").write_text((fake_tree / "mm/Kconfig").read_text() + "\n")
    elif change == "untracked":
        (fake_tree / ".gitignore").write_text("*\n")
        document(fake_tree)
        (fake_tree / "mm/mermap.c").write_text("int x;\n")
    elif change == "commit":
        git(fake_tree, "commit", "-q", "--allow-empty", "-m", "next")
    elif change == "image":
        (image,) = (home / "cache/builds").rglob("vmlinux")
        image.write_text("another")
    elif change == "flags":
        env = {"KCFLAGS": "-O1"}
    else:
        (tmp_path / "extra").write_text("CONFIG_EXTRA=y\n")
        argv = [f"--config={tmp_path / 'extra'}"]
    assert build_lines(document(fake_tree, *argv, **env)) == 3


def test_a_failed_build_is_tried_again(fake_tree: Path) -> None:
    document(fake_tree)
    (fake_tree / "mm/Kconfig").write_text((fake_tree / "mm/Kconfig").read_text() + "\n")
    failed = document(fake_tree, FAKE_BUILD_ERROR="broken")
    assert failed["cells"][0]["reason"] == "build-failed"
    assert build_lines(document(fake_tree)) == 3


def test_a_tree_that_is_not_git_is_always_built(fake_tree: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(fake_tree, bare, ignore=shutil.ignore_patterns(".git"))
    assert build_lines(document(bare)) == 3
    assert build_lines(document(bare)) == 3


def limited(kilobytes: int, tree: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run with a limit on the size of files, like a disk that fills up in the middle of a write."""
    command = ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "bash", *MERMAPCTL]
    return subprocess.run(
        [*command, "run", f"--tree={tree}", "--accel=tcg", "--format=json", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


def test_a_disk_that_fills_up_under_the_console_fails_no_test(
    fake_tree: Path, tmp_path: Path
) -> None:
    document(fake_tree)  # the index exists
    console = tmp_path / "long.log"
    first, _, rest = (LOGS / "missing-flush.log").read_text().partition("\n")
    console.write_text("\n".join([first, *["[    0.000000] a line of the boot"] * 140, rest]))
    done = limited(12, fake_tree, FAKE_LOG=str(console))
    (cell,) = json.loads(done.stdout)["cells"]
    assert (done.returncode, cell["reason"]) == (3, "harness-error")
    assert "console.log: File too large" in cell["detail"]


def test_a_verdict_that_cannot_be_stored_is_printed(fake_tree: Path, tmp_path: Path) -> None:
    document(fake_tree)
    log = (LOGS / "good.log").read_text()
    (tmp_path / "short").write_text(log[log.index("KTAP version") :])
    words = ["--kernel-arg", f"x={'long' * 900}"]
    done = limited(12, fake_tree, *words, FAKE_LOG=str(tmp_path / "short"))
    made = json.loads(done.stdout)
    assert (done.returncode, made["verdict"]) == (0, "passed"), done.stderr
    assert "this run is not stored as it ended: " in made["cells"][0]["notes"][-1]


def test_lines_of_config_are_in_every_cell_and_reproduced(fake_tree: Path) -> None:
    line = "CONFIG_MINE=y"
    argv = f"{sys.executable} -m mermapctl run --tree={fake_tree} --accel=tcg --format=json"
    done = subprocess.run(
        ["bash", "-c", f"{argv} --config <(echo {line}) --variant base --variant smp"],
        capture_output=True,
        text=True,
        check=True,
    )
    for cell in json.loads(done.stdout)["cells"]:
        assert line in Path(cell["artifacts"]["kunitconfig"]).read_text()
        ours = shlex.split(cell["reproduce"][0])
        again = document(fake_tree, *ours[2:])["cells"][0]
        assert line in Path(again["artifacts"]["kunitconfig"]).read_text()


def test_a_reproduction_leaves_no_limit_to_a_default(fake_tree: Path, cross: str) -> None:
    argv = ["--timeout=44", "--silence=33", f"--cross-compile={cross}", "--no-triage"]
    (cell,) = document(fake_tree, *argv)["cells"]
    assert set(argv) <= set(shlex.split(cell["reproduce"][0]))


@pytest.mark.parametrize(
    ("option", "facts", "counted"),
    [("--seed=5", (True, 5, 4), True), ("--no-reproducible", (False, None, None), False)],
)
def test_a_boot_is_reproduced_by_the_clock_that_it_had(
    fake_tree: Path, option: str, facts: tuple[object, ...], counted: bool
) -> None:
    (cell,) = document(fake_tree, "--accel=tcg", option)["cells"]
    assert (cell["reproducible"], cell["seed"], cell["shift"]) == facts
    assert option in shlex.split(cell["reproduce"][0])
    qemu = Path(cell["artifacts"]["directory"]) / "bin/qemu-system-x86_64"
    assert ("-icount shift=4,sleep=off" in qemu.read_text()) is counted
    assert ("-seed 5" in qemu.read_text()) is counted


def test_a_refused_cell_is_reproduced_by_our_line_alone(fake_tree: Path) -> None:
    refused, ran = document(fake_tree, "--target=um", "--target=x86_64")["cells"]
    assert (refused["reason"], len(refused["reproduce"])) == ("config-unsatisfied", 1)
    assert (ran["verdict"], len(ran["reproduce"])) == ("passed", 4)


@pytest.mark.parametrize(
    ("stage", "does", "detail"),
    [
        ("config", "raise KeyError('x')", "kunit.py config failed: KeyError: 'x'"),
        ("config", "os.kill(os.getpid(), 9)", "kunit.py config was ended by signal 9 (Killed)"),
        ("build", "sys.exit(1)", "kunit.py build failed without a word"),
    ],
)
def test_a_kunit_py_that_falls_over_is_not_the_configuration(
    fake_tree: Path, stage: str, does: str, detail: str
) -> None:
    script = fake_tree / "tools/testing/kunit/kunit.py"
    mark = "    parsed = arguments()\n"
    fault = f"    if parsed.stage == '{stage}':\n        {does}\n"
    script.write_text(script.read_text().replace(mark, mark + fault))
    (cell,) = document(fake_tree)["cells"]
    assert (cell["reason"], cell["detail"]) == ("build-failed", detail)
    if detail.endswith("without a word"):
        full = "from mermapctl.system import files; files.ROOM = 1 << 62"
        argv = ("run", f"--tree={fake_tree}", "--format=json")
        (cell,) = parsed(command(*argv, first=full))["cells"]
        assert cell["reason"] == "harness-error"
        assert cell["detail"].startswith("the disk is full: ")


@pytest.mark.parametrize(
    ("does", "detail"),
    [
        ("os.mkfifo(console)", "console.log: it is a FIFO"),
        (f"os.symlink({str(LOGS / 'good.log')!r}, console)", "a symbolic link has taken its place"),
        ("os.mkdir(console)", "console.log: it is a directory"),
        ("os.symlink('/dev/zero', console)", "a symbolic link has taken its place"),
    ],
)
def test_a_console_that_something_else_replaced_is_not_judged(
    fake_tree: Path, does: str, detail: str
) -> None:
    script = fake_tree / "tools/testing/kunit/kunit.py"
    mark = "    parsed = arguments()\n"
    place = "os.path.join(os.environ['PATH'].split(':')[0], '../console.log')"
    fault = f"        console = {place}\n        os.unlink(console)\n        {does}\n"
    script.write_text(
        script.read_text().replace(mark, f"{mark}    if parsed.stage == 'exec':\n{fault}")
    )
    (cell,) = document(fake_tree)["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "harness-error")
    assert detail in cell["detail"]


def test_a_build_that_makes_no_kernel_is_no_fault_of_the_machine(fake_tree: Path) -> None:
    script = fake_tree / "tools/testing/kunit/kunit.py"
    script.write_text(script.read_text().replace('"build": build', '"build": config'))
    (cell,) = document(fake_tree)["cells"]
    assert cell["verdict"] == "passed"  # the stand-in QEMU needs no /dev/kvm


def test_a_killed_run_names_its_stage(fake_tree: Path) -> None:
    argv = [*MERMAPCTL, "run", f"--tree={fake_tree}", "--accel=tcg"]
    with subprocess.Popen(
        argv, env={**os.environ, "FAKE_BOOT": "stay"}, stderr=subprocess.PIPE, text=True
    ) as ours:
        assert ours.stderr is not None
        while "ok test_size" not in ours.stderr.readline():
            assert ours.poll() is None
        ours.kill()
    told = command("report", "--format=json")
    made = json.loads(told.stdout)
    (cell,) = made["cells"]
    assert (told.returncode, made["run"]["state"]) == (3, "interrupted")
    assert (cell["target"], cell["reason"]) == ("x86_64", "interrupted")
    assert "ok 2 test_size" in (Path(cell["artifacts"]["directory"]) / "console.log").read_text()
    assert not processes_of(fake_tree)
    assert run(fake_tree, "--no-wait").returncode == 0


@pytest.mark.parametrize("name", ["a blank", "a:colon"])
def test_a_path_that_make_would_split_is_refused(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tree = fake_tree.rename(fake_tree.with_name(name))
    done = run(tree)
    assert (done.returncode, name in done.stderr) == (2, True)
    tree = tree.rename(fake_tree)
    monkeypatch.setenv("MERMAPCTL_HOME", str(fake_tree.with_name(name)))
    assert "MERMAPCTL_HOME" in run(tree).stderr


def test_a_tree_whose_path_is_not_utf8_is_run(fake_tree: Path) -> None:
    tree = fake_tree.rename(fake_tree.with_name("li\udcffnux"))
    done = run(tree, "--full", COLUMNS="200")
    assert (done.returncode, done.stdout.count("li\\xffnux")) == (0, 5), done.stderr
    listed = command("report", "list")
    assert (listed.returncode, "✓ passed" in listed.stdout) == (0, True)


@pytest.mark.parametrize("stage", ["configuration", "boot"])
def test_a_git_that_takes_its_time_is_ended_too(
    fake_tree: Path, tmp_path: Path, stage: str
) -> None:
    slow = tmp_path / "slow/git"
    slow.parent.mkdir()
    # git reads the tree before the build, and a second time during the boot.
    slow.write_text(
        f"""#!/bin/sh
        case "$*" in *--others*)
            echo >>{tmp_path}/looks
            [ $(wc -l <{tmp_path}/looks) = {1 if stage == "configuration" else 2} ] && exec sleep 90
        esac
        exec {shutil.which("git")} "$@"
        """
    )
    slow.chmod(0o755)
    env = {"PATH": f"{slow.parent}:{os.environ['PATH']}", "FAKE_BOOT": "stay"}
    until = "x86_64 base" if stage == "configuration" else "ok test_tlb_flushed"
    made = interrupted(fake_tree, until=until, env=env, signum=signal.SIGTERM)
    assert stage in made["cells"][0]["detail"]
    assert not processes_of(fake_tree)


def test_a_tree_without_a_commit_is_always_built(fake_tree: Path) -> None:
    shutil.rmtree(fake_tree / ".git")
    git(fake_tree, "init", "-q")
    assert build_lines(document(fake_tree)) == 3
    assert build_lines(document(fake_tree)) == 3


def test_nothing_of_another_build_steers_ours(fake_tree: Path, tmp_path: Path) -> None:
    """mermapctl may be started by a make, or in a shell with make's variables."""
    other = str(tmp_path / "other")
    env = {"KBUILD_OUTPUT": other, "KCONFIG_CONFIG": other, "MAKEFLAGS": "n", "ARCH": "arm"}
    assert build_lines(document(fake_tree, **env)) == 3
    assert not (tmp_path / "other").exists()
