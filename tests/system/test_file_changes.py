# SPDX-License-Identifier: GPL-2.0-only
"""Changed files, with inotify and where it does not help."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mermapctl.system import file_changes
from mermapctl.system.file_changes import FileChanges


@pytest.fixture
def changes() -> Iterator[FileChanges]:
    made = FileChanges()
    yield made
    made.close()


def waited(changes: FileChanges, seconds: float = 5.0) -> tuple[Path, ...]:
    """Return the next changes; nothing after some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := changes.changed():
            return found
        time.sleep(0.01)
    return ()


def test_a_write_a_replacement_a_new_file_and_a_removal_are_changes(
    changes: FileChanges, tmp_path: Path
) -> None:
    one, two, later = (tmp_path / name for name in ("one", "two", "later"))
    one.write_text("1")
    two.write_text("2")
    changes.watch([one, two, later, tmp_path / "nowhere/file"])
    assert changes.directories == 1
    one.write_text("11")
    assert waited(changes) == (one,)
    (tmp_path / "unwatched").write_text("x")
    assert waited(changes, 0.2) == ()
    (tmp_path / "new").write_text("3")
    (tmp_path / "new").rename(two)  # as editors write
    assert waited(changes) == (two,)
    later.write_text("x")
    assert waited(changes) == (later,)
    one.unlink()
    assert waited(changes) == (one,)


def test_a_file_that_stays_in_the_set_keeps_its_change(
    changes: FileChanges, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = tmp_path / "a/one", tmp_path / "b/other"
    one.write_text("1")
    changes.watch([one])
    one.write_text("22")
    changes.watch([one, other])  # new notifications: the event is lost
    other.write_text("x")
    assert set(waited(changes)) == {one, other}


def test_what_inotify_does_not_see_is_looked_at(
    changes: FileChanges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    point = str(tmp_path / "a b").replace(" ", "\\040")
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / {point} rw shared:1 - 9p host rw\n"
    )
    monkeypatch.setattr(file_changes, "_MOUNTS", mounts)
    monkeypatch.setattr(file_changes, "POLL_SECONDS", 0.01)
    (tmp_path / "a b").mkdir()
    one = tmp_path / "a b/one"
    one.write_text("1")
    changes.watch([one])
    assert changes.why_polling == "inotify does not see all changes on 9p"
    one.write_text("22")
    assert waited(changes) == (one,)


def test_where_the_limit_is_reached_files_are_looked_at(
    changes: FileChanges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(file_changes, "RustNotify", refuse)
    monkeypatch.setattr(file_changes, "POLL_SECONDS", 0.01)
    one = tmp_path / "one"
    one.write_text("1")
    changes.watch([one])
    assert changes.why_polling == (
        "inotify does not take 1 directories (OS file watch limit reached.)"
    )
    one.unlink()
    assert waited(changes) == (one,)


def test_new_files_of_the_set_written_since_a_moment(changes: FileChanges, tmp_path: Path) -> None:
    old, new, known = tmp_path / "old", tmp_path / "new", tmp_path / "known"
    for path, seconds in ((old, 1000), (new, 3000), (known, 3000)):
        path.write_text("")
        os.utime(path, (seconds, seconds))
    assert changes.watch([known]) == ()
    assert changes.watch([old, new, known, tmp_path / "missing"], since=2000.0) == (new,)
