# SPDX-License-Identifier: GPL-2.0-only
"""Checks of this machine: programs, their versions, headers, disk and memory."""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

from mermapctl.config import toolchain
from mermapctl.config.target import Target
from mermapctl.config.toolchain import Toolchain
from mermapctl.doctor.requirement import Check, NeedState
from mermapctl.errors import HarnessError
from mermapctl.runner import accelerator, gcovr, kvm_probe
from mermapctl.runner.kvm_probe import Ability
from mermapctl.system import inputs, process
from mermapctl.system.memory import MEMINFO, available_kb
from mermapctl.tree import ownership

GIB = 1 << 30
BUILD = 1 * GIB
"""Free bytes for one build directory; base takes a third of it, debug variants most."""
MEMORY = 3 * GIB // 2
"""Available bytes: the guest gets 1 GiB (kunit.py's -m 1024), and the link runs before it."""
LIMIT = 20.0
_INCLUDE = Path("/usr/include")


def program(
    name: str, use: str, *, need: str | None = None, needed: bool = True, target: str | None = None
) -> Check:
    """Check that a program is on PATH; `need` is its name in packages.toml, by default its own."""
    path = shutil.which(name)
    state = NeedState.OK if path else NeedState.MISSING
    return Check(
        name, state, path or "not on PATH", use, needed=needed, need=need or name, target=target
    )


def _output(argv: list[str], env: dict[str, str] | None = None) -> str:
    """Return the output of a program; empty where it cannot run, which another check reports."""
    try:
        return process.run(argv, timeout=LIMIT, env=env).stdout
    except HarnessError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def minimums(tree: Path | None, target: Target) -> dict[str, str]:
    """Return the oldest `gcc`, `llvm` and `binutils` that a tree accepts for a target.

    Runs its scripts/min-tool-version.sh; empty where there is none, and in another user's tree.
    """
    script = tree / "scripts/min-tool-version.sh" if tree else None
    if tree is None or script is None or not script.is_file() or not ownership.is_trusted(tree):
        return {}
    tools = ("gcc", "llvm", "binutils")
    each = 'for tool do echo "$tool $(/bin/sh "$0" "$tool" 2>/dev/null)"; done'
    env = {**process.inherited(), "ARCH": target.linux_arch, "SRCARCH": target.srcarch}
    output = _output(["/bin/sh", "-c", each, str(script), *tools], env)
    return dict(re.findall(r"^(\w+) (\d+(?:\.\d+)+)$", output, re.MULTILINE))


def _versioned(check: Check, have: str | None, oldest: str | None) -> Check:
    """Add a version to a check, and `too old` where the tree requires a newer one."""
    if not have:
        return check
    check = replace(check, found=f"{check.found}, {have}")
    if oldest and _numbers(have) < _numbers(oldest):
        return replace(
            check,
            state=NeedState.OLD,
            found=f"{check.found}: this tree wants {oldest} or newer",
            need=None,
            advice=f"install a {check.name} of at least {oldest}",
        )
    return check


def compiler(tree: Path | None, target: Target, chain: Toolchain) -> tuple[Check, ...]:
    """Check the compiler and the linker of a target, by the names and versions its make uses."""
    cc, ld = chain.wanted or chain.cc, chain.program("ld", "ld.lld")
    need = "clang" if chain.llvm else cc
    name = target.name if chain.wanted or chain.cross_compile else None
    oldest = minimums(tree, target)
    checks = [program(cc, "compiles the kernel", need=need, target=name)]
    if checks[0].ok:
        have = _output([cc, "-dumpfullversion", "-dumpversion"]).strip()
        checks = [_versioned(checks[0], have, oldest.get("llvm" if chain.llvm else "gcc"))]
        linker = program(ld, "links it", need="clang" if chain.llvm else "ld", target=name)
        if linker.ok:
            version = re.search(r"\d+\.\d+(\.\d+)?", _output([ld, "--version"]))
            wanted = oldest.get("llvm" if chain.llvm else "binutils")
            linker = _versioned(linker, version[0] if version else None, wanted)
        checks.append(linker)
    return tuple(checks)


def make(tree: Path | None) -> Check:
    """Check GNU make against the version that the tree's Makefile names."""
    found = program("make", "builds the kernel")
    if not found.ok:
        return found
    version = re.search(r"GNU Make (\d+(?:\.\d+)+)", _output(["make", "--version"]))
    if version is None:
        return replace(found, state=NeedState.BROKEN, found=f"{found.found} is not GNU make")
    oldest = None
    if tree:
        with contextlib.suppress(OSError), inputs.open_regular(tree / "Makefile") as file:
            head = file.read(4096).decode(errors="replace")
            wanted = re.search(r"GNU Make >= (\d+(?:\.\d+)+) is required", head)
            oldest = wanted[1] if wanted else None
    return _versioned(found, version[1], oldest)


def header(name: str, use: str, *, need: str, needed: bool) -> Check:
    """Check that the host's compiler finds a C header (`gelf.h`)."""
    there = (_INCLUDE / name).is_file()
    compiler = toolchain.of_build(None).host_cc
    if not there and shutil.which(compiler):
        asked = [compiler, "-fsyntax-only", "-x", "c", "-"]
        line = f"#include <{name}>\n".encode()
        there = process.run(asked, input=line, timeout=LIMIT).returncode == 0
    state = NeedState.OK if there else NeedState.MISSING
    found = "the compiler finds it" if there else "the compiler does not find it"
    return Check(f"<{name}>", state, found, use, needed=needed, need=need)


def disk(directory: Path, builds: int) -> Check:
    """Check free space where build directories are made."""
    place = directory
    while not place.is_dir():
        place = place.parent
    free = shutil.disk_usage(place).free
    enough = free >= builds * BUILD
    return Check(
        "disk",
        NeedState.OK if enough else NeedState.LOW,
        f"{free / GIB:.1f} GiB free in {place}",
        f"build directories, {builds * BUILD / GIB:.0f} GiB for {builds} of them"
        if builds > 1
        else "a build directory, up to 1 GiB",
        advice="free some space there, or set MERMAPCTL_HOME to a larger disk",
    )


def memory(meminfo: Path = MEMINFO) -> Check:
    """Check memory available without swapping."""
    use = "a guest has 1 GiB"
    available = available_kb(meminfo)
    if available is None:
        return Check("memory", NeedState.OK, "not known here", use, needed=False)
    have = available << 10
    return Check(
        "memory",
        NeedState.OK if have >= MEMORY else NeedState.LOW,
        f"{have / GIB:.1f} GiB available",
        use,
        advice="end something large first",
    )


def coverage(chain: Toolchain) -> Check:
    """Check what reads the counters of `run --coverage`: gcovr, and the compiler's gcov."""
    name, use = "gcovr", "line and branch coverage"
    try:
        found = gcovr.tools(chain)
    except HarnessError as error:
        state = NeedState.OLD if "newer is needed" in error.message else NeedState.MISSING
        return Check(name, state, error.message, use, needed=False, advice=error.hint)
    said = f"{found.gcovr} {gcovr.version(found.gcovr)}, with {' '.join(found.gcov)}"
    return Check(name, NeedState.OK, said, use, needed=False)


def kvm() -> Check:
    """Check that /dev/kvm is there, permitted, and able to run a guest. Up to five seconds.

    Records the answer, so that a run does not wait for a KVM that is known to run no guest.
    """
    answer = kvm_probe.probe()
    if answer.ability is Ability.BROKEN:
        accelerator.remember_failure(f"doctor: {answer.said}")
    elif answer.ability is Ability.WORKS:
        accelerator.forget_failure()
    state = {
        Ability.WORKS: NeedState.OK,
        Ability.ABSENT: NeedState.MISSING,
        Ability.UNKNOWN: NeedState.OK,
    }.get(answer.ability, NeedState.BROKEN)
    return Check("/dev/kvm", state, answer.said, "quick boots", needed=False)
