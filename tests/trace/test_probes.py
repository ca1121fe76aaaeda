# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re

import pytest

from mermapctl.system.paths import shipped
from mermapctl.trace import events
from mermapctl.trace.probes import (
    COMMAND_LINE_SIZE,
    FLUSHES,
    LOG_BUFFER,
    Symbol,
    functions,
    plan,
)

ALL = {
    "mermap_fill_pte",
    "__mermap_get",
    "mermap_put",
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


def build(names: set[str] | None) -> tuple[Symbol, ...] | None:
    return (
        None
        if names is None
        else tuple(Symbol(name, shared="_pte" not in name) for name in sorted(names))
    )


def probed(symbols: set[str] | None) -> dict[str, str]:
    events = plan(build(symbols)).kernel_args[1].removeprefix("kprobe_event=")
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
    notes = plan(build(symbols)).notes
    assert any("flushes are not seen" in note for note in notes) is not bool(flushes)


@pytest.mark.parametrize(
    ("without", "probe", "note"),
    [
        ("__mermap_get", "mm_get", "cannot be judged"),
        ("__mermap_put", "mm_put", "cannot be judged"),
        ("mermap_fill_pte", "mm_pte", "which pages a mapping shows cannot be told"),
        ("mermap_mm_teardown", "mm_tear", "the end of a process is not seen"),
    ],
)
def test_a_missing_function_is_left_out_and_noted(without: str, probe: str, note: str) -> None:
    assert probe in probed(ALL)
    assert probe not in probed(ALL - {without})
    notes = plan(build(ALL - {without})).notes
    assert [one for one in notes if note in one] == list(notes)
    assert len(notes) == 1


def test_pins_are_probed_where_both_are_functions() -> None:
    one = {"migrate_disable"}
    assert {"mm_pin", "mm_unpin"} <= set(probed(ALL | PINNED))
    assert not {"mm_pin", "mm_unpin"} & set(probed(ALL | one))
    assert all(plan(build(each)).notes == () for each in (ALL, ALL | one, ALL | PINNED))


def test_no_pin_is_probed_where_printing_the_event_would_disable_migration_again() -> None:
    rt = ALL | PINNED | {"rt_spin_lock"}
    assert not {"mm_pin", "mm_unpin"} & set(probed(rt))
    (note,) = plan(build(rt)).notes
    assert note == (
        "each spinlock of PREEMPT_RT disables migration: "
        "whether migration is enabled again cannot be told"
    )


@pytest.mark.parametrize("symbols", [None, ALL, ALL | PINNED])
def test_the_command_line_has_room_for_it(symbols: set[str] | None) -> None:
    args = plan(build(symbols)).kernel_args
    assert len(" ".join(args)) <= 1400 < COMMAND_LINE_SIZE  # the rest: the user's arguments
    assert args[0] == "tp_printk"
    assert args[2] == LOG_BUFFER
    assert not any(re.search(r"[\s'\"]", arg) for arg in args)


@pytest.mark.parametrize("symbols", [None, ALL])
def test_the_kernels_own_limits_hold(symbols: set[str] | None) -> None:
    for probe in plan(build(symbols)).probes:
        assert re.fullmatch(r"[A-Za-z_]\w*", probe.name)
        for field in probe.fields.split(","):
            name, _, fetch = field.partition("=")
            assert len(name) <= 31  # MAX_ARG_NAME_LEN
            assert len(fetch) <= 63  # MAX_ARGSTR_LEN


def test_the_reader_parses_every_probe() -> None:
    for probe in plan(build(ALL | PINNED)).probes:
        assert events.START.match(f"{probe.name}: (")


def test_the_fragment_gives_what_the_probes_need() -> None:
    text = (shipped("configs") / "trace.kunitconfig").read_text("utf-8")
    assert text.splitlines()[1].startswith("# Trace: ")
    for symbol in ("KPROBES", "FTRACE", "KPROBE_EVENTS", "PRINTK_CALLER"):
        assert f"CONFIG_{symbol}=y" in text


SYSTEM_MAP = """\
ffffffff810aaa60 {walk} __apply_to_page_range
ffffffff810ab230 T apply_to_page_range
ffffffff810ab240 T apply_to_existing_page_range
ffffffff810ab900 t {far}_set_pte
ffffffff810caf10 T mermap_cpu_base
ffffffff810caf50 t {writer}
ffffffff810cafb0 t mermap_empty_pte
ffffffff810cafc0 t mermap_prepare_pte
ffffffff810cb0f0 T __mermap_put
ffffffff810cb180 T __mermap_get
ffffffff810cb400 T mermap_put
ffffffff810cb420 T mermap_mm_teardown
ffffffff816b4300 d mermap_test_suite
ffffffff816b4310 d mermap_pte_data
                 U nothing
"""


def symbols_of(walk: str = "t", writer: str = "mermap_fill_pte", between: int = 0) -> list[Symbol]:
    text = SYSTEM_MAP.format(walk=walk, writer=writer, far="far" if between else "unmap")
    head, far, tail = text.partition("ffffffff810ab900")
    fill = "".join(f"ffffffff810ac{n:03x} T other_{n}\n" for n in range(between))
    line, _, rest = tail.partition("\n")
    return list(functions(f"{head}{far}{line}\n{fill}{rest}"))


@pytest.mark.parametrize(
    ("writer", "between", "found"),
    [
        ("mermap_fill_pte", 0, ["mermap_fill_pte"]),
        ("do_set_pte", 0, ["do_set_pte"]),
        ("do_set_pte", 40, ["do_set_pte"]),
        ("set_unmapped_pte", 0, []),
        ("mermap_ptep", 0, []),
        ("nothing_of_it", 0, []),
    ],
)
def test_the_callback_that_writes_entries_is_found_beside_the_get(
    writer: str, between: int, found: list[str]
) -> None:
    probes = plan(symbols_of(writer=writer, between=between)).probes
    assert [each.symbol for each in probes if each.name.startswith("mm_pte")] == found


def test_a_function_of_another_file_is_no_callback() -> None:
    """PAGE_TABLE_CHECK's lies next to the mermap, and every set_pte() calls it."""
    other = Symbol("__page_table_check_ptes_set", shared=True)
    near = symbols_of()
    at = [each.name for each in near].index("__mermap_get")
    probes = plan([*near[:at], other, *near[at:]]).probes
    assert [each.symbol for each in probes if each.name.startswith("mm_pte")] == ["mermap_fill_pte"]


def test_the_walk_that_others_end_in_is_probed_only_where_the_mermap_can_call_it() -> None:
    for kind, expected in (("t", False), ("T", True)):
        names = [probe.name for probe in plan(symbols_of(walk=kind)).probes]
        assert ("mm_walk_any" in names) is expected
