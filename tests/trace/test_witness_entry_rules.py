# SPDX-License-Identifier: GPL-2.0-only
"""Entries as read against the rules, one get at a time."""

from __future__ import annotations

import pytest

from mermapctl.trace.violations import Breaches
from mermapctl.trace.witness_entry_rules import Asked, Mapped, Mapping

BASE = 0xFFFF880000400000
NEW = Mapping(1, BASE, BASE + 0x2000, 7)
ASKED = Asked(1, 0x1900, 0xFFFFEA0000064000, 0x8000000000000063)
RIGHT = [0x8000000001900063, 0x8000000001901063]
UNMAPPED = 0xFFFFFFFFFF200


@pytest.mark.parametrize(
    ("entries", "placed", "codes"),
    [
        (RIGHT, True, []),
        (RIGHT, False, []),
        ([RIGHT[0], 0], True, ["wrong-range-mapped"]),
        ([RIGHT[0], UNMAPPED], True, ["wrong-range-mapped"]),
        ([RIGHT[0], UNMAPPED], False, ["wrong-range-mapped"]),
        ([RIGHT[0], 0], False, []),  # no page table: where the range lies is the fault
        ([RIGHT[0], RIGHT[0]], False, ["wrong-page"]),
    ],
)
def test_a_range_without_a_page_table_is_one_fault(
    entries: list[int], codes: list[str], *, placed: bool
) -> None:
    breaches = Breaches()
    Mapped(breaches).got(3, ASKED, NEW, BASE, entries, placed=placed)
    assert [each.code for each in breaches.all()] == codes


@pytest.mark.parametrize(("cpu", "home", "codes"), [(1, 1, []), (1, 0, ["outside-region"])])
def test_a_get_uses_the_state_of_its_own_cpu(cpu: int, home: int, codes: list[str]) -> None:
    breaches = Breaches()
    Mapped(breaches).on_cpu(NEW, RIGHT[0], cpu, home)
    found = breaches.all()
    assert [each.code for each in found] == codes
    for each in found:
        assert each.evidence["entry"] == f"PTE {RIGHT[0]:#x} at {BASE:#x}, page 0x1900"
        assert each.evidence["why"] == "it is in the state of CPU 0, and the get returned on CPU 1"
