# SPDX-License-Identifier: GPL-2.0-only
"""The store keeps runs, finds them again, and survives kills and full disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.errors import HarnessError, UserError
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.host import host_facts
from mermapctl.records.record import (
    SCHEMA,
    Cell,
    Run,
    RunRecord,
    State,
    TreeFacts,
    from_json,
    new_run,
    this_tool,
    to_json,
)
from mermapctl.records.rows import Filters
from mermapctl.records.store import Store, cell_slug
from mermapctl.system import files
from tests.sample_records import cell_folder
from tests.tables import NAMES

if TYPE_CHECKING:
    from pathlib import Path


def record(
    run_id: str | None = None,
    verdict: Verdict = Verdict.PASSED,
    *,
    target: str = "x86_64",
    variant: str = "base",
    commit: str | None = "1f2e3d4c5b6a79880011223344556677889900aa",
    started: str = "2026-01-02T03:04:05.678Z",
) -> RunRecord:
    run = new_run(("mermapctl", "run"))
    if run_id:
        run = replace(run, id=run_id, started=started)
    status = Status.PASSED if verdict is Verdict.PASSED else Status.FAILED
    suite = Suite("mermap", status, tuple(Test(name, status, 0.25) for name in NAMES))
    cell = Cell(target, variant, verdict, suites=(suite,))
    tree = TreeFacts("7.3.4", commit, "v7.3.4", dirty=False, path="/src/linux")
    return RunRecord(SCHEMA, this_tool(), run, tree, verdict, (cell,))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "state")


def kept(store: Store, made: RunRecord) -> RunRecord:
    store.begin(made)
    return store.finish(made)


def test_a_run_begins_goes_on_and_finishes(store: Store) -> None:
    made = record()
    folder = store.begin(made)
    assert store.get().run.state is State.RUNNING
    assert folder.cell_path(cell_slug("x86_64", "base")) == folder.path / "cells/x86_64-base"
    store.save(replace(made, verdict=Verdict.NO_VERDICT))
    assert store.list()[0].verdict == "no-verdict"
    store.finish(made)
    assert store.get(made.run.id).run.state is State.FINISHED
    (summary,) = store.list()
    assert (summary.state, summary.verdict, summary.kernel) == ("finished", "passed", "7.3.4")
    assert [cell.target for cell in summary.cells] == ["x86_64"]
    assert not list(store.runs.glob(".*"))


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        (("x86_64", "base", None), "x86_64-base"),
        (("um", "base", "1f2e3d4c5b6a79880011"), "um-base-1f2e3d4c5b6a"),
        ((None, None, None), "unknown-unknown"),
        (("../../etc", "a b/c", None), "_.._etc-a_b_c"),
    ],
)
def test_cells_have_safe_folder_names(words: tuple[str | None, ...], slug: str) -> None:
    assert cell_slug(*words) == slug


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (None, "20260103-000000-000cccc"),
        ("latest", "20260103-000000-000cccc"),
        ("latest~2", "20260101-000000-000aaaa"),
        ("20260102", "20260102-000000-000bbbb"),
        ("0aaaa", "20260101-000000-000aaaa"),
        ("20260103-000000-000cccc", "20260103-000000-000cccc"),
    ],
)
def test_runs_are_named_briefly(store: Store, key: str | None, found: str) -> None:
    for number, letter in enumerate("abc", 1):
        kept(store, record(f"2026010{number}-000000-000{letter * 4}"))
    assert store.get(key).run.id == found


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("2026010", "fits 2 runs: 20260102-b, 20260101-a"),
        ("nothing", "no stored run is named 'nothing'"),
        ("latest~2", "there are only 2 runs"),
    ],
)
def test_wrong_names_are_explained(store: Store, key: str, words: str) -> None:
    kept(store, record("20260101-a"))
    kept(store, record("20260102-b"))
    with pytest.raises(UserError, match=words) as caught:
        store.get(key)
    assert caught.value.hint


def test_an_empty_store_gives_a_hint(store: Store) -> None:
    assert store.list() == []
    with pytest.raises(UserError, match="no run is stored") as caught:
        store.get()
    assert "mermapctl run" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(), "4321"),
        (Filters(limit=2), "43"),
        (Filters(failed=True), "2"),
        (Filters(target="um"), "3"),
        (Filters(variant="kasan"), "4"),
        (Filters(commit="beef"), "4"),
        (Filters(commit="v7.3"), "4321"),
        (Filters(commit="*"), ""),
        (Filters(since="2026-01-03"), "43"),
        (Filters(failed=True, target="um"), ""),
    ],
)
def test_lists_are_filtered(store: Store, filters: Filters, ids: str) -> None:
    kept(store, record("1", started="2026-01-01T00:00:00.000Z"))
    kept(store, record("2", Verdict.FAILED, started="2026-01-02T00:00:00.000Z"))
    kept(store, record("3", target="um", started="2026-01-03T00:00:00.000Z"))
    kept(store, record("4", variant="kasan", commit="beefcafe", started="2026-01-04T00:00:00.000Z"))
    assert "".join(run.id for run in store.list(filters)) == ids


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import *
from mermapctl.records.store import Store
store = Store.open(Path(sys.argv[1]))
def made(excerpt=()):
    cell = Cell("x86_64", "base", Verdict.PASSED, notes=excerpt)
    return RunRecord(SCHEMA, this_tool(), new_run(("x",)), TreeFacts(), Verdict.PASSED, (cell,))
"""


