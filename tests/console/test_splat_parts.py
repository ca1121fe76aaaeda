# SPDX-License-Identifier: GPL-2.0-only
"""Reports made of parts: prefix x title x notation of frames x interleaving x tear.

A tear may lose: the title whose beginning is cut away, and with it the kind, but not the cut-here
line above it or the trace. A message may be lost where lines of other tasks stand between it and
the title, and no prefix names their task.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from mermapctl.console.splat import Splat, SplatKind, function
from mermapctl.judge.console_verdict import judge
from mermapctl.judge.result_types import Verdict
from mermapctl.judge.suites import Manifest

CULPRIT, CALLER, OUTER = "brook_fill", "brook_open", "ledger_store"
CODE = [CULPRIT, CALLER, OUTER]
AT = "+0x2c/0x58"


class Part(NamedTuple):
    """A report without its trace; `shows` is the place of the instruction pointer, if any."""

    kind: str
    title: str
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    reporters: tuple[str, ...] = ()
    shows: str | None = None
    cause: str | None = None
    message: str | None = None
    where: str | None = None


CUT = "------------[ cut here ]------------"
LINE = "=================================================================="
COMM = "CPU: 1 UID: 0 PID: 31 Comm: kunit_try_catch Tainted: G                 N 6.12.0 #3"
WARN = ("dump_stack_lvl", "dump_stack", "__warn", "warn_slowpath_fmt")
LIST = "list_add corruption. next->prev should be ffff8880, but was 6b6b6b6b. (next=ffff8881)."
OVER = "skb_over_panic: text:ffffffff81234567 len:80 put:80 head:ffff888003 dev:brook0"
COPY = "usercopy: Kernel memory exposure attempt detected from SLUB object 'brook' (offset 0)!"
CFI = "CFI failure at brook_open+0x18/0x40 (target: brook_shut+0x0/0x20; expected type: 0x1)"
DUMP = "page dumped because: VM_BUG_ON_PAGE(PageTail(page))"
STALL = ("sched_show_task", "rcu_dump_cpu_stacks", "unknown_to_all", "rcu_sched_clock_irq")
IRQ = ("update_process_times", "tick_sched_timer", "hrtimer_interrupt", "el1_interrupt")

PARTS = {
    "warn": Part(
        "warning",
        f"WARNING: CPU: 1 PID: 31 at mm/brook.c:37 {CULPRIT}{AT}",
        above=(CUT,),
        shows=CULPRIT,
        where="mm/brook.c:37",
    ),
    "warn of 6.18": Part(
        "warning",
        f"WARNING: [lane > 4] mm/brook.c:37 at {CULPRIT}{AT}, CPU#1: kunit_try_catch/31",
        above=(CUT,),
        shows=CULPRIT,
        cause="lane > 4",
        where="mm/brook.c:37",
    ),
    "warn with a message": Part(
        "warning",
        f"WARNING: CPU: 1 PID: 31 at mm/brook.c:37 {CULPRIT}{AT}",
        above=(CUT, "brook: lane 4 is taken"),
        shows=CULPRIT,
        message="brook: lane 4 is taken",
        where="mm/brook.c:37",
    ),
    "warn with a message below": Part(
        "warning",
        f"WARNING: CPU: 1 PID: 31 at mm/brook.c:37 {CULPRIT}{AT}",
        above=(CUT,),
        below=("brook: lane 4 is taken", "Modules linked in:"),
        reporters=WARN,
        message="brook: lane 4 is taken",
        where="mm/brook.c:37",
    ),
    "refcount": Part(
        "warning",
        f"WARNING: CPU: 1 PID: 31 at lib/refcount.c:28 refcount_warn_saturate{AT}",
        above=(CUT, "refcount_t: underflow; use-after-free."),
        shows="refcount_warn_saturate",
        message="refcount_t: underflow; use-after-free.",
        where="lib/refcount.c:28",
    ),
    "bug": Part(
        "bug", "kernel BUG at mm/brook.c:37!", above=(CUT,), shows=CULPRIT, where="mm/brook.c:37"
    ),
    "list": Part(
        "bug",
        "kernel BUG at lib/list_debug.c:29!",
        above=(LIST, CUT),
        shows="__list_add_valid_or_report",
        message=LIST,
        where="lib/list_debug.c:29",
    ),
    "skb": Part(
        "bug",
        "kernel BUG at net/core/skbuff.c:206!",
        above=(f"skbuff: {OVER}", CUT),
        shows="skb_panic",
        reporters=("skb_over_panic",),
        message=f"skbuff: {OVER}",
        where="net/core/skbuff.c:206",
    ),
    "usercopy": Part(
        "bug",
        "kernel BUG at mm/usercopy.c:102!",
        above=(COPY, CUT),
        shows="usercopy_abort",
        reporters=("__check_heap_object", "__check_object_size"),
        message=COPY,
        where="mm/usercopy.c:102",
    ),
    "page": Part(
        "bug",
        "kernel BUG at mm/brook.c:37!",
        above=(
            "page: refcount:0 mapcount:0 index:0x3 pfn:0x1d4a",
            "raw: 0080000000000000",
            DUMP,
            CUT,
        ),
        shows=CULPRIT,
        message=DUMP,
        where="mm/brook.c:37",
    ),
    "rust": Part(
        "bug",
        "kernel BUG at rust/helpers/bug.c:7!",
        above=("rust_kernel: panicked at drivers/brook.rs:20:9:", "lane is out of range", CUT),
        shows="rust_helper_BUG",
        reporters=(
            "_RNvCsaT4pLw9Qx2_7___rustc17rust_begin_unwind",
            "_RNvNt1_4core9panicking5panic",
        ),
        message="lane is out of range",
        where="drivers/brook.rs:20",
    ),
    "cfi": Part(
        "oops",
        "Oops: invalid opcode: 0000 [#1] PREEMPT SMP",
        above=(CFI,),
        shows=CULPRIT,
        message=CFI,
    ),
    "generic bug": Part(
        "bug",
        f"BUG: failure at mm/brook.c:37/{CULPRIT}()!",
        reporters=("dump_stack", "panic"),
        where="mm/brook.c:37",
    ),
    "die of x86": Part(
        "oops", "divide_error: 0000 [#1] PREEMPT SMP KASAN", shows=CULPRIT, cause="divide_error"
    ),
    "segment": Part(
        "oops",
        "segment-related general protection fault: 0018 [#1] PREEMPT SMP",
        shows=CULPRIT,
        cause="segment-related general protection fault",
    ),
    "general protection": Part(
        "oops",
        "Oops: general protection fault, probably for non-canonical address 0xdf: 0000 [#1] SMP",
        below=("KASAN: null-ptr-deref in range [0x18-0x1f]",),
        shows=CULPRIT,
        cause="KASAN: null-ptr-deref in range [0x18-0x1f]",
    ),
    "die of s390": Part(
        "oops",
        "addressing exception: 0005 ilc:3 [#1] SMP",
        shows=CULPRIT,
        cause="addressing exception",
    ),
    "die of riscv": Part("oops", "Oops [#1]", shows=CULPRIT),
    "die of mips": Part(
        "oops",
        "CPU 0 Unable to handle kernel paging request at virtual address 0031c0d8, epc == 80412f64",
        below=("Oops[#1]:",),
        shows=CULPRIT,
    ),
    "die of powerpc": Part(
        "oops",
        "BUG: Kernel NULL pointer dereference on read at 0x00000000",
        below=("Faulting instruction address: 0xc0001234", "Oops: Kernel access, sig: 11 [#1]"),
        shows=CULPRIT,
    ),
    "die of arm": Part(
        "oops",
        "Unable to handle kernel NULL pointer dereference at virtual address 00000010",
        below=("[00000010] *pgd=00000000", "Internal error: Oops: 5 [#1] SMP ARM"),
        shows=CULPRIT,
    ),
    "die of sparc": Part(
        "oops",
        "Unable to handle kernel NULL pointer dereference",
        below=("tsk->{mm,active_mm}->context = 0000000000000000", "brookd(31): Oops [#1]"),
        shows=CULPRIT,
    ),
    "kasan": Part(
        "kasan",
        f"BUG: KASAN: slab-use-after-free in {CULPRIT}{AT}",
        above=(LINE,),
        below=("Read of size 8 at addr ffff888002b4c1c8 by task kunit_try_catch/31", ""),
        reporters=("dump_stack_lvl", "print_report", "unknown_to_all", "kasan_report"),
        cause=f"slab-use-after-free in {CULPRIT}{AT}",
    ),
    "ubsan": Part(
        "ubsan",
        "UBSAN: array-index-out-of-bounds in mm/brook.c:37:12",
        above=(CUT,),
        below=("index 5 is out of range for type 'int [4]'",),
        reporters=("dump_stack_lvl", "ubsan_epilogue", "__ubsan_handle_out_of_bounds"),
        message="index 5 is out of range for type 'int [4]'",
        where="mm/brook.c:37",
    ),
    "lockdep": Part(
        "lockdep",
        "WARNING: possible recursive locking detected",
        above=("============================================",),
        below=(
            "6.12.0 #3 Tainted: G                 N",
            "--------------------------------------------",
            "kunit_try_catch/31 is trying to acquire lock:",
            f"ffff888004d1a318 (&q->lane_lock){{+.+.}}-{{4:4}}, at: {CULPRIT}{AT}",
            "",
            "but task is already holding lock:",
            f"ffff888004d1a318 (&q->lane_lock){{+.+.}}-{{4:4}}, at: {OUTER}{AT}",
            "",
            "stack backtrace:",
        ),
        reporters=(
            "dump_stack_lvl",
            "print_deadlock_bug",
            "unknown_to_all",
            "lock_acquire",
            "__mutex_lock",
        ),
    ),
    "rcu usage": Part(
        "lockdep",
        "WARNING: suspicious RCU usage",
        above=("=============================",),
        below=(
            "-----------------------------",
            "mm/brook.c:37 suspicious rcu_dereference_check() usage!",
        ),
        reporters=("dump_stack_lvl", "lockdep_rcu_suspicious"),
        message="suspicious rcu_dereference_check() usage!",
        where="mm/brook.c:37",
    ),
    "sleep": Part(
        "sleep-in-atomic",
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
        below=("in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 31, name: kunit_try_catch",),
        reporters=("dump_stack_lvl", "__might_resched.cold", "__mutex_lock", "mutex_lock_nested"),
    ),
    "schedule": Part(
        "sleep-in-atomic",
        "BUG: scheduling while atomic: kunit_try_catch/31/0x00000002",
        reporters=(
            "dump_stack_lvl",
            "__schedule_bug",
            "__schedule",
            "schedule",
            "schedule_timeout",
        ),
    ),
    "percpu": Part(
        "percpu-preemptible",
        "BUG: using __this_cpu_read() in preemptible [00000000] code: kunit_try_catch/31",
        below=(f"caller is {CULPRIT}{AT}",),
        reporters=("dump_stack_lvl", "check_preemption_disabled"),
    ),
    "hung task": Part(
        "lockup",
        "INFO: task brookd:31 blocked for more than 122 seconds.",
        below=(
            "      Tainted: G                 N 6.12.0 #3",
            "task:brookd state:D stack:0 pid:31",
        ),
        reporters=(
            "__switch_to",
            "__schedule",
            "schedule",
            "schedule_preempt_disabled",
            "__mutex_lock",
        ),
    ),
    "hung task in I/O": Part(
        "lockup",
        "INFO: task brookd:31 blocked in I/O wait for more than 122 seconds.",
        below=("task:brookd state:D stack:0 pid:31",),
        reporters=("__switch_to", "__schedule", "schedule", "io_schedule"),
    ),
    "soft lockup": Part(
        "lockup", "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [brookd:31]", shows=CULPRIT
    ),
    "hard lockup": Part(
        "lockup", "watchdog: Watchdog detected hard LOCKUP on cpu 1", shows=CULPRIT
    ),
    "rcu stall": Part(
        "rcu-stall",
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        below=("rcu: \t1-....: (5249 ticks this GP) idle=c3d/1/0x40000000 softirq=811/811",),
        reporters=(*STALL, *IRQ, "el1h_64_irq"),
    ),
    "panic": Part(
        "panic",
        "Kernel panic - not syncing: brook is dry",
        reporters=("dump_stack_lvl", "panic"),
        cause="brook is dry",
    ),
    "bad page": Part(
        "other",
        "BUG: Bad page state in process kunit_try_catch  pfn:023fe",
        below=(
            "page: refcount:1 mapcount:0 index:0x0 pfn:0x23fe",
            "page dumped because: nonzero _refcount",
        ),
        reporters=("dump_stack_lvl", "bad_page", "free_page_is_bad"),
        message="page dumped because: nonzero _refcount",
    ),
    "slab": Part(
        "other",
        "BUG brook_lane (Tainted: G                 N): Right Redzone overwritten",
        above=("=============================================================================",),
        reporters=("dump_stack_lvl", "check_bytes_and_report", "check_object"),
        cause="Right Redzone overwritten",
    ),
    "spinlock": Part(
        "other",
        "BUG: spinlock bad magic on CPU#1, kunit_try_catch/31",
        reporters=("dump_stack_lvl", "spin_dump", "do_raw_spin_lock", "_raw_spin_lock"),
    ),
}


class Notation(NamedTuple):
    """How an architecture prints the instruction pointer, the heading and the frames of a trace.

    A `frame` with two places names a function and its caller.
    """

    pointer: str
    heading: str
    frame: str
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    def trace(self, functions: list[str]) -> list[str]:
        """Return the lines of a trace through these functions."""
        callers = [*functions[1:], "kthread"]
        frames = map(self.frame.format, functions, callers)
        return [*self.above, *frames, *self.below]


NOTATIONS = {
    "x86_64": Notation(
        "RIP: 0010:{}" + AT,
        "Call Trace:",
        " {}" + AT,
        above=(" <TASK>",),
        below=(f" ? guess{AT}", " </TASK>"),
    ),
    "x86_64 of 4.4": Notation(
        "RIP: 0010:[<ffffffff81234567>]  [<ffffffff81234567>] {}" + AT,
        "Call Trace:",
        " [<ffffffff81234567>] {}" + AT,
    ),
    "i386": Notation("EIP: {}" + AT, "Call Trace:", " {}" + AT),
    "um": Notation(
        "RIP: 0033:{}" + AT,
        "Call Trace:",
        " [<600208c1>] {}" + AT,
        above=(f" [<60025f0c>] ? guess{AT}",),
    ),
    "arm64": Notation("pc : {}" + AT, "Call trace:", " {}" + AT + " (P)"),
    "arm": Notation("PC is at {}" + AT, "Call trace: ", " {} from {}" + AT),
    "arm of 5.15": Notation(
        "PC is at {}" + AT, "Backtrace: ", "[<80a1c404>] ({}) from [<80a1c4f8>] ({}" + AT + ")"
    ),
    "riscv": Notation("epc : {}" + AT, "Call Trace:", "[<ffffffff80002a5a>] {}" + AT),
    "powerpc": Notation(
        "NIP [c000000000a1b2c3] {}" + AT,
        "Call Trace:",
        "[c000000003a2b100] [c000000000a1b2c3] {}" + AT,
    ),
    "s390": Notation(
        "Krnl PSW : 0704c00180000000 00000000001234ab ({}" + AT + ")",
        "Call Trace:",
        " [<00000000001234ab>] {}" + AT,
        below=("Last Breaking-Event-Address:", f" [<00000000001234ab>] other{AT}"),
    ),
    "mips": Notation("epc   : 80412f64 {}" + AT, "Call Trace:", "[<80412f64>] {}" + AT),
    "loongarch": Notation(
        "   ERA: 9000000000223344 {}" + AT, "Call Trace:", "[<9000000000223344>] {}" + AT
    ),
    "sparc": Notation("PC: <{}" + AT + ">", "Call Trace:", "[f0012345 : {}" + AT + " ] "),
    "sparc64": Notation("TPC: <{}" + AT + ">", "Call Trace:", " [000000000045abcd] {}" + AT),
    "m68k": Notation(
        "PC: [<00123456>] {}" + AT, "Call Trace: [<00123456>]", " [<00123456>] {}" + AT
    ),
    "sh": Notation("PC is at {}" + AT, "Call trace:", " [<8c00abcd>] {}" + AT),
    "alpha": Notation("pc is at {}" + AT, "Trace:", "[<fffffc0000310a40>] {}" + AT),
    "or1k": Notation("PC: {}" + AT, "Call trace:", "[<(____ptrval____)>] {}" + AT),
    "xtensa": Notation("pc : {}" + AT, "Call Trace:", " {}" + AT),
    "a module": Notation(
        "RIP: 0010:{}" + AT + " [brook]", "Call Trace:", " {}" + AT + " [brook 0123abcd]"
    ),
    "decoded": Notation(
        "RIP: 0010:{} (mm/brook.c:37 (discriminator 3))",
        "Call Trace:",
        "{} (mm/brook.c:37 include/linux/list.h:20)",
    ),
    "decoded with offsets": Notation(
        "RIP: 0010:{}" + AT + " mm/brook.c:37", "Call Trace:", " {}" + AT + " mm/brook.c:37"
    ),
}

PREFIXES = {
    "none": "",
    "level": "<4>",
    "stamp": "[   12.345678] ",
    "caller": "[   12.345678][   T31] ",
    "dmesg": "[   12.345678] [   T31] ",
}
OTHERS = "[   12.345678][  T118] "
STRANGERS = ("larder (vdb2): opened", "Planted yew.", f" thicket_prune{AT}", "Modules linked in: x")
TEARS = ("whole", "prompt", "dots", "tail")
"""The title unchanged; behind a prompt; behind dots; with another task's line behind it."""


