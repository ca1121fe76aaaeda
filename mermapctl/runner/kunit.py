# SPDX-License-Identifier: GPL-2.0-only
"""kunit.py's command lines, built from the options of this tree's kunit.py.

The kernel's version decides nothing: the options are read from `kunit.py SUBCOMMAND --help`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.errors import CommitError, UserError
from mermapctl.system import cache_file, inputs, paths, process
from mermapctl.tree import ownership

if TYPE_CHECKING:
    from mermapctl.runner.job import Job

SCRIPT = Path("tools/testing/kunit/kunit.py")
STAGES = ("config", "build", "exec")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Subcommands and the long options of each, as this tree's kunit.py prints them."""

    subcommands: tuple[str, ...]
    options: dict[str, frozenset[str]]

    def has(self, stage: str, option: str) -> bool:
        """Return whether `kunit.py STAGE` takes `option` (such as ``--qemu_args``)."""
        return option in self.options.get(stage, frozenset())


@dataclass(frozen=True, slots=True)
class BootRequest:
    """One boot: the suite filter, the guest's parameters, and kunit.py's own limit in seconds."""

    filter_glob: str
    kernel_args: tuple[str, ...]
    qemu_args: tuple[str, ...]
    timeout: int
    traced: bool = False


def environment(base: dict[str, str]) -> dict[str, str]:
    """Return the environment of kunit.py: its output unbuffered, no bytecode, no language.

    Bytecode would be litter in the user's tree. Kept elsewhere it saves 10 ms, but a full disk
    leaves truncated files (Python 3.11 checks no write of them), and then every later run fails.

    The language is C: a kernel's Makefile removes LC_ALL for compilers, which then obey the other
    variables.
    """
    dropped = ("PYTHONPYCACHEPREFIX", "LANGUAGE")
    kept = {
        name: value
        for name, value in base.items()
        if name not in dropped and not name.startswith("LC_")
    }
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C",
        "LC_ALL": "C",
    }


def script(tree: Path) -> Path:
    """Return the path of the tree's kunit.py. Raises CommitError if there is none."""
    path = tree / SCRIPT
    if not path.is_file():
        raise CommitError(f"{tree} has no {SCRIPT}", "KUnit's runner is in Linux 5.5 and newer")
    return path


def options_in(help_text: str) -> frozenset[str]:
    """Return the long options in a --help text."""
    return frozenset(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_text))


def capabilities(tree: Path) -> Capabilities:
    """Return what the tree's kunit.py can do; ask each version of kunit.py only once.

    Raises CommitError if it cannot start, UserError if the tree belongs to another user.
    """
    ownership.require(tree)
    known = paths.cache_dir() / "kunit" / _identity(script(tree).parent)
    kept = cache_file.read(known, Capabilities)
    if kept is not None and kept.options.keys() >= {*STAGES}:
        return kept
    can = _asked(tree)
    cache_file.write(known, can)
    return can


def _identity(directory: Path) -> str:
    """Return a digest of kunit.py with its modules, and of the Python that runs it."""
    digest = hashlib.sha256(os.fsencode(f"{sys.executable} {sys.version}"))
    for each in sorted(directory.glob("*.py")):
        with contextlib.suppress(OSError):
            digest.update(os.fsencode(each.name) + b"\0" + inputs.read_regular(each))
    return digest.hexdigest()


def _asked(tree: Path) -> Capabilities:
    kunit = [sys.executable, str(script(tree))]
    environ = environment(process.inherited())
    top = process.run([*kunit, "--help"], cwd=tree, env=environ, timeout=30)
    braces = re.search(r"\{([\w,]+)\}", top.stdout)
    if top.returncode != 0 or not braces:
        last = (top.stderr.strip() or "no output").splitlines()[-1]
        raise CommitError(f"{script(tree)} does not run: {last}", "is the tree complete?")
    subcommands = tuple(braces[1].split(","))
    missing = [stage for stage in STAGES if stage not in subcommands]
    if missing:
        raise CommitError(f"{script(tree)} has no subcommand {missing[0]!r}", "its tree is too old")
    options = {}
    for stage in STAGES:
        asked = process.run([*kunit, stage, "--help"], cwd=tree, env=environ, timeout=30)
        options[stage] = options_in(asked.stdout)
    return Capabilities(subcommands, options)


def _common(job: Job, stage: str) -> list[str]:
    argv = [
        str(job.tree / SCRIPT),
        stage,
        f"--build_dir={job.build_dir}",
        f"--kunitconfig={job.kunitconfig}",
        f"--arch={job.target.name}",
    ]
    if job.target.cross_compile:
        argv.append(f"--cross_compile={job.target.cross_compile}")
    return argv


def config(job: Job) -> list[str]:
    """Return `kunit.py config`, which makes the build directory's .config from the kunitconfig."""
    return _common(job, "config")


def build(job: Job) -> list[str]:
    """Return `kunit.py build`, which runs olddefconfig, then make."""
    return [*_common(job, "build"), f"--jobs={job.request.jobs}"]


def boot(job: Job, boot: BootRequest, can: Capabilities) -> list[str]:
    """Return `kunit.py exec`, which boots the kernel and prints its whole console."""
    argv = [*_common(job, "exec"), "--raw_output=all", f"--timeout={boot.timeout}"]
    argv += [f"--kernel_args={argument}" for argument in boot.kernel_args]
    if boot.qemu_args:
        if not can.has("exec", "--qemu_args"):
            raise UserError(
                f"this tree's kunit.py has no --qemu_args, so {' '.join(boot.qemu_args)} "
                "cannot be passed to QEMU",
                "leave out --smp and --cpu, or use a newer tree",
            )
        argv.append(f"--qemu_args={shlex.join(boot.qemu_args)}")  # it splits them like a shell
    argv.append(boot.filter_glob)
    return argv


def interpreted(argv: Sequence[str]) -> list[str]:
    """Return the command under our own Python: kunit.py needs nothing else."""
    return [sys.executable, *argv]
