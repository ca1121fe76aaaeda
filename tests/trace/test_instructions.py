# SPDX-License-Identifier: GPL-2.0-only
"""Instructions are counted from a log of each: calls, interrupts, jumps, lines taken back."""

from __future__ import annotations

import pytest

from mermapctl.runner import cost_places, system_map
from mermapctl.runner.gdb_packets import StubError
from mermapctl.trace.instructions import InstructionCounter

TEXT = 0xFFFFFFFF81000000
SYMBOLS = (
    *("test_a", "test_b", "__mermap_get", "__mermap_put", "mermap_put", "__flush_tlb_all"),
    *("caller", "wrapper", "other", "kfree", "irq_entries_start", "asm_sysvec_timer"),
    *("asm_exc_page_fault", "native_irq_return_iret", "__x86_indirect_thunk_array", "_etext"),
)
AT = {name: TEXT + 0x100 * number for number, name in enumerate(SYMBOLS)}


def known(*more: str) -> system_map.SystemMap:
    listed = [*AT.items(), *((name, AT["_etext"] + 0x100) for name in more)]
    return system_map.parse("".join(f"{at:016x} T {name}\n" for name, at in listed))


class Log:
    """Writes the log of a guest; `at` is a symbol and a distance."""

    def __init__(self) -> None:
        self.text = b""

    def run(self, name: str, start: int = 0, count: int = 1, cpu: int = 0) -> Log:
        """Execute `count` instructions of one byte in a function."""
        for step in range(count):
            at = AT[name] + start + step
            self.text += (
                f"Trace {cpu}: 0x7f12c00 [{0:016x}/{at:016x}/0040c2b0/ff020201] x\n".encode()
            )
        return self

    def not_executed(self, line: str) -> Log:
        """Take the last instruction back."""
        self.text += line.encode() + b"\n"
        return self


def counted(
    log: Log, *, piece: int = 1 << 16, more: tuple[str, ...] = (), back: int | None = None
) -> InstructionCounter:
    counter = InstructionCounter(cost_places.places(known(*more), ["test_a", "test_b", "none"], 0))
    if back is not None:
        counter.starts(0, back)
    for at in range(0, len(log.text), piece):
        counter.feed(log.text[at : at + piece])
    counter.finish()
    return counter


def one_get(log: Log, site: int = 0x10, body: int = 20) -> Log:
    """Call a get of `body` instructions from a test."""
    return log.run("test_a", site).run("__mermap_get", 0, body).run("test_a", site + 5)


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 16])
def test_each_call_counts_from_its_entry_to_its_return(piece: int) -> None:
    log = Log().run("caller", 0x10).run("test_a", 0, 3)
    one_get(log)
    log.run("test_a", 0x20).run("mermap_put", 0, 4).run("__mermap_put", 0, 10).run("mermap_put", 9)
    log.run("test_a", 0x25)
    log.run("test_a", 0x30).run("__mermap_get", 0, 5).run("__flush_tlb_all", 0, 8)
    log.run("__mermap_get", 9, 6).run("test_a", 0x35)
    log.run("test_a", 0x40).run("__flush_tlb_all", 0, 4).run("test_a", 0x45)  # of no get
    log.run("caller", 0x15)
    counter = counted(log, piece=piece)
    assert counter.calls == {"get": [20, 19], "put": [15], "flush": [8]}
    assert counter.tests == [("test_a", 3 + 22 + 17 + 21 + 6)]
    assert counter.executed == log.text.count(b"\n")


def test_the_log_may_start_with_a_test() -> None:
    log = Log().run("test_a", 0, 7).run("caller", 0x35)
    assert counted(log, back=AT["caller"] + 0x35).tests == [("test_a", 7)]
    assert counted(log).tests == []


IRQS = [
    lambda log: log.run("asm_sysvec_timer", 0, 30).run("native_irq_return_iret"),
    lambda log: log.run("irq_entries_start", 0x20, 3).run("native_irq_return_iret"),
    lambda log: (
        log.run("asm_sysvec_timer", 0, 5).run("irq_entries_start", 0, 2).run("other", 4, 9)
        .run("native_irq_return_iret").run("asm_exc_page_fault").run("__mermap_get")
        .run("native_irq_return_iret").run("__flush_tlb_all").run("native_irq_return_iret")
    ),
]  # fmt: skip


