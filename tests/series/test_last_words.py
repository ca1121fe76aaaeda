# SPDX-License-Identifier: GPL-2.0-only
"""Why a cell's process has ended without a cell, in its own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.series import cell_job
from mermapctl.series.engines import work


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("mermapctl: error: the disk is full\n  hint: free some space\n", ": the disk is full"),
        ("Traceback (most recent call last):\nMemoryError\n", ": MemoryError"),
        ("", ""),
    ],
)
def test_the_error_is_told_and_not_its_hint(said: str, told: str, tmp_path: Path) -> None:
    (tmp_path / cell_job.COMPLAINTS).write_text(said)
    assert work.last_words(tmp_path) == told


def test_a_process_that_printed_nothing(tmp_path: Path) -> None:
    assert work.last_words(tmp_path) == ""
