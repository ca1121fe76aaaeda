# SPDX-License-Identifier: GPL-2.0-only
"""Decide whether a build directory already has the requested kernel, so that no build is needed.

Four things decide: the tree (its commit, and the contents of each file that differs from it), the
requested configuration, the toolchain with its flags, and mermapctl itself. A tree that is not in
git is always built, because only make can find its changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl import __version__
from mermapctl.config import toolchain
from mermapctl.errors import HarnessError
from mermapctl.system import files, inputs

if TYPE_CHECKING:
    from mermapctl.runner.job import Job

STAMP = ".mermapctl-built"
STEERING = (
    *("LLVM", "LLVM_IAS", "KCFLAGS", "KCPPFLAGS", "KAFLAGS", "KRUSTFLAGS"),
    *("HOSTCFLAGS", "USERCFLAGS", "USERLDFLAGS"),
)
"""Environment variables that the kernel's Makefile obeys (6.12 to 7.3)."""


def toolchain_of(cross_compile: str | None) -> list[list[int | str]]:
    """Return the identities of a build's programs, gcc's or LLVM's; follow ccache's links."""
    paths = [toolchain.located(tool) for tool in toolchain.of_build(cross_compile).tools]
    return [files.identity(path.resolve()) for path in paths if path]


def steering() -> dict[str, str]:
    """Return the environment variables that steer a build."""
    return {name: os.environ[name] for name in STEERING if name in os.environ}


def signature(job: Job, kunitconfig: str, tree_state: str | None) -> str | None:
    """Return a digest of all inputs of a build; None if one of them is unknown.

    `tree_state` is the result of `tree.Looking.state`, None for a tree without a commit.
    """
    if tree_state is None:
        return None
    made_from = {
        "tool": __version__,
        "tree": tree_state,
        "kunitconfig": kunitconfig,
        "target": [job.target.name, job.target.kconfig],
        "toolchain": toolchain_of(job.target.cross_compile),
        "environment": steering(),
        "variables": job.cell.make_variables,
    }
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _products(job: Job, image: str) -> list[list[int | str]]:
    """Return the identities of the kernel and its configuration in the build directory."""
    return [files.identity(job.build_dir / name) for name in (image, ".config")]


def is_fresh(job: Job, image: str, wanted: str | None) -> bool:
    """Return whether the last good build made `image` from these inputs, and it is unchanged."""
    if wanted is None:
        return False
    try:
        stamp = json.loads(inputs.read_regular(job.build_dir / STAMP))
        return bool(stamp == {"signature": wanted, "products": _products(job, image)})
    except (OSError, ValueError, RecursionError):
        return False


def forget(job: Job) -> None:
    """Mark the directory as unfinished, so that the next run builds, whatever ends this one."""
    (job.build_dir / STAMP).unlink(missing_ok=True)


def remember(job: Job, image: str, made: str | None) -> None:
    """Record a good build from the inputs `made`, unless they are unknown.

    If that fails (the disk is full, the kernel is missing), the next run builds again.
    """
    if made is not None:
        with contextlib.suppress(OSError, HarnessError):
            stamp = json.dumps({"signature": made, "products": _products(job, image)})
            files.write_own(job.build_dir / STAMP, stamp.encode())


def config_is_current(tree: Path, build_dir: Path) -> bool:
    """Return whether make's record shows that no Kconfig file is newer than the .config.

    The record, include/config/auto.conf.cmd, names every Kconfig file that was read, relative to
    the tree. make compares the same times before it calls syncconfig.
    """
    made = build_dir / "include/config/auto.conf"
    try:
        since = made.stat().st_mtime_ns
        dot_config = (build_dir / ".config").lstat()
        if not stat.S_ISREG(dot_config.st_mode) or dot_config.st_mtime_ns > since:
            return False  # a link would be written through, a FIFO waited for
        listed = inputs.read_regular(build_dir / "include/config/auto.conf.cmd").decode()
        return all(
            os.stat(os.path.join(tree, name)).st_mtime_ns <= since  # noqa: PTH116, PTH118
            for name in _kconfig_files(listed)
        )
    except (OSError, UnicodeDecodeError):
        return False


def _kconfig_files(listed: str) -> list[str]:
    """Return the files in the variable deps_config of auto.conf.cmd, relative to the tree."""
    _, _, rest = listed.partition("deps_config :=")
    lines = []
    for line in rest.splitlines():
        lines.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            break
    return [line for line in lines if line]