def report(part: Part, notation: str) -> tuple[list[str], int]:
    """Return the lines of a report, and the index of its title."""
    form = NOTATIONS[notation]
    code = CODE[1:] if part.shows == CULPRIT else CODE
    pointer = [] if part.shows is None else [form.pointer.format(part.shows)]
    lines = [*part.above, part.title, *part.below, COMM, *pointer, form.heading]
    return [*lines, *form.trace([*part.reporters, *code])], len(part.above)


def printed(part: Part, notation: str, prefix: str, tear: str, *, mixed: bool) -> Iterator[str]:
    """Return a console: a passed test, the report, and the test in which it was printed."""
    before = PREFIXES[prefix]
    yield from ("KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: s", "    1..2")
    yield f"{before}    ok 1 a"
    lines, title = report(part, notation)
    for number, line in enumerate(lines):
        said = f"{before}{line}"
        if number == title and tear == "prompt":
            said = f"loft login: {said}"
        if number == title and tear == "dots":
            said = f".......{said}"
        if number == title and tear == "tail":
            said = f"{said}{OTHERS}larder: shut"
        yield said
        if mixed:
            yield f"{OTHERS}{STRANGERS[number % len(STRANGERS)]}"
    yield f"{before}---[ end trace 0000000000000000 ]---"
    yield from (f"{before}    ok 2 b", f"{before}ok 1 s")


