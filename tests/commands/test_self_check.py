# SPDX-License-Identifier: GPL-2.0-only
"""`doctor --deep`: two boots of a kernel that is built must print the same console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mermapctl.commands import self_check
from tests.forkserver import command
from tests.runner.test_run import run
from tests.tables import LOGS


def checked(tree: Path, *argv: str, **env: str) -> dict[str, Any]:
    """Return the check of `doctor --deep`."""
    done = command(
        "doctor", f"--tree={tree}", "--deep", "--no-kvm", "--format=json", *argv, env=env
    )
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["checks"]
    (found,) = [each for each in checks if each["name"] == self_check.NAME]
    return dict(found)


@pytest.fixture
def built_tree(fake_tree: Path) -> Path:
    assert run(fake_tree).returncode == 0
    return fake_tree


def test_two_boots_with_one_console(built_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    found = checked(built_tree, FAKE_ARGS=str(said))
    assert (found["state"], found["needed"]) == ("ok", False)
    assert found["found"].startswith("two boots, one console of ")
    boots = [json.loads(line) for line in said.read_text().splitlines()]
    assert [boot[boot.index("-seed") + 1] for boot in boots] == ["1", "1"]
    assert all("-icount" in boot for boot in boots)


def test_two_boots_that_differ(built_tree: Path, tmp_path: Path) -> None:
    env = {
        "FAKE_ARGS": str(tmp_path / "arguments"), "FAKE_LOG": str(LOGS / "trace-good.log"),
        "FAKE_SECOND_LOG": str(LOGS / "missing-flush.log"),
    }  # fmt: skip
    found = checked(built_tree, **env)
    assert found["state"] == "broken"
    assert found["found"].startswith("two boots of one kernel differ from line ")


def test_without_a_kernel_it_names_the_command_that_builds_one(fake_tree: Path) -> None:
    found = checked(fake_tree)
    assert found["state"] == "missing"
    assert found["found"] == f"not tried: no kernel of {fake_tree} is built for x86_64"
    assert found["advice"] == f"`mermapctl run --tree {fake_tree} --target x86_64` builds one"


def test_without_an_emulated_guest_it_is_not_tried(fake_tree: Path) -> None:
    assert "um" in checked(fake_tree, "--target=um")["found"]
