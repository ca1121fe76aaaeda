# SPDX-License-Identifier: GPL-2.0-only
"""The entries of the store's `runs`: folders of runs, foreign files, leftovers of killed runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
import time
from pathlib import Path

import msgspec

from mermapctl.records.record import RUN_ID, Run, still_running
from mermapctl.system import files
from mermapctl.system.inputs import read_regular

RECORD = "record.json"
ROOM = ".room"
"""The file that reserves space for a run's last record."""
LARGEST = 128 << 20
"""Bytes of a record that are read; 100 cells of a long trace each have 100 MB."""
NEW, TRASH = ".new-", ".trash-"
_PLAIN = re.compile(r"\w[\w.-]*", re.ASCII)
_OURS = re.compile(r"\d[\w.-]*", re.ASCII)
"""Names that a damaged run may have; other folders without a record belong to the user."""
FRESH_SECONDS = 60.0
"""Another process may be making a younger folder without a record right now."""
WRITING_SECONDS = 2.0
"""The same where the process that writes its record is gone here: it may be on another machine that
shares the store."""


AHEAD_SECONDS = 600.0
"""Seconds by which the clocks of two machines that share a store may differ."""


class _Head(msgspec.Struct):
    """As much of a record as identifies its run."""

    run: Run


def scan(runs: Path) -> tuple[list[str], list[str]]:
    """Return the names of the runs in `runs`, newest first, and why each other entry is none.

    Raises OSError. Does not open a folder with a name of ours: there may be thousands.
    """
    names, strangers = [], []
    with os.scandir(runs) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
            if entry.name[0] == ".":
                continue
            why = _stranger(entry)
            if why is None:
                names.append(entry.name)
            else:
                strangers.append(f"{entry.name} ({why})")
    return names, strangers


def is_ahead(run_id: str) -> bool:
    """Return whether a run is dated later than now, as by a clock that was wrong."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=AHEAD_SECONDS)
    return RUN_ID.fullmatch(run_id) is not None and run_id[:15] > f"{soon:%Y%m%d-%H%M%S}"


def _stranger(entry: os.DirEntry[str]) -> str | None:
    """Return why an entry is no run; None where it is one."""
    if not entry.is_dir():
        return "no folder"
    if RUN_ID.fullmatch(entry.name):
        return None
    head = _head(Path(entry.path) / RECORD) if _PLAIN.fullmatch(entry.name) else None
    if head is None:
        return None if _OURS.fullmatch(entry.name) else "no record"
    return None if head.id == entry.name else f"a copy of run {head.id}"


def _head(path: Path) -> Run | None:
    """Read the run of a record; None where it cannot be read."""
    try:
        return msgspec.json.decode(read_regular(path, LARGEST), type=_Head).run
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def discard(path: Path) -> None:
    """Remove a folder, a file or a link; ignores failures."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def sweep(runs: Path) -> None:
    """Remove what killed processes left in `runs`: partial new runs and partly removed ones."""
    for trash in runs.glob(f"{TRASH}*"):
        discard(trash)
    for new in runs.glob(f"{NEW}*"):
        run = _head(new / RECORD)
        with contextlib.suppress(OSError):
            age = time.time() - new.stat().st_mtime
            old = age > (WRITING_SECONDS if files.leftovers(new) else FRESH_SECONDS)
            if old if run is None else not still_running(run):
                discard(new)


def sweep_folder(folder: Path) -> None:
    """Remove what a killed process left in a run's folder: partial files, reserved space."""
    for path in (*files.leftovers(folder), folder / ROOM):
        with contextlib.suppress(OSError):
            path.unlink()
