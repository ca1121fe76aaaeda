# SPDX-License-Identifier: GPL-2.0-only
"""The store under attack: foreign files, false records, remains of killed runs, read-only."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mermapctl.errors import HarnessError, UserError
from mermapctl.judge.coverage import Coverage
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.repeats import RepeatedBoot, Repeats
from mermapctl.judge.reproduction import Reproduction
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.stress import StressSummary
from mermapctl.records import run_folders
from mermapctl.records.farm_facts import LostTry
from mermapctl.records.folder import relocated
from mermapctl.records.record import Artifacts, RunRecord, State, new_run_id, to_json
from mermapctl.records.store import Store, console_lines
from mermapctl.system import files, paths
from tests.forkserver import Done, command
from tests.records.test_store import kept, record
from tests.sample_records import cell_folder
from tests.tables import LOGS

MERMAPCTL = [sys.executable, "-m", "mermapctl"]


@pytest.fixture
def store(home: Path) -> Store:
    return Store.open(home / "state")


def report(*argv: str, **env: str) -> Done:
    return command("report", *argv, env=env, seconds=60)


def with_console(store: Store, text: bytes = b"KTAP version 1\n1..0\n") -> RunRecord:
    """Store a run with a console in its folder."""
    made = record()
    folder = cell_folder(store.begin(made))
    (folder / "console.log").write_bytes(text)
    (cell,) = made.cells
    kept_in = replace(cell.artifacts, console=str(folder / "console.log"), directory=str(folder))
    return store.finish(replace(made, cells=(replace(cell, artifacts=kept_in),)))


# Foreign files.


def strange(runs: Path, name: str, how: str, run_id: str) -> None:
    path = runs / name
    if how == "folder":
        path.mkdir()
    elif how == "copy":
        shutil.copytree(runs / run_id, path)
    elif how == "file":
        path.write_text("x")
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "dangling":
        path.symlink_to("/nowhere")
    else:
        path.mkdir()
        os.mkfifo(path / "record.json")


@pytest.mark.parametrize("how", ["folder", "copy", "file", "fifo", "dangling", "record is a fifo"])
@pytest.mark.parametrize(
    "name", ["backup", "old runs", "\x1b[2Jx", "r\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_a_stranger_is_passed_over_with_a_note(store: Store, name: str, how: str) -> None:
    made = [kept(store, record()).run.id for _ in range(3)]
    strange(store.runs, name, how, made[0])
    again = Store.open(store.root)
    assert again.get().run.id == max(made)
    assert {run.id for run in again.list()} == set(made)
    assert again.count() == 3
    (note,) = again.notices
    assert "passed over" in note
    assert name in note
    with pytest.raises(UserError, match="no stored run is named"):
        again.get(name)
    assert again.ids() == sorted(made, reverse=True)
    assert len(again.notices) == 1  # said once


@pytest.mark.parametrize("how", ["folder", "copy", "fifo"])
def test_a_list_notes_foreign_files_and_obeys_no_name(store: Store, how: str) -> None:
    made = [kept(store, record()).run.id for _ in range(3)]
    strange(store.runs, "\x1b[2Jx\u200b", how, made[0])
    listed = report("list")
    assert listed.returncode == 0
    assert "3 runs" in listed.stdout
    assert not {"\x1b", "\u200b"} & set(listed.stdout + listed.stderr)
    assert "passed over" in listed.stderr


def test_a_copy_with_an_id_of_its_own_is_a_run_of_its_own(store: Store) -> None:
    """Its rows and its console come from its folder, and its record stays in the folder."""
    made = with_console(store)
    name = "20991231-235959-999abcd"
    shutil.copytree(store.folder(made.run.id).path, store.runs / name)
    (store.runs / name / "cells/x86_64-base/console.log").write_bytes(b"the copy's\n")
    assert [run.id for run in store.list()] == [name, made.run.id]
    assert store.count() == 2
    copy = store.get(name)
    assert copy.run.id == name
    assert list(console_lines(copy.cells[0])) == ["the copy's"]
    before = store.folder(made.run.id).record.read_bytes()
    store.replace(replace(copy, verdict=Verdict.FAILED))
    assert store.folder(made.run.id).record.read_bytes() == before
    assert {run.id: run.verdict for run in store.list()} == {
        name: "failed",
        made.run.id: "passed",
    }


def test_a_record_whose_id_is_a_path_leads_nowhere(store: Store, home: Path) -> None:
    made = with_console(store)
    folder = store.folder(made.run.id)
    outside = home / "outside"
    outside.mkdir()
    lying = replace(made, run=replace(made.run, id="../../outside"))
    folder.record.write_bytes(to_json(lying))
    assert store.get(made.run.id).run.id == made.run.id
    assert report("rejudge").returncode == 0
    assert report("--format=html", "-o", str(home / "page.html")).returncode in {0, 1, 3}
    assert list(outside.iterdir()) == []


def test_a_link_among_the_runs_is_removed_and_not_what_it_leads_to(
    store: Store, tmp_path: Path
) -> None:
    made = kept(store, record())
    there = tmp_path / "elsewhere" / made.run.id
    shutil.move(store.folder(made.run.id).path, there)
    store.folder(made.run.id).path.symlink_to(there)
    assert store.get().run.id == made.run.id
    store.remove([made.run.id])
    assert list(store.runs.iterdir()) == []
    assert (there / "record.json").is_file()


# Paths from data.


@pytest.mark.parametrize("how", ["elsewhere", "dots", "link", "fifo", "NUL", "link to a folder"])
@pytest.mark.parametrize("command", [["--format=html"], ["rejudge"], ["--full"], ["follow"]])
def test_only_a_plain_file_of_the_runs_own_folder_is_read(
    store: Store, tmp_path: Path, how: str, command: list[str]
) -> None:
    secret = tmp_path / "secret" / "console.log"
    secret.parent.mkdir()
    secret.write_text("KTAP version 1\n1..1\nok 1 topsecret\n")
    made = with_console(store)
    (cell,) = made.cells
    console = Path(cell.artifacts.console or "")
    named = console
    if how == "elsewhere":
        named = secret
    elif how == "dots":
        named = Path(f"{console.parent}/{'../' * 20}{secret}")
    elif how == "NUL":
        named = Path(f"{console}\0")
    elif how == "link":
        console.unlink()
        console.symlink_to(secret)
    elif how == "fifo":
        console.unlink()
        os.mkfifo(console)
    else:
        shutil.rmtree(console.parent)
        console.parent.symlink_to(secret.parent)
    lying = replace(cell, artifacts=replace(cell.artifacts, console=str(named)))
    store.replace(replace(made, cells=(lying,)))
    done = report(*command)
    assert done.returncode == 0, done.stderr
    assert "topsecret" not in done.stdout
    assert "topsecret" not in store.folder(made.run.id).record.read_text()


@pytest.mark.parametrize("command", [["--format=html"], ["rejudge"], ["--full"], ["follow"]])
def test_a_link_that_leads_nowhere_does_not_open_the_path_of_the_record(
    store: Store, tmp_path: Path, command: list[str]
) -> None:
    secret = tmp_path / "secret" / "logs" / "console.log"
    secret.parent.mkdir(parents=True)
    secret.write_text("KTAP version 1\n1..1\nok 1 topsecret\n")
    made = with_console(store)
    folder = store.folder(made.run.id)
    (folder.path / "logs").symlink_to(tmp_path / "nowhere")
    (cell,) = made.cells
    lying = replace(cell, artifacts=replace(cell.artifacts, console=str(secret)))
    named = replace(made, run=replace(made.run, id="secret"), cells=(lying,))
    folder.record.write_bytes(to_json(named))
    done = report(*command)
    assert done.returncode == 0, done.stderr
    assert "topsecret" not in done.stdout
    assert "topsecret" not in folder.record.read_text()
    (found,) = store.get(made.run.id).cells
    assert found.artifacts.console is None
    assert found.notes[-1] == f"not in this run's folder, and not read: {secret}"


PATHS = {"console", "lcov", "cobertura"}
"""Names of fields that are paths, besides those of Artifacts."""
FURTHER: dict[str, Any] = {
    "triage": (Trial("mermap", "x", Outcome.HUNG, 1.0),),
    "tries": (LostTry("alpha", "gone", 1.0),),
    "reproduction": Reproduction(
        identical=False, verdict=Verdict.FAILED, seed=1, shift=1, seconds=1.0, lines=1
    ),
    "stress": StressSummary(1, 1),
    "repeats": Repeats(1, 1, 0, 0.0, 1.0, boots=(RepeatedBoot(1, Verdict.FAILED),)),
    "coverage": Coverage(()),
}
"""What further boots leave in a cell."""


def everywhere(value: Any, path: str) -> Any:
    """Return a value of a record in which each path is `path`."""
    if isinstance(value, Artifacts):
        return Artifacts(*[path] * len(dataclasses.fields(Artifacts)))
    if isinstance(value, tuple):
        return tuple(everywhere(each, path) for each in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    made = {n: path if n in PATHS else everywhere(each, path) for n, each in fields.items()}
    return replace(value, **made)


def test_no_path_of_a_record_leads_out_of_the_runs_folder(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret.log"
    secret.write_text("KTAP version 1\n1..1\nok 1 topsecret\n")
    made = with_console(store)
    (cell,) = made.cells
    lying = everywhere(replace(cell, **FURTHER), str(secret))
    assert to_json(replace(made, cells=(lying,))).count(str(secret).encode()) == 8 + 7
    store.replace(replace(made, cells=(lying,)))
    (found,) = store.get(made.run.id).cells
    assert found.notes[-1] == f"not in this run's folder, and not read: {secret}"
    cut = replace(found, notes=())
    assert str(secret) not in to_json(replace(made, cells=(cut,))).decode()


def test_the_console_of_a_stress_suite_is_one_of_the_runs_folder(
    store: Store, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.log"
    secret.write_text("KTAP version 1\n1..1\n    not ok 1 topsecret\nnot ok 1 mermap_stress\n")
    made = with_console(store, (LOGS / "good.log").read_bytes())
    lying = replace(made.cells[0], stress=StressSummary(1, 1, console=str(secret)))
    store.replace(replace(made, cells=(lying,)))
    done = report("rejudge")
    assert done.returncode == 0, done.stderr
    assert "topsecret" not in done.stdout
    assert "topsecret" not in store.folder(made.run.id).record.read_text()


def test_a_store_that_was_moved_finds_its_consoles(store: Store, tmp_path: Path) -> None:
    made = with_console(store, b"hello\n")
    moved = Store.open(store.root.rename(tmp_path / "moved"))
    (cell,) = moved.get().cells
    assert list(console_lines(cell)) == ["hello"]
    assert str(cell.artifacts.console).startswith(str(moved.folder(made.run.id).path))


def test_a_run_that_was_copied_from_another_machine_is_listed_with_the_own_ones(
    store: Store, tmp_path: Path
) -> None:
    own = with_console(store, b"here\n")
    other = Store.open(tmp_path / "alpha")
    theirs = with_console(other, b"there\n")
    assert store.ids() == [own.run.id]  # the index exists before the copy
    shutil.copytree(other.folder(theirs.run.id).path, store.folder(theirs.run.id).path)
    assert {*store.ids()} == {summary.id for summary in store.list()} == {own.run.id, theirs.run.id}
    (cell,) = store.get(theirs.run.id).cells
    assert list(console_lines(cell)) == ["there"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/s/runs/1/cells/a/console.log", "/s/runs/1/cells/a/console.log"),
        ("/old/runs/1/cells/a/console.log", "/s/runs/1/cells/a/console.log"),
        ("/s/runs/1/../2/console.log", None),
        ("/old/runs/1/../../../etc/passwd", None),
        ("/old/runs/1//etc/passwd", None),
        ("/etc/passwd", None),
        ("1/console.log", None),
        ("", None),
    ],
)
def test_paths_are_placed_in_the_folder(path: str, found: str | None) -> None:
    assert relocated(path, Path("/s/runs/1"), "1") == found


# Remains of killed runs.

DEAD = 2**22 - 1


def test_remains_of_killed_runs_are_removed(store: Store) -> None:
    ended = kept(store, record())
    dead = replace(record().run, state=State.RUNNING, pid=DEAD, process="none/0")
    killed = store.begin(replace(record(), run=dead))
    assert (killed.path / run_folders.ROOM).is_file()
    (killed.path / f".record.json.{DEAD}-abcdef").write_bytes(b"{")
    alive = killed.path / f".record.json.{os.getpid()}-abcdef"
    alive.write_bytes(b"{")
    for name in (".trash-1", ".new-2"):
        (store.runs / name).mkdir()
    (store.runs / ".trash-link").symlink_to(store.folder(ended.run.id).path)
    os.utime(store.runs / ".new-2", (0, 0))
    (store.runs / ".new-3").mkdir()
    (store.runs / ".new-3" / "record.json").write_bytes(to_json(replace(record(), run=dead)))
    (store.runs / ".new-4").mkdir()  # the remains of a run that begins right now
    for number, age in ((5, 3), (6, 0)):  # killed while it wrote its first record
        (store.runs / f".new-{number}").mkdir()
        (store.runs / f".new-{number}/.record.json.{DEAD}-abcdef").write_bytes(b"{")
        moment = time.time() - age
        os.utime(store.runs / f".new-{number}", (moment, moment))
    begun = store.begin(record())
    left = {path.name for path in store.runs.iterdir()}
    assert left == {ended.run.id, killed.id, begun.id, ".new-4", ".new-6"}
    assert {path.name for path in killed.path.iterdir()} == {"record.json", alive.name}
    assert (begun.path / run_folders.ROOM).stat().st_size > 0
    assert store.get(ended.run.id) == ended


def test_a_list_clears_what_a_kill_left_in_a_folder(store: Store) -> None:
    dead = replace(record().run, state=State.RUNNING, pid=DEAD, process="none/0")
    killed = store.begin(replace(record(), run=dead))
    (killed.path / f".record.json.{DEAD}-abcdef").write_bytes(b"{")
    assert store.list()[0].state == "interrupted"
    assert [path.name for path in killed.path.iterdir()] == ["record.json"]


def test_a_finished_run_leaves_its_record_alone(store: Store) -> None:
    made = kept(store, record())
    folder = store.folder(made.run.id).path
    assert [path.name for path in folder.iterdir()] == ["record.json"]


# Permissions.


@pytest.mark.parametrize("deep", ["", "a/b/c"])
def test_a_new_state_directory_is_for_its_user_alone(tmp_path: Path, deep: str) -> None:
    root = tmp_path / "new" / deep / "state"
    before = os.umask(0o022)
    try:
        Store.open(root)
    finally:
        os.umask(before)
    while root != tmp_path:
        assert stat.S_IMODE(root.stat().st_mode) == 0o700, root
        root = root.parent


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    Store.open(tmp_path / "state")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o755
    paths.make_private(tmp_path / "state")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):  # noqa: PT011 - whichever it is
        paths.make_private(tmp_path / "file")


# Root may write anything, unless it drops that capability.
UNPRIVILEGED = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    if os.geteuid() == 0
    else []
)


def unprivileged(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run `mermapctl ARGV` as a process that must obey file modes."""
    return subprocess.run(
        [*UNPRIVILEGED, *MERMAPCTL, *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read_only(root: Path) -> None:
    for path in [*root.rglob("*"), root]:
        path.chmod(0o555 if path.is_dir() else 0o444)


KINDS = ("with its index", "without", "damaged", "its lock is gone")


@pytest.fixture
def archive(request: pytest.FixtureRequest, store: Store) -> Path:
    """Make a home with a read-only store of three runs, the last one failed."""
    for verdict in (Verdict.PASSED, Verdict.PASSED, Verdict.FAILED):
        kept(store, record(verdict=verdict))
    index = store.root / "store.sqlite3"
    if request.param == "without":
        index.unlink()
    elif request.param == "damaged":
        index.write_bytes(b"not a database" * 1000)
    elif request.param == "its lock is gone":
        index.with_name("store.sqlite3.lock").unlink()
    read_only(store.root)
    return store.root.parent


COMMANDS: list[tuple[list[str], int, str]] = [
    ([], 1, "FAILED"),
    (["latest~1"], 0, "PASSED"),
    (["list"], 0, "3 runs"),
    (["list", "--failed"], 0, "1 of 3 runs"),
    (["history", "test_size"], 0, "outcomes"),
    (["flaky"], 0, ""),
    (["compare", "latest~1", "latest"], 1, ""),
    (["rejudge", "--dry-run"], 0, ""),
    (["prune", "--keep=1", "--dry-run"], 0, "would remove 2 runs"),
    (["--format=html"], 1, "<html"),
]


@pytest.mark.parametrize(
    ("archive", "argv", "code", "words"),
    [
        *((KINDS[0], *command) for command in COMMANDS),
        *((kind, *command) for kind in KINDS[1:] for command in COMMANDS[:3:2]),
    ],
    indirect=["archive"],
)
def test_a_store_that_may_only_be_read_can_be_read(
    archive: Path, argv: list[str], code: int, words: str
) -> None:
    before = sorted((str(p), p.stat().st_mtime_ns) for p in (archive / "state").rglob("*"))
    done = unprivileged("report", *argv)
    assert (done.returncode, done.stderr) == (code, "")
    assert words in done.stdout
    assert sorted((str(p), p.stat().st_mtime_ns) for p in (archive / "state").rglob("*")) == before


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("archive", KINDS[:1], indirect=True)
def test_writing_to_it_is_refused_in_a_sentence() -> None:
    done = unprivileged("report", "prune", "--keep=1", "--yes")
    assert done.returncode == 3
    assert "mermapctl: error: cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_index_is_refused_read_only_too(store: Store) -> None:
    kept(store, record())
    with sqlite3.connect(store.root / "store.sqlite3") as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    read_only(store.root)
    done = unprivileged("report")
    assert done.returncode == 3
    assert "newer mermapctl" in done.stderr


# The space for the last record.


def test_the_last_record_goes_into_its_reserved_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No new file is made: a full disk accepts the record."""
    made = record()
    folder = store.begin(made)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_replace", full)
    with pytest.raises(HarnessError, match="No space left"):
        store.save(made)
    store.finish(made)
    assert json.loads(folder.record.read_bytes())["run"]["state"] == "finished"
    assert store.get() == replace(made, run=replace(made.run, state=State.FINISHED))


def test_a_record_larger_than_its_room_is_stored_without_its_tests(
    store: Store,
) -> None:
    """A limit on the size of files stands for a full disk."""
    script = """
import resource, sys
from pathlib import Path
from dataclasses import replace
from mermapctl.records.store import Store
from tests.records.test_store import record
from mermapctl.console.ktap import Status, Suite, Test
store = Store.open(Path(sys.argv[1]))
made = record()
resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))
store.begin(made)
tests = tuple(Test("t" * 90 + str(n), Status.PASSED) for n in range(900))
suite = Suite("mermap", Status.PASSED, tests)
big = replace(made, cells=(replace(made.cells[0], suites=(suite,)),))
ended = store.finish(big)
assert len(ended.cells[0].suites[0].tests) == 900
print(made.run.id)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = store.get(done.stdout.strip())
    assert (found.run.state, found.verdict) == (State.FINISHED, Verdict.PASSED)
    (cell,) = found.cells
    assert cell.suites == ()
    assert "stored without its tests and splats" in cell.notes[0]
    assert not list(store.folder(found.run.id).path.glob(".*"))


