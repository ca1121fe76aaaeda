# SPDX-License-Identifier: GPL-2.0-only
"""`report rejudge`, `prune` and `follow`: runs that change, go, or go on."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mermapctl.commands.follow import Tail
from mermapctl.errors import Exit, UserError
from mermapctl.judge.result_types import Verdict
from mermapctl.mutation import sessions
from mermapctl.records.record import Artifacts, RunRecord, State, new_run
from mermapctl.records.store import Store
from tests import sample_records as samples
from tests.cli.stored_runs import document, kept, report
from tests.tables import LOGS

# Rejudging.


def with_console(run_id: str, log: str, verdict: Verdict) -> RunRecord:
    """Store a run with console `log`, judged by older rules."""
    record = samples.record(samples.cell_passed(verdict=verdict, suite="mermap"))
    record = dataclasses.replace(record, run=dataclasses.replace(record.run, id=run_id))
    store = Store.open()
    directory = store.folder(run_id).path / "cells" / "x86_64-base"
    kept_at = Artifacts(console=str(directory / "console.log"), directory=str(directory))
    cell = dataclasses.replace(record.cells[0], artifacts=kept_at)
    record = kept(dataclasses.replace(record, cells=(cell,), verdict=verdict), run_id)
    samples.cell_folder(store.folder(run_id))
    (directory / "console.log").write_bytes((LOGS / log).read_bytes())
    return record


def test_rejudging_shows_what_changed_and_keeps_the_old_verdict() -> None:
    with_console("1", "early-flush.log", Verdict.PASSED)
    dry = report("rejudge", "--dry-run")
    assert "1  passed -> failed\n" in dry.stdout
    assert "1  mermap.test_tlb_flushed passed -> failed\n" in dry.stdout
    assert "1  now early-flush in test_tlb_flushed\n" in dry.stdout
    assert report().exit_code == Exit.PASSED
    result = report("rejudge")
    assert result.stdout == dry.stdout
    shown = report("1")
    assert shown.exit_code == Exit.FAILED
    assert "was PASSED until judged again on" in shown.stdout
    assert document("1")["former"][0]["verdict"] == "passed"
    assert "✗ failed (was passed)" in report("list").stdout
    again = report("rejudge", "1")
    assert again.stdout == "1 run unchanged\n"
    assert len(document("1")["former"]) == 1


def test_a_cell_that_cannot_be_judged_again_is_unchanged() -> None:
    with_console("1", "good.log", Verdict.PASSED)
    (Store.open().folder("1").path / "cells" / "x86_64-base" / "console.log").unlink()
    kept(samples.no_verdict(), "2")
    before = (document("1"), document("2"))
    result = report("rejudge")
    assert "1  not judged again: " in result.stdout
    assert "No such file" in result.stdout
    assert (document("1"), document("2")) == before


# Pruning.


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--keep", "2"], ["4", "3"]),
        (["--keep", "9"], ["4", "3", "2", "1"]),
        (["--older", "2026-01-03"], ["4", "3"]),
        (["--keep", "3", "--older", "2026-01-02"], ["4", "3", "2"]),
        (["--max-size", "120K"], ["4"]),
        (["--keep", "0"], []),
    ],
)
def test_pruning(words: list[str], left: list[str]) -> None:
    for number in "1234":
        started = f"2026-01-0{number}T12:00:00.000Z"
        kept(samples.passed(), number, b"x" * 70_000, started=started)
    assert report("prune", "--dry-run", *words).exit_code == Exit.PASSED
    assert Store.open().ids() == ["4", "3", "2", "1"]
    result = report("prune", "--yes", *words)
    assert Store.open().ids() == left
    assert ("nothing to remove" if len(left) == 4 else "MB freed") in result.stdout


@pytest.mark.parametrize(
    ("words", "said", "left"),
    [
        (["--older", "2026-01-03"], "1 run (1) and the results of 1 session of mutate", "24"),
        (["--older", "2026-01-01"], "nothing to remove", "234"),
        (["--keep", "0"], "removed 1 run (1); 0 runs left", "234"),
        (["--max-size", "100K"], "1 run (1) and the results of 1 session of mutate", "24"),
        (["--max-size", "0"], "1 run (1) and the results of 2 sessions of mutate", "2"),
    ],
)
def test_pruning_removes_what_mutate_kept(words: list[str], said: str, left: str) -> None:
    kept(samples.passed(), "1", b"x" * 70_000, started="2026-01-01T12:00:00.000Z")
    made = {name: sessions.root() / (name * 64) for name in "234"}
    outside = Store.open().root / "outside"
    outside.mkdir()
    for name, place in made.items():
        (place / "work").mkdir(parents=True)
        (place / "work" / "x").write_bytes(bytes(60_000))
        (place / "link").symlink_to(outside)
        os.utime(place, (moment := 1_767_222_000 + int(name) * 86_400, moment))
    os.utime(made["3"], (0, 1_767_222_000 + 86_400))
    strangers = sessions.root() / "notes"
    strangers.mkdir()
    (sessions.root() / ("5" * 64)).symlink_to(outside)
    with sessions.locked(made["2"], "mermapctl mutate", wait=False, waiting=print):
        assert "would remove" in report("prune", "--dry-run", *words).stdout or left == "234"
        assert said in report("prune", "--yes", *words).stdout
        with (
            pytest.raises(UserError, match=r"by process \d+ \(mermapctl mutate\)"),
            sessions.locked(made["2"], "mermapctl mutate", wait=False, waiting=print),
        ):
            pass
    assert {name for name, place in made.items() if place.is_dir()} == set(left)
    assert strangers.is_dir()
    assert outside.is_dir()
    assert not [*sessions.root().glob(".*")]


def test_pruning_asks() -> None:
    kept(samples.passed(), "1")
    result = report("prune", "--keep", "0")
    assert isinstance(result.exception, UserError)
    assert "--yes" in str(result.exception.hint)
    result = report("prune")
    assert isinstance(result.exception, UserError)
    assert "report prune needs a limit" in result.exception.message
    assert Store.open().ids() == ["1"]


def test_a_killed_run_names_its_console() -> None:
    killed = dataclasses.replace(new_run(("x",)), state=State.RUNNING, pid=2**22 - 1)
    folder = Store.open().begin(dataclasses.replace(samples.record(), run=killed))
    result = report()
    assert result.exit_code == Exit.NO_VERDICT
    assert f"its files are in {folder.path}" in result.stderr


def test_a_running_run_is_never_pruned() -> None:
    Store.open().begin(dataclasses.replace(samples.passed(), run=new_run(("x",))))
    kept(samples.passed(), "1")
    report("prune", "--keep", "0", "--yes")
    assert [run.state for run in Store.open().list()] == ["running"]


# Following.

RUNNER = """
import sys, time
from dataclasses import replace
from mermapctl.judge.result_types import Verdict
from mermapctl.mutation import sessions
from mermapctl.records.record import Cell, TreeFacts, begin
from mermapctl.records.store import Store
record = begin(command=("x",), tree=TreeFacts("7.3.4", path="/src/linux"))
store = Store.open()
directory = store.begin(record).cell_path("x86_64-base")
directory.mkdir(parents=True)
(directory / "kunitconfig").write_text("")
print(record.run.id, flush=True)
with (directory / "console.log").open("wb", buffering=0) as console:
    for number in range(20):
        console.write(b"line %d [bold] \\x1b[2J\\n" % number)
        time.sleep(0.05)
    console.write(b"the last, without an end")
