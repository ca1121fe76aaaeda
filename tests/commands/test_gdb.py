# SPDX-License-Identifier: GPL-2.0-only
"""`run --gdb`: a guest that waits for gdb; nothing is judged, and nothing is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mermapctl.commands import gdb
from mermapctl.config import plan, target
from mermapctl.config.plan import Request
from mermapctl.records.folder import RunFolder
from mermapctl.runner.job import begin
from mermapctl.runner.kunit import Capabilities
from tests.forkserver import command
from tests.tables import LOGS


def test_the_guest_starts_stopped_without_probes_and_with_the_hosts_clock(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    env = {"FAKE_LOG": str(LOGS / "good.log"), "FAKE_ARGS": str(said)}
    done = command("run", f"--tree={fake_tree}", "--gdb", env=env)
    (boot,) = [json.loads(line) for line in said.read_text().splitlines()]
    assert "-S" in boot
    assert boot[boot.index("-gdb") + 1].startswith("unix:/")
    kernel = boot[boot.index("-append") + 1].split() if "-append" in boot else boot
    assert any("nokaslr" in word for word in kernel), boot
    assert "-icount" not in boot
    assert "kprobe_event" not in " ".join(boot)
    # The stand-in for QEMU opens no stub: that is said, behind what it printed.
    assert (done.returncode, "QEMU opened no gdb stub" in done.stderr) == (3, True), done.stderr
    assert "ok 1 mermap" in done.stdout
    assert json.loads(command("report", "list", "--format=json").stdout)["runs"] == []


def test_a_uml_kernel_is_a_program_for_gdb(fake_tree: Path, tmp_path: Path) -> None:
    (cell,) = plan.make(target.read(fake_tree), Request(targets=("um",), suite="example"))
    job = begin(
        cell, RunFolder("gdb", tmp_path), can=Capabilities((), {}), commit=None, invoked="",
        tell=lambda _event: None,
    )  # fmt: skip
    shown: list[str] = []
    gdb.boot_stopped(job, lambda _event: None, shown.append)
    (line,) = shown
    assert line.startswith("gdb -ex 'handle SIGSEGV nostop noprint pass'")
    assert f"--args {job.build_dir}/linux mem=1G " in line
    assert " kunit.filter_glob=example " in line


def test_a_kernel_that_cannot_be_built_cannot_be_booted(fake_tree: Path) -> None:
    done = command("run", f"--tree={fake_tree}", "--gdb", env={"FAKE_BUILD_ERROR": "1"})
    assert done.returncode == 3
    assert "there is no kernel to boot: " in done.stderr


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("--commits", "HEAD~1.."), "--commits"),
        (("--format=json",), "--format"),
        (("-q",), "--quiet"),
        (("--repeat=3",), "--repeat"),
        (("--dry-run",), "--dry-run"),
    ],
)
def test_what_judges_is_refused(fake_tree: Path, argv: tuple[str, ...], named: str) -> None:
    done = command("run", f"--tree={fake_tree}", "--gdb", *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"judges nothing: not with {named}" in done.stderr


def test_two_kernels_are_one_too_many(fake_tree: Path) -> None:
    done = command("run", f"--tree={fake_tree}", "--gdb", "--variant=base", "--variant=smp")
    assert done.returncode == 2
    assert "--gdb boots one kernel, and 2 cells are asked for" in done.stderr
