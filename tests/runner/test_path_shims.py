# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError
from mermapctl.runner import path_shims
from mermapctl.runner.path_shims import Goals

ECHO = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


def program(directory: Path, name: str) -> None:
    directory.mkdir()
    (directory / name).write_text(ECHO)
    (directory / name).chmod(0o755)


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["-accel", "tcg"]),
        (["-m", "1024"], ["-accel", "tcg", "-m", "1024"]),
        (
            ["-m", "1", "-accel", "kvm", "-accel", "hvf", "-accel", "tcg", "-serial", "stdio"],
            ["-accel", "tcg", "-m", "1", "-serial", "stdio"],
        ),
        (["-append", "a b 'c' $d", "-accel", "kvm"], ["-accel", "tcg", "-append", "a b 'c' $d"]),
        (["-accel"], ["-accel", "tcg"]),
    ],
)
def test_qemu_runs_with_the_one_accelerator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[str]
) -> None:
    program(tmp_path / "real dir", "qemu-system-x86_64")
    monkeypatch.setenv("PATH", f"{tmp_path / 'real dir'}:{os.environ['PATH']}")
    path_shims.write_qemu(tmp_path / "bin", "qemu-system-x86_64", "tcg")
    done = subprocess.run(
        [tmp_path / "bin/qemu-system-x86_64", *given], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout) == passed
    assert done.returncode == 0


def test_qemu_boots_the_kernel_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "has", "qemu-system-x")
    monkeypatch.setenv("PATH", f"{tmp_path / 'has'}:{os.environ['PATH']}")
    kernel = tmp_path / "it's/vmlinux"
    path_shims.write_qemu(tmp_path / "bin", "qemu-system-x", "tcg", kernel=kernel)
    given = ["-accel", "kvm", "-kernel", "build/bzImage", "-append", "-kernel"]
    done = subprocess.run([tmp_path / "bin/qemu-system-x", *given], capture_output=True, check=True)
    passed = ["-accel", "tcg", "-kernel", str(kernel), "-append", "-kernel"]
    assert json.loads(done.stdout) == passed


SAYS = """#!/usr/bin/env python3
import os, signal, sys, time
print(os.getpid(), flush=True)
for n in range(2000):
    os.write(1 + n % 2, b"%d\\n" % n)
time.sleep(float(sys.argv[-1]))
sys.exit(7)
"""


@pytest.fixture
def speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write a QEMU that prints its pid and 2,000 numbers on both streams, and waits."""
    program(tmp_path / "has", "qemu-system-x")
    (tmp_path / "has/qemu-system-x").write_text(SAYS)
    monkeypatch.setenv("PATH", f"{tmp_path / 'has'}:{os.environ['PATH']}")
    path_shims.write_qemu(tmp_path / "bin", "qemu-system-x", "tcg")
    return [str(tmp_path / "bin/qemu-system-x")]


def ended(speaker: list[str]) -> str:
    return Path(f"{speaker[0]}.ended").read_text()


def test_all_output_of_qemu_arrives_in_order(speaker: list[str]) -> None:
    command = [*speaker, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
        said, _ = qemu.communicate()
    assert [int(line) for line in said.split()[1:]] == [*range(2000)]
    assert qemu.returncode == 7
    assert ended(speaker) == "7"


FLOODS = """#!/usr/bin/env python3
import os
os.set_blocking(1, False)
lost = 0
for n in range(100_000):
    try:
        os.write(1, b"%011d\\n" % n)
    except BlockingIOError:
        lost += 1
