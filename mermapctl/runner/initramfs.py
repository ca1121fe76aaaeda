# SPDX-License-Identifier: GPL-2.0-only
"""Make the initramfs of a guest: an init of mermapctl, modules to insert, and nothing else.

The init is a few lines of C on the tree's own tools/include/nolibc (in every tree since Linux 5.1),
compiled with the kernel's compiler. So it needs no package, no other user space and no C library.
The archive is written here, because only some builds make the tree's usr/gen_init_cpio.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config.modular import NOLIBC
from mermapctl.config.toolchain import Toolchain
from mermapctl.errors import HarnessError
from mermapctl.runner import kernel_modules
from mermapctl.runner.kernel_modules import Insertion
from mermapctl.system import files, paths, process

DONE = "mermapctl-init: done"
"""The last line of an init that waits (kernel/init/init.c): by then the console is complete."""
LIST_LIMIT = 4095
"""The most bytes of /modules that the init reads (kernel/init/init.c)."""

_FLAGS = (
    *("-Os", "-s", "-static", "-nostdlib", "-Wall"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-ident"),
)
_COMPILE_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class CpioMember:
    """One member of an archive: `mode` with its file type, (major, minor) of a `device` node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


_NODES = (
    CpioMember("dev", stat.S_IFDIR | 0o755),
    CpioMember("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
    CpioMember("dev/kmsg", stat.S_IFCHR | 0o600, device=(1, 11)),
)
_COUNTS = (
    CpioMember("dev/ttyS1", stat.S_IFCHR | 0o600, device=(4, 65)),
    CpioMember("debug", stat.S_IFDIR | 0o755),
    CpioMember("counters", stat.S_IFREG | 0o444),
)


def archive(entries: Iterable[CpioMember]) -> bytes:
    """Return a "newc" archive (Documentation/driver-api/early-userspace/buffer-format.rst).

    The same entries give the same bytes: owner root, time 0.
    """
    packed = bytearray()
    for number, entry in enumerate((*entries, CpioMember("TRAILER!!!", 0)), 1):
        name = entry.name.encode() + b"\0"
        fields = (
            *(number, entry.mode, 0, 0, 1, 0, len(entry.data)),
            *(0, 0, *entry.device, len(name), 0),
        )
        packed += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        packed += b"\0" * (-len(packed) % 4)
        packed += entry.data
        packed += b"\0" * (-len(packed) % 4)
    return bytes(packed)


def compile_init(tree: Path, chain: Toolchain, program: Path) -> None:
    """Compile the init for the target of `chain`. Raises HarnessError with the compiler's words."""
    source = paths.shipped("kernel") / "init/init.c"
    compiler = chain.cc
    argv = [compiler, *_FLAGS, f"-I{tree / NOLIBC}", "-o", str(program), str(source)]
    argv += _llvm(chain) if chain.llvm else ["-lgcc"]
    env = {**process.inherited(), "LC_ALL": "C"}
    done = process.run(argv, env=env, timeout=_COMPILE_LIMIT)
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), "no reason")
        raise HarnessError(
            f"the init of the guest cannot be compiled: {said.strip()}",
            f"it needs {compiler}, the headers of the target's system calls (<asm/unistd.h>: "
            f"linux-libc-dev) and {tree / NOLIBC}",
        )


def _llvm(chain: Toolchain) -> list[str]:
    """Return clang's options: the linker, and the target, which its name does not contain."""
    triple = Path(chain.cross_compile).name.removesuffix("-")
    linker = chain.program("ld", "ld.lld")
    aimed = [f"--target={triple}"] if triple else []
    return [f"--ld-path={shutil.which(linker) or linker}", *aimed]


def write(
    path: Path,
    init: bytes,
    insertions: Iterable[Insertion],
    *,
    lingers: bool = False,
    counts: bool = False,
) -> None:
    """Write the initramfs that inserts modules in this order. Raises HarnessError.

    With `lingers`, its init prints DONE at the end and waits ten seconds, in which that is printed.
    With `counts`, it sends the kernel's counters through the second serial port.
    """
    modules, lines = [], []
    for insertion in insertions:
        name = insertion.module.file.name
        data = kernel_modules.contents(insertion.module.file)
        modules.append(CpioMember(name, stat.S_IFREG | 0o444, data))
        lines.append(" ".join((f"/{name}", *insertion.parameters)) + "\n")
    listed = "".join(lines).encode()
    if len(listed) > LIST_LIMIT:
        raise HarnessError(
            f"{len(modules)} modules to insert are too many for one guest",
            "name fewer suites: --suite NAME",
        )
    program = CpioMember("init", stat.S_IFREG | 0o755, init)
    text = CpioMember("modules", stat.S_IFREG | 0o444, listed)
    flags = [CpioMember("linger", stat.S_IFREG | 0o444)] if lingers else []
    flags += _COUNTS if counts else ()
    files.write_own(path, archive((*_NODES, program, text, *flags, *modules)))
