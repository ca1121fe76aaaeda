# SPDX-License-Identifier: GPL-2.0-only
"""Consoles that are hard to judge, each with the expected facts (tests/cases/README.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mermapctl.commands import judge_log
from mermapctl.errors import UserError

CASES = Path(__file__).parents[1] / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text("utf-8"))
KEYS = {
    *("suite", "verdict", "reason", "must", "must_not", "title_has", "where_has", "top_frame"),
    *("top_frame_not", "frames_have", "message_has", "message_not", "splats", "status", "has"),
    "says_not",
}
UNSAID = ("excerpt", "command", "artifacts", "reproduce")
"""A sentence that appears only in an excerpt is quoted, not recognized."""


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def judged(name: str) -> dict[str, Any]:
    """Return the document, or `verdict: usage` if the log is refused."""
    suite = EXPECTED[name].get("suite")
    try:
        record = judge_log.of_logs([str(CASES / f"{name}.log")], (), suite=suite)
    except UserError as error:
        return {"verdict": "usage", "cells": [], "said": f"{error} {error.hint}"}
    document: dict[str, Any] = msgspec.to_builtins(record)
    for key in ("tool", "run", "tree"):
        del document[key]
    return document


def strings(value: Any) -> Iterator[str]:
    """Return all values of a document, each string also as `key: string`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in UNSAID:
                yield from strings(each)
                yield f"{key}: {each}" * (not isinstance(each, (dict, list)))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from strings(each)


