# SPDX-License-Identifier: GPL-2.0-only
"""A farm with TLS on real kernels: two workers, two commits; then a worker is killed in a build."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import git
from tests.e2e.conftest import ROOT, Run, lasting_clone
from tests.runner.test_run import processes_of
from tests.series import farming
from tests.series.farming import TestFarm, wait_until

pytestmark = pytest.mark.e2e

WORKERS = ("alpha", "beta")


@pytest.fixture(scope="module")
def tree(reference_tree: Path) -> Path:
    """Return a clone with four commits, each a kernel that has never been built."""
    clone = lasting_clone(reference_tree, "e2e-farm")
    for number in range(1, 5):
        with (clone / "mm/mermap.c").open("a") as source:
            source.write(f"const long mermap_step_{number} = {time.time_ns()};\n")
        git(clone, "commit", "-qam", f"step {number}")
    return clone


@pytest.fixture(scope="module")
def farm(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestFarm]:
    """Yield a farm of two workers with lasting homes, so that a later run builds incrementally.

    The kernel is built here before: else both workers would compile it whole, in the same minutes.
    """
    assert run("--accel=tcg").code == 0
    with farming.farm(tmp_path_factory.mktemp("farm") / "farm") as made:
        made.home = ROOT / "build" / "e2e-farm"
        for name in WORKERS:
            made.hire(name)
        yield made


class Client:
    """`mermapctl run --commits` of a range in a process of its own, for a home of its own."""

    def __init__(self, tree: Path, farm: TestFarm, commits: str, place: Path) -> None:
        self.home = place / "home"
        self._log = place / "client.log"
        argv = [sys.executable, "-m", "mermapctl", "run", f"--tree={tree}", "--format=json"]
        argv += [f"--commits={commits}", "--accel=tcg", "--engine=dask", *farm.options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "MERMAPCTL_HOME": str(self.home)},
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def record(self) -> dict[str, Any]:
        """Wait for the end; return the record of a run that has passed."""
        out, _ = self._process.communicate(timeout=900)
        assert self._process.returncode == 0, self.said
        made: dict[str, Any] = json.loads(out)
        return made


def compiling(farm: TestFarm, name: str) -> bool:
    """Return whether a worker compiles mm/mermap.c."""
    for pid in processes_of(farm.home / name):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"cc1") and any(b"mm/mermap.c" in word for word in words):
                return True
    return False


def whole(made: dict[str, Any], home: Path) -> None:
    """Assert that each cell has passed, with a machine, and its files in the client's run."""
    folder = home / "state/runs" / made["run"]["id"]
    for cell in made["cells"]:
        assert (cell["verdict"], cell["inherited"], cell["reused"]) == ("passed", None, None)
        assert cell["machine"]["cpus"] == os.cpu_count()
        assert sum(map(len, (suite["tests"] for suite in cell["suites"]))) > 1
        console = Path(cell["artifacts"]["console"])
        assert console.is_relative_to(folder)
        text = console.read_text()
        assert "Linux version" in text
        assert "ok 1 mermap" in text
        assert "reboot: machine restart" in text
        for name in ("config", "build_log"):
            path = Path(cell["artifacts"][name])
            assert path.is_relative_to(folder)
            assert path.stat().st_size


def test_two_workers_build_and_boot_a_commit_each(
    tree: Path, farm: TestFarm, tmp_path: Path
) -> None:
    client = Client(tree, farm, "HEAD~4..HEAD~2", tmp_path)
    made = client.record()
    assert len(made["cells"]) == 2
    whole(made, client.home)
    assert not any(cell["tries"] for cell in made["cells"])


def test_a_worker_killed_in_a_build_leaves_no_process_and_the_other_ends_its_cell(
    tree: Path, farm: TestFarm, tmp_path: Path
) -> None:
    client = Client(tree, farm, "HEAD~2..", tmp_path)
    wait_until(lambda: compiling(farm, "alpha") or client.ended, 300)
    assert not client.ended, client.said
    farm.workers["alpha"].kill()
    farm.workers["alpha"].wait()
    time.sleep(1)
    assert not processes_of(farm.home / "alpha")
    made = client.record()
    assert len(made["cells"]) == 2
    whole(made, client.home)
    (again,) = (cell for cell in made["cells"] if cell["tries"])
    (lost,) = again["tries"]
    assert lost["worker"] == "alpha"
    assert "it is gone" in lost["why"]
