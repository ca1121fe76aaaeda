# SPDX-License-Identifier: GPL-2.0-only
"""Where mermapctl keeps things, and where its shipped data files are.

`MERMAPCTL_HOME`, when set, moves state, cache and user configuration together.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from mermapctl.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

APP = "mermapctl"


def _place(kind: str, default: Callable[[str], str]) -> Path:
    home = os.environ.get("MERMAPCTL_HOME")
    try:
        return Path(home).expanduser().absolute() / kind if home else Path(default(APP))
    except RuntimeError as error:  # no HOME, or an unknown ~user
        raise UserError(
            f"no place for the {kind} directory: {error}",
            "set HOME, or MERMAPCTL_HOME, to a directory that you can write to",
        ) from error


def state_dir() -> Path:
    """Directory of the store: the database and one artifact folder per run."""
    return _place("state", platformdirs.user_state_dir)


def cache_dir() -> Path:
    """Directory of what can be made again: build directories, parsed Kconfigs."""
    return _place("cache", platformdirs.user_cache_dir)


def config_dir() -> Path:
    """Directory of the user's own fragments (`*.kunitconfig`)."""
    return _place("config", platformdirs.user_config_dir)


def shipped(name: str) -> Path:
    """A data directory that travels with the package: ``configs`` or ``kernel``.

    In a wheel it lies inside the package, in a checkout beside it.
    """
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
