# SPDX-License-Identifier: GPL-2.0-only
"""The machine of a run."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """The machine of the run."""

    name: str
    system: str
    machine: str
    cpus: int
    python: str
    qemu: str | None = None
    compiler: str | None = None


def host_facts(qemu: str | None = None, compiler: str | None = None) -> Host:
    """Describe this machine; `qemu` and `compiler` are the version lines of those in use."""
    return Host(
        name=platform.node(),
        system=_system(),
        machine=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        qemu=qemu,
        compiler=compiler,
    )


def _system() -> str:
    """Return distribution and kernel: "Debian GNU/Linux 12 (bookworm), Linux 6.12.1"."""
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel
