# SPDX-License-Identifier: GPL-2.0-only
"""Check the programs that a run needs, and cache their versions until one of their files changes.

The check starts nine processes: 0.1 s of the 1.5 s of a run that builds nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import cpu_models, toolchain
from mermapctl.config.plan import CellPlan
from mermapctl.doctor import doctor
from mermapctl.doctor.requirement import Check
from mermapctl.errors import HarnessError
from mermapctl.records import host
from mermapctl.records.host import Host
from mermapctl.runner import gcovr
from mermapctl.system import cache_file, files, paths

_HEADERS = ("/usr/include/stdio.h", "/usr/include/gelf.h")
_SCRIPTS = ("Makefile", "scripts/min-tool-version.sh")
"""The files of a tree that decide which versions of the programs it accepts."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """Versions on a machine that lacks nothing; `key` is a digest of the programs' files."""

    key: str
    qemu: str | None
    compiler: str | None


def require(planned: tuple[CellPlan, ...]) -> Host:
    """Return the facts of this machine, with the compiler and the QEMU of the first cell.

    Raises HarnessError with the packages to install if a program is missing or too old. So a build
    does not fail at its end because QEMU is missing, or gcovr for --coverage. Raises UserError for
    a CPU model that QEMU does not have.
    """
    kept = paths.cache_dir() / "ready.json"
    key = _key(planned)
    ready = cache_file.read(kept, _Ready)
    if ready is None or ready.key != key:
        _check(planned)
        ready = _versions(planned, key)
        cache_file.write(kept, ready)
    for cell in planned:
        if cell.request.cpu and cell.target.qemu:
            cpu_models.require(cell.target.qemu, cell.request.cpu)
        if cell.profile:
            gcovr.tools(toolchain.of_build(cell.target.cross_compile))
    return host.host_facts(qemu=ready.qemu, compiler=ready.compiler)


def _check(planned: tuple[CellPlan, ...]) -> None:
    lacking: list[Check] = []
    built = {cell.target.name: cell.target for cell in planned if not cell.obstacle}
    for each in built.values():
        lacking += doctor.missing_for_run(planned[0].tree.path, each)
    if lacking:
        raise HarnessError(doctor.sentence(lacking), doctor.install_hint(lacking))


def _versions(planned: tuple[CellPlan, ...], key: str) -> _Ready:
    target = planned[0].target
    compiler = toolchain.of_build(target.cross_compile).cc
    qemu = toolchain.first_line(target.qemu) if target.qemu else None
    return _Ready(key, qemu or None, toolchain.first_line(compiler) or None)


def _key(planned: tuple[CellPlan, ...]) -> str:
    """Digest the files of all programs, as `runner.up_to_date` does for a compiler."""
    targets = [cell.target for cell in planned if not cell.obstacle]
    names = {tool for each in targets for tool in toolchain.of_build(each.cross_compile).tools}
    names |= {each.qemu for each in (planned[0].target, *targets) if each.qemu}
    programs = [toolchain.located(name) for name in sorted({*names, *doctor.PROGRAMS})]
    programs += [Path(name) for name in _HEADERS]
    programs += [planned[0].tree.path / name for name in _SCRIPTS]
    built = [[each.name, each.linux_arch, each.cross_compile] for each in targets]
    facts = [planned[0].target.name, built, [_identity(path) for path in programs]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _identity(path: Path | None) -> list[int | str] | None:
    try:
        return files.identity(path) if path else None
    except OSError:
        return None
