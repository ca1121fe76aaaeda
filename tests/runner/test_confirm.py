# SPDX-License-Identifier: GPL-2.0-only
"""`run --confirm`: a failed boot is repeated with its seed, and the two consoles are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mermapctl.judge import reproduction
from tests.forkserver import command
from tests.runner.test_repeat import repeated
from tests.runner.test_run import document
from tests.runner.test_unprobed import console

PLAIN = ("--no-witness", "--confirm", "--seed=5")


def confirmed(tree: Path, log: str, *argv: str, **env: str) -> dict[str, Any]:
    (cell,) = document(tree, *PLAIN, *argv, FAKE_LOG=console(log), **env)["cells"]
    return dict(cell)


def boots(path: Path) -> list[list[str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_same_console_again(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = confirmed(fake_tree, "missing-flush", FAKE_ARGS=str(said))
    again = cell["reproduction"]
    assert (cell["verdict"], again["identical"], again["verdict"]) == ("failed", True, "failed")
    assert (again["seed"], again["differs"], again["console"]) == (5, None, None)
    assert again["lines"] > 100
    assert again["words"].startswith("booted again with seed 5: the same console, byte for byte (")
    assert "--confirm" in cell["reproduce"][0]
    first, _, last = boots(said)
    assert first == last
    assert again["words"] in command("report", "show").stdout.replace("\n", " ")
    kept = Path(cell["artifacts"]["directory"])
    assert not [*kept.glob("*confirm*")]


def test_another_console_is_a_warning_and_kept(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = confirmed(
        fake_tree, "missing-flush", FAKE_ARGS=str(said), FAKE_SECOND_LOG=console("trace-good")
    )
    again = cell["reproduction"]
    assert (cell["verdict"], again["identical"], again["verdict"]) == ("failed", False, "passed")
    assert again["differs"] >= 1
    assert Path(again["console"]).is_file()
    (found,) = [each for each in cell["findings"] if each["code"] == reproduction.CODE]
    assert found["severity"] == "warning"
    assert "not the same console from line" in found["summary"]
    assert found["summary"].endswith("its verdict: passed")
    assert command("report", "rejudge").returncode == 0
    (after,) = json.loads(command("report", "show", "--format=json").stdout)["cells"]
    assert after == cell


def test_a_kernel_that_passes_is_not_booted_again(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    cell = confirmed(fake_tree, "trace-good", FAKE_ARGS=str(said))
    assert (cell["verdict"], cell["reproduction"], len(boots(said))) == ("passed", None, 1)


def test_the_hosts_clock_reproduces_nothing(fake_tree: Path) -> None:
    cell = confirmed(fake_tree, "missing-flush", "--no-reproducible")
    assert (cell["verdict"], cell["reproduction"]) == ("failed", None)
    assert "not booted again with its seed: its boot is not reproducible" in cell["notes"]


def test_of_several_boots_it_is_the_one_that_failed(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    (cell,) = repeated(fake_tree, "--confirm", bad_seeds="9", FAKE_ARGS=str(said))["cells"]
    again = cell["reproduction"]
    assert (cell["verdict"], again["identical"], again["seed"]) == ("failed", True, 9)
    seeds = [boot[boot.index("-seed") + 1] for boot in boots(said)]
    assert seeds == ["7", "8", "9", "10", "9"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([b"a\n", b"b\n"], [b"a\n", b"b\n"], (None, 2)),
        ([b"a\n", b"b\n"], [b"a\n", b"c\n"], (2, 2)),
        ([b"a\n", b"b\n"], [b"a\n"], (2, 2)),
        ([b"[12:00:01] x\n", b"a\n"], [b"[12:00:02] y\n", b"$ qemu-system-x86_64 -m 1\n", b"a\n"],
         (None, 1)),
        ([b"\xff\0\r\n"], [b"\xfe\0\r\n"], (1, 1)),
        ([], [], (None, 0)),
    ],
)  # fmt: skip
def test_consoles_are_compared_line_by_line(
    first: list[bytes], second: list[bytes], expected: tuple[int | None, int]
) -> None:
    assert reproduction.differing(first, second) == expected
