# SPDX-License-Identifier: GPL-2.0-only
"""Kernel: what a .config makes of a cell's kernel; a value made after `configure`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.config import fragment
from mermapctl.config.variants import LOCKDEP, NOT_GIVEN
from mermapctl.system.inputs import read_regular

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from mermapctl.config.plan import CellPlan
    from mermapctl.runner.job import Job


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as its .config says; `config` maps the symbols in it to their values.

    `image` is the file that is booted, in the build directory, and `image_goal` make's goal for it,
    where "all" makes more. `plain_image` is the same where QEMU boots it as it was linked, None
    where it must be packed. `untraceable` is the reason why a trace's probes cannot be used, in
    words. `lingers` is whether a reboot would cut the console short, so that an init of ours has to
    wait; `own_init` whether the guest goes on to one once the suites that are built in ran.
    """

    config: Mapping[str, str]
    image: str
    image_goal: str | None
    plain_image: str | None
    untraceable: str | None
    lingers: bool
    own_init: bool


def read(job: Job) -> Kernel:
    """Read the .config of a job's build directory; nothing is on where there is none."""
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
        own_init=cell.modular is not None or lingers,
    )


def _config(build_dir: Path) -> dict[str, str]:
    try:
        written = read_regular(build_dir / ".config")
    except OSError:
        return {}
    return fragment.values(written.decode(errors="replace").splitlines())


def _plain_image(cell: CellPlan, on: AbstractSet[str]) -> str | None:
    """The kernel that QEMU boots as it was linked, if this one can be; None where it cannot.

    A CPU model that was chosen gets the packed one: it is the unpacker that switches to five
    levels of page tables where the CPU has them.
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
    """Whether the guest needs an init that waits.

    PREEMPT_RT leaves printing to a thread that `kernel_restart()` does not wait for (measured
    on 6.12): the last lines are lost, the suite's result among them.
    """
    able = cell.target.qemu and cell.target.userspace
    return bool(able) and on >= {"PREEMPT_RT", "BLK_DEV_INITRD", "BINFMT_ELF"}
