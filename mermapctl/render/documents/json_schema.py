# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema of the public document, made from the record's types.

``python -m mermapctl.render.documents.json_schema > docs/schema.json`` writes the published copy.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from mermapctl.records import record

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLE = "mermapctl run record"


def schema() -> dict[str, Any]:
    """Return the schema in draft 2020-12; unknown keys are allowed, since a schema may gain keys.

    Every key of the contract (docs/verdicts.md) is required, though it may be null.
    """
    made = msgspec.json.schema(record.RunRecord)
    definitions: dict[str, Any] = made["$defs"]
    for name, keys in CONTRACT.items():
        _require(definitions[name], keys)
    definitions["RunRecord"]["properties"]["schema"] = {"const": record.SCHEMA}
    return {"$schema": _DIALECT, "title": _TITLE, "$ref": made["$ref"], "$defs": definitions}


def _require(definition: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in definition["properties"]:
            raise LookupError(f"{definition.get('title')} lost its key {key!r}: readers rely on it")
    required = {*definition.get("required", ()), *keys}
    definition["required"] = [key for key in definition["properties"] if key in required]


CONTRACT = {
    "RunRecord": ("schema", "tool", "run", "tree", "verdict", "cells"),
    "Tool": ("name", "version"),
    "Run": ("id", "started", "seconds", "command", "host"),
    "TreeFacts": ("kernel", "commit", "describe", "dirty"),
    "Cell": (
        *("commit", "target", "variant", "verdict", "reason", "accelerator", "phases", "suites"),
        *("splats", "flushes", "findings", "reproduce", "artifacts"),
    ),
    "Phases": ("config", "build", "boot"),
    "Suite": ("name", "status", "tests"),
    "Test": ("name", "status", "seconds", "failures"),
    "Failure": ("kind", "file", "line", "expected", "values", "message"),
    "Splat": ("kind", "title", "test", "line"),
    "Flush": ("test", "expected", "counted", "observed", "allocations"),
    "Finding": (
        *("code", "severity", "test", "summary", "evidence", "where", "advice", "consequences"),
    ),
    "Artifacts": ("console", "config"),
}
"""The keys of schema 1, by object; they are never renamed or removed."""


def text() -> str:
    """Return the schema as text."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode("utf-8") + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
