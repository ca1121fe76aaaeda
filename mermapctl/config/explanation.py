# SPDX-License-Identifier: GPL-2.0-only
"""Explanation: why a symbol is not what was asked for, and what would make it so. Values only."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mermapctl.config.kconfig import Selector, Setting


class Cause(enum.StrEnum):
    """Why a symbol is not what was asked for."""

    SATISFIED = "satisfied"
    UNDEFINED = "undefined"
    OTHER_ARCHITECTURE = "other-architecture"
    DEPENDENCY = "dependency"
    HIDDEN_PROMPT = "hidden-prompt"
    NO_PROMPT = "no-prompt"
    CHOICE = "choice"
    SELECTED = "selected"
    DEFAULT = "default"
    TYPE = "type"
    MODULES = "modules"
    RANGE = "range"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Value:
    """One leaf of an expression and its value, as the fragment and the defaults make it."""

    expression: str
    value: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that blocks: its value, why it has it, and who could change it.

    `because` are the blockers of the leaf itself, where it has dependencies of its own.
    """

    expression: str
    value: str
    needed: str
    reason: str
    defined: tuple[str, ...] = ()
    selectors: tuple[Selector, ...] = ()
    because: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocker:
    """What must change: one of `leaves` is enough."""

    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `symbol` is `resolved` where `requested` was asked for, on `target`.

    `dependency` is the expression with values; `targets` are those of the tree that could give
    what was asked for; `assignments` the smallest set that gives it on this target (None: there is
    none), `overridden` the lines of the fragment that they contradict; `verified` whether the
    tree's olddefconfig agreed (None: it was not asked), `verdict` a sentence on that.
    `complaint` is the parser's, where it cannot read the tree.
    """

    symbol: str
    requested: str
    resolved: str | None
    target: str
    cause: Cause
    summary: str
    kind: str | None = None
    prompt: str | None = None
    defined: tuple[str, ...] = ()
    dependency: str | None = None
    leaves: tuple[Value, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    selectors: tuple[Selector, ...] = ()
    near: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    assignments: tuple[Setting, ...] | None = None
    overridden: tuple[str, ...] = ()
    verified: bool | None = None
    verdict: str | None = None
    notes: tuple[str, ...] = ()
    complaint: str | None = None
