# SPDX-License-Identifier: GPL-2.0-only
"""What the stages of one cell share, and the guest that its configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mermapctl.config.plan import CellPlan, Options, Plan
from mermapctl.config.variants import LOCKDEP, NOT_GIVEN
from mermapctl.events import Listener
from mermapctl.records.store import RunFolder
from mermapctl.runner import kunit
from mermapctl.system.inputs import read_regular
from mermapctl.tree import state


def _configured(build_dir: Path, *symbols: str) -> bool:
    """Whether all of these are =y in a build's .config; false where there is none."""
    try:
        lines = read_regular(build_dir / ".config").decode(errors="replace").splitlines()
    except OSError:
        return False
    return {f"CONFIG_{symbol}=y" for symbol in symbols} <= set(lines)


@dataclass(frozen=True, slots=True)
class Context:
    """The values that all cells of a run share. `invoked` is the command line in the lock file.

    `looking` is a look at the tree that has just begun; a later cell starts its own.
    """

    plan: Plan
    can: kunit.Capabilities
    folder: RunFolder
    commit: str | None
    invoked: str
    tell: Listener
    looking: state.Looking | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the stages of one cell share. `folder` is where its artifacts are kept.

    `repeat` is the word for a boot after the first: its console stands beside the first one's.
    """

    cell: CellPlan
    options: Options
    job: kunit.Job
    can: kunit.Capabilities
    folder: Path
    tell: Listener
    repeat: str = ""

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
    def kunitconfig(self) -> Path:
        """What the kernel was asked to be configured with."""
        return self.folder / "kunitconfig"

    @property
    def plain_image(self) -> str | None:
        """The kernel that QEMU boots as it was linked, if this one can be; None where it cannot.

        A CPU model that was chosen gets the packed one: it is the unpacker that switches to five
        levels of page tables where the CPU has them.
        """
        plain = self.cell.target.plain_image
        if not plain or any(each.lstrip("-") == "cpu" for each in self.cell.qemu_args):
            return None
        built = self.job.build_dir
        kept = any(_configured(built, each) for each in plain.unless)
        return plain.image if _configured(built, *plain.needs) and not kept else None

    @property
    def untraced(self) -> str | None:
        """Why the boot has no probes, in words; None where it has them, or nothing to trace."""
        cell = self.cell
        if cell.traced and not _configured(self.job.build_dir, *cell.variant.wished):
            return NOT_GIVEN
        if cell.traced and _configured(self.job.build_dir, "PROVE_LOCKING"):
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
            and _configured(self.job.build_dir, "PREEMPT_RT", "BLK_DEV_INITRD", "BINFMT_ELF")
        )

    @property
    def own_init(self) -> bool:
        """Whether the guest goes on to an init of ours once the suites that are built in ran."""
        return self.cell.modular is not None or self.lingers
