# SPDX-License-Identifier: GPL-2.0-only
"""The counters of a boot: where it leaves them, and how they get into the cell's folder.

A guest of QEMU sends them through a second serial port into a file: every x86 kernel with a console
has that driver, and the console stays as it is. (A virtio port would need PCI, virtio and its
console driver, which base leaves out.) UML is a process of the host, whose libgcov writes a file
beside each object, and adds to one that exists.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from mermapctl.config.coverage import Profile
from mermapctl.errors import HarnessError
from mermapctl.runner import counter_stream
from mermapctl.runner.counter_file import is_whole
from mermapctl.runner.job import Job
from mermapctl.system import files, inputs

DATA, NOTES = ".gcda", ".gcno"
"""Suffixes of gcov's files: the counters of an object, and the compiler's notes on it."""
FOLDER = "coverage"
LARGEST = 64 << 20
"""Bytes of counters that are read; those of lib/kunit have 40 KB."""


def forget(job: Job) -> None:
    """Delete the counters of an earlier boot. Raises OSError."""
    job.counters.unlink(missing_ok=True)
    if job.cell.profile and not job.target.qemu:
        for path in _left(job.build_dir, job.cell.profile):
            path.unlink(missing_ok=True)


def bound(job: Job) -> None:
    """Empty the file of a guest that sends more than is read; its boot has no coverage then.

    Called while the guest runs: QEMU goes on behind the gap, which takes no room on the disk.
    """
    if job.cell.sends_counters:
        with contextlib.suppress(OSError):
            if job.counters.stat().st_size > LARGEST:
                os.truncate(job.counters, 0)


def collect(job: Job, name: str) -> Path:
    """Put the counters of a boot, with the notes of their objects, into a folder; return that.

    Raises HarnessError with the reason if there are none, OSError.
    """
    profile = job.cell.profile or Profile()
    found = _sent(job) if job.target.qemu else _written(job.build_dir, profile)
    found = {path: data for path, data in found.items() if profile.has(path)}
    if not found:
        raise HarnessError("the kernel has no counters of the chosen files: is any of them built?")
    uml = job.target.qemu is None
    damaged = [path for path, data in found.items() if not is_whole(data, by_libgcov=uml)]
    if damaged:
        raise HarnessError(
            f"the counters of {damaged[0]} are cut off or damaged",
            "was the disk full, or the kernel ended before it had written them?",
        )
    place = job.folder / FOLDER / name
    shutil.rmtree(place, ignore_errors=True)
    for path, data in found.items():
        goal = place / path
        goal.parent.mkdir(parents=True, exist_ok=True)
        files.make(goal, data)
        notes = Path(path).with_suffix(NOTES)
        files.copy(job.build_dir / notes, place / notes)
    return place


def _sent(job: Job) -> dict[str, bytes]:
    """Return the counters that a guest sent, by their objects' paths in the build directory."""
    try:
        text = inputs.read_text(job.counters, LARGEST)
        sent = counter_stream.files(text.splitlines())
    except FileNotFoundError:
        raise HarnessError("QEMU has made no file for them") from None
    except counter_stream.StreamError as error:
        raise HarnessError(str(error)) from error
    top = f"{os.path.realpath(job.build_dir)}/"
    return {
        path.removeprefix(top): data
        for path, data in sent.items()
        if path.startswith(top)
        and path.endswith(DATA)
        and ".." not in path.split("/")
        and "\0" not in path
    }


def _written(build_dir: Path, profile: Profile) -> dict[str, bytes]:
    """Return the counters that UML wrote as it exited."""
    return {
        str(path.relative_to(build_dir)): inputs.read_regular(path, LARGEST)
        for path in _left(build_dir, profile)
    }


def _left(build_dir: Path, profile: Profile) -> list[Path]:
    """Return the counters beside the chosen objects of a build."""
    named = [build_dir / each for each in profile.objects if not each.endswith("%")]
    found = [path.with_suffix(DATA) for path in named]
    for each in profile.directories:
        found += sorted((build_dir / each).rglob(f"*{DATA}"))
    return [path for path in dict.fromkeys(found) if path.is_file()]
