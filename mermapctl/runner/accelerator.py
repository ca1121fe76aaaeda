# SPDX-License-Identifier: GPL-2.0-only
"""KVM if it really runs this kernel, software emulation otherwise.

A /dev/kvm that opens says little: under nested virtualisation without hardware support QEMU stops
the guest with "KVM internal error" and stays, or the guest never says a word.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config.target import Accel
from mermapctl.console.refusals import KVM_FAILED
from mermapctl.system import cache_file, paths, proc

if TYPE_CHECKING:
    from mermapctl.config.target import Target

KVM = Path("/dev/kvm")
MUTE = 8.0
"""Seconds after which a guest under KVM that has printed nothing is taken for dead. A working one
prints within the first."""

_FAILED = re.compile(rb"^.*(?:%s).*$" % KVM_FAILED.encode(), re.IGNORECASE | re.MULTILINE)


def complaint(chunk: bytes) -> str | None:
    """QEMU's line that says KVM does not work, if this part of its output has one."""
    found = _FAILED.search(chunk)
    return found[0].decode(errors="backslashreplace").strip() if found else None


def _memory() -> Path:
    """Where this boot of the host remembers that KVM failed."""
    return paths.cache_dir() / "kvm-failed" / (proc.boot_id() or "unknown")


def remember_failure(reason: str) -> None:
    """Later `auto` boots on this host, until it reboots, go straight to software emulation."""
    cache_file.write(_memory(), reason)


def forget_failure() -> None:
    """KVM has just run a kernel to its end."""
    cache_file.forget(_memory())


def choose(asked: Accel, target: Target) -> tuple[str, str | None]:
    """The accelerator to try first, and a sentence where that needs explaining."""
    if target.qemu is None:
        return "none", None
    if asked is not Accel.AUTO:
        return asked.value, None
    if not target.native or not KVM.exists():
        return "tcg", None
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "tcg", (
            f"{KVM} is there but not permitted; software emulation instead "
            "(join the group kvm to use it)"
        )
    if (reason := cache_file.read(_memory(), str)) is not None:
        return "tcg", (
            f"KVM failed earlier on this host ({reason}); software emulation instead "
            "(--accel kvm tries again)"
        )
    return "kvm", None
