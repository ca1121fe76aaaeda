# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong on a farm: each a sentence, nothing lost, nothing run twice without need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.forkserver import command
from tests.runner.test_run import processes_of
from tests.series import farming
from tests.series.fake_commits import add_all
from tests.series.farming import TestFarm, wait_until

PLAIN = ("--accel=tcg", "--no-triage", "--no-trace", "--no-witness", "--format=json")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestFarm]:
    with farming.farm(tmp_path_factory.mktemp("farm") / "farm") as made:
        yield made


@pytest.fixture
def farm(tree: Path, tmp_path: Path, scheduler: TestFarm) -> Iterator[TestFarm]:
    """Yield a farm without workers; its scheduler is that of all tests here."""
    assert tree.is_dir()
    made = replace(scheduler, home=tmp_path / "farm", workers={})
    yield made
    made.dismiss()


def words(tree: Path, farm: TestFarm, commits: str, *argv: str) -> list[str]:
    words = ["run", f"--tree={tree}", f"--commits={commits}", *PLAIN, "--engine=dask"]
    return [*words, *farm.options, "--worker-timeout=4", *argv]


class Client:
    """`mermapctl run --commits HEAD~N..` in a process of its own."""

    def __init__(self, tree: Path, farm: TestFarm, commits: str) -> None:
        self.log = tree.parent / f"client-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mermapctl", *words(tree, farm, commits)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "COLUMNS": "1000"},
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, words: str) -> None:
        wait_until(lambda: words in self.said or self.process.poll() is not None)
        assert words in self.said, self.said

    def end(self) -> dict[str, Any]:
        """Wait for the end; return the record."""
        out, _ = self.process.communicate(timeout=60)
        assert out, self.said
        assert "Traceback" not in self.said
        made: dict[str, Any] = json.loads(out)
        return made

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def results(made: dict[str, Any]) -> list[str]:
    return [cell["reason"] or cell["verdict"] for cell in made["cells"]]


def finished(home: Path, farm: TestFarm) -> dict[Path, tuple[bytes, int]]:
    """Return the results of cells that have come back, here and on the workers, and their times.

    A cell that runs again replaces them. The client adds the machine to a result as the last.
    """
    here = {path: path.read_bytes() for path in home.glob("state/runs/*/cells/*/cell.json")}
    back = {path: data for path, data in here.items() if json.loads(data)["machine"]}
    slugs = {path.parent.name for path in back}
    there = farm.home.glob("*/cache/workers/*/state/runs/*/cells/*/cell.json")
    back |= {path: path.read_bytes() for path in there if path.parent.name in slugs}
    return {path: (data, path.stat().st_mtime_ns) for path, data in back.items()}


def building(farm: TestFarm, name: str) -> list[int]:
    """Return the makes of a worker that is building."""
    found = []
    for pid in processes_of(farm.home / name):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"make"):
            found.append(int(pid))
    return found


def test_a_worker_killed_in_a_build_leaves_no_process_and_its_cell_ends_elsewhere(
    tree: Path, farm: TestFarm, home: Path
) -> None:
    farm.hire("alpha", FAKE_BUILD_SLEEP="1.5")
    farm.hire("beta")
    add_all(tree, "good", "good", "good", "early-flush")
    client = Client(tree, farm, "HEAD~4..")
    client.until("1/4 ")
    wait_until(lambda: building(farm, "alpha"))
    farm.workers["alpha"].kill()
    farm.workers["alpha"].wait()
    before = finished(home, farm)
    assert len(before) >= 2
    time.sleep(1)
    assert not processes_of(farm.home / "alpha")
    made = client.end()
    assert results(made) == ["passed", "passed", "passed", "failed"], client.said
    (again,) = (cell for cell in made["cells"] if cell["tries"])
    (lost,) = again["tries"]
    assert lost["worker"] == "alpha"
    assert "it is gone" in lost["why"]
    assert again["machine"] is not None
    assert "worker alpha is lost: it is gone" in client.said
    after = finished(home, farm)
    assert {path: after[path] for path in before} == before, "a finished cell ran again"
    made_on = [path.parent.name for path in after if path.is_relative_to(farm.home)]
    assert len(made_on) == len({*made_on}) == 4, "a cell has two results"
    shown = command("report", "show", "--full").stdout
    assert "a try on alpha ended after" in " ".join(shown.split())


def busy_one(farm: TestFarm) -> str:
    """Wait until a worker builds; return its name. Some of its makes end before a second look."""
    found: list[str] = []

    def look() -> bool:
        found.extend(name for name in farm.workers if building(farm, name))
        return bool(found)

    wait_until(look)
    return found[0]


def test_a_cell_that_loses_two_workers_has_no_verdict(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha", FAKE_BUILD_SLEEP="30")
    farm.hire("beta", FAKE_BUILD_SLEEP="30")
    add_all(tree, "good")
    client = Client(tree, farm, "HEAD~1..")
    for _ in range(2):
        busy = busy_one(farm)
        farm.workers[busy].kill()
        farm.workers[busy].wait()
        wait_until(lambda busy=busy: not processes_of(farm.home / busy))
    made = client.end()
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "worker-lost")
    assert cell["detail"].startswith("the worker was lost")
    assert sorted(each["worker"] for each in cell["tries"]) == ["alpha", "beta"]
    assert client.process.returncode == 3


