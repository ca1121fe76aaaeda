# SPDX-License-Identifier: GPL-2.0-only
"""`run --repeat`: many boots of one kernel, each with its seed; one that fails fails the cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mermapctl.judge import repeats
from mermapctl.judge.repeats import RepeatedBoot
from mermapctl.judge.result_types import Severity, Verdict
from tests.forkserver import command
from tests.runner.test_run import document
from tests.runner.test_unprobed import console

CODE = "failed-in-repeats"


def repeated(tree: Path, *argv: str, bad_seeds: str = "", **env: str) -> dict[str, Any]:
    """Return the document of four boots, where the guests with `bad_seeds` forget a flush."""
    logs = {"FAKE_LOG": console("trace-good"), "FAKE_SEED_LOG": console("missing-flush")}
    run = ("--accel=tcg", "--repeat=4", "--seed=7", "--no-witness", *argv)
    return document(tree, *run, **logs, FAKE_SEEDS=bad_seeds, **env)


def test_a_kernel_that_passes_each_time(fake_tree: Path) -> None:
    done = repeated(fake_tree)
    (cell,) = done["cells"]
    assert (done["verdict"], cell["verdict"], cell["findings"]) == ("passed", "passed", [])
    boots = cell["repeats"]
    assert (boots["runs"], boots["failed"], boots["unjudged"]) == (4, 0, 0)
    assert (boots["low"], boots["high"], boots["boots"]) == (0.0, 0.4899, [])
    assert boots["consoles"] == 1
    assert boots["words"].endswith(" 0.0% to 49.0%), each with the same console")
    assert "--repeat=4" in cell["reproduce"][0]
    kept = Path(cell["artifacts"]["directory"])
    assert [path.name for path in kept.glob("console*")] == ["console.log"]
    assert [path.name for path in kept.glob("bin*")] == ["bin"]


def test_a_later_boot_that_fails_fails_the_cell(fake_tree: Path) -> None:
    done = repeated(fake_tree, bad_seeds="8,10")
    (cell,) = done["cells"]
    assert (done["verdict"], cell["verdict"]) == ("failed", "failed")
    boots = cell["repeats"]
    assert (boots["runs"], boots["failed"], boots["seeds_failed"]) == (4, 2, [8, 10])
    assert [each["number"] for each in boots["boots"]] == [2, 4]
    assert boots["boots"][0]["symptoms"]
    assert all(Path(each["console"]).is_file() for each in boots["boots"])
    (found,) = cell["findings"]
    assert (found["code"], found["severity"]) == (CODE, "error")
    assert found["summary"].startswith("2 of 4 boots failed (95 % interval 15.0% to 85.0%)")
    assert found["evidence"]["seeds"] == "8, 10"
    assert boots["consoles"] == 2
    assert not found["summary"].endswith("console")
    assert "`mermapctl run --seed 8 --shifts 4`" in found["advice"]
    assert command("report", "rejudge").returncode == 0
    again = json.loads(command("report", "show", "--format=json").stdout)
    assert again["cells"][0]["verdict"] == "failed"
    assert [each["code"] for each in again["cells"][0]["findings"]] == [CODE]


def test_a_first_boot_that_fails_counts(fake_tree: Path) -> None:
    (cell,) = repeated(fake_tree, bad_seeds="7")["cells"]
    assert (cell["verdict"], cell["repeats"]["failed"]) == ("failed", 1)
    assert cell["repeats"]["seeds_failed"] == [7]
    assert CODE in [each["code"] for each in cell["findings"]]


def test_boots_go_round_the_shifts(fake_tree: Path, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    repeated(fake_tree, "--shifts=6,8", FAKE_ARGS=str(said))
    boots = [json.loads(line) for line in said.read_text().splitlines()]
    given = [(boot[boot.index("-icount") + 1], boot[boot.index("-seed") + 1]) for boot in boots]
    assert given == [
        (f"shift={shift},sleep=off", seed)
        for shift, seed in ((6, "7"), (8, "8"), (6, "9"), (8, "10"))
    ]


@pytest.mark.parametrize(
    ("failed", "runs", "low", "high"),
    [(0, 20, 0.0, 0.1611), (3, 20, 0.0524, 0.3604), (10, 20, 0.2993, 0.7007), (5, 5, 0.5655, 1.0)],
)
def test_the_interval_is_wilsons(failed: int, runs: int, low: float, high: float) -> None:
    assert repeats.interval(failed, runs) == (low, high)


def test_the_advice_has_the_speed_of_the_boot() -> None:
    failed = RepeatedBoot(2, Verdict.FAILED, seed=5, shift=8)
    found = repeats.finding(repeats.summary(3, [failed]))
    assert found is not None
    assert "`mermapctl run --seed 5 --shifts 8`" in (found.advice or "")
    hosts = repeats.finding(repeats.summary(3, [RepeatedBoot(2, Verdict.FAILED)]))
    assert hosts is not None
    assert hosts.advice is None


def test_a_boot_without_a_verdict_is_no_failure() -> None:
    told = repeats.summary(3, [RepeatedBoot(2, Verdict.NO_VERDICT, seed=2)])
    assert (told.failed, told.unjudged, told.high) == (0, 1, repeats.interval(0, 2)[1])
    assert repeats.finding(told) is None
    assert told.words.startswith("0 of 3 boots failed, 1 have no verdict")


def test_no_boot_is_lost_where_many_fail() -> None:
    many = [RepeatedBoot(n, Verdict.FAILED, seed=n, symptoms=("a",)) for n in range(1, 501)]
    told = repeats.summary(500, many)
    assert (told.failed, len(told.boots), len(told.seeds_failed)) == (500, repeats.KEEP, 500)
    found = repeats.finding(told)
    assert found is not None
    assert found.severity is Severity.ERROR
