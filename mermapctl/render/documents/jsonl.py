# SPDX-License-Identifier: GPL-2.0-only
"""A series as lines of JSON: one for each cell as it is known, then the record without cells."""

from __future__ import annotations

import sys
from dataclasses import replace

import msgspec

from mermapctl.records.json_text import encoded
from mermapctl.records.record import RunRecord, to_json
from mermapctl.render import print_document
from mermapctl.series.grid_events import GridCell, SeriesEvent


def print_event(event: SeriesEvent) -> None:
    """Print the line of a cell on stdout; nothing for another event."""
    if isinstance(event, GridCell):
        print_document(line_of(event), sys.stdout)


def line_of(event: GridCell) -> str:
    """Return the line of a cell: how many of how many are known, and the cell as in the record."""
    try:
        said = encoded({"done": event.done, "of": event.of, "cell": event.cell})
    except UnicodeEncodeError:
        said = encoded({"done": event.done, "of": event.of, "cell": None})
    return said.decode() + "\n"


def print_end(record: RunRecord) -> None:
    """Print the last line: the record, whose cells have been printed."""
    whole = to_json(replace(record, cells=()))
    print_document(msgspec.json.format(whole, indent=-1).decode().strip() + "\n", sys.stdout)
