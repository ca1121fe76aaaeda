# SPDX-License-Identifier: GPL-2.0-only
"""What a .config makes of a kernel: its image, its probes, its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.config import target
from mermapctl.config.variants import LOCKDEP, NOT_GIVEN
from mermapctl.runner import kernel
from mermapctl.runner.job import Job
from tests import jobs

PACKED = "arch/x86/boot/bzImage"
RT = ("PREEMPT_RT", "BLK_DEV_INITRD", "BINFMT_ELF")


def job(tree: Path, build_dir: Path, *symbols: str, name: str = "x86_64") -> Job:
    """A job whose build directory has a .config with `symbols`; a traced one."""
    lines = [f"CONFIG_{symbol}=y" for symbol in symbols]
    (build_dir / ".config").write_text("\n".join([*lines, "# CONFIG_SMP is not set", ""]))
    here = target.read(tree).find(name)
    made = jobs.job(tree, here, build_dir=build_dir, kunitconfig=build_dir / "kunitconfig")
    variant = replace(made.cell.variant, wished=("KPROBES",))
    return replace(made, cell=replace(made.cell, variant=variant))


@pytest.mark.parametrize(
    ("symbols", "cpu", "plain"),
    [
        (("PVH",), None, True),
        (("PVH",), "Haswell", False),
        (("PVH", "RANDOMIZE_BASE"), None, False),
        (("PVH", "AMD_MEM_ENCRYPT"), None, False),
        (("KUNIT",), None, False),
        ((), None, False),
    ],
)
def test_the_image_that_is_booted(
    fake_tree: Path, tmp_path: Path, symbols: tuple[str, ...], cpu: str | None, plain: bool
) -> None:
    asked = job(fake_tree, tmp_path, *symbols)
    found = kernel.read(replace(asked, cell=replace(asked.cell, cpu=cpu)))
    assert found.plain_image == ("vmlinux" if plain else None)
    assert found.image == ("vmlinux" if plain else PACKED)
    assert found.image_goal == ("vmlinux" if plain else asked.target.image_goal)


@pytest.mark.parametrize(
    ("symbols", "why"),
    [
        (("KPROBES",), None),
        (("KPROBES", "PROVE_LOCKING"), LOCKDEP),
        (("PROVE_LOCKING",), NOT_GIVEN),
        ((), NOT_GIVEN),
    ],
)
def test_why_a_kernel_takes_no_probes(
    fake_tree: Path, tmp_path: Path, symbols: tuple[str, ...], why: str | None
) -> None:
    assert kernel.read(job(fake_tree, tmp_path, *symbols)).untraceable == why


@pytest.mark.parametrize(
    ("name", "symbols", "waits"),
    [("x86_64", RT, True), ("x86_64", RT[:2], False), ("um", RT, False)],
)
def test_a_kernel_that_needs_an_init_which_waits(
    fake_tree: Path, tmp_path: Path, name: str, symbols: tuple[str, ...], waits: bool
) -> None:
    found = kernel.read(job(fake_tree, tmp_path, *symbols, name=name))
    assert (found.lingers, found.own_init) == (waits, waits)


def test_no_config_is_nothing_that_is_on(fake_tree: Path, tmp_path: Path) -> None:
    asked = job(fake_tree, tmp_path, "PVH", "KPROBES", *RT)
    assert kernel.read(asked).config["SMP"] == "n"
    (tmp_path / ".config").unlink()
    found = kernel.read(asked)
    assert (dict(found.config), found.image, found.lingers) == ({}, PACKED, False)
    assert found.untraceable == NOT_GIVEN


def test_a_kernel_is_what_its_config_was(fake_tree: Path, tmp_path: Path) -> None:
    found = kernel.read(job(fake_tree, tmp_path, "PVH", "KPROBES"))
    (tmp_path / ".config").unlink()
    assert (found.image, found.untraceable) == ("vmlinux", None)
