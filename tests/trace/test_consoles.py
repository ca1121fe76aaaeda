# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from mermapctl.judge import suites
from mermapctl.judge.console_verdict import Judgement
from mermapctl.judge.console_verdict import judge as judge_console
from mermapctl.judge.result_types import Severity
from mermapctl.trace.summary import Layout
from tests.tables import LOGS
from tests.tracelog import codes, judge, read


def console(name: str) -> list[str]:
    return (LOGS / f"{name}.log").read_text(errors="replace").splitlines()


def judge_lines(lines: list[str]) -> Judgement:
    return judge_console([f"{line}\n".encode() for line in lines], manifest=suites.load())


def judged(name: str) -> Judgement:
    return judge_lines(console(name))


@pytest.mark.parametrize(
    ("log", "expected", "observed", "allocations"),
    [
        ("trace-good", [], 1, 511),
        ("trace-counted-not-done", ["stale-reuse", "counter-mismatch"], 0, 511),
        ("trace-lines-dropped", ["trace-incomplete"], None, None),
    ],
)
def test_captured_consoles(
    log: str, expected: list[str], observed: int | None, allocations: int | None
) -> None:
    found, rows, _ = judge(console(log))
    assert codes(found) == expected
    assert (rows[0].observed, rows[0].allocations) == (observed, allocations)


@pytest.mark.parametrize("log", ["good", "good-smp2", "oops", "kasan", "panic-before-ktap"])
def test_a_console_without_a_trace_gives_nothing(log: str) -> None:
    found, rows, account = judge(console(log))
    assert (found, rows[0].observed, account.events) == ((), None, 0)


def test_the_good_trace_in_numbers() -> None:
    account = read(console("trace-good"))
    assert sum(test.gets for test in account.tests) == 523
    assert {test.test: test.flushes_done for test in account.tests} == {
        "test_basic_alloc": 0,
        "test_size": 1,
        "test_multiple_allocs": 0,
        "test_tlb_flushed": 1,
    }
    assert account.layout is Layout.KNOWN
    assert account.complete


def test_the_stale_reuse_is_proved_by_its_lines() -> None:
    found, _, _ = judge(console("trace-counted-not-done"))
    stale = found[0]
    assert stale.severity is Severity.ERROR
    assert stale.evidence["put"] == "console line 168: [0xffff880000200000, 0xffff8800003ff000)"
    assert stale.evidence["get"] == "console line 172: [0xffff880000200000, 0xffff8800003fe000)"
    assert stale.evidence["tests"] == "test_size, test_tlb_flushed"
    assert stale.console_line == 172


GET = "mm_get: (__mermap_get+0x4/0x340) mm=0xffff9e5e41063700 size={} rsv=0"
GOT = "mm_got: (test_x+0x1/0x400 <- __mermap_get) ret=0xffff9e5e7ec284e8 w={{{}}}"
PUT = "mm_put: (__mermap_put+0x4/0xc0) alloc=0xffff9e5e7ec284e8"
BASE = 0xFFFF880000200000


def words(*values: int) -> str:
    return GOT.format(",".join(f"{value:#x}" for value in values))


PAIR = [GET.format(4096), words(1, BASE, BASE + 4096), PUT]


@pytest.mark.parametrize(
    ("lines", "gets", "puts"),
    [
        (PAIR, 1, 1),
        (["[    0.513000][   T27] " + line for line in PAIR], 1, 1),
        (["[   T27] " + line for line in PAIR], 1, 1),
        (["<6>[    0.513000][   T27] " + line for line in PAIR], 1, 1),
        (["".join(PAIR)], 1, 1),
        (["# test_x: said" + PAIR[0], *PAIR[1:]], 1, 1),
        ([PAIR[0] + "1..4", *PAIR[1:]], 1, 1),
        ([*PAIR, "** replaying previous printk message **", PAIR[2]], 1, 1),
        ([GET.format(5000), words(1, BASE, BASE + 8192), PUT], 1, 1),
    ],
)
def test_lines_as_consoles_show_them(lines: list[str], gets: int, puts: int) -> None:
    account = read([*lines, "    ok 1 test_x"])
    assert (account.complete, account.layout) == (True, Layout.KNOWN)
    assert [(test.test, test.gets, test.puts) for test in account.tests] == [("test_x", gets, puts)]


