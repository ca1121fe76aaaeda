# SPDX-License-Identifier: GPL-2.0-only
"""Constants that many tests share: paths, names of the suite's tests, the manifest."""

from __future__ import annotations

import os
from pathlib import Path

from mermapctl.judge import suites

TESTS = Path(__file__).parent
LOGS = TESTS / "logs"
"""Captured consoles."""
FAKE = TESTS / "fakelinux"
"""The stand-in tree and its QEMU."""
NAMES = ("test_basic_alloc", "test_size", "test_multiple_allocs", "test_tlb_flushed")
"""The tests of the suite `mermap`."""
MANIFEST = suites.load()
SEARCH = os.environ.get("HYPOTHESIS_PROFILE") == "search"
"""Try every case: true under `make nightly`."""
