# SPDX-License-Identifier: GPL-2.0-only
"""The tree's own `make olddefconfig`, which decides the final configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mermapctl.config import fragment
from mermapctl.config.target import Target
from mermapctl.config.toolchain import Toolchain, make_environment
from mermapctl.errors import HarnessError
from mermapctl.system import files, process
from mermapctl.tree import build_dir, ownership

LIMIT = 120.0
"""Seconds. 3 s where the tree's `conf` program is built already, 7 s where it is not."""
_COMPLAINT = re.compile(r"^(?!\s*make).*(?:error|not found|not clean|\*\*\* ).*$", re.MULTILINE)


def resolve(
    tree: Path, target: Target, chain: Toolchain, asked: str, *, limit: float = LIMIT
) -> Mapping[str, str]:
    """Run olddefconfig on the lines `asked`; return symbol (no CONFIG_) to value, n for "not set".

    Runs out of tree, in a cache directory that keeps `conf`; writes nothing into the tree. Raises
    HarnessError with make's complaint, and after `limit` seconds; UserError where the tree is
    another user's.
    """
    ownership.require(tree)
    directory = build_dir.locate(tree, "kconfig", "olddefconfig")
    config = directory / ".config"
    make = ["make", "-s", "-C", str(tree), f"O={directory}", *chain.make_arguments(target)]
    with build_dir.locked(directory, "mermapctl config explain", wait=True, waiting=_silently):
        files.make(config, asked)
        said = process.run([*make, "olddefconfig"], env=make_environment(), timeout=limit)
        if said.returncode != 0:
            raise HarnessError(f"make olddefconfig failed: {_complaint(said.stderr)}")
        return fragment.resolved(config)


def _silently(_sentence: str) -> None:
    """Report that another explanation is being verified, which takes seconds."""


def _complaint(stderr: str) -> str:
    found = _COMPLAINT.search(stderr)
    lines = stderr.strip().splitlines() or ["it said nothing"]
    return (found[0] if found else lines[-1]).strip()[:300]
