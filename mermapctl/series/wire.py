# SPDX-License-Identifier: GPL-2.0-only
"""The events of a cell as lines of JSON, from its process to the one that started it."""

from __future__ import annotations

import os
import sys

import msgspec

from mermapctl.events import (
    CellEvent,
    LaneFreed,
    Note,
    Objects,
    StageEnded,
    StageStarted,
    TestEnded,
)

_KINDS: dict[str, type[CellEvent]] = {
    each.__name__: each for each in (StageStarted, Objects, TestEnded, StageEnded, LaneFreed, Note)
}


def encode(event: object) -> bytes | None:
    """Return the line of an event; None for one that is not shown."""
    if type(event).__name__ not in _KINDS:
        return None
    try:
        return msgspec.json.encode([type(event).__name__, event]) + b"\n"
    except UnicodeEncodeError:
        return None


def tell(event: object) -> None:
    """Print the line of an event, if it has one, for the process that started this one."""
    line = encode(event)
    if line is not None:
        os.write(sys.stdout.fileno(), line)


def decode(line: bytes) -> CellEvent | None:
    """Return the event of a line; None if it is not an event."""
    try:
        name, fields = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
        kind = _KINDS.get(name)
        return msgspec.json.decode(fields, type=kind) if kind else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
