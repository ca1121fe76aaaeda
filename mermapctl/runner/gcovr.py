# SPDX-License-Identifier: GPL-2.0-only
"""Runs gcovr, which runs gcov over counters, and reads what it writes. The only place for both."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mermapctl.config import toolchain
from mermapctl.config.toolchain import Toolchain
from mermapctl.errors import HarnessError
from mermapctl.judge.coverage import LineCount
from mermapctl.system import inputs, process

NAME = "gcovr"
OLDEST = 8
INSTALL = (
    "pipx install 'mermapctl[coverage]' installs it (pipx inject mermapctl 'gcovr>=8' if mermapctl "
    "is there already)"
)
LCOV, COBERTURA = "coverage.lcov", "coverage.xml"
_JSON = "coverage.json"
_SECONDS = 300
_MAJOR = re.compile(r"(\d+)\.\d+")


class _CountedBranch(msgspec.Struct):
    count: int = 0
    excluded: bool = msgspec.field(name="gcovr/excluded", default=False)


class _CountedLine(msgspec.Struct):
    line_number: int
    count: int = 0
    branches: tuple[_CountedBranch, ...] = ()
    excluded: bool = msgspec.field(name="gcovr/excluded", default=False)
    noncode: bool = msgspec.field(name="gcovr/noncode", default=False)


class _CountedFile(msgspec.Struct):
    file: str
    lines: tuple[_CountedLine, ...] = ()


class _GcovrReport(msgspec.Struct):
    files: tuple[_CountedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """gcovr's path, and the words that run the compiler's gcov."""

    gcovr: str
    gcov: tuple[str, ...]


def gcov_of(chain: Toolchain) -> tuple[str, ...]:
    """Return the words that run the gcov of a toolchain."""
    program = chain.program("gcov", "llvm-cov")
    return (program, "gcov") if chain.llvm else (program,)


def tools(chain: Toolchain) -> Tools:
    """Return the programs that read the counters of a toolchain's compiler.

    Raises HarnessError if one is missing or too old, and if gcov is of another version than the
    compiler: the format of the counters belongs to a version.
    """
    gcov = gcov_of(chain)
    if not shutil.which(gcov[0]):
        raise HarnessError(
            f"{gcov[0]} is not installed: it reads the counters of {chain.cc}",
            "it is in the package of the compiler (`mermapctl doctor` names it)",
        )
    compiler, reader = (_major(toolchain.first_line(each)) for each in (chain.cc, gcov[0]))
    if compiler and reader and compiler != reader:
        raise HarnessError(
            f"{gcov[0]} is of version {reader} and {chain.cc} of version {compiler}: it cannot "
            "read these counters",
            f"install both of one version, or choose the compiler with a link {gcov[0]} on PATH",
        )
    return Tools(_gcovr(), gcov)


def _major(line: str) -> str | None:
    """Return the first number of the version at the end of a line, else of the first in it."""
    found = re.search(r"(\d+)\.\d+(?:\.\d+)?(?:-\w+)?\s*\Z", line) or _MAJOR.search(line)
    return found[1] if found else None


def installed() -> str | None:
    """Return the path of gcovr: beside our Python, or on PATH; None if there is none."""
    beside = Path(sys.executable).parent / NAME
    return str(beside) if beside.is_file() else shutil.which(NAME)


def version(path: str) -> str:
    """Return the version of a gcovr; one of our own environment is not started for it."""
    if Path(path).parent == Path(sys.executable).parent:
        try:
            return importlib.metadata.version(NAME)
        except importlib.metadata.PackageNotFoundError:
            pass
    found = re.search(r"(\d+\.\d+)", toolchain.first_line(path))
    return found[1] if found else "0.0"


def _gcovr() -> str:
    path = installed()
    if path is None:
        raise HarnessError("gcovr is not installed: it reads the counters of --coverage", INSTALL)
    have = version(path)
    if int(have.partition(".")[0]) < OLDEST:
        raise HarnessError(f"{path} is gcovr {have}; {OLDEST} or newer is needed", INSTALL)
    return path


def lines(
    found: Tools, place: Path, tree: Path, *, reports: Path | None = None
) -> dict[str, tuple[LineCount, ...]]:
    """Return the counted lines of each file by its path in the tree.

    `place` has the counters and notes of a boot. With `reports`, that directory gets LCOV and
    COBERTURA too. Raises HarnessError.
    """
    made = place / _JSON
    argv = [
        found.gcovr,
        f"--root={tree.resolve()}",
        f"--gcov-executable={shlex.join(found.gcov)}",
        "--config=/dev/null",  # none of the tree's or the user's
        "--merge-lines",
        "--include-internal-functions",  # __mermap_get(): it leaves out names that begin with "__"
        f"--json={made}",
    ]
    if reports is not None:
        argv += [f"--lcov={reports / LCOV}", f"--cobertura={reports / COBERTURA}"]
    env = {**process.inherited(), "LC_ALL": "C"}
    done = process.run([*argv, str(place)], cwd=place, env=env, timeout=_SECONDS)
    if done.returncode != 0:
        raise HarnessError(f"gcovr failed: {_last(done.stderr or done.stdout)}")
    try:
        return parsed(inputs.read_regular(made))
    except (OSError, msgspec.DecodeError) as error:
        raise HarnessError(f"gcovr wrote nothing that can be read: {error}") from error


def _last(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no reason")


def parsed(data: bytes) -> dict[str, tuple[LineCount, ...]]:
    """Read gcovr's JSON. Raises msgspec.DecodeError.

    A line that was compiled several times (an inline function) is one line: counts are added, and a
    branch is taken if one of its copies is.
    """
    report = msgspec.json.decode(data, type=_GcovrReport)
    found = {}
    for each in report.files:
        by_number: dict[int, list[_CountedLine]] = defaultdict(list)
        for line in each.lines:
            if not (line.excluded or line.noncode):
                by_number[line.line_number].append(line)
        found[each.file] = tuple(_line(number, same) for number, same in sorted(by_number.items()))
    return found


def _line(number: int, same: list[_CountedLine]) -> LineCount:
    copies = [[each.count for each in line.branches if not each.excluded] for line in same]
    width = max(map(len, copies))
    taken = [any(len(copy) > at and copy[at] for copy in copies) for at in range(width)]
    return LineCount(number, sum(line.count for line in same), width, sum(taken))
