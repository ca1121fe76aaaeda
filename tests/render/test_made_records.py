# SPDX-License-Identifier: GPL-2.0-only
"""Records made from the types of a record, hostile in each text: every format is safe and valid.

A record may come from another machine, and nobody must have written it. A field that is added to
the types is in these records too.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import json
import random
import re
import types
import typing
import unicodedata
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import pytest

from mermapctl import render
from mermapctl.records import comparison, record_kinds
from mermapctl.records.record import SCHEMA, RunRecord, from_json, to_json
from mermapctl.render import series_words
from tests import sample_records as samples

EXTREMES = [-1, 0, 2**31, -(2**63), 2**63 - 1]
"""Integers that no run has; a record is read with them."""
HOSTILE = "H\x1b]0;x\x07\x9b\u202e\u2028<b>|`\"'&"
SEEDS = range(20)
DEEPEST = 6
"""Levels of tests within tests."""


def made(kind: Any, rng: random.Random, depth: int = 0) -> Any:
    """Make a value of a type, with HOSTILE as each text."""
    simple = {str: HOSTILE, int: rng.choice([0, 1, 2, 10]), float: rng.choice([0.0, 1.5, 100.0])}
    simple |= {bool: rng.random() < 0.5, type(None): None}
    if kind in simple:
        return simple[kind]
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _either(members, rng, depth)
    if origin is tuple:
        count = rng.choice([0, 1, 1, 2]) if depth < DEEPEST else 0
        kinds = members[:1] * count if members[-1] is Ellipsis else members
        return tuple(made(each, rng, depth + 1) for each in kinds)
    if origin is dict:
        return {made(members[0], rng, depth): made(members[1], rng, depth)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return rng.choice([*kind])
    hints = typing.get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(kind)]
    return kind(**{name: made(hints[name], rng, depth + 1) for name in names})


def _either(members: tuple[Any, ...], rng: random.Random, depth: int) -> Any:
    some = [each for each in members if each not in (type(None), msgspec.UnsetType)]
    if type(None) in members and rng.random() < 0.2:
        return None
    return made(rng.choice(some), rng, depth)


def record(seed: int) -> RunRecord:
    whole = made(RunRecord, random.Random(seed))  # noqa: S311 - a seeded example
    return from_json(to_json(dataclasses.replace(whole, schema=SCHEMA)))


def obeyed(text: str) -> list[str]:
    """Return the lines with a character that a terminal obeys or hides."""
    bad = ("Cc", "Cf", "Cs", "Zl", "Zp")
    lines = text.replace("\t", " ").split("\n")
    return [line for line in lines if any(unicodedata.category(each) in bad for each in line)]


def columns(markdown: str) -> set[tuple[int, ...]]:
    """Return for each table of a Markdown document how many bars its rows have."""
    tables = re.findall(r"(?m)(?:^\|.*\n)+", markdown)
    return {
        tuple({len(re.findall(r"(?<!\\)\|", line)) for line in each.splitlines()})
        for each in tables
    }


@pytest.mark.parametrize("form", [*render.RENDERERS])
def test_no_text_of_a_record_is_obeyed(form: str) -> None:
    for seed in SEEDS:
        made_record = record(seed)
        for full in {False, form == "table"}:
            text = render.document(made_record, form, full=full)
            assert obeyed(text) == [], seed
        if form == "junit":
            ET.fromstring(text)  # noqa: S314 - our own
        if form in {"json", "kcidb", "checks"}:
            json.loads(text)
        if form == "html":
            assert "<b>|" not in text
        if form == "markdown":
            assert all(len(each) == 1 for each in columns(text)), seed


@pytest.mark.parametrize("form", [*render.RENDERERS])
def test_no_number_of_a_record_is_a_defect(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = made

    def extreme(kind: Any, rng: random.Random, depth: int = 0) -> Any:
        if kind is float:
            return rng.choice([-1.0, 1e308, -1e308, 5e-324])
        return rng.choice(EXTREMES) if kind is int else plain(kind, rng, depth)

    monkeypatch.setitem(globals(), "made", extreme)
    for seed in SEEDS:
        for full in {False, form == "table"}:
            render.document(record(seed), form, full=full)


def test_a_series_without_commits_names_what_others_call_a_commit() -> None:
    series = record_kinds.series_of(samples.series())
    assert series is not None
    empty = dataclasses.replace(series, commits=(), work_tree=True)
    assert series_words.named(empty, "0123456789abcdef") == "0123456789ab (?)"


def test_any_two_records_can_be_compared() -> None:
    made_records = [record(seed) for seed in SEEDS]
    for one, other in itertools.pairwise(made_records):
        comparison.compare(one, other)
