# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mermapctl.config import target
from mermapctl.config.target import Accel
from mermapctl.runner import accelerator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"x\nKVM internal error. Suberror: 1\nemulation failure\n", "KVM internal error. Sub"),
        (b"Could not access KVM kernel module: Permission denied", "Could not access KVM"),
        (b"qemu: failed to initialize kvm: Function not implemented\n", "failed to initialize kvm"),
        (b"ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy\n", "KVM_CREATE_VM"),
        (b"qemu-system-x86_64: invalid accelerator kvm\n", "invalid accelerator kvm"),
        (b"kvm-clock: Using msrs 4b564d01\nKTAP version 1\n", None),
        (b"", None),
    ],
)
def test_errors_of_qemu_are_recognized(said: bytes, heard: str | None) -> None:
    complaint = accelerator.complaint(said)
    assert (complaint is None) is (heard is None)
    assert (heard or "") in (complaint or "")


def native(fake_tree: Path, name: str = "x86_64") -> target.Target:
    return replace(target.read(fake_tree).find(name), native=True)


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [
        (Accel.AUTO, True, "kvm"),
        (Accel.AUTO, False, "tcg"),
        (Accel.KVM, False, "kvm"),
        (Accel.TCG, True, "tcg"),
    ],
)
def test_the_choice_of_an_accelerator(
    fake_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: Accel,
    device: bool,
    chosen: str,
) -> None:
    kvm = tmp_path / "kvm"
    if device:
        kvm.write_text("")
    monkeypatch.setattr(accelerator, "KVM", kvm)
    assert accelerator.choose(asked, native(fake_tree)) == (chosen, None)


def test_uml_has_none_and_a_foreign_target_is_emulated(fake_tree: Path) -> None:
    assert accelerator.choose(Accel.AUTO, native(fake_tree, "um")) == ("none", None)
    foreign = replace(native(fake_tree), native=False)
    assert accelerator.choose(Accel.AUTO, foreign) == ("tcg", None)


def test_a_failure_is_remembered_until_the_host_boots_again(
    fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kvm = tmp_path / "kvm"
    kvm.write_text("")
    monkeypatch.setattr(accelerator, "KVM", kvm)
    accelerator.remember_failure("KVM internal error. Suberror: 1")
    chosen, why = accelerator.choose(Accel.AUTO, native(fake_tree))
    assert chosen == "tcg"
    assert "Suberror: 1" in (why or "")
    assert "--accel kvm tries again" in (why or "")
    assert accelerator.choose(Accel.KVM, native(fake_tree)) == ("kvm", None)


def test_a_failure_is_remembered_until_kvm_runs_a_kernel(
    fake_tree: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kvm").write_text("")
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "kvm")
    accelerator.remember_failure("it said so")
    chosen, why = accelerator.choose(Accel.AUTO, native(fake_tree))
    assert (chosen, "it said so" in (why or "")) == ("tcg", True)
    accelerator.forget_failure()
    assert accelerator.choose(Accel.AUTO, native(fake_tree)) == ("kvm", None)
    accelerator.forget_failure()
    (home / "cache/kvm-failed").rmdir()
    (home / "cache/kvm-failed").write_text("no directory")
    accelerator.remember_failure("this cannot be kept, and that is no error")
    assert accelerator.choose(Accel.AUTO, native(fake_tree)) == ("kvm", None)
