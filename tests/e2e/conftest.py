# SPDX-License-Identifier: GPL-2.0-only
"""One prepared kernel tree and one home for all tests that build and boot real kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git

ROOT = Path(__file__).parents[2]
Change = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """One `mermapctl run`: its exit code, its JSON document, and its stderr."""

    code: int
    document: dict[str, Any]
    stderr: str

    @property
    def cell(self) -> dict[str, Any]:
        """Return the only cell."""
        (cell,) = self.document["cells"]
        found: dict[str, Any] = cell
        return found

    @property
    def statuses(self) -> dict[str, str]:
        """Map test names to statuses, of every suite."""
        return {
            test["name"]: test["status"] for suite in self.cell["suites"] for test in suite["tests"]
        }

    @property
    def codes(self) -> list[str]:
        """Return the codes of all findings."""
        return [finding["code"] for finding in self.cell["findings"]]


def lasting_clone(reference_tree: Path, name: str) -> Path:
    """Return a clone as it was made, at a lasting place: a later run builds incrementally."""
    clone = ROOT / "build" / name / "linux"
    if not (clone / ".git").exists():
        clone.parent.mkdir(parents=True, exist_ok=True)
        git(reference_tree, "clone", "-q", "--shared", str(reference_tree), str(clone))
    git(clone, "fetch", "-q", "origin")
    git(clone, "checkout", "-q", "--force", "--detach", git(reference_tree, "rev-parse", "HEAD"))
    return clone


def mermapctl(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line of this interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "mermapctl", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )


@pytest.fixture(scope="session", autouse=True)
def e2e_home() -> Path:
    """Set a lasting home, so that a later test run builds incrementally."""
    path = ROOT / "build" / "e2e-home"
    path.mkdir(parents=True, exist_ok=True)
    os.environ["MERMAPCTL_HOME"] = str(path)
    return path


@pytest.fixture(scope="session")
def reference_tree(e2e_home: Path) -> Path:
    """Prepare the kernel tree of `make demo`, with the reference mermap, if it is missing."""
    assert e2e_home.is_dir()
    tree = Path(os.environ.get("MERMAPCTL_TEST_TREE") or ROOT / "linux")
    prepared = mermapctl("tree", "prepare", str(tree))
    assert prepared.returncode == 0, prepared.stderr
    git(tree, "checkout", "-q", "--force", "HEAD", "--", ".")  # a killed run leaves a fault
    return tree


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def run(reference_tree: Path) -> Run:
    """Call `mermapctl run` on the reference tree and read its JSON document."""

    def call(*argv: str, env: dict[str, str] | None = None) -> Ran:
        done = mermapctl("run", f"--tree={reference_tree}", "--format=json", *argv, env=env)
        assert done.stdout, done.stderr
        return Ran(done.returncode, json.loads(done.stdout), done.stderr)

    return call


@pytest.fixture
def change(reference_tree: Path) -> Iterator[Change]:
    """Replace a piece of mm/mermap.c for one test."""
    source = reference_tree / "mm/mermap.c"

    def replace(old: str, new: str) -> None:
        text = source.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        source.write_text(text.replace(old, new))

    yield replace
    git(reference_tree, "checkout", "-q", "--", "mm/mermap.c")
