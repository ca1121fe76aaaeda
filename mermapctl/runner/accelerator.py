# SPDX-License-Identifier: GPL-2.0-only
"""Choose KVM if it really runs this kernel, software emulation otherwise.

A /dev/kvm that can be opened proves little. Under nested virtualisation without hardware support
QEMU stops the guest with "KVM internal error" and does not exit, or the guest never prints
anything.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mermapctl.config.target import Accel, Target
from mermapctl.console.refusals import KVM_FAILED
from mermapctl.system import cache_file, paths, proc

KVM = Path("/dev/kvm")
MUTE = 8.0
"""Seconds after which a guest under KVM that has printed nothing is taken for dead. A working one
prints within the first second."""

_FAILED = re.compile(rb"^.*(?:%s).*$" % KVM_FAILED.encode(), re.IGNORECASE | re.MULTILINE)


def complaint(chunk: bytes) -> str | None:
    """Return QEMU's line that reports that KVM does not work, if `chunk` contains one."""
    found = _FAILED.search(chunk)
    return found[0].decode(errors="backslashreplace").strip() if found else None


def _memory() -> Path:
    """Return the file that records, until the host reboots, that KVM failed."""
    return paths.cache_dir() / "kvm-failed" / (proc.boot_id() or "unknown")


def remember_failure(reason: str) -> None:
    """Record that KVM failed: until the host reboots, `auto` chooses software emulation."""
    cache_file.write(_memory(), reason)


def forget_failure() -> None:
    """Remove the record of a failure, because KVM has run a kernel to its end."""
    cache_file.forget(_memory())


def choose(asked: Accel, target: Target) -> tuple[str, str | None]:
    """Return the accelerator to try first, and a sentence if the choice needs an explanation."""
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