@pytest.mark.parametrize("irq", IRQS)
@pytest.mark.parametrize("when", ["before", "inside", "after"])
def test_interrupts_do_not_count(irq: object, when: str) -> None:
    assert callable(irq)
    log = Log().run("caller", 0x10).run("test_a").run("test_a", 0x10)
    if when == "before":
        irq(log)
    log.run("__mermap_get", 0, 10)
    if when == "inside":
        irq(log)
    log.run("__mermap_get", 10, 10)
    if when == "after":
        irq(log)
    log.run("test_a", 0x15).run("caller", 0x15)
    counter = counted(log)
    assert (counter.calls["get"], counter.tests) == ([20], [("test_a", 23)])


def test_exceptions_count() -> None:
    log = Log().run("caller", 0x10).run("test_a").run("asm_exc_page_fault", 0, 9)
    log.run("native_irq_return_iret").run("test_a", 1).run("caller", 0x15)
    assert counted(log).tests == [("test_a", 12)]


def test_in_a_preemptible_kernel_interrupts_count() -> None:
    log = Log().run("caller", 0x10).run("test_a").run("asm_sysvec_timer", 0, 9)
    log.run("native_irq_return_iret").run("test_a", 1).run("caller", 0x15)
    assert counted(log, more=("preempt_schedule",)).tests == [("test_a", 12)]


@pytest.mark.parametrize(
    "line",
    [
        "Stopped execution of TB chain before 0x7f12c0 [ffffffff81057040] x",
        "cpu_io_recompile: rewound execution of TB to ffffffff81057040",
    ],
)
@pytest.mark.parametrize("piece", [1, 50, 1 << 16])
def test_what_was_not_executed_does_not_count(line: str, piece: int) -> None:
    log = Log().run("caller", 0x10).run("test_a").run("test_a", 0x10)
    log.run("__mermap_get").not_executed(line).run("__mermap_get", 0, 4)
    log.run("__mermap_get", 4).not_executed(line).run("asm_sysvec_timer").not_executed(line)
    log.run("asm_sysvec_timer", 0, 3).run("native_irq_return_iret").run("__mermap_get", 4, 6)
    log.run("test_a", 0x15).run("caller", 0x15)
    counter = counted(log, piece=piece)
    assert (counter.calls["get"], counter.tests) == ([10], [("test_a", 13)])


def test_a_call_through_a_thunk() -> None:
    log = Log().run("caller", 0x10).run("__x86_indirect_thunk_array", 0x40, 3).run("test_a", 0, 5)
    assert counted(log.run("caller", 0x12)).tests == [("test_a", 5)]


def test_a_jump_is_followed_from_the_second_time_on() -> None:
    log = Log().run("caller", 0x10).run("test_a")
    for _ in range(3):
        log.run("test_a", 0x20).run("wrapper", 0, 2).run("__mermap_put", 0, 8).run("test_a", 0x25)
        log.run("test_a", 0x50).run("kfree", 0, 3).run("test_a", 0x55)
    counter = counted(log.run("caller", 0x15))
    assert counter.calls["put"] == [8, 8]


def test_a_jump_does_not_end_where_the_next_function_begins() -> None:
    log = Log().run("caller", 0x10).run("test_a")
    log.run("test_a", 0x20).run("wrapper", 0xFC, 1).run("__mermap_put", 0, 8).run("test_a", 0x25)
    log.run("other", 0, 4).run("test_a", 0x60).run("caller", 0x15)
    assert counted(log).calls["put"] == []


def test_two_cpus_count_for_themselves() -> None:
    log = Log().run("caller", 0x10).run("test_a").run("test_a", 0x10)
    log.run("other", 0, 50, cpu=1).run("__mermap_get", 0, 6).run("other", 0, 50, cpu=1)
    log.run("__mermap_get", 6, 6).run("test_a", 0x15).run("caller", 0x15)
    counter = counted(log)
    assert (counter.calls["get"], counter.tests) == ([12], [("test_a", 15)])


def test_what_a_dead_test_left_is_forgotten() -> None:
    log = Log().run("caller", 0x10).run("test_a").run("test_a", 0x10).run("__mermap_get", 0, 5)
    log.run("caller", 0x30).run("test_b", 0, 4).run("caller", 0x35)
    counter = counted(log)
    assert (counter.calls["get"], counter.tests) == ([], [("test_b", 4)])


def test_without_a_test_in_the_map_there_is_nothing_to_count() -> None:
    with pytest.raises(StubError, match=r"System\.map names no function of these tests"):
        cost_places.places(known(), ["test_of_a_module"], 0)
