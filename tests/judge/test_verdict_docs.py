# SPDX-License-Identifier: GPL-2.0-only
"""docs/verdicts.md agrees with the code: keys of a splat, kinds, codes, reasons, limits."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

from mermapctl.console import frames, splat_reader
from mermapctl.console.splat import Splat, SplatKind
from mermapctl.judge import module_findings, not_console, suites, trace_findings, unprobed
from mermapctl.judge.result_types import Reason
from mermapctl.judge.root_cause import RULES
from mermapctl.system import bounded
from tests.tree.test_fault_corpus import known_codes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")
MAKERS = {"Finding", "_Words", "draft", "_note", "_failed"}
"""Functions that make findings of a code in the call."""
PLACE = {"_failed": 1}
"""The index of the code among the arguments, if it is not the first."""


def table(heading: str) -> dict[str, str]:
    """Map the names in the first column of the table below a text to the text beside them."""
    text = PAGE[PAGE.index(heading) + len(heading) :].lstrip()
    rows = [row.split("|") for row in text.split("\n\n")[1 if text[0] != "|" else 0].splitlines()]
    return {name: row[2] for row in rows for name in re.findall(r"`([\w-]+)`", row[1])}


def written_codes() -> set[str]:
    """Return the literal codes in calls that make findings."""
    found = set()
    for path in (ROOT / "mermapctl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            maker = getattr(node.func, "id", "")
            if maker not in MAKERS:
                continue
            at = PLACE.get(maker, 0)
            told = [*node.args[at : at + 1], *(k.value for k in node.keywords if k.arg == "code")]
            found |= {
                each.value
                for each in told
                if isinstance(each, ast.Constant)
                and isinstance(each.value, str)
                and re.fullmatch(r"[a-z]+(?:-[a-z]+)*", each.value)
            }
    return found


def test_every_key_of_a_splat_is_explained() -> None:
    keys = table("A splat is one complaint of the kernel:")
    assert set(keys) == {field.name for field in fields(Splat)}
    assert all(text.strip() for text in keys.values())
    assert set(re.findall(r"`([\w-]+)`", keys["kind"])) == set(SplatKind)


def test_every_code_is_explained() -> None:
    written = written_codes()
    assert {"kernel-panic", "output-truncated", "trace-silent", "test-failed", "hang"} <= written
    codes = written | {code for causes, effects, _ in RULES for code in (*causes, *effects)}
    codes |= {rule.code for suite in suites.load().suites.values() for rule in suite.rules}
    codes |= {unprobed.CODE, module_findings.CODE, not_console.CODE, *trace_findings.RULES}
    assert codes - known_codes() == set()


def test_every_reason_is_explained() -> None:
    assert set(table("If not: `no-verdict`, with a reason.")) == set(Reason)


def test_the_bounds_are_those_of_the_code() -> None:
    inside, outside = splat_reader.KEEP_INSIDE, splat_reader.KEEP_OUTSIDE
    assert f"{inside} different splats in suites and {outside} outside" in PAGE
    assert f"at most {frames.FRAMES} |" in PAGE
    head, tail = bounded.HEAD_BYTES >> 20, bounded.TAIL_BYTES >> 20
    assert f"the first {head} MiB and the last {tail} MiB" in PAGE
