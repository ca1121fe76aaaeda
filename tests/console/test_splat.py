# SPDX-License-Identifier: GPL-2.0-only
"""Every kind of complaint as kernels print it, and lines that only resemble one."""

from __future__ import annotations

import pytest

from mermapctl.console import frames, ktap_parser, splat_reader, splat_report, splat_titles
from mermapctl.console.lines import Console, Line, LineKind
from mermapctl.console.splat import Splat, SplatKind
from mermapctl.console.splat_reader import SplatReader
from mermapctl.judge.console_verdict import judge
from mermapctl.judge.suites import Manifest

PICKS = {LineKind.KTAP: ktap_parser.PICKS, LineKind.SPLAT: splat_titles.PICKS}
ANYWHERE = {"Kernel panic - ": LineKind.SPLAT, "BUG: ": LineKind.SPLAT, "WARNING: ": LineKind.SPLAT}


def read(text: str) -> tuple[Splat, ...]:
    console = Console([text.encode()], PICKS, ANYWHERE)
    reader = SplatReader()
    for line in console:
        assert isinstance(line, Line)
        if line.kind is LineKind.KTAP:
            if line.text.strip().startswith(("ok ", "not ok ")):
                reader.test_ended(line.text.split()[-1])
        else:
            reader.feed(line, in_suite=True)
        console.attentive = reader.attentive
    return reader.finish()


