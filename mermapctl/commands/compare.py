# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report compare`: two stored runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.records import comparison
from mermapctl.records.comparison import Comparison

if TYPE_CHECKING:
    from mermapctl.records.store import Store


def compare(store: Store, a: str, b: str) -> Comparison:
    """Compare two stored runs."""
    return comparison.compare(store.get(a), store.get(b))
