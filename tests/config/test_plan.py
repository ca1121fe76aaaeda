# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.config import plan, target
from mermapctl.config.plan import Request
from mermapctl.errors import UserError
from mermapctl.system import inputs


@pytest.mark.parametrize(
    ("defaults", "variant", "user", "merged"),
    [
        (("panic=-1", "pti=on"), (), (), ("panic=-1", "pti=on")),
        (("panic=-1", "pti=on"), (), ("pti=off",), ("panic=-1", "pti=off")),
        (("panic=-1", "pti=on"), ("nopti",), (), ("panic=-1", "nopti")),
        (("panic=-1", "pti=on"), ("nopti",), ("pti=auto",), ("panic=-1", "pti=auto")),
        (("pti=on",), (), ("quiet", "x=1", "x=2"), ("pti=on", "quiet", "x=1", "x=2")),
        (("a-b=1",), (), ("a_b=2",), ("a_b=2",)),
    ],
)
def test_a_parameter_of_the_user_takes_the_place_of_its_namesake(
    defaults: tuple[str, ...],
    variant: tuple[str, ...],
    user: tuple[str, ...],
    merged: tuple[str, ...],
) -> None:
    assert plan.kernel_args(defaults, variant, user) == merged


def test_cells_are_targets_by_variants_without_repeats(fake_tree: Path) -> None:
    asked = Request(targets=("x86_64", "x86_64"), variants=("base", "smp", "base"))
    cells = plan.make(target.read(fake_tree), asked)
    assert [(cell.target.name, cell.variant.name) for cell in cells] == [
        ("x86_64", "base"),
        ("x86_64", "smp"),
    ]
    assert cells[0].qemu_args == ()
    assert cells[1].qemu_args == ("-smp", "2")
    of_every_guest = ("panic=-1", "printk.time=1", "pti=on")
    assert cells[0].kernel_args == (*of_every_guest, "nolapic_timer", "no_timer_check")
    assert cells[1].kernel_args == of_every_guest


def test_the_users_guest_options_take_precedence(fake_tree: Path) -> None:
    asked = Request(variants=("smp",), smp=4, cpu="Haswell", default_args=False)
    (cell,) = plan.make(target.read(fake_tree), asked)
    assert cell.qemu_args == ("-cpu", "Haswell", "-smp", "4")
    assert cell.kernel_args == ()


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        (Request(targets=("um",)), "X86_64 (arch/x86/Kconfig", "--target um --suite example"),
        (Request(targets=("um",)), "um", "config explain MERMAP_KUNIT_TEST --target um"),
        (Request(targets=("x68_64",)), "has no target", "x86_64"),
        (Request(variants=("kasn",)), "kasn", "kasan"),
    ],
)
def test_impossible_requests_are_refused_with_a_hint(
    fake_tree: Path, asked: Request, message: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        plan.make(target.read(fake_tree), asked)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_one_impossible_cell_does_not_stop_the_others(fake_tree: Path) -> None:
    cells = plan.make(target.read(fake_tree), Request(targets=("um", "x86_64")))
    assert [cell.obstacle is None for cell in cells] == [False, True]


def test_another_suite_needs_no_mermap(fake_tree: Path) -> None:
    (cell,) = plan.make(target.read(fake_tree), Request(targets=("um",), suite="example"))
    assert cell.obstacle is None
    assert cell.build_name == "base-example"


def test_a_plan_of_ten_cells_reads_the_targets_once(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    really = inputs.read_regular

    def counted(path: Path, *limit: int) -> bytes:
        read.append(path)
        return really(path, *limit)

    monkeypatch.setattr(inputs, "read_regular", counted)
    variants = ("base", "smp", "kasan", "debug", "ubsan")
    asked = Request(targets=("x86_64", "um"), variants=variants)
    assert len(plan.make(target.read(fake_tree), asked)) == 10
    of_tree = [path for path in read if path.is_relative_to(fake_tree)]
    assert len([path for path in of_tree if path.parent.name == "qemu_configs"]) == 3
    assert len(of_tree) == len(set(of_tree))
