# SPDX-License-Identifier: GPL-2.0-only
"""Make small kernel trees with a Kconfig from a test and a real `make olddefconfig`."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

QEMU_CONFIG = """\
from ..qemu_config import QemuArchParams
QEMU_ARCH = QemuArchParams(linux_arch='{name}', kconfig='', qemu_arch='{qemu}',
                           kernel_path='arch/{name}/boot/image', kernel_command_line='')
"""

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 0
EXTRAVERSION =
NAME = None
# GNU Make >= 3.82 is required

olddefconfig:
\t@cd $(CURDIR) && srctree=$(CURDIR) SRCARCH=$(patsubst x86_64,x86,$(ARCH)) CC=gcc LD=ld \\
\t\tKCONFIG_CONFIG=$(O)/.config {python} -m olddefconfig Kconfig >&2
"""

KCONFIG = """\
mainmenu "Mini"

source "arch/$(SRCARCH)/Kconfig"

source "lib/Kconfig"
"""

MODULES = """\
config MODULES
	bool "Modules"
	option modules
"""


def tree_of(
    path: Path,
    lib: str,
    *,
    x86: str = "",
    um: str = "",
    arm64: str = "",
    modules: str = MODULES,
) -> Path:
    """Make a tree at `path` whose lib/Kconfig is `lib`; the lines of architectures are optional."""
    files = {
        "Makefile": MAKEFILE.format(python=sys.executable),
        "Kconfig": KCONFIG,
        "lib/Kconfig": modules + kconfig(lib),
        "mm/Kconfig": "",
        "tools/testing/kunit/kunit.py": "",
        "arch/x86/Kconfig": "config X86_64\n\tdef_bool y\n" + kconfig(x86),
        "arch/um/Kconfig": "config UML\n\tdef_bool y\n" + kconfig(um),
        "arch/arm64/Kconfig": "config ARM64\n\tdef_bool y\n" + kconfig(arm64),
        "tools/testing/kunit/qemu_configs/x86_64.py": QEMU_CONFIG.format(
            name="x86_64", qemu="x86_64"
        ),
        "tools/testing/kunit/qemu_configs/arm64.py": QEMU_CONFIG.format(
            name="arm64", qemu="aarch64"
        ),
    }
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path


def kconfig(text: str) -> str:
    """Convert Kconfig lines with four blanks per indent, as in the code of the tests."""
    return textwrap.dedent(text).replace("    ", "\t").lstrip("\n")


def only_on_path(directory: Path, *names: str) -> str:
    """Set PATH to a new directory with only these programs of this machine."""
    directory.mkdir()
    for name in names:
        for place in os.environ["PATH"].split(os.pathsep):
            if (Path(place) / name).exists():
                (directory / name).symlink_to(Path(place) / name)
                break
    return str(directory)


def program(directory: Path, name: str, script: str) -> Path:
    """Write an executable shell script."""
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return file
