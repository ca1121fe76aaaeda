# SPDX-License-Identifier: GPL-2.0-only
"""A traced boot that passes with gaps in its trace is booted once more with probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mermapctl.cli import root
from mermapctl.errors import HarnessError
from mermapctl.runner import boot
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from tests.runner.test_run import document
from tests.runner.test_unprobed import PROBES, arguments, cell_of, console, told

COUNTS = "messages dropped: 366, events without their other half: 4"
GAPS = f"the first trace has gaps ({COUNTS}, console-gaps.log): booted once more"


def cell_twice(tree: Path, boots: Path, second: str, **env: str) -> dict[str, Any]:
    """Return the cell whose first boot drops messages and whose second prints console `second`."""
    env = {"FAKE_SECOND_LOG": console(second), "FAKE_ARGS": str(boots), **env}
    return cell_of(tree, "trace-lines-dropped", "good", **env)


def codes(cell: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in cell["findings"]]


def test_the_second_trace_is_whole_and_counts(fake_tree: Path, tmp_path: Path) -> None:
    boots = tmp_path / "arguments"
    cell = cell_twice(fake_tree, boots, "trace-good")
    assert [PROBES in line for line in arguments(boots)] == [True, True]
    assert (cell["verdict"], codes(cell), cell["confirmed"]) == ("passed", [], None)
    assert cell["notes"] == [f"{GAPS}, without gaps"]
    (row,) = cell["flushes"]
    assert (row["observed"], row["words"]) == (1, "one flush at reuse, as required")
    assert len(cell["reproduce"]) == len(set(cell["reproduce"]))
    first = Path(cell["artifacts"]["directory"]) / "console-gaps.log"
    assert "printk messages dropped" in told(str(first))
    assert "printk messages dropped" not in told(cell["artifacts"]["console"])


def test_gaps_in_both_leave_the_note(fake_tree: Path, tmp_path: Path) -> None:
    boots = tmp_path / "arguments"
    cell = cell_twice(fake_tree, boots, "trace-lines-dropped")
    assert len(arguments(boots)) == 2
    assert (cell["verdict"], codes(cell)) == ("passed", ["trace-incomplete"])
    assert cell["notes"] == [f"{GAPS}, and there are gaps again ({COUNTS})"]


@pytest.mark.parametrize(
    ("second", "verdict", "code"),
    [
        ("trace-counted-not-done", "failed", "stale-reuse"),
        ("missing-flush", "failed", "missing-flush"),
        ("panic-before-ktap", "passed", "only-with-probes"),
    ],
)
def test_findings_of_the_second_boot_count_and_are_confirmed(
    fake_tree: Path, tmp_path: Path, second: str, verdict: str, code: str
) -> None:
    boots = tmp_path / "arguments"
    cell = cell_twice(fake_tree, boots, second)
    assert [PROBES in line for line in arguments(boots)] == [True, True, False]
    assert cell["verdict"] == verdict
    assert code in codes(cell)
    assert f"{GAPS}, with another verdict than the first boot, which passed" in cell["notes"]
    assert cell["untraced"]["verdict"] == "passed"


def test_a_boot_that_failed_with_gaps_is_booted_without_probes_only(
    fake_tree: Path, tmp_path: Path
) -> None:
    boots, failing = tmp_path / "arguments", tmp_path / "failing.log"
    text = told(console("trace-lines-dropped"))
    assert "    ok 2 test_size" in text
    failing.write_text(text.replace("    ok 2 test_size", "    not ok 2 test_size"))
    env = {"FAKE_LOG": str(failing), "FAKE_PLAIN_LOG": console("good"), "FAKE_ARGS": str(boots)}
    (cell,) = document(fake_tree, **env)["cells"]
    assert [PROBES in line for line in arguments(boots)] == [True, False]
    assert cell["verdict"] == "failed"


def test_the_first_boot_stands_where_there_is_no_second(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = tmp_path / "arguments"
    cell_twice(fake_tree, boots, "trace-good")
    monkeypatch.setenv("FAKE_LOG", console("trace-lines-dropped"))
    taken: list[Job] = []

    def once(job: Job, kernel: Kernel, again: str | None = None) -> Booted:
        if taken:
            job.console.write_text("half of a line")
            raise HarnessError("no more processes")
        taken.append(job)
        return first_boot(job, kernel, again)

    first_boot = boot.boot
    monkeypatch.setattr(boot, "boot", once)
    done = CliRunner().invoke(root.root, ["run", f"--tree={fake_tree}", "--accel=tcg", "--full"])
    assert done.exit_code == 0
    assert "and there is no second boot: no more processes" in " ".join(done.output.split())
    assert "printk messages dropped" in told(str(taken[0].console))
