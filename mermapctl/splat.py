# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> splats: warnings, oopses, sanitizer and lockdep reports. Pure and streaming."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SplatKind(enum.StrEnum):
    """What the kernel complained of."""

    WARNING = "warning"
    BUG = "bug"
    OOPS = "oops"
    PANIC = "panic"
    KASAN = "kasan"
    KCSAN = "kcsan"
    KFENCE = "kfence"
    UBSAN = "ubsan"
    LOCKDEP = "lockdep"
    RCU_STALL = "rcu-stall"
    SLEEP_IN_ATOMIC = "sleep-in-atomic"
    LOCKUP = "lockup"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Splat:
    """One complaint; `line`..`last_line` are its console lines (1-based, inclusive).

    `frames` are the call trace's reliable entries, innermost first; `excerpt` is the text itself,
    capped, so that a record can show it where the console is gone.
    """

    kind: SplatKind
    title: str
    test: str | None
    line: int
    last_line: int | None = None
    frames: tuple[str, ...] = ()
    excerpt: tuple[str, ...] = ()