def start(store: Store, body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER + body, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_write_at_once(store: Store) -> None:
    body = """
for number in range(40):
    record = made()
    store.begin(record)
    store.save(record)
    store.finish(record)
    assert store.get(record.run.id).run.state is State.FINISHED
    store.list()
assert not store.notices, store.notices
"""
    processes = [start(store, body) for _ in range(2)]
    assert [(process.wait(120), process.communicate()[0]) for process in processes] == [(0, "")] * 2
    runs = store.list()
    assert len(runs) == 80
    assert {run.state for run in runs} == {"finished"}
    assert store.notices == []


def test_killed_in_the_middle_of_a_write(store: Store) -> None:
    """After a kill at any moment every record is whole and no run is lost."""
    body = """
first = made()
store.begin(first)
print(first.run.id, flush=True)
while True:
    store.save(replace(first, cells=made(("x" * 1000,) * 500).cells))
    store.save(first)
    second = made()
    store.begin(second)
    store.finish(second)
"""
    begun = []
    for delay in (0.0, 0.013, 0.05, 0.11, 0.2):
        process = start(store, body)
        begun.append(line_of(process))
        time.sleep(delay)
        process.kill()
        process.communicate()
    runs = {run.id: run for run in store.list()}
    assert set(begun) <= set(runs)
    assert {runs[name].state for name in begun} == {"interrupted"}
    assert all(run.problem is None for run in runs.values())
    for name in runs:
        assert from_json(store.folder(name).record.read_bytes()).run.id == name
    assert store.get(begun[0]).run.state is State.INTERRUPTED
    assert store.notices == []


def test_a_finished_record_takes_precedence_over_a_stale_index(store: Store) -> None:
    made = record()
    store.begin(made)
    assert store.list()[0].state == "running"
    failed = replace(made, verdict=Verdict.FAILED, run=replace(made.run, state=State.FINISHED))
    store.save(replace(made, verdict=Verdict.NO_VERDICT))
    assert store.list()[0].verdict == "no-verdict"
    files.write(store.folder(made.run.id).record, to_json(failed))  # killed before the index
    assert (store.list()[0].state, store.list()[0].verdict) == ("finished", "failed")


def test_a_reused_pid_is_not_our_process(store: Store) -> None:
    process = start(store, 'store.begin(made()); print("begun", flush=True); input()')
    assert line_of(process) == "begun"
    assert store.list()[0].state == "running"
    taken = replace(store.get().run, id="other", pid=os.getpid())  # a live pid, another process
    store.begin(replace(record(), run=taken))
    assert store.get("other").run.state is State.INTERRUPTED
    process.kill()
    process.communicate()
    assert {run.state for run in store.list()} == {"interrupted"}


def test_a_run_on_another_machine_is_taken_to_go_on(store: Store) -> None:
    far = replace(host_facts(), name="another-machine")
    made = record()
    store.begin(replace(made, run=replace(made.run, host=far, pid=2**22 - 1)))
    assert store.list()[0].state == "running"


def damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "not a database":
        path.write_bytes(b"\0not a database" * 1000)
    elif how == "torn":
        data = bytearray(path.read_bytes())
        data[5000:] = b"\xa5" * (len(data) - 5000)
        path.write_bytes(data)
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:6000])
    elif how == "a table is missing":
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE cells")
        connection.close()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version=0")
        connection.close()


@pytest.mark.parametrize(
    ("how", "noticed"),
    [
        ("gone", False),
        ("empty", False),
        ("not a database", True),
        ("torn", True),
        ("cut off", True),
        ("a table is missing", True),
        ("another program's", True),
    ],
)
def test_a_damaged_index_is_made_again(store: Store, how: str, noticed: bool) -> None:
    made = [kept(store, record()) for _ in range(8)]
    path = store.root / "store.sqlite3"
    damage(path, how)
    store = Store.open(store.root)
    assert {run.id for run in store.list()} == {one.run.id for one in made}
    assert bool(store.notices) is noticed
    assert len(list(store.root.glob("*.damaged-*"))) == noticed
    if noticed:
        assert "nothing is lost" in store.notices[0]
    assert Store.open(store.root).notices == []