os.set_blocking(1, True)
os.write(1, b"%d lost\\n" % lost)
"""


def test_a_reader_that_is_late_costs_no_byte(speaker: list[str], tmp_path: Path) -> None:
    """Write without waiting, like QEMU, and drop output after four tries on a full pipe."""
    (tmp_path / "has/qemu-system-x").write_text(FLOODS)
    with subprocess.Popen(speaker, stdout=subprocess.PIPE) as qemu:
        assert qemu.stdout is not None
        until = time.monotonic() + 30
        while not Path(f"{speaker[0]}.ended").exists() or ended(speaker) in ("", "begun"):
            assert time.monotonic() < until
            time.sleep(0.01)  # read only after everything has been written
        *numbers, last = qemu.stdout.read().splitlines()
    assert last == b"0 lost"
    assert [int(line) for line in numbers] == [*range(100_000)]


def test_a_qemu_that_is_ended_leaves_nothing_behind(speaker: list[str]) -> None:
    command = [*speaker, "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
        assert qemu.stdout is not None
        seen = b""
        while b"1999\n" not in seen:
            seen += os.read(qemu.stdout.fileno(), 4096)
        qemu.terminate()
        assert qemu.stdout.read() == b""  # the end of file: no process has the pipe open
    assert qemu.returncode == 128 + 15
    assert ended(speaker) == "-15"


def test_how_qemu_ended_is_written_down(speaker: list[str]) -> None:
    with subprocess.Popen([*speaker, "600"], stdout=subprocess.PIPE) as qemu:
        assert qemu.stdout is not None
        pid = int(qemu.stdout.readline())
        assert ended(speaker) == "begun"
        os.kill(pid, signal.SIGKILL)
        qemu.stdout.read()
    assert (qemu.returncode, ended(speaker)) == (128 + 9, "-9")


def test_a_place_that_cannot_be_written_to_keeps_no_qemu_from_booting(
    speaker: list[str], tmp_path: Path
) -> None:
    (tmp_path / "bin/qemu-system-x.ended").mkdir()
    done = subprocess.run([*speaker, "0"], capture_output=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (7, b"1999")


def test_makes_whole_output_is_in_the_log_in_order(tmp_path: Path) -> None:
    log = tmp_path / "it's a log"
    path_shims.write_make(tmp_path / "bin", log, Goals())
    (tmp_path / "Makefile").write_text("all: ; @echo one; echo two >&2; echo $(X); exit 3\n")
    done = subprocess.run(
        [tmp_path / "bin/make", "-C", tmp_path, "X=three four"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")
    assert log.read_text().splitlines()[1:4] == ["one", "two", "three four"]


def test_a_missing_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="qemu-system-x86_64 is not installed"):
        path_shims.write_qemu(tmp_path / "bin", "qemu-system-x86_64", "tcg")


def test_the_programs_are_executable_and_name_their_license(tmp_path: Path) -> None:
    path_shims.write_make(tmp_path, tmp_path / "log", Goals())
    assert (tmp_path / "make").stat().st_mode & stat.S_IXUSR
    assert "SPDX-License-Identifier: GPL-2.0-only" in (tmp_path / "make").read_text()


@pytest.mark.parametrize(
    ("goals", "given", "made"),
    [
        (Goals(), "all compile_commands.json", ["all", "compile_commands.json"]),
        (Goals(), "olddefconfig", ["olddefconfig"]),
        (Goals(("bzImage",)), "all compile_commands.json scripts_gdb O=/x", ["bzImage"]),
        (Goals(("bzImage", "modules")), "all O=/x -j2", ["bzImage", "modules"]),
        (Goals(("bzImage",)), "olddefconfig", ["olddefconfig"]),
        (Goals(current=True), "olddefconfig O=/x", []),
        (Goals(("linux",), current=True), "all O=/x", ["linux"]),
    ],
)
def test_make_makes_what_is_booted(
    tmp_path: Path, goals: Goals, given: str, made: list[str]
) -> None:
    log = tmp_path / "log"
    log.touch()
    path_shims.write_make(tmp_path / "bin", log, goals)
    every = "all compile_commands.json scripts_gdb olddefconfig bzImage modules linux"
    (tmp_path / "Makefile").write_text(f"{every}: ; @echo $@\n")
    argv = [str(tmp_path / "bin/make"), "-s", "-C", str(tmp_path), *given.split()]
    assert subprocess.run(argv, check=False).returncode == 0
    assert sorted(log.read_text().split()) == sorted(made)
