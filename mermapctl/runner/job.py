# SPDX-License-Identifier: GPL-2.0-only
"""Job: one cell as its stages carry it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config.plan import CellPlan, Request
from mermapctl.config.target import Target
from mermapctl.events import Listener
from mermapctl.records.record import Cell
from mermapctl.records.store import RunFolder, cell_slug
from mermapctl.runner import kunit
from mermapctl.runner.kernel_modules import Insertion
from mermapctl.tree import build_dir

UNTRACED = "untraced"
"""`repeat` of a boot without probes after one with them."""


@dataclass(frozen=True, slots=True)
class LaneCommit:
    """What a lane has checked out of the user's `tree`: a commit (None: its work tree as it was).

    `files` is the hash of the git tree, `line` the shell line that checks it out again.
    """

    tree: Path
    commit: str | None
    files: str
    line: str


@dataclass(frozen=True, slots=True)
class Job:
    """What the stages of one cell need; made when the cell begins. All paths are absolute.

    `folder` is where the cell's artifacts are kept, `invoked` is the command line for the lock
    file, `timeout` and `silence` are the limits of a boot in seconds. `patience` is a shorter limit
    of the silence while a suite runs whose times are known. `repeat` names a boot after the first;
    its console is kept beside the first one's. `checkout` is set if the tree is a lane. `judged` is
    called with the cell of each boot that was judged: the first one and those of --repeat.
    `frees_lane`: the cell boots from a copy, and its lane takes the next commit meanwhile. `home`
    is then the job of the build: its tree and its build directory are named in the record.
    `insertions` are the modules of a boot that inserts others than those of the build with suites.
    """

    cell: CellPlan
    build_dir: Path
    kunitconfig: Path
    folder: Path
    can: kunit.Capabilities
    commit: str | None
    invoked: str
    tell: Listener
    timeout: int
    silence: int
    repeat: str = ""
    checkout: LaneCommit | None = None
    patience: float | None = None
    judged: Callable[[Job, Cell], None] | None = None
    frees_lane: bool = False
    home: Job | None = None
    insertions: tuple[Insertion, ...] | None = None

    @property
    def request(self) -> Request:
        """What the user asked for."""
        return self.cell.request

    @property
    def tree(self) -> Path:
        """The kernel tree."""
        return self.cell.tree.path

    @property
    def target(self) -> Target:
        """The machine of the kernel."""
        return self.cell.target

    @property
    def programs(self) -> Path:
        """The directory that is put first on PATH."""
        return self.folder / f"bin{self._repeat}"

    @property
    def build_log(self) -> Path:
        """The complete output of make."""
        return self.folder / "build.log"

    @property
    def harness_log(self) -> Path:
        """The messages of kunit.py itself."""
        return self.folder / "kunit.log"

    @property
    def console(self) -> Path:
        """The console of the boot."""
        return self.folder / f"console{self._repeat}.log"

    @property
    def console_kvm(self) -> Path:
        """The console of a boot under a KVM that could not run the kernel."""
        return self.folder / f"console-kvm{self._repeat}.log"

    @property
    def counters(self) -> Path:
        """The counters that a guest sends, as text."""
        return self.folder / f"counters{self._repeat}.txt"

    @property
    def _repeat(self) -> str:
        return f"-{self.repeat}" if self.repeat else ""

    @property
    def initramfs(self) -> Path:
        """The modules and their init, in the module flavour."""
        return self.folder / f"initramfs{self._repeat if self.insertions else ''}"


def begin(
    cell: CellPlan,
    run: RunFolder,
    *,
    can: kunit.Capabilities,
    commit: str | None,
    invoked: str,
    tell: Listener,
    checkout: LaneCommit | None = None,
    folder: Path | None = None,
) -> Job:
    """Make the job of one cell of a run: its paths, and what all cells share.

    `folder` is that of the cell; by default its name is target and variant.
    """
    folder = folder or run.cell_path(cell_slug(cell.target.name, cell.build_name))
    return Job(
        cell=cell,
        build_dir=build_dir.locate(cell.tree.path, cell.target.name, cell.build_name),
        kunitconfig=folder / "kunitconfig",
        folder=folder,
        can=can,
        commit=commit,
        invoked=invoked,
        tell=tell,
        timeout=cell.request.timeout,
        silence=cell.request.silence,
        checkout=checkout,
    )