TITLES = [
    ("warning", "WARNING: mm/mermap.c:189 at __mermap_get+0x2b6/0x310, CPU#0: kunit_try_catch/27"),
    ("warning", "WARNING: CPU: 0 PID: 27 at mm/mermap.c:189 __mermap_get+0x2b6/0x310"),
    ("warning", "WARNING: [n > 4] mm/mermap.c:189 at __mermap_get+0x2b6/0x310, CPU#0: kunit/27"),
    ("warning", "WARNING: at __mermap_get+0x2b6/0x310, CPU#0: kunit_try_catch/27"),
    ("warning", "WARNING: CPU: 0 PID: 27 at __mermap_get+0x2b6/0x310"),
    ("warning", "WARNING: CPU: 0 PID: 27 at 0xffffffff81234567"),
    ("oops", "BUG: kernel NULL pointer dereference, address: 0000000000000010"),
    ("oops", "BUG: unable to handle page fault for address: ffff880000400000"),
    ("oops", "BUG: unable to handle kernel paging request at ffff880000400000"),
    ("oops", "BUG: TASK stack guard page was hit at ffffc90000103ff8"),
    ("oops", "BUG: IRQ stack guard page was hit at ffffc90000103ff8 (stack is ffffc900)"),
    ("oops", "Oops: general protection fault, probably for non-canonical address: 0000 [#1] SMP"),
    ("oops", "Oops: divide error: 0000 [#1] PREEMPT"),
    ("oops", "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP"),
    ("oops", "Unable to handle kernel NULL pointer dereference at virtual address 00000000000000"),
    ("oops", "Unable to handle kernel paging request at virtual address ffff000008000000"),
    ("oops", "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP"),
    ("oops", "Kernel mode fault at addr 0x0, ip 0x60234567"),
    ("oops", "PANIC: double fault, error_code: 0x0"),
    ("oops", "Bad mode in Error handler detected on CPU0, code 0xbf000000"),
    ("bug", "kernel BUG at mm/mermap.c:30!"),
    ("panic", "Kernel panic - not syncing: Fatal exception"),
    ("panic", "Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60000000"),
    ("kasan", "BUG: KASAN: slab-use-after-free in mermap_mm_teardown+0x209/0x210"),
    ("kasan", "BUG: KASAN: null-ptr-deref in test_size+0x10/0x20"),
    ("kcsan", "BUG: KCSAN: data-race in __mermap_get / __mermap_put"),
    ("kfence", "BUG: KFENCE: out-of-bounds read in test_size+0x10/0x20"),
    ("kmsan", "BUG: KMSAN: uninit-value in test_size+0x10/0x20"),
    ("ubsan", "UBSAN: array-index-out-of-bounds in mm/mermap.c:189:12"),
    ("ubsan", "UBSAN: shift-out-of-bounds in ../mm/mermap.c:189:12"),
    ("lockdep", "WARNING: possible circular locking dependency detected"),
    ("lockdep", "WARNING: possible recursive locking detected"),
    ("lockdep", "WARNING: inconsistent lock state"),
    ("lockdep", "WARNING: suspicious RCU usage"),
    ("lockdep", "WARNING: bad unlock balance detected!"),
    ("lockdep", "WARNING: held lock freed!"),
    ("lockdep", "WARNING: lock held when returning to user space!"),
    ("lockdep", "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected"),
    ("lockdep", "[ BUG: Invalid wait context ]"),
    ("lockdep", "WARNING: bad contention detected!"),
    ("lockdep", "WARNING: chain_key collision"),
    ("lockdep", "WARNING: kunit_try_catch/29 still has locks held!"),
    ("lockdep", "BUG: MAX_LOCKDEP_CHAINS too low!"),
    ("lockdep", "BUG: MAX_STACK_TRACE_ENTRIES too low!"),
    ("lockdep", "BUG: key ffff888002b4c1c8 has not been registered!"),
    ("lockdep", "INFO: trying to register non-static key."),
    ("rcu-stall", "rcu: INFO: rcu_preempt self-detected stall on CPU"),
    ("rcu-stall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    ("rcu-stall", "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 0-... }"),
    ("rcu-stall", "INFO: rcu_sched detected stalls on CPUs/tasks:"),
    ("sleep-in-atomic", "BUG: sleeping function called from invalid context at mm/page_alloc.c:1"),
    ("sleep-in-atomic", "BUG: scheduling while atomic: kunit_try_catch/29/0x00000002"),
    ("sleep-in-atomic", "BUG: scheduling in a non-blocking section: kunit_try_catch/29/1"),
    ("sleep-in-atomic", "BUG: assuming atomic context at mm/mermap.c:30"),
    ("sleep-in-atomic", "BUG: assuming non migratable context at mm/mermap.c:30"),
    ("percpu-preemptible", "BUG: using __this_cpu_add() in preemptible [00000000] code: kunit/29"),
    ("percpu-preemptible", "BUG: using smp_processor_id() in preemptible [00000000] code: x/2"),
    ("memory-leak", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
    ("lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [kunit_try_catch:29]"),
    ("lockup", "watchdog: Watchdog detected hard LOCKUP on cpu 0"),
    ("lockup", "watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0"),
    ("lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0"),
    ("lockup", "INFO: task kunit_try_catch:29 blocked for more than 122 seconds."),
    ("lockup", "INFO: task kunit_try_catch:29 blocked in I/O wait for more than 122 seconds."),
    ("lockup", "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!"),
    ("lockup", "BUG: spinlock lockup suspected on CPU#0, kunit_try_catch/29"),
    ("other", "BUG: Bad page state in process kunit_try_catch  pfn:023fe"),
    ("other", "BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1"),
    ("other", "BUG: non-zero pgtables_bytes on freeing mm: 4096"),
    ("other", "BUG kmalloc-64 (Not tainted): Redzone overwritten"),
]


@pytest.mark.parametrize("prefix", ["", "[    1.234567] ", "[    1.234567][   T29] ", "<4>"])
@pytest.mark.parametrize(("kind", "title"), TITLES)
def test_every_title_has_its_kind(kind: str, title: str, prefix: str) -> None:
    (found,) = read(f"{prefix}noise\n{prefix}{title}\n{prefix}more noise\n")
    assert (found.kind, found.title) == (kind, title.removeprefix("[ ").removesuffix(" ]"))
    assert found.line == 2


def test_every_kind_has_a_title() -> None:
    assert {kind for kind, _ in TITLES} == set(SplatKind)


@pytest.mark.parametrize(
    "line",
    [
        "ACPI BIOS Warning (bug): Incorrect checksum in table",
        "WARNING: this is a driver's own idea of a message",
        "random: WARNING: crng init took long",
        "INFO: lockdep is turned off.",
        "rcu: INFO: all is well",
        "watchdog: Delayed init of the lockup detector failed: -19",
        "Unable to handle this firmware",
        "BUGS are welcome",
        "x86/bugs: Oopsie",
        "---[ end trace 0000000000000000 ]---",
        "---[ end Kernel panic - not syncing: Fatal exception ]---",
        "====",
    ],
)
def test_lines_that_only_look_like_one(line: str) -> None:
    assert read(f"noise\n{line}\nnoise\n") == ()


@pytest.mark.parametrize(
    ("title", "where"),
    [
        ("WARNING: mm/mermap.c:189 at __mermap_get+0x2b6/0x310", "mm/mermap.c:189"),
        ("WARNING: CPU: 0 PID: 27 at mm/mermap.c:189 __mermap_get+0x1/0x2", "mm/mermap.c:189"),
        ("WARNING: [a[0] > b] mm/mermap.c:189 at f+0x1/0x2, CPU#0: x/1", "mm/mermap.c:189"),
        ("WARNING: at f+0x1/0x2, CPU#0: x/1", None),
        ("kernel BUG at mm/mermap.c:30!", "mm/mermap.c:30"),
        ("UBSAN: array-index-out-of-bounds in mm/mermap.c:12:3", "mm/mermap.c:12"),
        ("UBSAN: shift-out-of-bounds in source/mm/mermap.c:12:3", "mm/mermap.c:12"),
        ("BUG: KASAN: slab-out-of-bounds in f+0x1/0x2", None),
    ],
)
def test_each_splat_has_its_place(title: str, where: str | None) -> None:
    (found,) = read(f"{title}\n")
    assert found.where == where


def test_a_warning_with_a_message_of_its_own() -> None:
    log = """\
------------[ cut here ]------------
refcount_t: underflow; use-after-free.
WARNING: CPU: 0 PID: 27 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110
Modules linked in:
CPU: 0 UID: 0 PID: 27 Comm: kunit_try_catch Tainted: G N 6.12.0 #1
RIP: 0010:refcount_warn_saturate+0xba/0x110
Call Trace:
 <TASK>
 ? __warn+0x80/0x120
 ? refcount_warn_saturate+0xba/0x110
 mermap_mm_teardown+0x2b/0x40
 mmput+0x28/0xc0
 </TASK>
---[ end trace 0000000000000000 ]---
    ok 1 test_a
"""
    (found,) = read(log)
    assert (found.line, found.last_line, found.test) == (1, 14, "test_a")
    assert found.message == "refcount_t: underflow; use-after-free."
    assert found.title.startswith("WARNING: CPU: 0 PID: 27 at lib/refcount.c:28")
    # refcount_warn_saturate() only checks: its caller broke the rule.
    assert found.top_frame == "mermap_mm_teardown+0x2b/0x40"
    assert [frame.partition("+")[0] for frame in found.frames] == [
        "mermap_mm_teardown",
        "mmput",
    ]
    assert found.excerpt[0] == "refcount_t: underflow; use-after-free."
    assert len(found.excerpt) == 13


def test_lockdep_with_its_lists() -> None:
    log = """\
======================================================
WARNING: possible circular locking dependency detected
6.12.0 #1 Tainted: G                 N
------------------------------------------------------
kunit_try_catch/29 is trying to acquire lock:
ffff888002 (&a){+.+.}-{3:3}, at: test_a+0x10/0x20

but task is already holding lock:
ffff888003 (&b){+.+.}-{3:3}, at: test_a+0x20/0x20

which lock already depends on the new lock.

stack backtrace:
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch
Call Trace:
 <TASK>
 dump_stack_lvl+0x66/0xa0
 print_circular_bug+0x100/0x200
 test_a+0x10/0x20
 </TASK>
    ok 1 test_a
noise
"""
    (found,) = read(log)
    assert (found.kind, found.line) == (SplatKind.LOCKDEP, 1)
    assert found.frames == ("test_a+0x10/0x20",)


REPORTS = {
    "inconsistent lock state": """\
================================
WARNING: inconsistent lock state
6.12.48 #1 Tainted: G                 N
--------------------------------
inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.
kunit_try_catch/29 [HC0[0]:SC0[0]:HE1:SE1] takes:
ffff888002b4c1c8 (&mm->mermap.lock){?...}-{2:2}, at: f+0x2b6/0x310
{HARDIRQ-ON-W} state was registered at:
  lock_acquire+0xc9/0x2e0
  g+0x2b6/0x310
irq event stamp: 1210
hardirqs last  enabled at (1209): [<ffffffff81000000>] g+0x1/0x2

other info that might help us debug this:
 *** DEADLOCK ***

1 lock held by kunit_try_catch/29:
 #0: ffff888002b4c1c8 (&mm->mmap_lock){++++}-{3:3}, at: test_size+0x154/0x870

stack backtrace:
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch Tainted: G                 N 6.12.48 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 print_usage_bug.part.0+0x22c/0x2d0
 mark_lock+0x7a4/0x970
 __lock_acquire+0x810/0x2160
 f+0x2b6/0x310
 </TASK>
""",
    "a data race": """\
==================================================================
BUG: KCSAN: data-race in f / g

write to 0xffff9e5e7ec284e0 of 8 bytes by task 29 on cpu 0:
 f+0x2b6/0x310
 test_size+0x154/0x870

read to 0xffff9e5e7ec284e0 of 8 bytes by task 30 on cpu 1:
 g+0x2b/0x320

value changed: 0x0000000000000000 -> 0xffff880000200000

Reported by Kernel Concurrency Sanitizer on:
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch Tainted: G                 N 6.12.48 #1
==================================================================
""",
    "a sampled use after free": """\
==================================================================
BUG: KFENCE: use-after-free read in f+0x2b6/0x310

Use-after-free read at 0x(____ptrval____) (in kfence-#12):
 f+0x2b6/0x310
 __mmput+0x4e/0x320

kfence-#12: 0x(____ptrval____)-0x(____ptrval____), size=96, cache=kmalloc-96

freed by task 29 on cpu 0 at 2.342s (0.001s ago):
 g+0x1c9/0x210

CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch Tainted: G                 N 6.12.48 #1
==================================================================
""",
    "an object written past its end": """\
=============================================================================
BUG kmalloc-96 (Tainted: G                 N): Right Redzone overwritten
-----------------------------------------------------------------------------

0xffff888002b4c1e0-0xffff888002b4c1e7 @offset=480. First byte 0x0 instead of 0xcc
Allocated in g+0x77/0x190 age=1 cpu=0 pid=29
 g+0x77/0x190
Slab 0xffffea00000ad300 objects=21 used=3 fp=0xffff888002b4c300 flags=0x100000000000200
Object 0xffff888002b4c180 @offset=384 fp=0xffff888002b4c300

Redzone  ffff888002b4c178: bb bb bb bb bb bb bb bb                          ........
Object   ffff888002b4c180: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 f+0x2b6/0x310
 </TASK>
FIX kmalloc-96: Restoring Right Redzone 0xffff888002b4c1e0-0xffff888002b4c1e7=0xcc
""",
    "sleeping": """\
BUG: sleeping function called from invalid context at include/linux/sched/mm.h:337
in_atomic(): 1, irqs_disabled(): 1, non_block: 0, pid: 29, name: kunit_try_catch
preempt_count: 1, expected: 0
RCU nest depth: 0, expected: 0
Preemption disabled at:
[<ffffffff81234567>] g+0x44/0x310
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch Tainted: G                 N 6.12.48 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 __might_resched+0x1a4/0x240
 f+0x2b6/0x310
 </TASK>
""",
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_report_is_read_whole_and_blames_its_first_trace(report: str) -> None:
    (found,) = read(f"{report}    ok 1 test_a\n")
    assert found.frames[0] == "f+0x2b6/0x310"
    assert report.rstrip("\n").endswith("\n".join(found.excerpt))
    assert len(found.excerpt) >= report.count("\n") - 1  # without its opening line


ARM64 = """\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x0000000096000004
Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
CPU: 0 PID: 29 Comm: kunit_try_catch Tainted: G N 6.12.0 #1
pstate: 60000005 (nZCv daif -PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : test_size+0x10/0x200
lr : kunit_try_run_case+0x50/0x100
sp : ffff800082b03d00
x29: ffff800082b03d00 x28: 0000000000000000 x27: 0000000000000000
Call trace:
 test_size+0x10/0x200 (P)
 kunit_try_run_case+0x50/0x100
 kthread+0x100/0x110
 ret_from_fork+0x10/0x20
Code: aa0003e0 d503201f
---[ end trace 0000000000000000 ]---
"""


def test_an_arm64_oops_is_one_splat() -> None:
    (found,) = read(ARM64)
    assert (found.kind, found.line, found.last_line) == (SplatKind.OOPS, 1, 17)
    assert found.frames[0] == "test_size+0x10/0x200"


def test_a_bug_and_its_oops_are_one_splat_and_the_panic_another() -> None:
    log = """\
------------[ cut here ]------------
kernel BUG at mm/mermap.c:30!
Oops: invalid opcode: 0000 [#1] PTI
RIP: 0010:__mermap_get+0x2b6/0x310
Call Trace:
 <TASK>
 test_size+0x154/0x870
 </TASK>
---[ end trace 0000000000000000 ]---
RIP: 0010:__mermap_get+0x2b6/0x310
Code: 5c 24
note: kunit_try_catch[29] exited with irqs disabled
Kernel panic - not syncing: Fatal exception
Kernel Offset: disabled
---[ end Kernel panic - not syncing: Fatal exception ]---
"""
    bug, panic = read(log)
    assert (bug.kind, bug.line, bug.last_line) == (SplatKind.BUG, 1, 12)
    assert bug.frames == ("__mermap_get+0x2b6/0x310", "test_size+0x154/0x870")
    assert (panic.kind, panic.line, panic.last_line) == (SplatKind.PANIC, 13, 15)


def test_ktap_lines_inside_a_splat_belong_to_no_splat() -> None:
    log = """\
WARNING: mm/a.c:1 at f+0x1/0x2
Call Trace:
    ok 1 test_a
    # module: a
# Totals: pass:1 fail:0 skip:0 total:1
 g+0x1/0x2
---[ end trace 0000000000000000 ]---
    ok 2 test_b
"""
    (found,) = read(log)
    assert found.test == "test_a"
    assert not [line for line in found.excerpt if "#" in line or "ok 1" in line]


def test_the_same_complaint_is_counted() -> None:
    one = "WARNING: mm/a.c:1 at f+0x1/0x2, CPU#0: x/{}\n---[ end trace 0000000000000000 ]---\n"
    log = "".join(one.format(i) for i in range(500)) + "    ok 1 test_a\n"
    (found,) = read(log)
    assert (found.count, found.test, found.line) == (500, "test_a", 1)


def test_many_complaints_are_capped() -> None:
    log = "".join(
        f"WARNING: mm/a.c:{i} at f{i}+0x1/0x2\n    ok {i} test_{i}\n" for i in range(1, 500)
    )
    assert len(read(log)) == splat_reader.KEEP_INSIDE


def test_a_torn_title_is_seen() -> None:
    (found,) = read("random: crWARNING: mm/a.c:1 at f+0x1/0x2\n    ok 1 test_a\n")
    assert (found.kind, found.where) == (SplatKind.WARNING, "mm/a.c:1")


def test_an_excerpt_is_capped() -> None:
    body = "".join(f" f{i}+0x1/0x2\n" for i in range(300))
    (found,) = read(f"WARNING: mm/a.c:1 at f+0x1/0x2\nCall Trace:\n{body}---[ end trace 0 ]---\n")
    assert len(found.excerpt) == splat_report.EXCERPT_LINES
    assert len(found.frames) == frames.FRAMES
    assert found.last_line == 303


def test_noise_ends_a_splat_without_an_end_mark() -> None:
    noise = "input: mouse\n" * 10
    (found,) = read(f"BUG: scheduling while atomic: x/1/0x2\nCall Trace:\n f+0x1/0x2\n{noise}")
    assert found.last_line == 3


@pytest.mark.parametrize(
    "line",
    [
        "mm_get: (__mermap_get+0x0/0x2d0) mm=0xffff888001c5e780 size=4096 rsv=0",
        "    ok 1 a",
        "    # a: said",
        "[   12.345678] larder: shut",
    ],
)
def test_a_title_behind_any_line_is_seen(line: str) -> None:
    log = f"""\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: s
    1..2
{line}WARNING: mm/a.c:1 at f+0x1/0x2
Call Trace:
 f+0x1/0x2
    ok 2 b
ok 1 s
"""
    judgement = judge([log.encode()], manifest=Manifest())
    (found,) = judgement.splats
    assert (found.kind, found.where, found.test) == (SplatKind.WARNING, "mm/a.c:1", "b")


DRAINED = """\
kunit_try_catch: page allocation failure: order:5, mode:0xcc0(GFP_KERNEL), nodemask=(null)
CPU: 0 UID: 0 PID: 29 Comm: kunit_try_catch Tainted: G N 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 warn_alloc+0x10/0x20
 </TASK>
Mem-Info:
"""


def test_a_call_trace_alone_is_no_complaint() -> None:
    assert read(f"{DRAINED}    ok 1 test_a\n") == ()


def test_another_cpu_prints_where_a_stalled_one_was() -> None:
    def said(caller: str, text: str) -> str:
        return "".join(f"[   12.345678][{caller:>6}] {line}\n" for line in text.splitlines())

    stall = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\nrcu: \t1-...!: (1 GPs behind)\n"
    dump = "NMI backtrace for cpu 1\nRIP: 0010:brook_fill+0x1/0x2\nCall Trace:\n brook_open+0x1/0x2"
    (found,) = read(said("C0", f"{stall}Sending NMI from CPU 0 to CPUs 1:") + said("C1", dump))
    assert found.frames == ("brook_fill+0x1/0x2", "brook_open+0x1/0x2")
    assert found.caller == "C0"


def test_two_tasks_complain_at_a_time() -> None:
    def said(caller: str, text: str) -> str:
        return f"[   12.345678][{caller:>6}] {text}\n"

    reports = [
        [said(task, line) for line in (f"WARNING: mm/{task}.c:1 at {task}+0x1/0x2", "Call Trace:")]
        + [said(task, f" {task}+0x1/0x2"), said(task, f" {task}_caller+0x1/0x2")]
        for task in ("T31", "T118")
    ]
    log = "".join(line for pair in zip(*reports, strict=True) for line in pair)
    for found, task in zip(read(log), ("T31", "T118"), strict=True):
        assert found.frames == (f"{task}+0x1/0x2", f"{task}_caller+0x1/0x2")
        assert found.caller == task
