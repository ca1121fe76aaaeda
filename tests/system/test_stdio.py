# SPDX-License-Identifier: GPL-2.0-only
"""With any standard streams, exit code 1 means "failed" and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mermapctl
from tests.tables import LOGS

RUN = f"{sys.executable} -m mermapctl run --tree linux --accel tcg"


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("log", "where", "code"),
    [
        ("good", "| true; exit ${PIPESTATUS[0]}", 0),
        ("missing-flush", "| true; exit ${PIPESTATUS[0]}", 1),
        ("panic-before-ktap", "--bisect-exit | true; exit ${PIPESTATUS[0]}", 125),
        ("good", "2> >(true)", 0),
        ("good", "2>/dev/full", 0),
        ("good", "<&- >&- 2>&-", 0),
        ("missing-flush", "<&- >&- 2>&-", 1),
        ("good", ">/dev/full", 3),
        ("good", "--bisect-exit >/dev/full", 128),
        ("good", "--format=json >/dev/full 2>/dev/full", 3),
    ],
)
@pytest.mark.usefixtures("fake_tree")
def test_the_exit_code_of_a_run_whose_output_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, where: str, code: int
) -> None:
    monkeypatch.setenv("FAKE_LOG", str(LOGS / f"{log}.log"))
    done = shell(f"{RUN} {where}", tmp_path)
    assert done.returncode == code, done.stderr
    assert "defect" not in done.stderr


@pytest.mark.usefixtures("fake_tree")
def test_a_full_disk_behind_stdout_is_named(tmp_path: Path) -> None:
    done = shell(f"{RUN} --quiet >/dev/full", tmp_path)
    assert "stdout: No space left on device" in done.stderr


def test_a_bisection_blames_no_commit_that_cannot_be_judged(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    assert shell(RUN, tmp_path).returncode == 2
    done = shell(f"{RUN} --bisect-exit", tmp_path)
    assert done.returncode == 128
    assert "is not a kernel tree" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("argv", ["config list", "config show base", "tree status linux"])
@pytest.mark.usefixtures("fake_tree")
def test_any_encoding_carries_what_is_printed(tmp_path: Path, argv: str, encoding: str) -> None:
    python = f"PYTHONIOENCODING={encoding} {sys.executable}"
    done = shell(f"{python} -m mermapctl {argv} | wc -l; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_shows_control_characters(fake_tree: Path) -> None:
    (fake_tree / "tools/testing/kunit/kunit.py").write_text("raise SystemExit('a\\x1b[31mb')")
    done = shell(RUN, fake_tree.parent)
    assert done.returncode == 2
    assert "a␛[31mb" in done.stderr
    assert "\x1b" not in done.stderr


def test_debug_shows_the_traceback_under_the_same_exit_code(tmp_path: Path) -> None:
    done = shell(RUN.replace(" run", " --debug run"), tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().splitlines()[-2].startswith("mermapctl: error: ")


@pytest.mark.parametrize("module", ["click", "mermapctl/errors", "mermapctl/system/stdio"])
def test_an_installation_that_cannot_start_is_no_failed_test(module: str, tmp_path: Path) -> None:
    """Python's own exit code for an import that fails is 1."""
    broken = tmp_path / "broken"
    if module.startswith("mermapctl"):
        shutil.copytree(Path(mermapctl.__file__).parent, broken / "mermapctl")
    broken.mkdir(exist_ok=True)
    (broken / f"{module}.py").write_text("raise ImportError('broken\x1b[31m')\n")
    command = f"cd broken && {sys.executable} -m mermapctl report list"
    done = shell(command, tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "it cannot start: ImportError: broken" in done.stderr
    assert "\x1b" not in done.stderr
    assert shell(f"{command} --bisect-exit", tmp_path).returncode == 128
    assert shell(f"{command} 2>&-", tmp_path).returncode == 3
    debug = shell(f"{command} --debug", tmp_path)
    assert (debug.returncode, "Traceback" in debug.stderr) == (3, True)
