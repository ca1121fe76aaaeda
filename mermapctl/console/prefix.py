# SPDX-License-Identifier: GPL-2.0-only
"""Recognize by its structure the prefix that a runner, logger or CI puts before each line. Pure.

A prefix consists of fields between spaces. Numbers, times and dates, which differ from line to
line, are matched by their form instead of a list of words. So are words, wherever a time or a mark
(`[INFO]`, `kernel:`) shows that the field is not part of the console's text.
"""

from __future__ import annotations

import re

_FIELD = re.compile(r"(?P<lead>[^\w\s]*)(?P<core>(?:\w(?:\S*\w)?)?)(?P<trail>[^\w\s]*)")
_TIME = re.compile(r"\d+[-:./]\d+[-:./T]\d")
"""A date or a time: three numbers with punctuation between them."""
_WORDS = r"[\w.+/@\[\]-]*"
_REST = r"[\w:.,+/-]*"
"""The text after a time's first number and punctuation: fractions and zones may be absent."""
BEHIND = re.compile(
    r"(?P<before>[^#\s](?:[^#]*?[^#\s])?)(?P<gap> +)"
    r"(?=(?:not )?ok \d+ \S|1\.\.\d+\s*\Z|K?TAP version \d+\s*\Z|# Subtest: )"
)
"""A KTAP line behind text that may be a prefix."""


def prefix_pattern(before: str, gap: int) -> str:
    """Turn the text before a KTAP line into an optional pattern for the prefix of other lines.

    `gap` is the number of spaces behind it. Four or eight more are the line's own indentation.
    """
    timed = _TIME.search(before) is not None
    parts: list[str] = []
    tight = False
    for each in re.finditer(r"\S+", before):
        match = _FIELD.fullmatch(each[0])
        lead, core, trail = match.groups() if match else (each[0], "", "")
        if parts:  # padding puts a space behind the bracket in some lines only
            parts.append(" *" if tight or lead else " +")
        tight = bool(trail) or not core
        parts.append(re.escape(lead) + _core(core, free=timed or bool(lead or trail)))
        parts.append(re.escape(trail))
    return f"{''.join(parts)} {{0,{gap}}}"


def _core(core: str, *, free: bool) -> str:
    """Return the pattern of a field without the punctuation around it."""
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
    """Return whether text is certainly a prefix: a time stands at its beginning or near it."""
    time = _TIME.search(before)
    return time is not None and not before[: time.start()].strip("[(<").count(" ") > 3
