# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of a series and of a bisect: cells that start quickly, a tree whose kernels differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forkprogram
from tests.series.fake_commits import add
from tests.tables import LOGS


@pytest.fixture(scope="session")
def forked() -> Iterator[Path]:
    """Yield a Python that starts cells quickly. A series that is killed has those of our own."""
    with forkprogram.python() as path:
        yield path


@pytest.fixture
def tree(fake_tree: Path, forked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The stand-in tree, whose kernels print the console that mm/boots of their commit names."""
    monkeypatch.setenv("FORKED_PYTHON", str(forked))
    monkeypatch.setenv("FAKE_KERNELS", str(LOGS))
    monkeypatch.setenv("FAKE_ARGS", str(tmp_path / "boots"))
    add(fake_tree, "good", "base")
    return fake_tree
