# SPDX-License-Identifier: GPL-2.0-only
"""One prepared kernel tree and one home for all tests that build and boot real kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """One `mermapctl run`: its exit code, its JSON document, and what it said on stderr."""

    code: int
    document: dict[str, Any]
    stderr: str

    @property
    def cell(self) -> dict[str, Any]:
        """The only cell."""
        (cell,) = self.document["cells"]
        found: dict[str, Any] = cell
        return found

    @property
    def statuses(self) -> dict[str, str]:
        """Test name -> status, of every suite."""
        return {
            test["name"]: test["status"] for suite in self.cell["suites"] for test in suite["tests"]
        }

    @property
    def codes(self) -> list[str]:
        """The codes of all findings."""
        return [finding["code"] for finding in self.cell["findings"]]


def mermapctl(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as it is installed beside this interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "mermapctl", *argv],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )


@pytest.fixture(scope="session", autouse=True)
def e2e_home() -> Path:
    """A home that lasts: what was built for one test run is built again incrementally."""
    path = ROOT / "build" / "e2e-home"
    path.mkdir(parents=True, exist_ok=True)
    os.environ["MERMAPCTL_HOME"] = str(path)
    return path


@pytest.fixture(scope="session")
def reference_tree(e2e_home: Path) -> Path:
    """A kernel with the reference mermap: the one that `make demo` uses, prepared if need be."""
    assert e2e_home.is_dir()
    tree = Path(os.environ.get("MERMAPCTL_TEST_TREE") or ROOT / "linux")
    prepared = mermapctl("tree", "prepare", str(tree))
    assert prepared.returncode == 0, prepared.stderr
    git(tree, "checkout", "-q", "--force", "HEAD", "--", ".")  # a seeded fault of a killed run
    return tree


@pytest.fixture(scope="session")
def run(reference_tree: Path) -> Callable[..., Ran]:
    """Call `mermapctl run` on the reference tree and read its JSON document."""

    def call(*argv: str, env: dict[str, str] | None = None) -> Ran:
        done = mermapctl("run", f"--tree={reference_tree}", "--format=json", *argv, env=env)
        assert done.stdout, done.stderr
        return Ran(done.returncode, json.loads(done.stdout), done.stderr)

    return call