def test_processes_that_meet_a_damaged_index_mend_it_once(store: Store) -> None:
    made = {kept(store, record()).run.id for _ in range(8)}
    (store.root / "store.sqlite3").write_bytes(b"not a database" * 1000)
    body = """
for _ in range(3):
    print(len(store.list()))
store.begin(made())
"""
    processes = [start(store, body) for _ in range(4)]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert all(int(number) >= 8 for output in outputs for number in output)
    assert made <= {run.id for run in store.list()}
    assert len(store.list()) == 12
    assert len(list(store.root.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize("use", ["open", "list"])
def test_a_newer_store_is_refused_untouched(store: Store, use: str) -> None:
    kept(store, record())
    path = store.root / "store.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HarnessError, match=r"newer mermapctl \(index version 7") as caught:
        Store.open(store.root) if use == "open" else store.list()
    assert "MERMAPCTL_HOME" in str(caught.value.hint)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b'{"schema": 1, "tool"', "is damaged"),
        (b"\xff\xfe\0", "is damaged"),
        (b'{"schema": 9, "everything": "else"}', "written by a newer mermapctl .schema 9"),
        (None, "cannot read"),
    ],
)
def test_one_bad_record_hides_no_other(store: Store, content: bytes | None, words: str) -> None:
    good, bad = kept(store, record("1")), kept(store, record("2"))
    path = store.folder(bad.run.id).record
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    (store.root / "store.sqlite3").unlink()
    runs = store.list()
    assert [(run.id, run.state) for run in runs] == [("2", "unreadable"), ("1", "finished")]
    assert runs[0].problem is not None
    with pytest.raises(HarnessError, match=words):
        store.get("2")
    assert store.get("1") == good
    kept(store, replace(record("3"), verdict=Verdict.FAILED))
    assert store.list()[0].verdict == "failed"


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"\0" * 4096):
            pass


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a tiny real file system every write fails with a sentence; stored runs remain."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    try:
        store = Store.open(small)
        first = kept(store, record("1"))
        dead = replace(record("0").run, state=State.RUNNING, pid=2**22 - 1)
        store.begin(replace(record(), run=dead))
        fill(small / "filler")
        with pytest.raises(HarnessError, match="No space left on device") as caught:
            store.begin(record("2"))
        assert "report prune" in str(caught.value.hint)
        big = replace(first, cells=(replace(first.cells[0], notes=("x" * 9000,)),))
        with pytest.raises(HarnessError, match="No space left on device"):
            store.replace(big)
        assert store.get("1") == first
        states = [(run.id, run.state) for run in Store.open(small).list()]
        assert states == [("1", "finished"), ("0", "interrupted")]  # although no index lists it
        assert not list(store.runs.glob(".new-*"))
        (small / "filler").unlink()
        store.replace(big)
        assert store.get("1") == big
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_file_size_limit_is_a_sentence_too(store: Store) -> None:
    body = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.begin(made(("x" * 100000,)))
except Exception as error:
    print(type(error).__name__, error)
"""
    process = start(store, body)
    assert "HarnessError cannot write" in line_of(process)
    process.communicate()
    assert store.ids() == []


def test_removed_by_hand_or_by_us(store: Store) -> None:
    for name in "123":
        kept(store, record(name))
    cell = cell_folder(store.folder("1"))
    cell.joinpath("console.log").write_bytes(b"x" * 50000)
    shutil.rmtree(store.folder("3").path)
    assert [run.id for run in store.list()] == ["2", "1"]
    assert store.remove(["1", "3", "never-was"]) >= 50000
    assert [run.id for run in store.list()] == ["2"]
    assert [path.name for path in store.runs.iterdir()] == ["2"]


def test_interrupted_stays_interrupted(store: Store) -> None:
    made = record()
    store.begin(made)
    cell = replace(made.cells[0], verdict=Verdict.NO_VERDICT, reason=Reason.INTERRUPTED)
    ended = replace(
        made,
        verdict=Verdict.NO_VERDICT,
        cells=(cell,),
        run=replace(made.run, state=State.INTERRUPTED),
    )
    store.finish(ended)
    assert store.get() == ended
    assert store.list()[0].cells[0].reason == "interrupted"


def test_run_ids_sort_by_time() -> None:
    runs: list[Run] = []
    for _ in range(5):
        runs.append(new_run(("x",)))
        time.sleep(0.002)
    assert sorted(run.id for run in runs) == [run.id for run in runs]
    assert sorted(run.started for run in runs) == [run.started for run in runs]
    assert runs[0].pid == os.getpid()
