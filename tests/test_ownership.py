# SPDX-License-Identifier: GPL-2.0-only
"""Whose tree is it: asked before any program of it is started."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mermapctl
from mermapctl import ownership
from mermapctl.errors import UserError

NOBODY = 65534
ROOT = os.geteuid() == 0
PROGRAMS = ["tools/testing/kunit/kunit.py", "Makefile", "Kconfig", ".git"]
COMMANDS = [
    ("run", "--tree={tree}"),
    ("config", "check", "--tree={tree}", "base"),
    ("config", "explain", "--tree={tree}", "MERMAP"),
    ("tree", "status", "{tree}"),
    ("doctor", "--tree={tree}"),
]


@pytest.fixture
def canary(fake_tree: Path, tmp_path: Path) -> Path:
    """A file that exists once a program of the tree has run."""
    ran = tmp_path / "ran"
    kunit = fake_tree / "tools/testing/kunit/kunit.py"
    kunit.write_text(f"open({str(ran)!r}, 'w')\n" + kunit.read_text())
    makefile = fake_tree / "Makefile"
    makefile.write_text(f"X := $(shell touch {ran})\n" + makefile.read_text())
    kconfig = fake_tree / "Kconfig"
    kconfig.write_text(kconfig.read_text() + f"\nX := $(shell,touch {ran})\n")
    return ran


def pretend(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Make `path` another user's: root gives it away, others are taken for somebody else."""
    if ROOT:
        os.chown(path, NOBODY, -1)
    else:
        mine = ownership._trusted_owners() - {os.geteuid()}
        monkeypatch.setattr(ownership, "_trusted_owners", lambda: mine)


@pytest.mark.parametrize("part", ["", *PROGRAMS, "scripts"])
def test_a_tree_with_a_strangers_program_is_refused(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    (fake_tree / "scripts").mkdir(exist_ok=True)
    ownership.require(fake_tree)
    pretend(monkeypatch, fake_tree / part)
    with pytest.raises(UserError, match="belongs to another user") as caught:
        ownership.require(fake_tree)
    assert "safe.directory" in (caught.value.hint or "")
    assert not ownership.is_trusted(fake_tree)


@pytest.mark.parametrize("value", ["{tree}", "*", "{parent}/*"])
def test_a_tree_that_the_user_has_listed_is_run(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    pretend(monkeypatch, fake_tree)
    listed = value.format(tree=fake_tree, parent=fake_tree.parent)
    config = tmp_path / "gitconfig"
    config.write_text(f"[safe]\n\tdirectory = {listed}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    ownership.require(fake_tree)
    config.write_text(f"[safe]\n\tdirectory = {listed}\n\tdirectory =\n")
    assert not ownership.is_trusted(fake_tree)


def test_a_repository_cannot_vouch_for_itself(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (fake_tree / ".git/config").open("a") as config:
        config.write("[safe]\n\tdirectory = *\n")
    pretend(monkeypatch, fake_tree)
    monkeypatch.chdir(fake_tree)
    assert not ownership.is_trusted(fake_tree)


@pytest.mark.parametrize("with_git", [True, False])
@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: "-".join(argv[:2]))
def test_no_command_runs_a_strangers_program(
    fake_tree: Path, canary: Path, argv: tuple[str, ...], *, with_git: bool
) -> None:
    if not with_git:
        subprocess.run(["rm", "-rf", str(fake_tree / ".git")], check=True)
    if ROOT:
        os.chown(fake_tree / "Makefile", NOBODY, -1)
    script = "from mermapctl.__main__ import main; main()"
    if not ROOT:
        script = (
            "from mermapctl import ownership\n"
            "ownership._trusted_owners = lambda: frozenset({0})\n" + script
        )
    words = [each.format(tree=fake_tree) for each in argv]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert not canary.exists(), done.stderr
    assert "safe.directory" in done.stdout + done.stderr
    assert done.returncode == (1 if argv[0] == "doctor" else 2)
    assert "defect" not in done.stderr


GATED = {"kunit", "stages", "kconfig", "olddefconfig", "machine", "tree"}
"""Modules that start a program of a tree."""


def test_every_module_that_starts_a_trees_program_goes_through_the_gate() -> None:
    package = Path(mermapctl.__file__).parent
    for name in GATED:
        called = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse((package / f"{name}.py").read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        assert called & {"ownership.require", "ownership.is_trusted"}, name
