# SPDX-License-Identifier: GPL-2.0-only
"""A worker of a farm: its home, its lane, and the one cell that it runs. Imports no dask.

The functions without an underscore are those that a client calls, by name, in the worker's process:
`run_cell` in a thread of dask's, all others in its event loop, so they are quick.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from mermapctl import __version__
from mermapctl.errors import HarnessError, MermapctlError
from mermapctl.records import cell_files, host, run_folders
from mermapctl.series import cell_job
from mermapctl.series.engines import harvest, parcel
from mermapctl.series.engines.parcel import CellHarvest, CellParcel, Words, WorkerFacts
from mermapctl.series.engines.work import last_words
from mermapctl.system import files, inputs, paths, process
from mermapctl.system.children import ChildLine, Children
from mermapctl.tree import bundle
from mermapctl.tree.series_worktrees import Borrower

_TICK = 0.1
_MOST_LINES, _MOST_CONSOLE = 2000, 1 << 20
"""Lines of events, and bytes of a console, of one answer."""


@dataclass(slots=True)
class _Try:
    """The cell that runs now: what it has printed, where, and whether it is to end."""

    token: str
    patience: float
    heard: float = field(default_factory=time.monotonic)
    lines: deque[bytes] = field(default_factory=deque)
    folder: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether the cell is to end: the client said so, or is gone."""
        return self.stop.is_set() or time.monotonic() - self.heard > self.patience


@dataclass(slots=True)
class _Station:
    """What this process offers, and the cell that it runs."""

    facts: WorkerFacts
    running: _Try | None = None


_station: _Station | None = None


def open_station(facts: WorkerFacts) -> None:
    """Offer this process to clients. MERMAPCTL_HOME is its home, which no other process has."""
    global _station  # noqa: PLW0603 - one process is one worker, and clients call it by name
    _station = _Station(facts)


def close_station() -> None:
    """End what runs."""
    if _station is not None and _station.running is not None:
        _station.running.stop.set()


def _opened() -> _Station:
    if _station is None:
        raise HarnessError("this dask worker is no `mermapctl worker`")
    return _station


def _place() -> Path:
    return paths.cache_dir() / "series" / "farm"


def facts_of(
    targets: tuple[str, ...],
    toolchains: dict[str, str],
    *,
    cores: int,
    memory: int | None,
    kvm: bool,
    distributed: str,
) -> WorkerFacts:
    """Return the facts of this machine."""
    return WorkerFacts(
        version=__version__,
        package=parcel.package_digest(),
        distributed=distributed,
        python=platform.python_version(),
        host=host.host_facts(),
        targets=targets,
        toolchains=toolchains,
        cores=cores,
        memory=memory,
        kvm=kvm,
    )


def facts() -> bytes:
    """Return what this worker is; nothing for a dask worker that is not ours."""
    if _station is None:
        return b""
    with contextlib.suppress(HarnessError):
        return parcel.packed(replace(_station.facts, bases=bundle.bases(_place() / "repo.git")))
    return parcel.packed(_station.facts)


def receive(name: str, offset: int, data: bytes) -> str | None:
    """Write a part of a bundle; return in words why it cannot be written."""
    try:
        _opened()
        path = _incoming(name)
        if not offset:
            files.make_empty(path.parent)
        with path.open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(data)
    except MermapctlError as error:
        return error.message
    except OSError as error:
        return files.cannot_write(_place(), error).message
    return None


def _incoming(name: str) -> Path:
    if not name.isalnum():
        raise HarnessError(f"{name!r} is no name of a bundle")
    return _place() / "incoming" / name


def listen(token: str, offset: int) -> bytes:
    """Return what the cell has printed since the last call; `offset` is that of its console."""
    running = _station.running if _station else None
    if running is None or running.token != token:
        return parcel.packed(Words((), b"", offset))
    running.heard = time.monotonic()
    lines: list[bytes] = []
    while running.lines and len(lines) < _MOST_LINES:
        lines.append(running.lines.popleft())
    console = b""
    if running.folder is not None:
        with (
            contextlib.suppress(OSError),
            inputs.open_regular(running.folder / parcel.CONSOLE) as file,
        ):
            file.seek(offset)
            console = file.read(_MOST_CONSOLE)
    return parcel.packed(Words(tuple(lines), console, offset))


