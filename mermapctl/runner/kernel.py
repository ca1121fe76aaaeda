# SPDX-License-Identifier: GPL-2.0-only
"""Kernel: the properties of a cell's kernel, read from its .config after `configure`."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import fragment
from mermapctl.config.plan import CellPlan
from mermapctl.config.variants import LOCKDEP, NOT_GIVEN
from mermapctl.runner.job import Job
from mermapctl.system.inputs import read_regular


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as its .config describes it; `config` maps the symbols in it to their values.

    `image` is the file in the build directory that is booted. `image_goal` is make's goal for it,
    if the goal "all" makes more. `plain_image` is the image if QEMU can boot it as it was linked,
    None if it must be packed. `untraceable` is the reason why a trace's probes cannot be used, as a
    phrase. `lingers`: a reboot would cut the console short, so an init must wait. `own_init`: after
    the built-in suites the guest starts our init.
    """

    config: Mapping[str, str]
    image: str
    image_goal: str | None
    plain_image: str | None
    untraceable: str | None
    lingers: bool
    own_init: bool


def read(job: Job) -> Kernel:
    """Read the .config of a job's build directory; without one no symbol is on."""
    cell, config = job.cell, _config(job.build_dir)
    on = {symbol for symbol, value in config.items() if value == "y"}
    plain = _plain_image(cell, on)
    lingers = _lingers(cell, on)
    return Kernel(
        config=config,
        image=plain or cell.target.kernel_image,
        image_goal=plain or cell.target.image_goal,
        plain_image=plain,
        untraceable=_untraceable(cell, on),
        lingers=lingers,
        own_init=cell.modular is not None or lingers or cell.sends_counters,
    )


def _config(build_dir: Path) -> dict[str, str]:
    try:
        written = read_regular(build_dir / ".config")
    except OSError:
        return {}
    return fragment.values(written.decode(errors="replace").splitlines())


def _plain_image(cell: CellPlan, on: AbstractSet[str]) -> str | None:
    """Return the kernel that QEMU boots as it was linked; None if this one must be packed.

    If a CPU model was chosen, the kernel must be packed: the unpacker switches to five levels of
    page tables if the CPU has them.
    """
    plain = cell.target.plain_image
    if not plain or any(each.lstrip("-") == "cpu" for each in cell.qemu_args):
        return None
    able = bool(on) and on >= {*plain.needs} and on.isdisjoint(plain.unless)
    return plain.image if able else None


def _untraceable(cell: CellPlan, on: AbstractSet[str]) -> str | None:
    if not on >= {*cell.variant.wished}:
        return NOT_GIVEN
    return LOCKDEP if "PROVE_LOCKING" in on else None


def _lingers(cell: CellPlan, on: AbstractSet[str]) -> bool:
    """Return whether the guest needs an init that waits.

    Under PREEMPT_RT a thread prints, and `kernel_restart()` does not wait for it (measured on
    6.12), so the last lines with the suite's result are lost.
    """
    able = cell.target.qemu and cell.target.userspace
    return bool(able) and on >= {"PREEMPT_RT", "BLK_DEV_INITRD", "BINFMT_ELF"}
