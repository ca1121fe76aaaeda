# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of the reference mermap on real kernels: a few whose fate is known from seeded faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import git
from tests.e2e.conftest import mermapctl

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

KNOWN = {
    ("mermap_flush", "a flush is dropped"): "trace",  # kernel/faults/02-counted-not-done.patch
    ("mermap_take", "a flush is dropped"): "killed",  # 01-no-flush.patch
    ("__mermap_put", "migration stays off"): "killed",  # 32-migration-stays-off.patch
    ("__mermap_put", "a slot stays taken"): "killed",  # 20-leaks-slots.patch
}


def test_mistakes_of_a_mermap_have_the_fates_of_the_seeded_faults(reference_tree: Path) -> None:
    before = git(reference_tree, "status", "--porcelain")
    words = ["mutate", "--tree", str(reference_tree), "--accel=tcg", "--format=json"]
    done = mermapctl(*words, "--rules=mermap")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = {(each["function"], each["mutant"]["rule"]): each["fate"] for each in report["results"]}
    assert {key: found.get(key) for key in KNOWN} == KNOWN
    score = report["score"]
    assert score["fates"]["unjudged"] == 0
    assert score["by_suite"] < score["seen"] < score["counted"]
    assert git(reference_tree, "status", "--porcelain") == before
    again = mermapctl(*words, "--rules=mermap")
    assert json.loads(again.stdout)["results"] == report["results"]
    assert f"{len(report['results'])} tried before" in again.stderr