@pytest.mark.parametrize(
    "lines",
    [
        [PAIR[0][:40], *PAIR[1:]],
        [PAIR[0][:-1], *PAIR[1:]],
        ["mm_get: ", *PAIR[1:]],
        [PAIR[0], PAIR[1][:-1], PAIR[2]],
        [PAIR[0], PAIR[2]],  # the return is missing, and so is the allocation that is put
        PAIR[1:],
        PAIR[:1] + PAIR,
        [*PAIR, PAIR[2]],
        [PAIR[0], "** 7 printk messages dropped **", *PAIR[1:]],
        [PAIR[0].replace("4096", "40[ 0.1] usb 1-1: new96"), *PAIR[1:]],
    ],
)
def test_no_conclusion_comes_from_torn_or_lost_lines(lines: list[str]) -> None:
    stale = [*PAIR, *PAIR]
    found, rows, account = judge([*lines, *stale, "    ok 1 test_tlb_flushed"])
    assert not account.complete
    assert codes(found)[0] == "trace-incomplete"
    assert {finding.severity for finding in found} == {Severity.NOTE}
    assert rows[0].observed is None


@pytest.mark.parametrize(
    ("shown", "layout", "offsets"),
    [
        ([(1, BASE, BASE + 4096)], Layout.KNOWN, (8, 16)),
        ([(BASE + 4096, 7, BASE)], Layout.KNOWN, (16, 0)),
        # the next slot's fields look like a pair too: the nearer ones are the allocation's own
        ([(1, BASE, BASE + 4096, 1, BASE + 4096, BASE + 8192)], Layout.KNOWN, (8, 16)),
        ([(BASE, BASE + 4096, BASE + 8192), (0, BASE, BASE + 4096)], Layout.KNOWN, (8, 16)),
        ([(1, BASE, 1)], Layout.UNKNOWN, None),  # a base and a number of pages
        ([(1, BASE, BASE + 4096), (1, BASE + 4096, BASE + 12288)], Layout.UNKNOWN, None),
        ([(1, BASE + 8, BASE + 4104)], Layout.UNKNOWN, None),
        ([(1, 4096, 8192)], Layout.UNKNOWN, None),
    ],
)
def test_the_structure_is_learnt_from_the_gets(
    shown: list[tuple[int, ...]], layout: Layout, offsets: tuple[int, int] | None
) -> None:
    lines = [line for values in shown for line in (GET.format(4096), words(*values), PUT)]
    account = read([*lines, "    ok 1 test_x"])
    assert (account.layout, account.offsets) == (layout, offsets)


DIRECT = 0xFFFF888002345000
"""Return the address of the mapped page in the direct map."""


@pytest.mark.parametrize(
    ("walks", "layout", "offsets", "conclusions"),
    [
        (True, Layout.KNOWN, (24, 32), []),
        (False, Layout.AMBIGUOUS, None, ["trace-layout-unknown"]),
    ],
)
def test_of_two_pairs_that_fit_the_one_that_is_walked_is_the_mapping(
    *, walks: bool, layout: Layout, offsets: tuple[int, int] | None, conclusions: list[str]
) -> None:
    lines = []
    for page in range(8):
        base = BASE + page * 4096
        walk = "mm_walk: (apply_to_existing_page_range+0x4/0x20) mm=0xffff9e5e41063700 len=4096 at="
        lines += [
            GET.format(4096),
            *([walk + f"{base:#x}"] if walks else []),
            words(1, DIRECT, DIRECT + 4096, base, base + 4096),
            PUT,
            *([walk + f"{base:#x}"] if walks else []),
        ]
    request = "Command line: kprobe_event=p:mm_flush,__flush_tlb_all,by=$stack0:symbol"
    found, _, account = judge([request, *lines, "    ok 1 test_x"], ())
    assert (account.layout, account.offsets) == (layout, offsets)
    assert codes(found) == conclusions


def test_a_layout_that_stops_fitting_ends_all_conclusions() -> None:
    good = [
        line
        for page in range(6)
        for line in (GET.format(4096), words(1, BASE + page * 4096, BASE + (page + 1) * 4096), PUT)
    ]
    odd = [GET.format(4096), words(1, BASE, BASE + 8192), PUT]
    found, rows, account = judge([*good, *odd, *good, "    ok 1 test_tlb_flushed"])
    assert (codes(found), account.layout_line) == (["trace-layout-unknown"], 20)
    assert rows[0].observed is None


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], ["trace-silent"]),
        (["Command line: kprobe_event=p:mm_get,__mermap_get,mm=$arg1:x64"], ["trace-silent"]),
        (["Command line: kprobe_event=p:mm_flush,__flush_tlb_all"], []),
    ],
)
def test_a_trace_without_a_flush_is_believed_where_one_was_probed(
    request_: list[str], said: list[str]
) -> None:
    found, _, _ = judge([*request_, *PAIR, "    ok 1 test_x"], ())
    assert codes(found) == said
    assert {finding.severity for finding in found} <= {Severity.NOTE}


