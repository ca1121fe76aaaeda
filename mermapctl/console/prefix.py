# SPDX-License-Identifier: GPL-2.0-only
"""What a runner, a logger or a CI puts before each line of a console, found by its structure. Pure.

A prefix is made of fields between spaces. What varies from line to line is known by its form, not
by a list of words: numbers, times and dates, and words wherever a time or a mark (`[INFO]`,
`kernel:`) shows the field to be no text of the console.
"""

from __future__ import annotations

import re

_FIELD = re.compile(r"(?P<lead>[^\w\s]*)(?P<core>(?:\w(?:\S*\w)?)?)(?P<trail>[^\w\s]*)")
_TIME = re.compile(r"\d+[-:./]\d+[-:./T]\d")
"""A date or a time: three numbers with marks between them."""
_WORDS = r"[\w.+/@\[\]-]*"
_REST = r"[\w:.,+/-]*"
"""What follows a time's first number and mark: fractions and zones come and go."""
BEHIND = re.compile(
    r"(?P<before>[^#\s](?:[^#]*?[^#\s])?)(?P<gap> +)"
    r"(?=(?:not )?ok \d+ \S|1\.\.\d+\s*\Z|K?TAP version \d+\s*\Z|# Subtest: )"
)
"""A KTAP line behind text that may be a prefix."""


def prefix_pattern(before: str, gap: int) -> str:
    """The text that stands before a KTAP line -> an optional pattern for that of other lines.

    `gap` spaces follow it; four more, or eight, would be the line's own indentation.
    """
    timed = _TIME.search(before) is not None
    parts: list[str] = []
    tight = False
    for each in re.finditer(r"\S+", before):
        match = _FIELD.fullmatch(each[0])
        lead, core, trail = match.groups() if match else (each[0], "", "")
        if parts:  # a padded word stands off its bracket in some lines only
            parts.append(" *" if tight or lead else " +")
        tight = bool(trail) or not core
        parts.append(re.escape(lead) + _core(core, free=timed or bool(lead or trail)))
        parts.append(re.escape(trail))
    return f"{''.join(parts)} {{0,{gap}}}"


def _core(core: str, *, free: bool) -> str:
    """The pattern of a field without the marks around it."""
    if core.isdigit() or not core:
        return r"\d+" * bool(core)
    if time := re.match(r"\d+([^\w])", core):
        return rf"\d+{re.escape(time[1])}{_REST}"
    if core[0].isdigit():
        return rf"\d+{_REST}"
    if free:
        return rf"[A-Za-z_]{_WORDS}"
    return re.sub(r"\d+", lambda _: r"\d+", re.escape(core))


def is_prefix(before: str) -> bool:
    """Whether text must be a prefix, wherever it is met: it begins with a time, or nearly so."""
    time = _TIME.search(before)
    return time is not None and not before[: time.start()].strip("[(<").count(" ") > 3
