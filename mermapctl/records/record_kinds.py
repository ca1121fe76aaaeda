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
