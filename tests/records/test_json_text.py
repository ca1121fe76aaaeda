# SPDX-License-Identifier: GPL-2.0-only
"""JSON on a terminal: `cat record.json` obeys nothing, and a reader gets what was kept."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest

from mermapctl.console.ktap import Status, Suite, Test
from mermapctl.records import json_text
from mermapctl.records.record import from_json, to_json
from mermapctl.render.documents import b4_checks, jsonl, kcidb
from mermapctl.series.grid_events import GridCell
from tests import sample_records as samples

HOSTILE = (
    "a\x1b]0;t\x07\x7f\x85\x9b2J\u202egnp\u2066\u200b\ufeff\u2028\U000e0041\u0080é漢\U0001f600"
)


def obeyed(text: str) -> list[str]:
    """Return the characters that a terminal obeys or hides, newlines apart."""
    return [
        char
        for char in text
        if char != "\n" and unicodedata.category(char)[0] in "CZ" and char != " "
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_what_a_terminal_obeys_is_escaped_and_means_the_same(indent: int | None) -> None:
    raw = json_text.encoded({HOSTILE: [HOSTILE]}, indent=indent).decode("utf-8")
    assert obeyed(raw) == []
    assert json.loads(raw) == {HOSTILE: [HOSTILE]}
    assert "é漢\U0001f600" in raw


def test_every_character_below_65536_and_beside_it_survives() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x10000), 0xE0001, 0x10FFFF]))
    assert json.loads(json_text.encoded(every)) == every


def test_each_json_document_of_a_record_is_safe_to_print() -> None:
    suite = Suite(HOSTILE, Status.FAILED, (Test(HOSTILE, Status.FAILED),))
    cell = replace(samples.cell_warning(), detail=HOSTILE, notes=(HOSTILE,), suites=(suite,))
    record = samples.record(cell)
    raw = to_json(record)
    assert from_json(raw).cells == record.cells
    assert obeyed(raw.decode()) == []
    line = jsonl.line_of(GridCell(0, 0, cell, 1, 1))
    for document in (kcidb.render(record), b4_checks.render(record), line):
        assert obeyed(document) == []
