# SPDX-License-Identifier: GPL-2.0-only
"""Tables of facts that are shipped as data. Not in `paths`: msgspec takes 20 ms to import."""

from __future__ import annotations

import tomllib
from typing import TypeVar

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.system import paths

T = TypeVar("T")


def read(name: str, kind: type[T]) -> T:
    """Read configs/NAME. Raises HarnessError where it is damaged."""
    source = paths.shipped("configs") / name
    try:
        return msgspec.convert(tomllib.loads(source.read_text(encoding="utf-8")), kind)
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"{source}: {error}", "the file is part of mermapctl; install mermapctl again"
        ) from error
