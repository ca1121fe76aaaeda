# SPDX-License-Identifier: GPL-2.0-only
"""The files of a cell: gathered on a worker, and put into the run's folder on the client."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.records import cell_files
from mermapctl.records.folder import RunFolder, placed_cell
from mermapctl.records.record import Cell
from mermapctl.series import cell_job
from mermapctl.series.engines import parcel, tries
from mermapctl.series.engines.parcel import ParcelError
from mermapctl.system import files, inputs

MOST_FILES = 50_000
_LONGEST_PART, _DEEPEST = 200, 32
"""Bytes of a name, and directories of a path: `files.write_own` makes a name 20 bytes longer."""
_NOT_SENT = {cell_job.JOB}
"""The client has its own job of each cell."""


def gathered(folder: Path) -> dict[str, bytes]:
    """Return the regular files of a cell by path, compressed. Raises HarnessError, OSError."""
    found: dict[str, bytes] = {}
    room = parcel.LARGEST
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        name = str(path.relative_to(folder))
        if stat.S_ISREG(mode) and name not in _NOT_SENT:
            data = inputs.read_regular(path, parcel.LARGEST)
            room -= len(data)
            if room < 0:
                raise HarnessError(f"the cell has left more than {parcel.LARGEST >> 20} MB")
            found[name] = parcel.compressed(data)
    return found


def thin_out(folder: Path) -> None:
    """Remove the files of a cell but its result, which a neighbour with the same kernel needs."""
    for path in folder.iterdir():
        if path.name == cell_files.CELL:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def put(taken: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a cell into its folder here.

    Raises ParcelError for names and contents that no cell leaves, HarnessError where they cannot be
    written here.
    """
    _require_names(taken)
    room = parcel.LARGEST
    for name, packed in taken.items():
        data = parcel.expanded(packed, room)
        room -= len(data)
        path = folder / name
        files.make_folder(path.parent)
        files.write_own(path, data)


def _require_names(names: Iterable[str]) -> None:
    """Raise ParcelError unless each name is that of a file below the cell's folder.

    No name is also that of a directory; the lost tries are in directories of the client's.
    """
    all_files = {*names, cell_files.CELL, parcel.CONSOLE}
    if len(all_files) > MOST_FILES:
        raise ParcelError(f"a worker sent more than {MOST_FILES:,} files")
    for name in all_files:
        parts = name.split("/")
        sizes = [len(each.encode("utf-8", "surrogatepass")) for each in parts]
        above = {"/".join(parts[:end]) for end in range(1, len(parts))}
        if (
            {"", ".", ".."} & {*parts}
            or "\0" in name
            or max(sizes) > _LONGEST_PART
            or len(parts) > _DEEPEST
            or above & all_files
            or tries.is_aside(parts[0])
        ):
            raise ParcelError(f"a worker sent a file of the name {name[:100]!r}")


def received(folder: Path, run: RunFolder, changes: Mapping[str, object]) -> Cell | None:
    """Return the cell that was put into its folder, its paths those of here; None if there is none.

    `changes` are facts that the worker does not know. Raises HarnessError.
    """
    cell = cell_files.read(folder)
    if cell is None:
        return None
    cell = replace(placed_cell(cell, run), **changes)  # type: ignore[arg-type]
    cell_files.write(folder, cell)
    return cell