def stop(token: str) -> None:
    """End a cell, with all its processes."""
    running = _station.running if _station else None
    if running is not None and running.token == token:
        running.stop.set()


def run_cell(data: bytes) -> bytes:
    """Run a cell to its end; return what it has left. Raises nothing that a machine can cause."""
    began = time.monotonic()
    me = host.host_facts()
    try:
        station = _opened()
        asked = parcel.unpacked(data, CellParcel)
        running = station.running = _Try(asked.token, asked.patience)
        try:
            made = _run(asked, running)
        finally:
            station.running = None
    except MermapctlError as error:
        made = CellHarvest(me, 0.0, {}, error=error.message)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        made = CellHarvest(me, 0.0, {}, error=f"{where}{error.strerror or error}")
    return parcel.packed(replace(made, host=me, seconds=round(time.monotonic() - began, 3)))


def _run(asked: CellParcel, running: _Try) -> CellHarvest:
    job = cell_job.decoded(asked.job, "what a client sent")
    runs = paths.state_dir() / "runs"
    _forget(runs, job.run)
    _set_fragments(asked.fragments)
    ours = Borrower(_place(), _place())
    if asked.bundle is not None:
        path = _incoming(asked.bundle)
        bundle.make_repository(ours.git_dir, "sha256" if len(job.files) == 64 else "sha1")
        try:
            bundle.read(ours.git_dir, path, asked.base)
        except HarnessError as error:
            return _lacking(f"the bundle cannot be read: {error.message}")
        finally:
            run_folders.discard(path)
    if bundle.common(ours.git_dir, (job.files,)) is None:
        return _lacking(f"the files of {job.commit[:12]} are not here")
    lane = ours.lane(1)
    ours.check_out(lane, job.files)
    folder = runs / job.run / "cells" / asked.slug
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    request = replace(job.request, tree=lane.tree, jobs=_opened().facts.cores)
    here = replace(
        job,
        request=request,
        folder=runs / job.run,
        line=ours.checkout_line(lane, job.files),
        rerun=True,  # what another client's run has left here is none of this client's
    )
    cell_job.write(folder / cell_job.JOB, here)
    running.folder = folder
    code = _to_its_end(folder, running)
    flaw = None
    if cell_files.read(folder) is None:
        flaw = f"its process ended with {code}{last_words(folder)}"
    taken = harvest.gathered(folder)
    harvest.thin_out(folder)
    return CellHarvest(host.host_facts(), 0.0, taken, error=flaw)


def _lacking(error: str) -> CellHarvest:
    return CellHarvest(host.host_facts(), 0.0, {}, error=error, lacks_files=True)


def _to_its_end(folder: Path, running: _Try) -> int:
    """Run the cell's process; pass on its lines. Its guard ends it if this process ends."""
    argv = [sys.executable, "-P", "-m", "mermapctl", "run-cell", str(folder / cell_job.JOB)]
    code, asked = 0, False
    with Children() as children:
        children.start(0, argv, process.inherited(), folder / cell_job.COMPLAINTS)
        while len(children):
            for said in children.wait(_TICK):
                if isinstance(said, ChildLine):
                    running.lines.append(said.text)
                else:
                    code = said.returncode
            if running.over and not asked and len(children):
                asked = True
                children.ask_to_end(0)
    return code


def _forget(runs: Path, run: str) -> None:
    """Remove the cells of other runs: their clients have them."""
    with contextlib.suppress(OSError):
        for old in runs.iterdir():
            if old.name != run:
                shutil.rmtree(old, ignore_errors=True)


def _set_fragments(fragments: dict[str, bytes]) -> None:
    """Replace the kunitconfig files of the last client by those of this one."""
    place = paths.config_dir()
    files.make_folder(place)
    for old in place.iterdir():
        if old.name not in fragments or not old.is_file():
            run_folders.discard(old)
    for name, data in fragments.items():
        if Path(name).name != name or name.startswith("."):
            raise HarnessError(f"{name!r} is no name of a fragment")
        files.write_own(place / name, data)


def home_of(number: int) -> Path:
    """Return the home of this machine's worker of a number, in the user's cache."""
    return paths.cache_dir() / "workers" / f"{platform.node() or 'host'}-{number}"


def move_home(home: Path) -> None:
    """Make `home` the place of all that this process and its cells write."""
    os.environ["MERMAPCTL_HOME"] = str(home)
