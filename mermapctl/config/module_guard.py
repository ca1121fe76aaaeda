# SPDX-License-Identifier: GPL-2.0-only
"""A line of the tree that is false in a module: a module of its own, since records contain it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """A line of the tree that is false where the suite is a module; `where` is FILE:LINE."""

    where: str
    text: str
