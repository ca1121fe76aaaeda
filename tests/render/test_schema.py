# SPDX-License-Identifier: GPL-2.0-only
"""docs/schema.json is made from the types; an independent validator checks documents with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from mermapctl.records.record import RunRecord, to_json
from mermapctl.render.documents import json_schema
from tests import sample_records as samples
from tests.hostile import TEXTS, infect

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema.json"
VALIDATOR = Draft202012Validator(json.loads(PUBLISHED.read_text("utf-8")))

EXAMPLE: dict[str, Any] = {
    "schema": 1,
    "tool": {"name": "mermapctl", "version": "0.1.0"},
    "run": {"id": "x", "started": "2026-01-01T00:00:00Z", "seconds": 0.0, "command": ["run"],
            "host": None},
    "tree": {"kernel": "7.3.4", "commit": None, "describe": None, "dirty": False},
    "verdict": "failed",
    "cells": [{
        "commit": None, "target": "x86_64", "variant": "base", "verdict": "failed", "reason": None,
        "accelerator": "tcg", "phases": {"config": 0.0, "build": 0.0, "boot": 0.0},
        "suites": [{"name": "mermap", "status": "passed", "tests": [
            {"name": "test_basic_alloc", "status": "passed", "seconds": 0.0, "failures": [
                {"kind": "assertion", "file": "mm/tests/mermap_kunit.c", "line": 194,
                 "expected": "mc->tlb_flushes == 0",
                 "values": {"mc->tlb_flushes": "1 (0x1)"}, "message": "x"}]}]}],
        "splats": [{"kind": "warning", "title": "WARNING", "test": "test_size", "line": 123}],
        "flushes": [{"test": "test_tlb_flushed", "expected": 1, "counted": 1, "observed": 1,
                     "allocations": 511}],
        "findings": [{"code": "early-flush", "severity": "error", "test": "test_tlb_flushed",
                      "summary": "x", "evidence": {"flushes": 1, "allocation": 3},
                      "where": "mm/tests/mermap_kunit.c:194", "advice": "x",
                      "consequences": ["x"]}],
        "reproduce": ["x"], "artifacts": {"console": "x", "config": "x"}}],
}  # fmt: skip
"""The document of docs/verdicts.md has all keys of schema 1 and no others."""


def document(record: RunRecord) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(to_json(record))
    return made


def test_the_published_copy_is_made_from_the_types() -> None:
    told = "write it: python -m mermapctl.render.documents.json_schema > docs/schema.json"
    assert PUBLISHED.read_text("utf-8") == json_schema.text(), told


def test_the_document_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(json_schema.schema())


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_record_is_valid(name: str) -> None:
    VALIDATOR.validate(document(samples.SAMPLES[name]()))


@pytest.mark.parametrize("name", TEXTS)
def test_whatever_a_kernel_prints_is_valid(name: str) -> None:
    VALIDATOR.validate(document(infect(samples.multi_cell(), TEXTS[name])))


def test_the_contract_is_enough() -> None:
    VALIDATOR.validate(EXAMPLE)


def paths(value: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Yield every key of the example except those of free-form maps."""
    found: list[tuple[str | int, ...]] = []
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict) and here[-1:] not in {("values",), ("evidence",)}:
        found = [(*here, key) for key in value]
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        found += paths(item, (*here, key))
    return found


@pytest.mark.parametrize("path", paths(EXAMPLE), ids=lambda path: ".".join(map(str, path)))
def test_no_key_of_the_contract_may_go(path: tuple[str | int, ...]) -> None:
    broken = json.loads(json.dumps(EXAMPLE))
    parent = broken
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    with pytest.raises(ValidationError):
        VALIDATOR.validate(broken)


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", 2), ("verdict", "crashed"), ("verdict", None), ("cells", {}), ("tree", "x")],
)
def test_wrong_values_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(EXAMPLE | {key: value})


def test_keys_may_be_added() -> None:
    VALIDATOR.validate(EXAMPLE | {"later": 1})
