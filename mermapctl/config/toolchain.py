# SPDX-License-Identifier: GPL-2.0-only
"""The compiler of a target's make, and the environment in which make reads Kconfig."""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mermapctl.config.target import Target
from mermapctl.system import process
from mermapctl.tree.find import kernel_version

_SUBARCH = (
    (r"i.86|x86_64", "x86"),
    (r"arm64|aarch64.*", "arm64"),
    (r"arm.*", "arm"),
    (r"s390x", "s390"),
    (r"ppc.*", "powerpc"),
    (r"mips.*", "mips"),
    (r"riscv.*", "riscv"),
    (r"loongarch.*", "loongarch"),
)
"""`uname -m` -> UML's underlying architecture, by scripts/subarch.include."""


_TOOLS = (
    *(("ld", "ld.lld"), ("ar", "llvm-ar"), ("nm", "llvm-nm"), ("strip", "llvm-strip")),
    *(("objcopy", "llvm-objcopy"), ("objdump", "llvm-objdump"), ("readelf", "llvm-readelf")),
)
"""Tools beside the compiler, by GNU's names and LLVM's."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Program names as set by the kernel's Makefile.

    `wanted` is the compiler of the target where it is not installed; the host's own then replaces
    it, which is enough to read Kconfig (only tests of the compiler may differ), never to build.
    """

    cross_compile: str
    llvm: str | None
    wanted: str | None = None

    def program(self, gnu: str, llvm: str) -> str:
        """Return one tool: `ld` and `ld.lld` are the same one in two toolchains."""
        if not self.llvm:
            return f"{self.cross_compile}{gnu}"
        prefix = self.llvm if self.llvm.endswith("/") else ""
        suffix = self.llvm if self.llvm.startswith("-") else ""
        return f"{prefix}{llvm}{suffix}"

    @property
    def cc(self) -> str:
        """The compiler."""
        return self.program("gcc", "clang")

    @property
    def host_cc(self) -> str:
        """The compiler of the programs that a build runs itself."""
        return self.cc if self.llvm else "gcc"

    @property
    def tools(self) -> tuple[str, ...]:
        """Every program whose change may change a build's result."""
        assembler = os.environ.get("LLVM_IAS") == "0" or not self.llvm
        return (
            self.cc,
            *(self.program(gnu, llvm) for gnu, llvm in _TOOLS),
            *((f"{self.cross_compile}as",) if assembler else ()),
            *(() if self.llvm else ("gcc", "ld", "as")),
        )

    def make_arguments(self, target: Target) -> list[str]:
        """Return make's arguments; LLVM reaches it through the environment, as it reaches us."""
        return [f"ARCH={target.linux_arch}", f"CROSS_COMPILE={self.cross_compile}"]


def of_build(cross_compile: str | None) -> Toolchain:
    """Return the tools of a build with this prefix: LLVM where the variable is set, even to 0.

    (Documentation/kbuild/llvm.rst)
    """
    return Toolchain(cross_compile or "", os.environ.get("LLVM") or None)


def located(program: str) -> Path | None:
    """Return the program itself, behind any links to ccache on PATH; None where there is none."""
    first = shutil.which(program)
    if first is None or "/" in program:
        return Path(first) if first else None
    ccache = shutil.which("ccache")
    wrapper = Path(ccache).resolve() if ccache else None
    if Path(first).resolve() != wrapper:
        return Path(first)
    for directory in os.get_exec_path():
        found = shutil.which(program, path=directory)
        if found and Path(found).resolve() != wrapper:
            return Path(found)
    return None


def of(target: Target) -> Toolchain:
    """Return the toolchain of a target on this machine, or the host's in its place."""
    chain = of_build(target.cross_compile)
    if shutil.which(chain.cc) or not chain.cross_compile:
        return chain
    return Toolchain("", chain.llvm, wanted=chain.cc)


_OUTER = (
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "O", "V", "ARCH"),
    *("KBUILD_OUTPUT", "KBUILD_EXTMOD", "KCONFIG_CONFIG"),
)


def make_environment() -> dict[str, str]:
    """Return our environment for a kernel's make, without variables of an outer make."""
    return {name: value for name, value in process.inherited().items() if name not in _OUTER}


@cache
def first_line(program: str) -> str:
    """Return the first line of `program --version`, as make quotes it; "" where it cannot run."""
    if not shutil.which(program):
        return ""
    said = process.run([program, "--version"], timeout=30, env={**os.environ, "LC_ALL": "C"})
    return said.stdout.partition("\n")[0].replace("#", "") if said.returncode == 0 else ""


def _pahole_version() -> str:
    """Return 125 for v1.25, as scripts/pahole-version.sh does; 0 where there is none."""
    found = re.match(r"v(\d+)\.(\d+)", first_line("pahole"))
    return f"{found[1]}{found[2]}" if found else "0"


def subarch() -> str:
    """Return the host's own architecture under arch/."""
    machine = platform.machine()
    for pattern, name in _SUBARCH:
        if re.fullmatch(pattern, machine):
            return name
    return machine


def kconfig_environment(tree: Path, target: Target, chain: Toolchain) -> dict[str, str]:
    """Return the variables that the kernel's Makefile exports to Kconfig (6.12 to 7.3 read these).

    A variable that is missing here expands to nothing, as it does for make.
    """
    return {
        "srctree": str(tree),
        "ARCH": target.linux_arch,
        "SRCARCH": target.srcarch,
        "SUBARCH": subarch(),
        "HEADER_ARCH": subarch(),
        "KERNELVERSION": kernel_version(tree) or "",
        "CROSS_COMPILE": chain.cross_compile,
        "CROSS_COMPILE_COMPAT": os.environ.get("CROSS_COMPILE_COMPAT", ""),
        "CC": chain.cc,
        **{gnu.upper(): chain.program(gnu, llvm) for gnu, llvm in _TOOLS},
        "HOSTCC": chain.host_cc,
        "RUSTC": "rustc",
        "BINDGEN": "bindgen",
        "PAHOLE": "pahole",
        "PYTHON3": "python3",
        "CC_VERSION_TEXT": first_line(chain.cc),
        "RUSTC_VERSION_TEXT": first_line("rustc"),
        "PAHOLE_VERSION": _pahole_version(),
    }


_PACKAGES = (
    *("/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite"),
    *("/var/lib/rpm/Packages", "/var/lib/pacman/local", "/lib/apk/db/installed"),
    *("/nix/var/nix/db/db.sqlite", "/var/db/pkg"),
)
"""Files that change when a package comes or goes: libraries and headers for compiler checks."""


def identity(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment and the programs of its names: another compiler, another answer."""
    programs = {
        name: environment.get(name, "")
        for name in (
            *("CC", "LD", "AR", "NM", "OBJCOPY", "OBJDUMP", "READELF", "STRIP"),
            *("HOSTCC", "RUSTC", "BINDGEN", "PAHOLE", "PYTHON3"),
        )
    }
    programs["AS"] = f"{environment.get('CROSS_COMPILE', '')}as"
    found = {}
    for name, program in programs.items():
        path = shutil.which(program) if program else None
        found[f"{name} program"] = _stamp(path) if path else "none"
    packages = {f"packages {path}": _stamp(path) for path in _PACKAGES if os.path.lexists(path)}
    return {**environment, **found, **packages}


def _stamp(path: str) -> str:
    """Return what changes with a file, short of its contents."""
    try:
        stat = Path(path).stat()
    except OSError:
        return path
    return f"{path} {stat.st_mtime_ns} {stat.st_size}"
