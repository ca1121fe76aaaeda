# SPDX-License-Identifier: GPL-2.0-only
"""A splat: a complaint of the kernel, as one value. `splat_reader` reads it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class SplatKind(enum.StrEnum):
    """The kind of a complaint."""

    WARNING = "warning"
    BUG = "bug"
    OOPS = "oops"
    PANIC = "panic"
    KASAN = "kasan"
    KCSAN = "kcsan"
    KFENCE = "kfence"
    KMSAN = "kmsan"
    UBSAN = "ubsan"
    LOCKDEP = "lockdep"
    RCU_STALL = "rcu-stall"
    SLEEP_IN_ATOMIC = "sleep-in-atomic"
    PERCPU_PREEMPTIBLE = "percpu-preemptible"
    MEMORY_LEAK = "memory-leak"
    LOCKUP = "lockup"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Splat:
    """One complaint; `line`..`last_line` are its console lines (1-based, inclusive).

    `frames` are the call trace's reliable entries, innermost first, without those of the reporting
    code; `top_frame` is the first of them. `excerpt` is the text itself, capped, so that a record
    can show it after the console is deleted. `where` is FILE:LINE if the report names it, `message`
    the sentence printed with the title but outside of it (WARN()'s own), `cause` the sentence with
    the reason, wherever it stands. `caller` is printk's thread (`T27`) or CPU (`C0`), `count` how
    often the same came in the same test. `in_suite` is False before, between and after the suites.
    """

    kind: SplatKind
    title: str
    test: str | None
    line: int
    last_line: int | None = None
    frames: tuple[str, ...] = ()
    excerpt: tuple[str, ...] = ()
    where: str | None = None
    message: str | None = None
    count: int = 1
    in_suite: bool = True
    cause: str | None = None
    caller: str | None = None
    top_frame: str | None = None


DEADLY = frozenset({SplatKind.OOPS, SplatKind.BUG, SplatKind.PANIC})
STUCK = frozenset({SplatKind.LOCKUP, SplatKind.RCU_STALL})
"""Kinds after which the test's thread, or the kernel, does not continue."""

_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|CPU: ?\d+|CPU#\d+|PID: ?\d+|\d+s\b|/\d+\b")


def sameness(splat: Splat) -> tuple[SplatKind, str]:
    """Return the key of equal complaints: all but addresses, CPUs, tasks and durations."""
    return splat.kind, _NUMBERS.sub("", splat.title)


def function(frame: str) -> str:
    """Return the function of a frame: `f+0x1/0x2`, `f (FILE:LINE)` or `f+0x1/0x2 FILE:LINE`."""
    return frame.partition("+")[0].partition(" ")[0]
