# SPDX-License-Identifier: GPL-2.0-only
"""The guest that checks KVM, run by a real QEMU, and the meaning of its endings."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from mermapctl.runner import kvm_probe
from mermapctl.runner.kvm_probe import Ability
from mermapctl.system import child_guard
from tests.minikconfig import only_on_path, program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch(0o660)
    return path


def test_the_guest_is_a_multiboot_image() -> None:
    image = kvm_probe.guest()
    words = [int.from_bytes(image[at : at + 4], "little") for at in range(0, 32, 4)]
    assert words[0] == 0x1BADB002
    assert sum(words[:3]) % (1 << 32) == 0
    load, entry = words[4], words[7]
    assert load + 32 == entry
    assert len(image) == 167


def test_a_real_qemu_runs_the_guest_to_its_end(device: Path) -> None:
    answer = kvm_probe.probe(device, "tcg")  # software emulation is always available
    assert answer == kvm_probe.Answer(Ability.WORKS, "runs a guest")


@pytest.mark.parametrize(
    ("script", "ability", "said"),
    [
        ("exit 85", Ability.WORKS, "runs a guest"),
        ("exit 0", Ability.BROKEN, "ended with code 0"),
        (
            "echo 'KVM internal error. Suberror: 1' >&2; exit 1",
            Ability.BROKEN,
            "KVM internal error. Suberror: 1",
        ),
        ("echo 'qemu: no /dev/kvm access' >&2; exit 1", Ability.BROKEN, "no /dev/kvm access"),
    ],
)
def test_the_meaning_of_each_ending(
    device: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    ability: Ability,
    said: str,
) -> None:
    program(tmp_path / "bin", kvm_probe.QEMU, script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    answer = kvm_probe.probe(device)
    assert answer.ability is ability
    assert said in answer.said


def test_a_guest_that_hangs_costs_less_than_five_seconds(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", kvm_probe.QEMU, f"trap '' TERM; echo $$ >{tmp_path}/pid; sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    began = time.monotonic()
    answer = kvm_probe.probe(device)
    assert kvm_probe.LIMIT + child_guard.GRACE < 5
    assert time.monotonic() - began < 30  # not the guest's own 60
    assert (answer.ability, "did not end within" in answer.said) == (Ability.BROKEN, True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_no_device_no_permission_no_qemu(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kvm_probe.probe(tmp_path / "none").ability is Ability.ABSENT
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda *_: False)  # root may open everything
        denied = kvm_probe.probe(device)
    assert (denied.ability, "add yourself to its group" in denied.said) == (Ability.DENIED, True)
    monkeypatch.setenv("PATH", only_on_path(tmp_path / "bin", "sh"))
    assert kvm_probe.probe(device).ability is Ability.UNKNOWN
