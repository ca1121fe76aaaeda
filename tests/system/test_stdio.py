# SPDX-License-Identifier: GPL-2.0-only
"""With any standard streams, exit code 1 means "failed" and nothing else."""

from __future__ import annotations

import os
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


COMMANDS = [
    ["--help"],
    ["run", "--help"],
    ["config", "list"],
    ["config", "list", "--format=json"],
    ["config", "show", "kasan"],
    ["config", "write", "base", "-o", "-"],
    ["config", "check", "base", "--tree", "linux"],
    ["config", "explain", "MERMAP", "--tree", "linux"],
    ["tree", "status", "linux"],
    ["doctor", "--no-kvm"],
    ["completion", "bash"],
    ["report", "list"],
    *(
        ["report", "log", str(LOGS / "missing-flush.log"), f"--format={form}"]
        for form in ("table", "json", "junit", "html", "markdown", "email", "kcidb", "checks")
    ),
    ["report", "log", str(LOGS / "real-v1-trace-good.log"), "--format=html"],
]


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("fake_tree")
def test_no_command_fails_for_a_reader_that_went_away(argv: list[str], tmp_path: Path) -> None:
    def code(stdout: int) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mermapctl", *argv],
            cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    plain = code(subprocess.DEVNULL)
    reader, writer = os.pipe()
    os.close(reader)
    assert code(writer) == plain
    os.close(writer)


def test_a_pipe_that_is_not_to_be_waited_for_is_waited_for(tmp_path: Path) -> None:
    """Another program may have made the pipe non-blocking, for all who have it open."""
    script = (
        "import os, subprocess, sys, time\n"
        "reader, writer = os.pipe()\nos.set_blocking(writer, False)\n"
        "words = [sys.executable, '-m', 'mermapctl', *sys.argv[1:]]\n"
        "run = subprocess.Popen(words, stdout=writer)\nos.close(writer)\ntime.sleep(2)\n"
        "data = open(reader, 'rb').read()\nprint(len(data), run.wait())\n"
    )
    log = str(LOGS / "real-v1-trace-good.log")
    words = ["report", "log", log, "--format=html", "-o"]
    out = tmp_path / "page.html"
    whole = subprocess.run([sys.executable, "-m", "mermapctl", *words, str(out)], check=False)
    done = subprocess.run(
        [sys.executable, "-c", script, *words[:-1]], capture_output=True, text=True, check=True
    )
    size, code = map(int, done.stdout.split())
    assert (code, size > 1 << 17) == (whole.returncode, True), done.stderr


def test_following_ends_with_its_reader(fake_tree: Path) -> None:
    env = f"FAKE_LOG={LOGS / 'good.log'} FAKE_BOOT=trickle"
    script = (
        f"{env} {RUN} --quiet >/dev/null & sleep 0.1; until ls $MERMAPCTL_HOME/state/runs/*/cells"
        f" >/dev/null 2>&1; do sleep 0.1; done; {sys.executable} -m mermapctl report follow"
        " | head -1 >/dev/null; code=${PIPESTATUS[0]}; kill $!; wait; exit $code"
    )
    done = shell(script, fake_tree.parent)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
