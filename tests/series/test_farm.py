# SPDX-License-Identifier: GPL-2.0-only
"""`run --commits --engine dask` on the stand-in tree: a real scheduler, real workers, TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forkserver import Done, command
from tests.series import farming
from tests.series.fake_commits import add_all, snapshot
from tests.series.farming import TestFarm

PLAIN = ("--accel=tcg", "--no-triage", "--no-trace", "--no-witness")


@pytest.fixture
def farm(tree: Path, tmp_path: Path) -> Iterator[TestFarm]:
    assert tree.is_dir()
    with farming.farm(tmp_path / "farm") as made:
        yield made


def words(tree: Path, farm: TestFarm, commits: str, *argv: str) -> list[str]:
    return [
        "run", f"--tree={tree}", f"--commits={commits}", *PLAIN, "--engine=dask", *farm.options,
        "--format=json", *argv,
    ]  # fmt: skip


def run(tree: Path, farm: TestFarm, commits: str, *argv: str) -> tuple[dict[str, Any], Done]:
    done = command(*words(tree, farm, commits, *argv), seconds=60)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done


def results(made: dict[str, Any]) -> list[str]:
    return [cell["reason"] or cell["verdict"] for cell in made["cells"]]


def test_two_workers_give_the_grid_of_one_machine(tree: Path, farm: TestFarm, home: Path) -> None:
    farm.hire("alpha")
    farm.hire("beta")
    hashes = add_all(tree, "good", "good", "early-flush", "early-flush")
    before = snapshot(tree)
    made, done = run(tree, farm, "HEAD~4..")
    assert snapshot(tree) == before
    assert results(made) == ["passed", "passed", "failed", "failed"], done.stderr
    (column,) = made["series"]["columns"]
    assert column["first_bad"]["commit"] == hashes[2]
    assert "workers: x86_64 (alpha, beta)" in done.stderr
    folder = home / "state/runs" / made["run"]["id"]
    for cell in made["cells"]:
        assert cell["machine"]["cpus"] > 0
        for name in ("console", "config", "build_log"):
            path = Path(cell["artifacts"][name])
            assert path.is_relative_to(folder)
            assert path.stat().st_size
    assert command("report", "show", "--format=json").stdout == done.stdout
    again, _ = run(tree, farm, "HEAD~4..")
    assert {cell["reused"] for cell in again["cells"]} == {made["run"]["id"]}
