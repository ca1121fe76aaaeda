# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.config import target
from mermapctl.errors import UserError


def test_targets_are_read_from_the_tree(fake_tree: Path) -> None:
    found = target.targets(fake_tree)
    assert list(found) == ["um", "arm64", "i386", "x86_64"]
    assert (found["um"].qemu, found["um"].kernel_image) == (None, "linux")
    assert "CONFIG_UML_PCI_FAKE=y" in found["um"].kconfig
    arm64 = found["arm64"]
    assert (arm64.qemu, arm64.linux_arch) == ("qemu-system-aarch64", "arm64")
    assert arm64.kernel_image == "arch/arm64/boot/Image.gz"
    assert found["x86_64"].kernel_args == ("panic=-1", "printk.time=1", "pti=on")


def test_a_qemu_config_is_read_and_never_run(fake_tree: Path) -> None:
    config = fake_tree / target.QEMU_CONFIGS / "evil.py"
    config.write_text(
        "open('ran', 'w')\nQEMU_ARCH = QemuArchParams(linux_arch='evil', qemu_arch='evil', "
        "kconfig='', kernel_path='k')\n"
    )
    (fake_tree / target.QEMU_CONFIGS / "broken.py").write_text("def (")
    found = target.targets(fake_tree)
    assert found["evil"].qemu == "qemu-system-evil"
    assert "broken" not in found
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("name", "hint"), [("x86-64", "x86_64"), ("arm46", "arm64"), ("zzz", "um, arm64, i386, x86_64")]
)
def test_an_unknown_target_names_the_near_ones(fake_tree: Path, name: str, hint: str) -> None:
    with pytest.raises(UserError, match="has no target") as caught:
        target.read(fake_tree).find(name)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "obstacle"),
    [
        ("x86_64", None),
        ("i386", "X86_64 (arch/x86/Kconfig:9) only"),
        ("um", "X86_64 (arch/x86/Kconfig:9) only"),
        ("arm64", "X86_64 (arch/x86/Kconfig:9) only"),
    ],
)
def test_targets_that_can_have_the_mermap(fake_tree: Path, name: str, obstacle: str | None) -> None:
    tree = target.read(fake_tree)
    said = tree.mermap_obstacle(tree.find(name))
    assert (said is None) is (obstacle is None)
    assert (obstacle or "") in (said or "")


def test_a_conditional_select_counts_as_its_condition(fake_tree: Path) -> None:
    kconfig = fake_tree / "arch/x86/Kconfig"
    kconfig.write_text(
        "config X86_64\n\tdef_bool y\n\nconfig X86\n\tdef_bool y\n"
        "\tselect ARCH_SUPPORTS_MERMAP if X86_64\n"
    )
    tree = target.read(fake_tree)
    assert tree.mermap_obstacle(tree.find("x86_64")) is None
    said = tree.mermap_obstacle(tree.find("i386"))
    assert said is not None
    assert "X86_64 (arch/x86/Kconfig:6)" in said


def test_a_tree_without_the_mermap_is_reported(fake_tree: Path) -> None:
    (fake_tree / "mm/Kconfig").write_text("")
    (fake_tree / "arch/x86/Kconfig").write_text("")
    tree = target.read(fake_tree)
    said = tree.mermap_obstacle(tree.find("x86_64"))
    assert "has no mermap" in (said or "")
