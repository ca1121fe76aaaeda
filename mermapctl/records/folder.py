# SPDX-License-Identifier: GPL-2.0-only
"""The folder of one run: its record, one folder a cell, and the consoles in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.records.record import Artifacts
from mermapctl.system.inputs import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mermapctl.records.record import Cell, RunRecord


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run keeps its record and its artifacts."""

    id: str
    path: Path

    @property
    def record(self) -> Path:
        """The record's file."""
        return self.path / "record.json"

    def cell_path(self, slug: str) -> Path:
        """The folder of one cell's artifacts, whether or not it exists; `slug` from `cell_slug`."""
        return self.path / "cells" / slug


def cell_slug(target: str | None, variant: str | None, commit: str | None = None) -> str:
    """A folder name for a cell, such as ``x86_64-base`` or ``x86_64-kasan-1f2e3d4c5b6a``."""
    words = [target or "unknown", variant or "unknown", (commit or "")[:12]]
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(word for word in words if word)).lstrip(".")


def is_inside(path: str, folder: str) -> bool:
    """Whether `path`, its symbolic links followed, lies below `folder`, which has none."""
    return os.path.realpath(path).startswith(f"{folder.rstrip('/')}/")


def relocated(path: str, folder: Path, name: str) -> str | None:
    """Where a file of the folder `name` lies now that the folder is `folder`; None: not in it.

    `path` is the absolute path that was noted when the folder was written.
    """
    rest = path.removeprefix(f"{folder}/")
    if rest == path:
        before, _, rest = path.partition(f"/{name}/")
        if not before.startswith("/"):
            return None
    # ".." could lead anywhere, and an absolute path takes the folder's place.
    if not rest or rest.startswith("/") or ".." in rest.split("/"):
        return None
    return f"{folder}/{rest}"


def placed(record: RunRecord, folder: RunFolder) -> RunRecord:
    """The record as it lies in `folder`: its id is the folder's, its artifacts are in there.

    The store may have been moved, or come from another machine: what the record names outside of
    its folder is not taken for an artifact, and a note says so.
    """
    root = os.path.realpath(folder.path)

    def here(path: str | None, strangers: list[str]) -> str | None:
        if path is None:
            return None
        if "\0" in path:  # no file system has such a name
            strangers.append(path)
            return None
        found = relocated(path, folder.path, record.run.id)
        if found is not None and is_inside(found, root):
            return found
        if not os.path.lexists(found or path):
            return path  # as it was on the machine that wrote it; nothing here to be read
        strangers.append(path)
        return None

    cells = tuple(_placed_cell(cell, here) for cell in record.cells)
    if record.run.id == folder.id and cells == record.cells:
        return record
    return replace(record, run=replace(record.run, id=folder.id), cells=cells)


def _placed_cell(cell: Cell, here: Callable[[str | None, list[str]], str | None]) -> Cell:
    kept = cell.artifacts
    strangers: list[str] = []
    placed = Artifacts(
        console=here(kept.console, strangers),
        config=here(kept.config, strangers),
        kunitconfig=here(kept.kunitconfig, strangers),
        build_log=here(kept.build_log, strangers),
        directory=here(kept.directory, strangers),
        console_untraced=here(kept.console_untraced, strangers),
    )
    trials = tuple(replace(each, console=here(each.console, strangers)) for each in cell.triage)
    notes = tuple(f"not in this run's folder, and not read: {path}" for path in strangers)
    return replace(cell, artifacts=placed, triage=trials, notes=(*cell.notes, *notes))


def console_lines(cell: Cell) -> Iterator[str]:
    """The lines of a cell's console, without their ends; none where it is gone, or no plain file.

    Bytes that are no UTF-8 come as surrogate escapes; a line over 1 MB comes in pieces of that.
    """
    if cell.artifacts.console is None:
        return
    try:
        with open_regular(Path(cell.artifacts.console)) as file:
            while line := file.readline(1 << 20):
                yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    except OSError:
        return


def size_of(directory: Path) -> int:
    """The bytes on disk below `directory`."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
