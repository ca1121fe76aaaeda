# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re

import pytest

from mermapctl import hits
from mermapctl.places import shipped
from mermapctl.probes import COMMAND_LINE_SIZE, FLUSHES, LOG_BUFFER, OURS, plan

ALL = {
    "__mermap_get",
    "__mermap_put",
    "__flush_tlb_all",
    "flush_tlb_local",
    "arch_mermap_flush_tlb",
    "apply_to_existing_page_range",
    "apply_to_page_range",
    "mermap_mm_teardown",
    "mermap_mm_prepare",
}


PINNED = {"migrate_disable", "migrate_enable"}


def probed(symbols: set[str] | None) -> dict[str, str]:
    events = plan(symbols).kernel_args[1].removeprefix("kprobe_event=")
    parts = (event.split(",") for event in events.split(";"))
    return {part[0].split(":")[1]: part[1] for part in parts}


@pytest.mark.parametrize(
    ("symbols", "flushes"),
    [
        (None, {"mm_flush": "__flush_tlb_all"}),
        (ALL, {probe.name: probe.symbol for probe in FLUSHES}),
        (ALL - {"arch_mermap_flush_tlb", "flush_tlb_local"}, {"mm_flush": "__flush_tlb_all"}),
        (ALL - {"__flush_tlb_all"}, {p.name: p.symbol for p in FLUSHES[1:]}),
        (ALL - {p.symbol for p in FLUSHES}, {}),
    ],
)
def test_the_flush_is_probed_where_the_build_has_it(
    symbols: set[str] | None, flushes: dict[str, str]
) -> None:
    assert {n: s for n, s in probed(symbols).items() if n.startswith("mm_flush")} == flushes
    assert any("flushes are not seen" in note for note in plan(symbols).notes) is not bool(flushes)


@pytest.mark.parametrize(
    ("without", "probe", "note"),
    [
        ("__mermap_get", "mm_get", "cannot be judged"),
        ("__mermap_put", "mm_put", "cannot be judged"),
        ("apply_to_existing_page_range", "mm_walk", "whether a put unmaps cannot be told"),
        ("apply_to_page_range", "mm_tables", "as long as its page tables cannot be told"),
        ("mermap_mm_teardown", "mm_tear", "the end of a process is not seen"),
    ],
)
def test_a_function_that_is_not_there_is_left_out_and_said(
    without: str, probe: str, note: str
) -> None:
    assert probe in probed(ALL)
    assert probe not in probed(ALL - {without})
    notes = plan(ALL - {without}).notes
    assert [one for one in notes if without in one and note in one] == list(notes)
    assert len(notes) == 1


def test_pins_are_probed_where_both_are_functions() -> None:
    one = {"migrate_disable"}
    assert {"mm_pin", "mm_unpin"} <= set(probed(ALL | PINNED))
    assert not {"mm_pin", "mm_unpin"} & set(probed(ALL | one))
    assert plan(ALL).notes == plan(ALL | one).notes == plan(ALL | PINNED).notes == ()


@pytest.mark.parametrize("symbols", [None, ALL, ALL | PINNED])
def test_the_command_line_has_room_for_it(symbols: set[str] | None) -> None:
    args = plan(symbols).kernel_args
    assert len(" ".join(args)) <= OURS < COMMAND_LINE_SIZE
    assert args[0] == "tp_printk"
    assert args[2] == LOG_BUFFER
    assert not any(re.search(r"[\s'\"]", arg) for arg in args)


@pytest.mark.parametrize("symbols", [None, ALL])
def test_the_kernels_own_limits_hold(symbols: set[str] | None) -> None:
    for probe in plan(symbols).probes:
        assert re.fullmatch(r"[A-Za-z_]\w*", probe.name)
        for field in probe.fields.split(","):
            name, _, fetch = field.partition("=")
            assert len(name) <= 31  # MAX_ARG_NAME_LEN
            assert len(fetch) <= 63  # MAX_ARGSTR_LEN


def test_every_probe_is_one_that_the_reader_knows() -> None:
    for probe in plan(ALL | PINNED).probes:
        assert hits.START.match(f"{probe.name}: (")


def test_the_fragment_gives_what_the_probes_need() -> None:
    text = (shipped("configs") / "trace.kunitconfig").read_text("utf-8")
    assert text.splitlines()[1].startswith("# Trace: ")
    for symbol in ("KPROBES", "FTRACE", "KPROBE_EVENTS", "PRINTK_CALLER"):
        assert f"CONFIG_{symbol}=y" in text
