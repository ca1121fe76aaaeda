# SPDX-License-Identifier: GPL-2.0-only
"""Job: one cell as its stages carry it, and the guest that its configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import CellPlan, Options, Plan
from mermapctl.config.variants import LOCKDEP, NOT_GIVEN
from mermapctl.events import Listener
from mermapctl.records.store import RunFolder, cell_slug
from mermapctl.runner import kunit
from mermapctl.system.inputs import read_regular
from mermapctl.tree import build_dir

if TYPE_CHECKING:
    from mermapctl.config.target import Target


def _configured(directory: Path, *symbols: str) -> bool:
    """Whether all of these are =y in a build's .config; false where there is none."""
    try:
        lines = read_regular(directory / ".config").decode(errors="replace").splitlines()
    except OSError:
        return False
    return {f"CONFIG_{symbol}=y" for symbol in symbols} <= set(lines)


@dataclass(frozen=True, slots=True)
class Job:
    """All that the stages of one cell go by; made when the cell begins. Its paths are absolute.

    `own` is what --config gave, `folder` is where the cell's artifacts are kept, `invoked` is the
    command line for the lock file. `repeat` is the word for a boot after the first: its console
    stands beside the first one's.
    """

    cell: CellPlan
    options: Options
    own: tuple[Fragment, ...]
    tree: Path
    build_dir: Path
    kunitconfig: Path
    folder: Path
    can: kunit.Capabilities
    commit: str | None
    invoked: str
    tell: Listener
    repeat: str = ""
    make_options: tuple[str, ...] = ()

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
        """Everything that make said."""
        return self.folder / "build.log"

    @property
    def harness_log(self) -> Path:
        """Everything that kunit.py said of itself."""
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
    def _repeat(self) -> str:
        return f"-{self.repeat}" if self.repeat else ""

    @property
    def initramfs(self) -> Path:
        """The modules and their init, in the module flavour."""
        return self.folder / "initramfs"

    @property
    def plain_image(self) -> str | None:
        """The kernel that QEMU boots as it was linked, if this one can be; None where it cannot.

        A CPU model that was chosen gets the packed one: it is the unpacker that switches to five
        levels of page tables where the CPU has them.
        """
        plain = self.cell.target.plain_image
        if not plain or any(each.lstrip("-") == "cpu" for each in self.cell.qemu_args):
            return None
        built = self.build_dir
        kept = any(_configured(built, each) for each in plain.unless)
        return plain.image if _configured(built, *plain.needs) and not kept else None

    @property
    def untraced(self) -> str | None:
        """Why the boot has no probes, in words; None where it has them, or nothing to trace."""
        cell = self.cell
        if cell.traced and not _configured(self.build_dir, *cell.variant.wished):
            return NOT_GIVEN
        if cell.traced and _configured(self.build_dir, "PROVE_LOCKING"):
            return LOCKDEP
        return cell.untraced

    @property
    def traced(self) -> bool:
        """Whether the kernel that was built is booted with probes."""
        return self.cell.traced and self.untraced is None

    @property
    def image(self) -> str:
        """The kernel that is booted, in the build directory."""
        return self.plain_image or self.cell.target.kernel_image

    @property
    def image_goal(self) -> str | None:
        """Make's goal for it, where "all" makes more."""
        return self.plain_image or self.cell.target.image_goal

    @property
    def lingers(self) -> bool:
        """Whether a reboot would cut the console short, so that an init of ours has to wait.

        PREEMPT_RT leaves printing to a thread that `kernel_restart()` does not wait for (measured
        on 6.12): the last lines are lost, the suite's result among them.
        """
        return bool(
            self.cell.target.qemu
            and self.cell.target.userspace
            and _configured(self.build_dir, "PREEMPT_RT", "BLK_DEV_INITRD", "BINFMT_ELF")
        )

    @property
    def own_init(self) -> bool:
        """Whether the guest goes on to an init of ours once the suites that are built in ran."""
        return self.cell.modular is not None or self.lingers


def begin(
    plan: Plan,
    cell: CellPlan,
    run: RunFolder,
    *,
    can: kunit.Capabilities,
    commit: str | None,
    invoked: str,
    tell: Listener,
) -> Job:
    """Make the job of one cell of a run: its places, and what all cells share."""
    folder = run.cell_path(cell_slug(cell.target.name, cell.build_name))
    return Job(
        cell=cell,
        options=plan.options,
        own=plan.own,
        tree=plan.tree.path,
        build_dir=build_dir.locate(plan.tree.path, cell.target.name, cell.build_name),
        kunitconfig=folder / "kunitconfig",
        folder=folder,
        can=can,
        commit=commit,
        invoked=invoked,
        tell=tell,
    )