@pytest.fixture
def own_farm(tree: Path, tmp_path: Path) -> Iterator[TestFarm]:
    """Yield a farm whose scheduler may be killed."""
    assert tree.is_dir()
    with farming.farm(tmp_path / "own") as made:
        yield made


def test_a_scheduler_that_goes_away_keeps_what_has_ended(tree: Path, own_farm: TestFarm) -> None:
    farm = own_farm
    farm.hire("alpha", FAKE_BUILD_SLEEP="0.7")
    add_all(tree, "good", "early-flush", "good")
    client = Client(tree, farm, "HEAD~3..")
    client.until("1/3 ")
    farm.scheduler.kill()
    made = client.end()
    assert "the scheduler" in client.said
    assert "is gone" in client.said
    assert "the same command goes on" in client.said
    assert results(made)[0] in {"passed", "failed"}
    assert made["verdict"] != "passed"
    farm.workers["alpha"].wait(timeout=20)
    assert farm.workers["alpha"].returncode == 3
    assert not processes_of(farm.home / "alpha")


def test_a_client_that_was_killed_goes_on_where_it_was(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha", FAKE_BUILD_SLEEP="0.7")
    add_all(tree, "good", "early-flush", "good")
    client = Client(tree, farm, "HEAD~3..")
    client.until("1/3 ")
    client.kill()
    again = Client(tree, farm, "HEAD~3..")
    made = again.end()
    assert sorted(results(made)) == ["failed", "passed", "passed"], again.said
    assert any(cell["reused"] for cell in made["cells"])
    assert any(not cell["reused"] for cell in made["cells"])


OLD_DISTRIBUTED = """\
from importlib import metadata
real = metadata.version
metadata.version = lambda name: "2020.1" if name == "distributed" else real(name)
"""
OLD_FILES = """\
from mermapctl.series.engines import parcel
parcel.package_digest = lambda: "old"
"""


def test_workers_of_another_version_get_no_cells(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha", first="import mermapctl; mermapctl.__version__ = '0.9'")
    farm.hire("beta", first=OLD_FILES)
    farm.hire("gamma", first=OLD_DISTRIBUTED)
    add_all(tree, "good")
    done = command(*words(tree, farm, "HEAD~1.."))
    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert "worker alpha gets no cells: it has mermapctl 0.9, this machine has " in said
    assert "worker beta gets no cells: it has files of mermapctl old, this machine" in said
    assert "worker gamma gets no cells: it has distributed 2020.1, this machine has 20" in said
    assert "error: no worker can be used: " in said
    assert not list(farm.home.glob("*/cache/workers/*/state/runs/*"))


def test_a_target_that_no_worker_offers_is_named(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha")
    add_all(tree, "good")
    done = command(*words(tree, farm, "HEAD~1..", "--target=arm64"))
    assert done.returncode == 3
    assert "no worker offers the target arm64: there are x86_64 (alpha)" in " ".join(
        done.stderr.split()
    )


def test_a_full_disk_on_a_worker_moves_its_cells(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha", limit="ulimit -f 8")  # 8 KB a file
    farm.hire("beta")
    add_all(tree, "good", "good", "early-flush", "good")
    client = Client(tree, farm, "HEAD~4..")
    made = client.end()
    assert results(made) == ["passed", "passed", "failed", "passed"], client.said
    tries = [each for cell in made["cells"] for each in cell["tries"]]
    assert {each["worker"] for each in tries} == {"alpha"}
    assert "worker alpha could not run a cell: " in client.said


def test_a_worker_that_is_stopped_counts_as_lost_and_may_come_back(
    tree: Path, farm: TestFarm
) -> None:
    farm.hire("alpha", FAKE_BUILD_SLEEP="1")
    farm.hire("beta")
    add_all(tree, "good", "good", "early-flush", "good")
    client = Client(tree, farm, "HEAD~4..")
    wait_until(lambda: building(farm, "alpha"))
    farm.workers["alpha"].send_signal(signal.SIGSTOP)
    made = client.end()
    assert results(made) == ["passed", "passed", "failed", "passed"], client.said
    assert "worker alpha is lost: it has not answered for 4 s" in client.said
    (lost,) = (each for cell in made["cells"] for each in cell["tries"])
    assert lost["worker"] == "alpha"
    farm.workers["alpha"].send_signal(signal.SIGCONT)
    wait_until(lambda: not building(farm, "alpha"))


def test_an_interrupted_client_ends_its_cells(tree: Path, farm: TestFarm) -> None:
    farm.hire("alpha", FAKE_BUILD_SLEEP="30")
    add_all(tree, "good")
    client = Client(tree, farm, "HEAD~1..")
    wait_until(lambda: building(farm, "alpha"))
    began = time.monotonic()
    client.process.send_signal(signal.SIGINT)
    made = client.end()
    assert time.monotonic() - began < 5
    assert client.process.returncode == 130
    assert results(made) == ["interrupted"]
    wait_until(lambda: not building(farm, "alpha"), 5)