def ways(turn: int = 0) -> Iterator[tuple[str, str, str, bool]]:
    """Yield notation, prefix, tear, and whether lines of another task stand between.

    Each report meets each notation under each prefix; the tears take turns.
    """
    for at, (notation, prefix) in enumerate(itertools.product(NOTATIONS, PREFIXES)):
        callers = prefix in ("caller", "dmesg")
        tears = TEARS if prefix not in ("none", "level") else TEARS[:-1]  # nothing tells two apart
        yield notation, prefix, tears[(at + turn) % len(tears)], False
        if callers:
            yield notation, prefix, tears[(at + turn + 1) % len(tears)], True


def wrong(part: Part, splat: Splat, prefix: str) -> list[str]:
    """Return the facts that were not read as the parts define them."""
    checks = {
        "kind": splat.kind == part.kind,
        "title": splat.title == part.title,
        "message": splat.message == part.message,
        "cause": splat.cause == (part.cause or part.message or splat.cause),
        "where": part.where is None or splat.where == part.where,
        "top": function(splat.top_frame or "") == CULPRIT,
        "frames": [function(each) for each in splat.frames][:3] == CODE,
        "caller": splat.caller == ("T31" if prefix in ("caller", "dmesg") else None),
        "test": splat.test == "b",
    }
    return [name for name, right in checks.items() if not right]


