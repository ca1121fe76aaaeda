# SPDX-License-Identifier: GPL-2.0-only
"""A copy of what the boots of a cell read, so that its build directory and its lane are free."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError
from mermapctl.events import LaneFreed
from mermapctl.runner import system_map
from mermapctl.runner.kunit import SCRIPT
from mermapctl.system import files, inputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mermapctl.runner.job import Job
    from mermapctl.runner.kernel import Kernel

_NAME = "booted"
_SCRIPTS = SCRIPT.parent


@contextlib.contextmanager
def freeing_lane(job: Job, kernel: Kernel, lock: contextlib.ExitStack) -> Iterator[Job]:
    """Free the lane of a cell that was built; give the job whose boots need it no longer.

    Copies the kernel, its configuration and symbols, and kunit.py, into the folder of the cell;
    closes `lock`, that of the build directory, and reports it; deletes the copy at the end. If the
    disk is full, the lane is not freed, and the same job is given: also where our init is compiled
    at the boot, from files of the tree.
    """
    place, apart = job.folder / _NAME, job
    try:
        if not kernel.own_init and _copied(job, kernel, place):
            lock.close()
            job.tell(LaneFreed())
            apart = _moved(job, place)
        yield apart
    finally:
        _name_programs_at_home(apart)
        shutil.rmtree(place, ignore_errors=True)


def _copied(job: Job, kernel: Kernel, place: Path) -> bool:
    """Copy what a boot reads; return whether there was room for it."""
    shutil.rmtree(place, ignore_errors=True)  # of an earlier process of the same cell
    try:
        for name in (kernel.image, ".config"):
            _copy(job.build_dir / name, place / name)
        with contextlib.suppress(FileNotFoundError):  # UML without KALLSYMS, the stand-in tree
            _copy(job.build_dir / system_map.NAME, place / system_map.NAME)
        shutil.copytree(
            job.tree / _SCRIPTS,
            place / _SCRIPTS,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "test_data"),
        )
    except (OSError, shutil.Error):
        return False
    return True


def _copy(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.copy(source, path)
    path.chmod(source.stat().st_mode & 0o777)  # UML's kernel is a program


def _moved(job: Job, place: Path) -> Job:
    tree = replace(job.cell.tree, path=place)
    return replace(job, build_dir=place, cell=replace(job.cell, tree=tree), home=job)


def named_at_home(job: Job, text: str) -> str:
    """Return a text of the record with the places of the build instead of those of the copy."""
    home = job.home
    if home is None:
        return text
    script = text.replace(str(job.tree / SCRIPT), str(home.tree / SCRIPT))
    return script.replace(str(job.build_dir), str(home.build_dir))


def _name_programs_at_home(job: Job) -> None:
    """Let our programs, which are kept with the record, boot what the lane has."""
    if job.home is None:
        return
    for program in job.folder.glob("bin*/*"):
        with contextlib.suppress(OSError, UnicodeError, HarnessError):
            text = inputs.read_regular(program).decode()
            if text != (changed := named_at_home(job, text)):
                files.write(program, changed.encode())
