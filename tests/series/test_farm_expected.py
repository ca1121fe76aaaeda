# SPDX-License-Identifier: GPL-2.0-only
"""What a farm expects of a cell, and what it keeps of the builds that it saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.series.build_seconds import BuildSeconds
from mermapctl.series.engines.expected import Expected, Kind, Spent, kind_of
from mermapctl.series.engines.schedule import FarmSchedule
from mermapctl.series.grid import GridColumn
from mermapctl.system import paths

BASE, SMP = (GridColumn("x86_64", name, "0" * 64) for name in ("base", "smp"))


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (("include/linux/mm.h", "mm/mermap.c"), Kind.ALL),
        (("arch/x86/include/asm/mermap.h",), Kind.ALL),
        (("Makefile",), Kind.ALL),
        (("scripts/Makefile.build",), Kind.ALL),
        (("mm/Makefile", "mm/mermap.c"), Kind.FILE),
        (("mm/internal.h", "mm/memory.c"), Kind.HEADER),
        (("mm/mermap.c", "mm/memory.c"), Kind.FILES),
        (("mm/mermap.c",), Kind.FILE),
        (("Documentation/mm/mermap.rst",), Kind.FILE),
        ((), Kind.FILE),
    ],
)
def test_a_commit_is_as_dear_as_what_it_changes(changed: tuple[str, ...], kind: Kind) -> None:
    assert kind_of(changed) is kind


def test_a_step_is_expected_by_its_record_then_by_its_like_then_by_a_share() -> None:
    changed = {1: ("mm/mermap.c",), 2: ("mm/internal.h",), 3: ("mm/mermap.c",), 4: ("mm/swap.c",)}
    expected = Expected(changed, {(1, 0): 9.0}, {0: 40.0})
    assert expected.first(0) == 40
    assert expected.step((1, 0)) == 9
    assert expected.step((3, 0)) == 8  # a fifth of a first build
    assert expected.step((2, 0)) == 30
    assert expected.learn((3, 0), 2, Spent(5.0, 3.0)) == (3, 0)
    assert expected.step((4, 0)) == expected.step((4, 1)) == 5
    assert expected.step((1, 0)) == 9
    assert expected.rest(0) == expected.rest(1) == 3
    assert expected.between(0, 0, 2) == 9 + 30
    assert expected.between(0, None, 2) == expected.between(0, 0, 4) == 40


def test_a_first_build_and_a_way_of_several_steps_say_nothing_of_one_step() -> None:
    expected = Expected({1: ("mm/mermap.c",)})
    assert expected.learn((1, 0), None, Spent(100.0, 3.0)) is None
    assert expected.learn((4, 0), 1, Spent(50.0, 3.0)) is None
    assert expected.firsts() == {0: 100.0}
    assert expected.step((1, 0)) == 20


def test_seconds_are_kept_by_patch_and_column_for_another_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path))
    kept = BuildSeconds([BASE, SMP], {0: "a" * 40, 1: "b" * 40})
    kept.keep((1, 0), 12.5)
    kept.keep((7, 0), 3.0)  # a row without a patch
    kept.keep_first(1, 90.0)
    moved = BuildSeconds([SMP, BASE], {3: "b" * 40, 4: "c" * 40})
    assert moved.steps() == {(3, 1): 12.5}
    assert moved.firsts() == {0: 90.0}


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\0" * 4096])
def test_damaged_seconds_are_none(
    damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path))
    kept = BuildSeconds([BASE], {0: "a" * 40})
    kept.keep((0, 0), 12.5)
    (file,) = (each for each in (paths.cache_dir() / "series").rglob("*") if each.is_file())
    file.write_bytes(damage)
    assert kept.steps() == {}


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e9])
def test_absurd_seconds_are_none(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path))
    kept = BuildSeconds([BASE], {0: "a" * 40})
    kept.keep((0, 0), seconds)
    assert kept.steps() == {}


def test_workers_begin_behind_what_all_have_to_build_anew() -> None:
    changed = dict.fromkeys(range(12), ("mm/mermap.c",)) | {6: ("include/linux/mm.h",)}
    expected = Expected(changed, {}, {0: 60.0})
    schedule = FarmSchedule([(row, 0) for row in range(12)], ["x86_64"], expected)
    for name in ("a", "b", "c"):
        schedule.join(name, ["x86_64"])
    begun = [schedule.next(name, 0.0) for name in ("a", "b", "c")]
    assert (6, 0) in begun
    assert len(set(begun)) == 3
