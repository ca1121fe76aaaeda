# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of a series and of a bisect: cells that start quickly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forkprogram


@pytest.fixture(scope="session")
def forked() -> Iterator[Path]:
    """Yield a Python that starts cells quickly. A series that is killed has those of our own."""
    with forkprogram.python() as path:
        yield path