cell = Cell("x86_64", "base", Verdict.FAILED)
store.finish(replace(record, verdict=Verdict.FAILED, cells=(cell,)))
"""


def run_elsewhere() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_following_a_run_in_another_process() -> None:
    process, run_id = run_elsewhere()
    result = report("follow")
    process.communicate()
    assert process.returncode == 0
    assert result.exit_code == Exit.FAILED
    lines = result.stdout.splitlines()
    assert lines[:20] == [f"line {number} [bold] ␛[2J" for number in range(20)]
    assert lines[20] == "the last, without an end"
    assert lines[21] == ""
    assert sum(re.fullmatch(rf"run +\S*{run_id}", line) is not None for line in lines[22:]) == 1
    assert lines[-1].startswith("✗ FAILED")
    assert "x86_64-base: configuring" in result.stderr
    assert re.search(rf"^run +\S*{run_id}$", report("follow").stdout, re.MULTILINE)


def test_following_a_run_that_is_killed() -> None:
    process, _ = run_elsewhere()
    follower = subprocess.Popen(
        [sys.executable, "-m", "mermapctl", "report", "follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.4)
    process.kill()
    process.communicate()
    out, _ = follower.communicate(timeout=20)
    assert follower.returncode == Exit.NO_VERDICT
    assert "interrupted before its end" in out


def test_a_console_is_followed_through_everything(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_bytes(b"one\r\ntw")
    assert tail.lines() == ["one"]
    path.write_bytes(b"one\r\ntwo \xc3")
    assert tail.lines() == []
    path.write_bytes(b"one\r\ntwo \xc3\xa9\n\xff\n")
    assert tail.lines() == ["two é", "\udcff"]
    path.write_bytes(b"again\n")  # the boot was repeated
    assert tail.lines() == ["again"]
    path.write_bytes(b"again\n" + b"x" * 40_000)
    assert [len(line) for line in tail.lines()] == [40_000]
    path.write_bytes(b"again\n" + b"x" * 40_000 + b"end")
    assert tail.lines() == []
    assert tail.lines(final=True) == ["end"]
