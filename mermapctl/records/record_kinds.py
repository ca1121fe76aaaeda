# SPDX-License-Identifier: GPL-2.0-only
"""Whether a record is that of a series, of a bisect, or of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mermapctl.records.bisect_facts import Bisect
    from mermapctl.records.record import RunRecord
    from mermapctl.records.series_facts import Series


def series_of(record: RunRecord) -> Series | None:
    """Return the facts of a series; None for another run."""
    return None if isinstance(record.series, msgspec.UnsetType) else record.series


def bisect_of(record: RunRecord) -> Bisect | None:
    """Return the facts of a bisect; None for another run."""
    return None if isinstance(record.bisect, msgspec.UnsetType) else record.bisect


def outcome_words(record: RunRecord) -> str | None:
    """Return what a bisect found, in a few words; None for another run, or one without an end."""
    bisect = bisect_of(record)
    if bisect is None or bisect.outcome == "unfinished":
        return None
    if bisect.culprit:
        return f"first bad {bisect.culprit[:12]}"
    if bisect.outcome == "range":
        return f"first bad: one of {len(bisect.suspects)}"
    return f"bisect: {bisect.outcome.replace('-', ' ')}"
