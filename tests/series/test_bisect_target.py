# SPDX-License-Identifier: GPL-2.0-only
"""What a boot says about what is looked for; boots as they are kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mermapctl.errors import HarnessError
from mermapctl.judge.result_types import Verdict
from mermapctl.series import bisect_target, boots
from mermapctl.series.bisect_posterior import BootCounts
from mermapctl.series.bisect_target import Wanted
from mermapctl.series.boots import KernelBoot

EARLY = ("early-flush", "test_tlb_flushed")
KASAN = ("kasan", "test_size")
PASSED = KernelBoot(0, Verdict.PASSED, (), (), (), 1, 4, "a", "run")
FAILED = replace(
    PASSED, verdict=Verdict.FAILED, errors=(EARLY,), symptoms=("mermap.test_tlb_flushed",)
)
OTHER = replace(FAILED, errors=(KASAN,), symptoms=("mermap.test_size/4k",))
BOTH = replace(FAILED, errors=(EARLY, KASAN))
KERNEL = "0" * 64


@pytest.mark.parametrize(
    ("wanted", "boot", "shown"),
    [
        (Wanted("early-flush"), FAILED, True),
        (Wanted("early-flush", "test_tlb_flushed"), FAILED, True),
        (Wanted("early-flush", "test_size"), FAILED, False),
        (Wanted("early-flush"), BOTH, True),
        (Wanted("early-flush"), OTHER, False),
        (Wanted("early-flush"), PASSED, False),
        (Wanted("dearer"), replace(PASSED, warnings=(("dearer", None),)), True),
        (Wanted(test="test_tlb_flushed"), FAILED, True),
        (Wanted(test="mermap.test_tlb_flushed"), FAILED, True),
        (Wanted(test="test_tlb"), FAILED, False),
        (Wanted(test="test_size"), OTHER, True),
        (Wanted(test="test_size/4k"), OTHER, True),
        (Wanted(test="mermap"), FAILED, False),
    ],
)
def test_a_boot_shows_a_finding_or_not(wanted: Wanted, boot: KernelBoot, shown: bool) -> None:
    assert bisect_target.shows(wanted, boot) is shown


def test_another_failure_is_neither_good_nor_bad_unless_the_good_end_has_it() -> None:
    wanted, found = Wanted("early-flush"), (PASSED, FAILED, OTHER, BOTH)
    usual = bisect_target.usual(wanted, [PASSED, OTHER])
    assert bisect_target.counted(wanted, found, ()) == BootCounts(2, 1, 1)
    assert usual == {KASAN}
    assert bisect_target.counted(wanted, found, usual) == BootCounts(2, 2, 0)


def test_a_failed_boot_without_an_error_of_a_damaged_cache_is_not_good() -> None:
    damaged = replace(FAILED, errors=(), symptoms=())
    assert bisect_target.counted(Wanted("early-flush"), [damaged], ()) == BootCounts(0, 0, 1)


def test_the_default_is_what_the_bad_end_shows_most_and_the_good_end_least() -> None:
    chosen = bisect_target.chosen
    assert chosen([FAILED, OTHER, FAILED], [PASSED]) == Wanted(*EARLY)
    assert chosen([BOTH, BOTH], [OTHER, PASSED]) == Wanted(*EARLY)
    assert chosen([FAILED], [FAILED, PASSED]) == Wanted(*EARLY)
    assert chosen([FAILED], [FAILED]) is None
    assert chosen([PASSED], [PASSED]) is None


def test_chance_has_no_part_where_seeds_change_no_console() -> None:
    one = bisect_target.one_console
    assert one([PASSED, replace(PASSED, seed=2)])
    assert not one([PASSED, replace(PASSED, seed=2, console="b")])
    assert not one([PASSED, PASSED])
    assert not one([replace(PASSED, seed=None), replace(PASSED, seed=None)])  # the host's clock


def test_boots_survive_what_a_kill_left_of_a_line(home: Path) -> None:
    path = home / "cache/series/boots/boots/00" / KERNEL
    path.parent.mkdir(parents=True)
    later = replace(FAILED, number=1, run="other")
    whole = msgspec.json.encode(PASSED)
    path.write_bytes(b"\n" + whole + b"\n\n" + whole[:40] + b"\n" + msgspec.json.encode(later))
    assert boots.of_kernel(KERNEL) == (PASSED, later)
    assert boots.of_kernel(KERNEL, only="other") == (later,)
    odd = [msgspec.json.encode(replace(PASSED, number=each)) for each in (-5, 1 << 62)]
    path.write_bytes(b"\n".join([*odd, whole]))
    assert boots.of_kernel(KERNEL) == (PASSED,)
    path.write_bytes(b"\xff\x00[[[\n{}")
    assert boots.of_kernel(KERNEL) == ()
    assert boots.of_kernel("1" * 64) == ()
    assert boots.kernel_of("2" * 64) is None


def test_a_fifo_in_place_of_a_file_of_boots_does_not_wait_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "boots")
    with pytest.raises(HarnessError, match="cannot write"):
        boots._append(tmp_path / "boots", b"{}")
    boots._append(tmp_path / "new/boots", b"{}")
    boots._append(tmp_path / "new/boots", b"[]")
    assert (tmp_path / "new/boots").read_bytes() == b"\n{}\n\n[]\n"
