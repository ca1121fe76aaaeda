# SPDX-License-Identifier: GPL-2.0-only
"""Packages of this distribution for a need, and the one command that installs several.

Names are data (configs/packages.toml). Fetches nothing: reads the package manager's own lists.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from mermapctl.system import process, tables

OS_RELEASE = Path("/etc/os-release")
APT_LISTS = Path("/var/lib/apt/lists")
LIMIT = 20.0
"""Seconds for a query of the package manager's lists, which are local."""
_CANDIDATE = re.compile(r"^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager: its name in packages.toml and its command lines."""

    name: str
    program: str
    install: tuple[str, ...]
    refresh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Installation:
    """A shell command that installs some needs (None: no way), and the needs it does not cover."""

    command: str | None
    packages: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()


@cache
def _data() -> dict[str, Any]:
    return tables.read("packages.toml", dict[str, Any])


def os_release(path: Path | None = None) -> dict[str, str]:
    """Return the fields of os-release(5); empty where the file is not there."""
    try:
        text = (path or OS_RELEASE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    fields = re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in fields}


def manager(release: dict[str, str]) -> Manager | None:
    """Return the package manager of a distribution, by its ID and ID_LIKE."""
    kinds = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    for kind in kinds:
        for name, facts in _data()["manager"].items():
            if any(kind == like or kind.startswith(f"{like}-") for like in facts["like"]):
                return msgspec.convert({"name": name, **facts}, Manager)
    return None


def names(need: str, of: Manager) -> tuple[str, ...]:
    """Return alternatives for a need, each one or more packages separated by blanks."""
    return tuple(_data()["need"].get(need, {}).get(of.name, ()))


def qemu_of(target: str) -> str | None:
    """Return the QEMU of a target of kunit.py; None for UML and for unknown names."""
    found: str | None = _data()["qemu"].get(target)
    return found


def available(of: Manager, packages: Iterable[str]) -> frozenset[str] | None:
    """Return the packages that the manager's lists on this machine contain; None: unknown.

    apt's lists may be empty, as in a fresh container: nothing is known before an update.
    """
    wanted = sorted(set(packages))
    if not wanted or not shutil.which(of.program):
        return None
    if of.name == "apt" and shutil.which("apt-cache"):
        if not any(APT_LISTS.glob("*_Packages*")):
            return None
        output = process.run(["apt-cache", "policy", *wanted], timeout=LIMIT, env=_plain()).stdout
        return frozenset(_CANDIDATE.findall(output))
    if of.name == "pacman":
        output = process.run(["pacman", "-Ssq"], timeout=LIMIT, env=_plain()).stdout
        return frozenset(wanted) & frozenset(output.split()) if output else None
    return None


def _plain() -> dict[str, str]:
    return {**process.inherited(), "LC_ALL": "C"}


def installation(needs: Sequence[str], release: dict[str, str] | None = None) -> Installation:
    """Return one command that installs all needs that have a package in this distribution."""
    of = manager(os_release() if release is None else release)
    if of is None or not needs:
        return Installation(None, (), tuple(needs))
    alternatives = {need: names(need, of) for need in needs}
    every = [name for each in alternatives.values() for line in each for name in line.split()]
    there = available(of, every)
    packages: dict[str, None] = {}
    uncovered = []
    for need, lines in alternatives.items():
        chosen = next((line for line in lines if _has(there, line)), None)
        if chosen is None:
            uncovered.append(need)
        else:
            packages.update(dict.fromkeys(chosen.split()))
    if not packages:
        return Installation(None, (), tuple(uncovered))
    refresh = bool(of.refresh) and there is None
    return Installation(
        _command(of, list(packages), refresh=refresh), tuple(packages), tuple(uncovered)
    )


def _has(there: frozenset[str] | None, line: str) -> bool:
    return there is None or there.issuperset(line.split())


def _command(of: Manager, packages: list[str], *, refresh: bool) -> str:
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    install = shlex.join([*sudo, *of.install, *packages])
    return f"{shlex.join([*sudo, *of.refresh])} && {install}" if refresh else install
