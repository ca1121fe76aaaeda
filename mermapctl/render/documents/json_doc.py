# SPDX-License-Identifier: GPL-2.0-only
"""The record as the public JSON document, schema 1 (docs/verdicts.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mermapctl.records.record import Cell, RunRecord, to_json


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,  # noqa: ARG001 - a renderer's signature
) -> str:
    """Return one JSON object and a newline."""
    return to_json(record).decode("utf-8")
