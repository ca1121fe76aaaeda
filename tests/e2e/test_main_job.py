# SPDX-License-Identifier: GPL-2.0-only
"""The main job on real kernels: built from source here, booted in QEMU and in UML."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import git
from tests.e2e.conftest import Run, mermapctl
from tests.tables import NAMES

pytestmark = pytest.mark.e2e


def test_the_reference_mermap_passes_on_x86_64(run: Run) -> None:
    ran = run()
    assert ran.code == 0, ran.document
    assert ran.statuses == dict.fromkeys(NAMES, "passed")
    assert ran.codes == []
    cell = ran.cell
    assert cell["verdict"] == "passed"
    assert cell["accelerator"] in {"kvm", "tcg"}
    assert "pti=on" in cell["kernel_args"]
    (flush,) = [row for row in cell["flushes"] if row["test"] == "test_tlb_flushed"]
    assert (flush["expected"], flush["counted"]) == (1, 1)
    seconds = [test["seconds"] for test in cell["suites"][0]["tests"]]
    assert all(second is not None and 0 <= second < 60 for second in seconds)
    console = Path(cell["artifacts"]["console"]).read_text(errors="replace")
    assert "Linux version 6." in console or "Linux version 7." in console
    assert "CONFIG_MERMAP=y" in Path(cell["artifacts"]["config"]).read_text()


def test_report_shows_what_run_showed(run: Run) -> None:
    ran = run("--suite=mermap")
    stored = mermapctl("report", "--format=json")
    assert stored.returncode == 0
    assert stored.stdout.strip()
    assert re.search(ran.document["run"]["id"], stored.stdout)
    table = mermapctl("report", "--full")
    for words in ("test_tlb_flushed", "passed", "mermapctl run", "kunit.py"):
        assert words in table.stdout
    console = ran.cell["artifacts"]["console"]
    judged = mermapctl("report", "log", str(console))
    assert judged.returncode == 0, judged.stderr
    assert "test_tlb_flushed" in judged.stdout


def test_the_built_kernel_is_the_one_of_kunit_py(
    run: Run, reference_tree: Path, tmp_path: Path
) -> None:
    """kunit.py run by hand, without mermapctl's make or ccache: same .config, compiler and code."""
    cell = run().cell
    command = next(line for line in cell["reproduce"] if "kunit.py config" in line)
    argv = shlex.split(command)
    ours = Path(next(a for a in argv if a.startswith("--build_dir=")).partition("=")[2])
    theirs = tmp_path / "build"
    argv = [f"--build_dir={theirs}" if a.startswith("--build_dir=") else a for a in argv]
    subprocess.run(argv, cwd=reference_tree, check=True, capture_output=True)
    assert (theirs / ".config").read_bytes() == (ours / ".config").read_bytes()
    make = ["make", "-j2", "ARCH=x86_64", f"O={theirs}", "mm/mermap.o"]
    subprocess.run(make, cwd=reference_tree, check=True, capture_output=True)
    command_of = {
        path: (path / "mm/.mermap.o.cmd").read_text().splitlines()[0] for path in (ours, theirs)
    }
    assert command_of[ours] == command_of[theirs]
    assert " gcc -Wp,-MMD,mm/.mermap.o.d " in command_of[ours]
    assert (theirs / "mm/mermap.o").read_bytes() == (ours / "mm/mermap.o").read_bytes()


def test_the_example_suite_runs_on_uml(run: Run) -> None:
    ran = run("--target=um", "--suite=example")
    assert ran.code == 0, ran.document
    assert ran.cell["accelerator"] == "none"
    assert ran.cell["suites"][0]["name"] == "example"
    assert ran.statuses["example_simple_test"] == "passed"
    assert ran.statuses["example_skip_test"] == "skipped"


def test_uml_is_refused_at_once(reference_tree: Path) -> None:
    done = mermapctl("run", f"--tree={reference_tree}", "--target=um")
    assert done.returncode == 2
    assert "ARCH_SUPPORTS_MERMAP is selected by X86_64" in done.stderr


@pytest.fixture
def broken_mermap(reference_tree: Path) -> object:
    """Remove the flush at the wrap, and its count, from the reference mermap."""
    source = reference_tree / "mm/mermap.c"
    text = source.read_text()
    broken = text
    for statement in ("arch_mermap_flush_tlb();", "mermap_count_flush(mc);"):
        assert text.count(statement) == 1, f"mm/mermap.c has no {statement} to take out"
        broken = broken.replace(statement, "")
    source.write_text(broken)
    yield source
    git(reference_tree, "checkout", "-q", "--", "mm/mermap.c")


@pytest.mark.usefixtures("broken_mermap")
def test_a_mermap_that_forgets_its_flush_is_named(run: Run) -> None:
    ran = run()
    assert ran.code == 1
    assert ran.statuses == {**dict.fromkeys(NAMES, "passed"), "test_tlb_flushed": "failed"}
    assert ran.codes == ["missing-flush"]
    assert ran.document["tree"]["dirty"] is True


FAILING_KVM = """#!/bin/sh
case " $* " in
*" -accel kvm "*)
    echo 'KVM internal error. Suberror: 1'
    echo 'emulation failure'
    exec sleep 600 ;;
esac
exec {real} "$@"
"""


def test_a_kvm_that_fails_is_replaced_by_emulation(
    reference_tree: Path, tmp_path: Path, e2e_home: Path
) -> None:
    real = shutil.which("qemu-system-x86_64")
    (tmp_path / "qemu-system-x86_64").write_text(FAILING_KVM.format(real=real))
    (tmp_path / "qemu-system-x86_64").chmod(0o755)
    (tmp_path / "kvm").write_text("")
    shutil.rmtree(e2e_home / "cache/kvm-failed", ignore_errors=True)
    script = (
        "from pathlib import Path\nfrom mermapctl.runner import accelerator\n"
        f"accelerator.KVM = Path({str(tmp_path / 'kvm')!r})\n"
        "from mermapctl.__main__ import main\nmain()"
    )
    argv = [sys.executable, "-c", script, "run", f"--tree={reference_tree}"]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "KVM cannot run this kernel (KVM internal error. Suberror: 1)" in done.stderr
    assert "tcg" in done.stdout
