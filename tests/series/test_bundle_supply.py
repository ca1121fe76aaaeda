# SPDX-License-Identifier: GPL-2.0-only
"""The bundles of a farm: those of an earlier run are removed."""

from __future__ import annotations

from pathlib import Path

from mermapctl.series.engines.supply import BundleSupply
from mermapctl.tree.series_worktrees import Borrower


def test_a_run_removes_the_bundles_of_an_earlier_one_and_of_a_killed_git(tmp_path: Path) -> None:
    for name in ("bundle0", "bundle12", ".bundle0", ".bundle0.lock", "index", "bundles.txt"):
        (tmp_path / name).write_text("")
    BundleSupply(Borrower(tmp_path, tmp_path), "0" * 40, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundles.txt", "index"]
