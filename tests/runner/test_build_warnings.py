# SPDX-License-Identifier: GPL-2.0-only
"""Warnings of a build directory, over several builds that make only some objects."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mermapctl.config.target import without_tree
from mermapctl.runner import build_log, build_warnings
from mermapctl.runner.job import Job
from mermapctl.system import process
from tests import jobs

A, B, H = "mm/a.c", "mm/b.c", "include/linux/h.h"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    tree = tmp_path / "linux"
    for name in (A, B, H):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    build = tmp_path / "build"
    build.mkdir()
    return jobs.job(
        tree, without_tree("x86_64", None), build_dir=build, kunitconfig=tmp_path / "kunitconfig"
    )


def build(job: Job, objects: str, *warned: str) -> None:
    """Compile `objects` with a warning in each of some files."""
    with build_warnings.collected(job):
        lines = [f"  CC      {each}.o\n" for each in objects.split()]
        lines += [f"{job.tree}/{each}:1:2: warning: w\n" for each in warned]
        job.build_log.write_text("".join(lines))


def files(job: Job) -> list[str] | None:
    known = build_warnings.known(job)
    return None if known is None else [each.file for each in known]


def test_objects_that_are_not_made_again_keep_their_warnings(job: Job) -> None:
    build(job, "mm/a mm/b", A, B, H)
    assert files(job) == [A, B, H]
    build(job, "mm/a")
    assert files(job) == [B, H]
    build(job, "")
    assert files(job) == [B, H]
    (job.tree / B).unlink()
    os.utime(job.tree / H, (time.time() + 5,) * 2)  # changed: all that include it are made again
    build(job, "mm/a")
    assert files(job) == []


def test_an_interrupted_build_counts_and_a_killed_one_makes_them_unknown(job: Job) -> None:
    def interrupted() -> None:
        with build_warnings.collected(job):
            job.build_log.write_text(f"  CC      mm/a.o\n{job.tree}/{A}:1:2: warning: w\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files(job) == [A]
    killed = build_warnings.collected(job)
    killed.__enter__()
    assert files(job) is None
    build(job, "mm/a", A)
    assert files(job) is None


def test_warnings_of_older_objects_are_unknown(job: Job) -> None:
    (job.build_dir / "init").mkdir()
    (job.build_dir / "init/main.o").write_text("")
    assert files(job) is None
    build(job, "mm/a", A)
    assert files(job) is None


def test_more_warnings_than_are_kept_are_unknown(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_warnings, "MOST", 1)
    build(job, "mm/a", A)
    assert files(job) == [A]
    build(job, "mm/b", B)
    assert files(job) is None


@pytest.mark.parametrize("name", ["a" * 5000, "mm/\0", "mm/\udcff.c", "/proc/1/fd/9/a.c", "mm"])
def test_a_warning_of_no_file_of_the_tree_is_left_out(job: Job, name: str) -> None:
    with build_warnings.collected(job):
        said = f"{name}:1:2: warning: w\n{job.tree}/{A}:1:2: warning: w\n"
        job.build_log.write_bytes(os.fsencode(said))
    assert files(job) == [A]


def test_the_line_of_an_error_is_bounded(job: Job) -> None:
    job.build_log.write_bytes(b"\n" * 200_000 + b"mm/a.c:1:2: error: " + b"x" * 1_000_000 + b"\n")
    ended = process.SessionEnd(process.Ending.EXITED, 1, 0.0, 0.0)
    assert len(build_log.why(job, "make", ended)) < 3000
    job.build_log.write_bytes(b"\n" * 200_000)
    job.harness_log.write_bytes(b"x" * 1_000_000)
    assert len(build_log.why(job, "make", ended)) < 3000