def statuses(tests: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for test in tests:
        found = {**statuses(test.get("tests") or []), **found, test["name"]: test["status"]}
    return found


def all_of(document: dict[str, Any], key: str) -> list[Any]:
    return [each for cell in document["cells"] for each in cell.get(key) or ()]


def in_question(splats: list[Any], want: dict[str, Any]) -> dict[str, Any]:
    """Return the splat that the keys describe: by its title, else by its kind, else the first."""
    title = want.get("title_has")
    kinds = {kind for group in want.get("must", ()) for kind in group}
    titled = [each for each in splats if title and title in each["title"]]
    chosen = titled or [each for each in splats if each["kind"] in kinds] or splats
    return chosen[0] if chosen else {}


def wrongs(document: dict[str, Any], want: dict[str, Any]) -> Iterator[str]:
    """Return the facts in a document that are wrong for the case."""
    assert set(want) <= KEYS
    said = "\n".join(strings(document))
    yield from wrong_verdict(document, want)
    yield from wrong_splats(document, want, said)
    for each in want.get("has", ()):
        if not any(one in said for one in many(each)):
            yield f"does not say {each}"
    yield from (f"says {each}" for each in want.get("says_not", ()) if each in said)


def wrong_verdict(document: dict[str, Any], want: dict[str, Any]) -> Iterator[str]:
    cell = (document["cells"] or [document])[0]
    splats, findings = all_of(document, "splats"), all_of(document, "findings")
    codes = {each["code"] for each in findings} | {each["kind"] for each in splats}
    names = statuses(all_of(document, "suites"))
    if "verdict" in want and cell["verdict"] not in many(want["verdict"]):
        yield f"verdict {cell['verdict']}"
    if "reason" in want and cell.get("reason") != want["reason"]:
        yield f"reason {cell.get('reason')}"
    yield from (f"no {group}" for group in want.get("must", ()) if not codes & set(group))
    yield from (f"{each}" for each in want.get("must_not", ()) if each in codes)
    for name, status in want.get("status", {}).items():
        if names.get(name) not in many(status):
            yield f"{name} {names.get(name)}"


def wrong_splats(document: dict[str, Any], want: dict[str, Any], said: str) -> Iterator[str]:
    splats, findings = all_of(document, "splats"), all_of(document, "findings")
    splat = in_question(splats, want)
    frames = [each.partition("+")[0].partition(" ")[0] for each in splat.get("frames") or ()]
    top = frames[0] if frames else None
    messages = "\n".join(each["message"] or "" for each in splats)
    places = "\n".join(each.get("where") or "" for each in (*splats, *findings))
    checks = {
        f"title {splat.get('title')}": want.get("title_has", "") in splat.get("title", ""),
        f"where {places}": want.get("where_has", "") in places,
        f"top frame {top}": top in many(want.get("top_frame", top))
        and top not in want.get("top_frame_not", ()),
        f"frames {frames}": set(frames) >= set(want.get("frames_have", ())),
        f"message {messages}": want.get("message_has", "") in messages + said
        and want.get("message_not", "\0") not in messages,
        f"{len(splats)} splats": len(splats) == want.get("splats", len(splats)),
    }
    yield from (wrong for wrong, right in checks.items() if not right)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_case_is_judged_rightly(name: str) -> None:
    found = list(wrongs(judged(name), EXPECTED[name]))
    assert found == []


def test_each_case_has_its_log_and_its_truth() -> None:
    readme = (CASES / "README.md").read_text("utf-8")
    assert {path.stem for path in CASES.glob("*.log")} == set(EXPECTED)
    assert [name for name in EXPECTED if f"| {name} | " not in readme] == []


RUST = "_RNvMs_NtCsfR8nHc5Jq6_5brook4laneNtB4_4Lane7add_ref"
LIST = "list_del corruption. prev->next should be ffff888005c3e2d0, but was 6b6b6b6b6b6b6b6b"
DUMPED = "page dumped because: VM_BUG_ON_PAGE(mermap_slot(page) < 0)"
SKIP = "example_skip_test"
TRUTHS = {
    # kind, test, printk's caller, FILE:LINE, message, top frame, number of findings
    "rcu-stall-behind-login-prompt": ("rcu-stall", SKIP, "C3", None, None, "sluice_await_level", 1),
    "divide-error-underscore": ("oops", SKIP, "T611", None, None, "weir_share.part.0", 1),
    "mips-oops": ("oops", SKIP, None, None, None, "quoin_lookup", 1),
    "generic-bug-um": ("bug", "test_size", None, "mm/mermap.c:212", None, "mermap_put", 1),
    "deadlock-top-frame-checker": ("lockdep", SKIP, "T409", None, None, "quoin_resize_lanes", 1),
    "arm64-kasan-dump-backtrace": ("kasan", SKIP, "T233", None, None, "tarn_link_leaf", 1),
    "hung-task-io-wait": ("lockup", SKIP, "T29", None, None, "basin_wait_leaf", 1),
    "rcu-stall-from-irq": ("rcu-stall", SKIP, "C2", None, None, "tarn_next_leaf", 1),
    "decoded-trace-arm64": ("oops", None, None, "kernel/reed/core.c:418", None, "reed_settle", 1),
    "arm-warn-refcount": (
        *("warning", None, "T41", "lib/refcount.c:28"),
        *("refcount_t: underflow; use-after-free.", "brook_lane_put", 1),
    ),
    "um-warn-message": (
        *("warning", "test_size", None, "mm/mermap.c:164", "mermap: slot 5 is taken"),
        *("__mermap_get", 1),
    ),
    "list-del-corruption": ("bug", SKIP, None, "lib/list_debug.c:62", LIST, "cask_unlink", 1),
    "vm-bug-on-page": (
        *("bug", "test_size", None, "include/linux/mermap.h:58", DUMPED, "mermap_slot_of", 1),
    ),
    "rust-panic": (
        *("bug", SKIP, "T171", "drivers/brook/lane.rs:204", "attempt to add with overflow"),
        *(RUST, 1),
    ),
    "foreign-line-in-cut-here": (
        *("bug", None, "T322", "mm/cistern.c:1180", None, "cistern_unlock", 1),
    ),
    "two-tasks-interleaved": (
        *("warning", "test_size", "T31", "mm/mermap.c:233", None, "__mermap_get", 1),
    ),
    "fault-on-purpose": (
        *("oops", "kunit_test_fault_null_dereference", None, None, None),
        *("kunit_test_null_dereference", 1),
    ),
    "sleep-in-atomic-other-suite": (
        *("sleep-in-atomic", SKIP, "T144", None, None, "brook_flush_lane", 1),
    ),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_splat_is_read_whole(name: str) -> None:
    document = judged(name)
    splat = in_question(all_of(document, "splats"), EXPECTED[name])
    top = splat["frames"][0]
    assert top == splat["top_frame"]
    function = top.partition("+")[0].partition(" ")[0]
    said = (splat[key] for key in ("kind", "test", "caller", "where", "message"))
    assert (*said, function, len(all_of(document, "findings"))) == TRUTHS[name]
    assert splat["cause"] or splat["title"].startswith(("WARNING: CPU", "kernel BUG", "BUG: fail"))


DEATHS = ["mips-oops", "generic-bug-um", "list-del-corruption", "vm-bug-on-page"]


@pytest.mark.parametrize("name", DEATHS)
def test_the_test_that_died_is_crashed(name: str) -> None:
    document = judged(name)
    (splat, *_) = all_of(document, "splats")
    assert statuses(all_of(document, "suites"))[splat["test"]] == "crashed"