# Files named by the user.


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(tmp_path: Path) -> None:
    goal, link = tmp_path / "there" / "report.json", tmp_path / "link"
    goal.parent.mkdir()
    goal.write_text("old")
    goal.chmod(0o600)
    link.symlink_to("there/report.json")
    done = report("log", str(LOGS / "good.log"), "--format=json", "-o", str(link))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert json.loads(goal.read_text())["verdict"] == "passed"
    assert stat.S_IMODE(goal.stat().st_mode) == 0o600
    assert [path.name for path in goal.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755, 0o666])
def test_the_mode_of_a_file_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    files.write(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


def test_a_link_that_leads_to_nothing_yet_makes_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(HarnessError, match="cannot write"):
        files.write(tmp_path / "a", b"new")
    assert (tmp_path / "a").is_symlink()


def test_our_own_files_follow_no_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "record.json").symlink_to("theirs")
    files.write_own(tmp_path / "record.json", b"ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (tmp_path / "record.json").is_symlink()


def test_a_record_that_is_too_large_is_one_unreadable_run(store: Store) -> None:
    good = kept(store, record())
    large = kept(store, record())
    os.truncate(store.folder(large.run.id).record, 1 << 40)
    shutil.copytree(store.folder(good.run.id).path, store.runs / "backup")
    os.truncate(store.runs / "backup" / "record.json", 1 << 40)
    (store.root / "store.sqlite3").unlink()  # an old row would be used
    problems = [each.problem for each in store.list()]
    assert [problem is None for problem in problems].count(False) == 1
    assert any("larger than" in (problem or "") for problem in problems)
    with pytest.raises(HarnessError, match="larger than"):
        store.read(large.run.id)


@pytest.mark.parametrize(("seconds", "told"), [(-60, 0), (60, 0), (3600, 1), (10**9, 1)])
def test_a_run_of_a_clock_that_was_wrong_is_told_as_the_latest(seconds: int, told: int) -> None:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    made = record()
    run = replace(made.run, id=new_run_id(moment))
    store = Store.open()
    store.begin(replace(made, run=run))
    assert store.ids() == store.ids() == [run.id]
    assert sum("is dated in the future" in each for each in store.notices) == told
