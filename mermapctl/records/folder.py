# SPDX-License-Identifier: GPL-2.0-only
"""The folder of one run: its record, one folder a cell, and the consoles in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from mermapctl.judge.hang_trial import Trial
from mermapctl.judge.repeats import RepeatedBoot
from mermapctl.judge.reproduction import Reproduction
from mermapctl.judge.stress import StressSummary
from mermapctl.records.farm_facts import LostTry
from mermapctl.records.record import Artifacts, Cell, RunRecord
from mermapctl.system.inputs import open_regular

TREE_DIFF = "tree.diff"
"""The name of the patch of a modified tree, in the folder of a run."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run's record and artifacts."""

    id: str
    path: Path

    @property
    def record(self) -> Path:
        """The record's file."""
        return self.path / "record.json"

    def cell_path(self, slug: str) -> Path:
        """Return the folder of one cell's artifacts, which may not exist; `slug`: `cell_slug`."""
        return self.path / "cells" / slug


def cell_slug(target: str | None, variant: str | None, commit: str | None = None) -> str:
    """Return a folder name for a cell: ``x86_64-base`` or ``x86_64-kasan-1f2e3d4c5b6a``."""
    words = [target or "unknown", variant or "unknown", (commit or "")[:12]]
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(word for word in words if word)).lstrip(".")


def is_inside(path: str, folder: str) -> bool:
    """Return whether `path`, its links resolved, is below `folder`, which contains no link."""
    return os.path.realpath(path).startswith(f"{folder.rstrip('/')}/")


def relocated(path: str, folder: Path, name: str) -> str | None:
    """Return where a file of a run is now that its folder is `folder`.

    `path` is the file's absolute path as the record has it, and `name` the last component that the
    folder's path had then. Return None if `path` is in no folder called `name`.
    """
    rest = path.removeprefix(f"{folder}/")
    if rest == path:
        before, _, rest = path.partition(f"/{name}/")
        if not before.startswith("/"):
            return None
    # ".." could point anywhere, and an absolute path replaces the folder.
    if not rest or rest.startswith("/") or ".." in rest.split("/"):
        return None
    return f"{folder}/{rest}"


def placed(record: RunRecord, folder: RunFolder) -> RunRecord:
    """Return the record with the id of `folder`, and with its artifacts' paths in `folder`.

    The store may have been moved, or come from another machine, and its record is not trusted.
    Replace a path outside of the folder, or one that leads out by a link, by None, and add a note
    that names it. Leave a path unchanged that is outside and does not exist on this machine.
    """
    here = _finder(folder, record.run.id)
    cells = tuple(_placed_cell(cell, here) for cell in record.cells)
    if record.run.id == folder.id and cells == record.cells:
        return record
    return replace(record, run=replace(record.run, id=folder.id), cells=cells)


def placed_cell(cell: Cell, folder: RunFolder) -> Cell:
    """Return a cell that came from another machine with its artifacts' paths in `folder`."""
    return _placed_cell(cell, _finder(folder, folder.id))


_Boot = TypeVar("_Boot", Trial, LostTry, RepeatedBoot, Reproduction | None, StressSummary | None)
_Finder = Callable[[str | None, list[str]], str | None]


def _finder(folder: RunFolder, name: str) -> _Finder:
    """Return a function that gives a path of a record its place in `folder`, once called `name`."""
    root = os.path.realpath(folder.path)

    def here(path: str | None, strangers: list[str]) -> str | None:
        if path is None:
            return None
        if "\0" in path:  # no file system allows such a name
            strangers.append(path)
            return None
        found = relocated(path, folder.path, name)
        if found is not None and is_inside(found, root):
            return found
        if found is None and not os.path.lexists(path):
            return path
        strangers.append(path)
        return None

    return here


def _placed_cell(cell: Cell, here: _Finder) -> Cell:
    strangers: list[str] = []
    kept = asdict(cell.artifacts)
    found = replace(
        cell,
        artifacts=Artifacts(**{name: here(path, strangers) for name, path in kept.items()}),
        triage=tuple(_placed(each, here, strangers) for each in cell.triage),
        tries=tuple(_placed(each, here, strangers) for each in cell.tries),
        reproduction=_placed(cell.reproduction, here, strangers),
        stress=_placed(cell.stress, here, strangers),
        repeats=cell.repeats
        and replace(
            cell.repeats,
            boots=tuple(_placed(each, here, strangers) for each in cell.repeats.boots),
        ),
        coverage=cell.coverage
        and replace(
            cell.coverage,
            lcov=here(cell.coverage.lcov, strangers),
            cobertura=here(cell.coverage.cobertura, strangers),
        ),
    )
    notes = tuple(
        f"not in this run's folder, and not read: {path}" for path in dict.fromkeys(strangers)
    )
    return replace(found, notes=(*cell.notes, *notes))


def _placed(boot: _Boot, here: _Finder, strangers: list[str]) -> _Boot:
    """Return what is kept of a further boot, its console's path in the folder."""
    return boot and replace(boot, console=here(boot.console, strangers))


def console_lines(cell: Cell) -> Iterator[str]:
    """Yield the lines of a cell's console, without their ends; none if it is no regular file.

    Decodes bytes that are not UTF-8 to surrogate escapes; splits lines at 1 MB.
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
    """Return how many bytes the files below `directory` take on disk."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total
