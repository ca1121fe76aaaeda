# SPDX-License-Identifier: GPL-2.0-only
"""A state directory or a cache of another user: read at most, and nothing is built there."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from mermapctl.records.store import Store
from tests import sample_records as samples
from tests.forkserver import command
from tests.tables import LOGS
from tests.tree.test_ownership import NOBODY, trusting

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")


@pytest.fixture(autouse=True)
def nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting(tmp_path, monkeypatch)
    monkeypatch.delenv("SUDO_UID", raising=False)


def give_away(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def contents(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in root.rglob("*"))


@pytest.fixture
def theirs(home: Path) -> Path:
    """A home of another user, with a run, and with links that lead to what is root's."""
    store, record = Store.open(), samples.record()
    store.begin(record)
    store.finish(record)
    (home / "state/runs/.trash-x").mkdir()
    give_away(home)
    return home


def test_their_store_is_read_and_nothing_is_written(theirs: Path) -> None:
    before = contents(theirs)
    for words in ([], ["list"], ["list", "--failed"], ["--format=html"], ["flaky"]):
        done = command("report", *words)
        assert done.returncode in {0, 1}, done.stderr
        assert done.stdout
    done = command("report", "prune", "--keep=0", "--yes")
    assert done.returncode == 2
    assert "belongs to another user (nobody)" in done.stderr
    command("report", "rejudge")
    assert contents(theirs) == before


def test_a_link_of_theirs_makes_no_file_of_ours(theirs: Path, tmp_path: Path) -> None:
    index = theirs / "state/store.sqlite3"
    index.unlink()
    index.symlink_to(tmp_path / "nologin")
    assert command("report", "list").returncode == 0
    assert not (tmp_path / "nologin").exists()


def test_an_index_of_theirs_is_not_asked(theirs: Path) -> None:
    with sqlite3.connect(theirs / "state/store.sqlite3") as db:
        db.execute("DROP TABLE runs")
        db.execute("CREATE TABLE t (x)")
        db.execute(
            "CREATE VIEW runs AS WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id+1 FROM c)"
            " SELECT id, id started, id seconds FROM c"
        )
    db.close()
    done = command("report", "list", "--format=json", seconds=20)
    assert (done.returncode, len(json.loads(done.stdout)["runs"])) == (0, 1)


@pytest.mark.parametrize("place", ["", "state", "cache", "cache/builds"])
def test_nothing_is_built_in_a_place_of_theirs(
    fake_tree: Path, new_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = new_home
    (home / (place or "state")).mkdir(parents=True, exist_ok=True)
    if not place:  # in a directory of theirs, a link to what is ours
        (home / "state").rmdir()
        (tmp_path / "ours").mkdir()
        (home / "state").symlink_to(tmp_path / "ours")
        os.chown(home / "state", NOBODY, NOBODY, follow_symlinks=False)
    give_away(home / (place or "state"))
    words = ["run", f"--tree={fake_tree}", "--accel=tcg"]
    env = {"FAKE_LOG": str(LOGS / "good.log")}
    done = command(*words, env=env)
    assert done.returncode in {2, 3}, done.stderr
    said = " ".join(f"{done.stderr} {done.stdout}".split())
    assert "belongs to another user (nobody)" in said
    assert "PASSED" not in done.stdout
    trusting(tmp_path, monkeypatch, f"{home}/*", str(home / "state"))
    assert command(*words, env=env).returncode == 0
