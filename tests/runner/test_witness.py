# SPDX-License-Identifier: GPL-2.0-only
"""The witness on a stand-in for QEMU's gdb stub: correct and broken mermaps, broken stubs."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mermapctl.judge import witness_findings
from mermapctl.judge.result_types import Finding, Severity
from mermapctl.render.terminal import record as terminal
from mermapctl.runner import system_map
from mermapctl.runner.call_slots import IDLE, MOST, PATIENCE, CallSlots
from mermapctl.runner.witness import Witness
from mermapctl.trace import witness_reader
from mermapctl.trace.witness_reader import WitnessAccount
from tests import sample_records as samples
from tests.gdb_guest import Stub
from tests.mermap_model import Shape
from tests.trace.test_rules_properties import OPERATIONS, Player, provoke
from tests.witness_model import CALLER, WITNESSED, SeenKernel

WAIT = 3.0
"""Seconds after which a boot with a hanging stub is ended."""
CYCLES = [("cycle", 0, 0, 20), ("get", 0, 1, 3), ("get", 0, 0, 2), ("put", 0, 0, 1)]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    base, end = draw(st.sampled_from([(1, 2), (0, 1), (2, 1), (3, 4)]))
    return Shape(
        base_word=base,
        end_word=end,
        inlined=draw(st.booleans()),
        slots=draw(st.sampled_from(["four", "three"])),
        pages=draw(st.integers(6, 24)),
        cpus=draw(st.integers(1, 3)),
        walks="",
        tables=draw(st.sampled_from(["", "whole", "each"])),
    )


def witnessed(
    kernel: SeenKernel, fault: str = "", after: int = 0
) -> tuple[WitnessAccount, str | None, Stub]:
    """Play a kernel to the witness."""
    with tempfile.TemporaryDirectory(prefix="gdb-") as place:
        socket, log = Path(place) / "stub", Path(place) / "witness.log"
        stub = Stub(socket, kernel.script, fault, after)
        stub.start()
        known = system_map.parse(kernel.script.system_map())
        witness = Witness(socket, log, known, [*kernel.tests()], moves=False)
        witness.start()
        witness.join(WAIT if fault else 60)
        witness.end()  # like a boot that has reached its limit
        account = witness_reader.read(log.read_text(encoding="ascii").splitlines())
    return account, witness.error, stub


def codes(account: WitnessAccount) -> list[str]:
    return [each.code for each in witness_findings.findings(account, ())]


@settings(max_examples=40, deadline=None)
@given(
    shape=shapes(), operations=OPERATIONS, levels=st.sampled_from([4, 5]),
    size=st.sampled_from([56, 64, 80]),
)  # fmt: skip
def test_a_right_mermap_gives_no_finding(
    shape: Shape, operations: list[tuple[str, int, int, int]], levels: int, size: int
) -> None:
    kernel = SeenKernel(shape, None, levels, size)
    Player(kernel).history(operations)
    account, error, _ = witnessed(kernel)
    assert error is None
    assert codes(account) == []
    assert account.trace.breaches == ()
    assert (account.conclusive, account.unread, account.struct_page) == (True, 0, True)
    assert account.checked >= account.gets >= 1


TWO_CPUS = {
    "neighbours-region", "flush-on-other-cpu", "migrates-behind-its-flush",
    "entry-in-neighbours-region", "neighbours-state",
}  # fmt: skip
"""Faults that need two CPUs."""
BOUNDS = {"bounds-short", "bounds-long"}
"""Faults that only the prepared page tables show."""


@pytest.mark.parametrize("fault", WITNESSED)
@settings(max_examples=6, deadline=None)
@given(shape=shapes(), operations=OPERATIONS, levels=st.sampled_from([4, 5]))
def test_a_broken_mermap_is_always_found(
    fault: str, shape: Shape, operations: list[tuple[str, int, int, int]], levels: int
) -> None:
    shape = replace(shape, cpus=2) if fault in TWO_CPUS else shape
    shape = replace(shape, tables="whole") if fault in BOUNDS else shape
    kernel = SeenKernel(shape, fault, levels)
    if fault == "stays-writable":
        kernel.protection &= ~2
    player = Player(kernel)
    player.history(operations)
    provoke(player, fault)
    player.end_test("test_last")
    account, error, _ = witnessed(kernel)
    assert error is None
    assert WITNESSED[fault] in codes(account)


def seen(fault: str) -> dict[str, object]:
    """Return the evidence of a fault in a get of three pages."""
    kernel = SeenKernel(Shape(pages=16, cpus=2, walks=""), fault)
    if fault == "stays-writable":
        kernel.protection &= ~2
    player = Player(kernel)
    player.get(0, player.mms[0], 3, reserved=False)
    player.end_test("test_last")
    account, _, _ = witnessed(kernel)
    found = witness_findings.findings(account, ())
    (finding,) = [each for each in found if each.code == WITNESSED[fault]]
    assert finding.severity is Severity.ERROR
    assert (finding.test, finding.console_line) == ("test_last", None)
    return dict(finding.evidence)


@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        (
            "first-page-again",
            "PTE 0x8000000001900063 at 0xffff880000201000, page 0x1900, asked 0x1901",
        ),
        ("skips-an-entry", "PTE 0xffffffffff200 at 0xffff880000202000, not present"),
        (
            "entry-too-many",
            "PTE 0x8000000001903063 at 0xffff880000203000, page 0x1903, asked none",
        ),
        (
            "entry-in-neighbours-region",
            "PTE 0x8000000001900063 at 0xffff880000210000, page 0x1900, asked none",
        ),
        (
            "neighbours-state",
            "PTE 0x8000000001900063 at 0xffff880000210000, page 0x1900",
        ),
        ("no-unmap", "PTE 0x8000000001900063 at 0xffff880000200000, page 0x1900, asked none"),
        ("global-entry", "PTE 0x8000000001900163 at 0xffff880000200000, asked 0x8000000000000063"),
        (
            "stays-writable",
            "PTE 0x8000000001900063 at 0xffff880000200000, asked 0x8000000000000061",
        ),
    ],
)
def test_a_finding_shows_the_entry(fault: str, entry: str) -> None:
    evidence = seen(fault)
    assert evidence["entry"] == entry
    lines = [str(each) for each in evidence.values() if re.search(r"\blines? \d", str(each))]
    assert lines == []  # a line is named with its file, as editors take it
    assert any(re.match(r"witness\.log:\d+\b", str(each)) for each in evidence.values())


def test_the_log_of_a_finding_is_named_with_its_line(tmp_path: Path) -> None:
    """A terminal shows where the log is, in the form that editors open."""
    finding = Finding("wrong-page", Severity.ERROR, "s", "t", {"get": "witness.log:12: [0x1, 0x2)"})
    made = samples.cell_missing_flush()
    kept = replace(made.artifacts, witness=str(tmp_path / "witness.log"))
    record = samples.record(replace(made, findings=(finding,), artifacts=kept))
    for full in (False, True):
        text = terminal.render(record, width=80, color=False, full=full)
        assert f"witness  {tmp_path}/witness.log:12\n" in text.replace("witness    ", "witness  ")


def cycled(cpus: int = 1) -> SeenKernel:
    kernel = SeenKernel(Shape(pages=8, cpus=cpus, walks=""))
    Player(kernel).history(CYCLES)
    return kernel


@pytest.mark.parametrize(("cpus", "steps"), [(1, False), (2, True)])
def test_breakpoints_are_stepped_over_only_where_another_cpu_may_meet_them(
    cpus: int, *, steps: bool
) -> None:
    account, _, stub = witnessed(cycled(cpus))
    assert account.conclusive
    gets = account.gets
    assert (stub.steps > gets) is steps
    assert stub.steps < gets or steps


def test_calls_that_come_again_at_one_depth_cost_no_breakpoint() -> None:
    account, _, stub = witnessed(cycled())
    assert account.conclusive
    assert stub.stopped_by["watch"] > 4 * (account.gets - 8)
    assert stub.stopped_by["breakpoint"] < account.gets
    account, _, stub = witnessed(cycled(cpus=2))
    assert account.conclusive
    assert stub.stopped_by["watch"] == 0


def test_a_return_that_no_watch_saw_ends_all_conclusions() -> None:
    kernel = cycled()
    stops = kernel.script.stops
    returns = [at for at, stop in enumerate(stops) if stop.pc == CALLER + 0x10]
    lost = stops[returns[10]]
    other = replace(lost, pc=CALLER + 0x18)  # another call's return, from the same place
    slot = lost.registers["rsp"] - 8
    stops[returns[10]] = replace(other, writes={**lost.writes, slot: other.pc})
    account, error, _ = witnessed(kernel)
    assert error == "a function returned from where another one was called"
    assert not account.conclusive
    assert codes(account) == []


def test_a_slot_that_others_use_more_is_watched_no_longer() -> None:
    slots = CallSlots()
    for _ in range(2):
        assert slots.watched == []
        slots.called(0x10, 0x8000)
    assert slots.watched == [0x8000]
    for _ in range(PATIENCE):
        slots.stopped(0x8000, ours=True)
        for _ in range(IDLE):
            slots.stopped(0x8000, ours=False)
    assert slots.watched == [0x8000]
    for _ in range(PATIENCE):
        slots.stopped(0x8000, ours=False)
    assert slots.watched == []
    slots.called(0x10, 0x8000)
    assert slots.watched == []
    slots.clear()
    for at in (*range(MOST + 1), *range(MOST + 1)):
        slots.called(0x10, at)
    assert slots.watched == [*range(1, MOST + 1)]


@pytest.mark.parametrize("fault", ["hangs", "rubbish", "checksum", "lies", "closes", "gigabyte"])
@pytest.mark.parametrize("after", [0, 3, 30, 90])
def test_a_broken_stub_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, fault: str, after: int
) -> None:
    monkeypatch.setattr("mermapctl.runner.gdb_client.ANSWER", 0.5)
    monkeypatch.setattr("mermapctl.runner.gdb_client.LOOK", 0.05)
    account, error, _ = witnessed(cycled(), fault, after)
    assert error is not None
    assert "QEMU" in error or error == "the boot was ended"
    assert account.lost is not None
    assert not account.conclusive
    assert codes(account) == []
    assert witness_findings.words(account, ()).startswith("the witness saw too little")