def test_there_are_enough_reports() -> None:
    each = [way for turn in range(len(PARTS)) for way in ways(turn)]
    assert len(each) >= 5000
    assert {tear for _, _, tear, _ in each} == set(TEARS)
    kinds = {part.kind for part in PARTS.values()}
    assert set(SplatKind) - kinds <= {"kcsan", "kfence", "kmsan", "memory-leak"}  # test_splat.py


@pytest.mark.parametrize("name", PARTS)
def test_a_report_from_parts(name: str) -> None:
    part, found = PARTS[name], []
    for notation, prefix, tear, mixed in ways(list(PARTS).index(name)):
        log = "\n".join(printed(part, notation, prefix, tear, mixed=mixed)) + "\n"
        judgement = judge([log.encode()], manifest=Manifest())
        said = ["verdict"] * (judgement.verdict is not Verdict.FAILED)
        said += [f"{len(judgement.splats)} splats"] * (len(judgement.splats) != 1)
        if judgement.splats:
            said += wrong(part, judgement.splats[0], prefix)
        if said:
            found.append((notation, prefix, tear, mixed, said))
    assert found == []


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", PARTS)
def test_a_report_whose_title_is_lost_is_still_found(name: str, prefix: str) -> None:
    """The kind is lost with the title; the lines around it show that there was one."""
    part = PARTS[name]
    lines = list(printed(part, "x86_64", prefix, "whole", mixed=False))
    lines.remove(next(line for line in lines if line.endswith(part.title)))
    judgement = judge(["\n".join(lines).encode() + b"\n"], manifest=Manifest())
    assert judgement.verdict is Verdict.FAILED
    assert judgement.splats
    assert judgement.splats[0].test == "b"