@pytest.mark.parametrize("pointer", ["0x0", "0xfffffffffffffff4"])
def test_words_after_no_pointer_mean_nothing(pointer: str) -> None:
    refused = [GET.format(4096), GOT.replace("0xffff9e5e7ec284e8", pointer).format("0x0,(fault)")]
    account = read([*PAIR, *refused, *refused, "    ok 1 test_x"])
    assert (account.tests[0].gets, account.tests[0].refusals) == (3, 2)
    assert account.breaches == ()


def test_an_oops_ends_the_trace_and_later_rows_are_marked() -> None:
    judgement = judged("real-v1-trace-oops")
    assert judgement.trace is not None
    shown = [(row.test, row.traced, row.until) for row in judgement.trace.tests]
    assert shown == [
        ("test_basic_alloc", True, None),
        ("test_size", True, None),
        ("test_multiple_allocs", False, 158),
        ("test_tlb_flushed", False, None),
    ]
    assert [row.observed for row in judgement.flushes] == [None]
    assert [f.code for f in judgement.findings if "leak" in f.code] == []
    ended = next(f for f in judgement.findings if f.code == "trace-ended")
    assert ended.evidence["tests"] == "test_multiple_allocs, test_tlb_flushed"


def test_an_event_behind_an_oops_shows_that_tracing_goes_on() -> None:
    lines = console("real-v1-trace-good")
    at = next(n for n, line in enumerate(lines) if "ok 1 test_basic_alloc" in line)
    oops = "[    0.420004][   T19] Oops: 0000 [#1] PREEMPT SMP"
    judgement = judge_lines([*lines[:at], oops, *lines[at:]])
    assert judgement.trace is not None
    traced = {row.test: row.traced for row in judgement.trace.tests}
    assert traced == {
        "test_basic_alloc": False,
        "test_size": True,
        "test_multiple_allocs": True,
        "test_tlb_flushed": True,
    }


MUTE = {
    "real-v1-trace-good": ["migrate_disable() and migrate_enable()"],
    "real-v4-trace-good": [
        "migrate_disable() and migrate_enable()",
        "apply_to_existing_page_range() and apply_to_page_range()",
    ],
}


@pytest.mark.parametrize("name", MUTE)
def test_a_probe_that_was_never_hit_is_named_with_what_it_leaves_open(name: str) -> None:
    judgement = judged(name)
    assert judgement.trace is not None
    notes = judgement.trace.notes
    assert [note.split(" was seen to call ")[1].split(":")[0] for note in notes] == MUTE[name]


def test_a_put_inlined_into_its_caller_is_no_leak() -> None:
    judgement = judged("real-v4-trace-no-unmap")
    assert judgement.findings == ()
    assert judgement.trace is not None
    assert any(note.startswith("gets without a put: 1;") for note in judgement.trace.notes)


UNTRIED = {
    "a wrap with a live mapping",
    "a wrap with all other slots in use",
    "the reserve used twice between flushes",
    "a reserved get that wraps",
    "the page that a mapping shows",
    "the later pages of a mapping",
    "migration between a get and its put",
    "two CPUs of one process",
    "two processes at once on one CPU",
}


@pytest.mark.parametrize(
    ("name", "besides"),
    [
        ("real-v1-trace-good", {"an ordinary get with no slot free"}),
        ("real-v4-trace-good", {"the unmapping by a put"}),
    ],
)
def test_unexercised_rules_are_listed(name: str, besides: set[str]) -> None:
    judgement = judged(name)
    assert set(judgement.not_exercised or ()) == UNTRIED | besides


@pytest.mark.parametrize("name", ["good", "trace-lines-dropped"])
def test_without_a_whole_trace_nothing_is_called_exercised(name: str) -> None:
    assert judged(name).not_exercised is None


@pytest.mark.parametrize(
    ("name", "first", "times"), [("real-v1-trace-good", 141, 4), ("real-v4-trace-good", 131, 3)]
)
def test_ordinary_gets_without_their_puts_are_leaks_in_every_posting(
    name: str, first: int, times: int
) -> None:
    lines = console(name)
    last = next(n for n, line in enumerate(lines) if "ok 3 test_multiple_allocs" in line)
    kept = [line for n, line in enumerate(lines) if not (first < n < last and "mm_put: (" in line)]
    (only,) = judge_lines(kept).findings
    assert (only.code, only.evidence["times"]) == ("leak", times)
