# SPDX-License-Identifier: GPL-2.0-only
"""The KTAP parser: shapes that KUnit prints, and what printk makes of them."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mermapctl.console import ktap_fast, ktap_parser, ktap_state
from mermapctl.console.assertion_block import FailureKind
from mermapctl.console.ktap import Account, Progress, Status, Suite, Test, Trouble, progress_of
from mermapctl.console.ktap_parser import KtapParser
from mermapctl.console.lines import Console, Line, LineKind, LineRun
from tests.tables import NAMES

KNOWN = {"mermap": NAMES}


def parse(text: str | bytes, *, runs: bool = True, known: bool = True) -> Account:
    data = text.encode() if isinstance(text, str) else text
    picks = {LineKind.KTAP: ktap_parser.PICKS}
    console = Console([data], picks, {ktap_parser.HEADER: LineKind.KTAP}, ktap_fast.RUN)
    console.runs = runs
    parser = KtapParser(KNOWN if known else {})
    for item in console:
        if isinstance(item, LineRun):
            if parser.feed_run(item) is None:
                for line in console.split(item):
                    parser.feed(line)
        else:
            parser.feed(item)
        console.attentive = parser.attentive
    return parser.finish()


def outline(tests: tuple[Test, ...] | tuple[Suite, ...]) -> list[object]:
    """Return `name status`, or `[name status, [tests]]`."""
    return [
        [f"{test.name} {test.status}", outline(test.tests)]
        if test.tests
        else f"{test.name} {test.status}"
        for test in tests
    ]


def document(body: str, plan: int = 1) -> str:
    return f"KTAP version 1\n1..{plan}\n{textwrap.dedent(body)}"


GOOD = document(
    """\
    KTAP version 1
    # Subtest: example
    # module: example_kunit
    1..3
    ok 1 first
    # skipped: this one is skipped
    ok 2 skipped # SKIP not today
        KTAP version 1
        # Subtest: with_params
        ok 1 one
        ok 2 two
    # with_params: pass:2 fail:0 skip:0 total:2
    ok 3 with_params
# example: pass:2 fail:0 skip:1 total:3
# Totals: pass:3 fail:0 skip:1 total:4
ok 1 example
"""
)


def test_suites_as_kunit_prints_them() -> None:
    account = parse(GOOD)
    assert account.notes == ()
    assert account.unfinished is None
    assert outline(account.suites) == [
        [
            "example passed",
            [
                "first passed",
                "skipped skipped",
                ["with_params passed", ["one passed", "two passed"]],
            ],
        ]
    ]
    (suite,) = account.suites
    assert (suite.planned, suite.console_line, suite.last_line) == (3, 3, 18)
    assert suite.tests[1].reason == "not today"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ok 1 - name", "name passed"),
        ("ok 1 name", "name passed"),
        ("not ok 1 - name", "name failed"),
        ("ok 1 name # SKIP", "name skipped"),
        ("not ok 1 name # SKIP why", "name skipped"),
        ("ok 1 name # TODO later", "name passed"),
        ("ok 1 a name with words", "a name with words passed"),
        ("ok 1 # SKIP selftests: a: b", "#1 skipped"),
        ("ok 1", "#1 passed"),
    ],
)
def test_result_lines(body: str, expected: str) -> None:
    assert outline(parse(document(f"{body}\n")).suites) == [expected]


def test_old_tap_with_tabs() -> None:
    log = "TAP version 14\n1..1\n\t# Subtest: a\n\t1..2\n\tok 1 - x\n\tnot ok 2 - y\nnot ok 1 - a\n"
    assert outline(parse(log).suites) == [["a failed", ["x passed", "y failed"]]]


def test_an_empty_document_first() -> None:
    log = "KTAP version 1\n1..0\nnoise\n" + GOOD
    account = parse(log)
    assert (account.documents, len(account.suites), account.notes) == (2, 1, ())


def test_several_documents() -> None:
    other = GOOD.replace("example", "other")
    account = parse(f"{GOOD}noise\n{other}")
    assert [suite.name for suite in account.suites] == ["example", "other"]
    assert account.unfinished is None


def test_a_document_whose_header_scrolled_away() -> None:
    account = parse(GOOD.partition("1..1\n")[2])
    assert [suite.name for suite in account.suites] == ["example"]
    assert account.documents == 1


def test_a_suite_that_could_not_start() -> None:
    account = parse(document("    # mermap:     # failed to initialize (-12)\nnot ok 1 mermap\n"))
    (suite,) = account.suites
    assert suite.status is Status.FAILED


def test_seconds_are_the_kernels() -> None:
    lines = [
        "[    1.000000] KTAP version 1",
        "[    1.000000] 1..1",
        "[    1.000000]     KTAP version 1",
        "[    1.000000]     # Subtest: s",
        "[    1.500000]     1..2",
        "[    1.750000]     ok 1 a",
        "[    2.000000]     not ok 2 b",
        "[    3.000000] not ok 1 s",
    ]
    (suite,) = parse("\n".join(lines) + "\n").suites
    assert [test.seconds for test in suite.tests] == [0.25, 0.25]
    assert suite.seconds == 2.0
    (suite,) = parse("\n".join(line[15:] for line in lines) + "\n").suites
    assert (suite.seconds, suite.tests[0].seconds) == (None, None)


BLOCKS = {
    "binary, value and message": (
        """\
    # t: ASSERTION FAILED at mm/a.c:194
    Expected mc->tlb_flushes == 0, but
        mc->tlb_flushes == 1 (0x1)

unexpected flush before alloc 3
""",
        (
            "assertion",
            194,
            "mc->tlb_flushes == 0",
            {"mc->tlb_flushes": "1 (0x1)"},
            "unexpected flush before alloc 3",
        ),
    ),
    "two values, message at once": (
        """\
    # t: EXPECTATION FAILED at mm/a.c:7
    Expected a != ((void *)0), but
        a == 0000000000000000
        ((void *)0) == 0000000000000000
alloc 511 failed
""",
        (
            "expectation",
            7,
            "a != ((void *)0)",
            {"a": "0000000000000000", "((void *)0)": "0000000000000000"},
            "alloc 511 failed",
        ),
    ),
    "an expression with == in it": (
        """\
    # t: EXPECTATION FAILED at mm/a.c:7
    Expected a == b == c, but
        a == b == 0 (0x0)
        c == 1 (0x1)
""",
        ("expectation", 7, "a == b == c", {"a == b": "0 (0x0)", "c": "1 (0x1)"}, None),
    ),
    "true": (
        "    # t: EXPECTATION FAILED at a.c:7\n    Expected x > 2 to be true, but is false\n",
        ("expectation", 7, "x > 2 to be true", {"x > 2": "false"}, None),
    ),
    "not null": (
        "    # t: ASSERTION FAILED at a.c:7\n    Expected mm is not null, but is\n",
        ("assertion", 7, "mm is not null", {"mm": "null"}, None),
    ),
    "not an error": (
        "    # t: ASSERTION FAILED at a.c:7\n    Expected p is not error, but is: -12\n",
        ("assertion", 7, "p is not error", {"p": "-12"}, None),
    ),
    "strings": (
        """\
    # t: EXPECTATION FAILED at a.c:7
    Expected s == "x", but
        s == "y"
""",
        ("expectation", 7, 's == "x"', {"s": '"y"'}, None),
    ),
    "a string with == in it": (
        """\
    # t: EXPECTATION FAILED at a.c:7
    Expected s == "x", but
        s == "a == b"
""",
        ("expectation", 7, 's == "x"', {"s": '"a == b"'}, None),
    ),
    "memory": (
        """\
    # t: EXPECTATION FAILED at a.c:7
    Expected p == q, but
        p ==
        <01> 02  03
        q ==
        <0f> 02  03
""",
        ("expectation", 7, "p == q", {"p": "<01> 02 03", "q": "<0f> 02 03"}, None),
    ),
    "KUNIT_FAIL": (
        "    # t: EXPECTATION FAILED at a.c:7\nno address reuse\n",
        ("fail", 7, None, {}, "no address reuse"),
    ),
    "from outside": (
        "    # t: lib/ubsan.c:99: shift-out-of-bounds in mm/a.c\n",
        ("fail", 99, None, {}, "shift-out-of-bounds in mm/a.c"),
    ),
    "a fault": (
        """\
    # t: try faulted: last line seen mm/a.c:62
    # t: internal error occurred preventing test case from running: -4
""",
        (
            "fail",
            62,
            None,
            {},
            (
                "try faulted: last line seen mm/a.c:62\n"
                "internal error occurred preventing test case from running: -4"
            ),
        ),
    ),
}


@pytest.mark.parametrize("stamp", ["", "[    0.500000] ", "[    0.500000][   T27] "])
@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_failure_blocks(name: str, stamp: str) -> None:
    block, expected = BLOCKS[name]
    body = f"    KTAP version 1\n    # Subtest: s\n    1..1\n{block}    not ok 1 t\nnot ok 1 s\n"
    log = "".join(f"{stamp}{line}\n" for line in f"KTAP version 1\n1..1\n{body}".splitlines())
    (suite,) = parse(log).suites
    (failure,) = suite.tests[0].failures
    assert (
        failure.kind,
        failure.line,
        failure.expected,
        failure.values,
        failure.message,
    ) == expected
    assert failure.console_line == 6


def test_with_time_stamps_a_message_has_all_its_lines() -> None:
    stamp = "[    0.500000] "
    block = ["# t: EXPECTATION FAILED at a.c:7", "one", "two", "three"]
    lines = ["KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: s", "    1..1"]
    lines += [f"    {block[0]}", *block[1:]]
    log = "".join(f"{stamp}{line}\n" for line in lines)
    log += "[    0.600000] noise of another time\n[    0.600000]     not ok 1 t\n"
    (suite,) = parse(log + "[    0.600000] not ok 1 s\n").suites
    assert suite.tests[0].failures[0].message == "one\ntwo\nthree"


def test_kunits_own_time_limit_is_a_hang() -> None:
    body = "    # Subtest: s\n    1..1\n    # t: try timed out\n    # t: test case timed out\n"
    account = parse(document(body + "    not ok 1 t\nnot ok 1 s\n"))
    assert account.suites[0].tests[0].status is Status.HUNG


def test_several_expectations_in_one_test() -> None:
    block = "    # t: EXPECTATION FAILED at a.c:7\n    Expected a == 1, but\n        a == 2 (0x2)\n"
    body = f"    # Subtest: s\n    1..1\n{block * 3}    not ok 1 t\nnot ok 1 s\n"
    (suite,) = parse(document(body)).suites
    assert [f.values for f in suite.tests[0].failures] == [{"a": "2 (0x2)"}] * 3
    assert all(f.kind is FailureKind.EXPECTATION for f in suite.tests[0].failures)


MERMAP = document(
    """\
    KTAP version 1
    # Subtest: mermap
    # module: mermap_kunit
    1..4
    ok 1 test_basic_alloc
    ok 2 test_size
    ok 3 test_multiple_allocs
    ok 4 test_tlb_flushed
# mermap: pass:4 fail:0 skip:0 total:4
# Totals: pass:4 fail:0 skip:0 total:4
ok 1 mermap
"""
)
THREE = ["test_basic_alloc", "test_multiple_allocs", "test_tlb_flushed"]

TORN = {
    "a line is lost": ("    ok 2 test_size\n", "", THREE, {"lost", "suspect"}),
    "cut in the name, the rest elsewhere": (
        "    ok 2 test_size\n",
        "    ok 2 test_si\nze\n",
        THREE,
        {"torn", "lost", "suspect"},
    ),
    "noise in the name": (
        "    ok 2 test_size\n",
        "    ok 2 test_siqemu-system-x86_64: warning: x\nze\n",
        THREE,
        {"torn", "lost", "suspect"},
    ),
    "noise behind the name": (
        "    ok 2 test_size\n",
        "    ok 2 test_size[    1.234567] random: crng init done\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"run-into"},
    ),
    "a trace line behind the name": (
        "    ok 2 test_size\n",
        "    ok 2 test_sizemm_get: (__mermap_get+0x4/0x340) mm=0x1\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"run-into"},
    ),
    "indentation lost": (
        "    ok 2 test_size\n",
        "ok 2 test_size\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"misplaced"},
    ),
    "half of the indentation lost": (
        "    ok 2 test_size\n",
        "  ok 2 test_size\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"misplaced"},
    ),
    "printed twice": (
        "    ok 2 test_size\n",
        "    ok 2 test_size\n    ok 2 test_size\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"repeated"},
    ),
    "the header's name cut": (
        "# Subtest: mermap\n",
        "# Subtest: mer\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"misplaced"},
    ),
    "the header lost": (
        "    KTAP version 1\n    # Subtest: mermap\n    # module: mermap_kunit\n",
        "",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"headless"},
    ),
    "the plan lost": (
        "    1..4\n",
        "",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"lost"},
    ),
    "a number twice, another never": (
        "    ok 2 test_size\n",
        "    ok 1 test_size\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"disorder", "suspect", "lost"},
    ),
    "out of order": (
        "    ok 2 test_size\n    ok 3 test_multiple_allocs\n",
        "    ok 3 test_multiple_allocs\n    ok 2 test_size\n",
        ["test_basic_alloc", "test_multiple_allocs", "test_size", "test_tlb_flushed"],
        {"disorder", "suspect"},
    ),
    "one result too many": (
        "ok 1 mermap\n",
        "ok 1 mermap\nok 1 mermap\n",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"repeated"},
    ),
    "a failure that lost its `not`": (
        "pass:4 fail:0 skip:0 total:4\n# Totals",
        "pass:3 fail:1 skip:0 total:4\n# Totals",
        [*THREE[:1], "test_size", *THREE[1:]],
        {"miscounted"},
    ),
}


@pytest.mark.parametrize("name", sorted(TORN))
def test_torn_lines_never_mangle_a_name(name: str) -> None:
    whole, torn, tests, troubles = TORN[name]
    assert MERMAP.count(whole) == 1
    account = parse(MERMAP.replace(whole, torn))
    (suite,) = account.suites
    assert suite.name == "mermap"
    assert [test.name for test in suite.tests] == tests
    assert {note.trouble for note in account.notes} == troubles


def test_an_unknown_suite_takes_no_mangled_name_either() -> None:
    log = GOOD.replace("ok 1 first", "ok 1 firstrandom: crng init done")
    account = parse(log)
    assert "first passed" not in str(outline(account.suites))
    assert {note.trouble for note in account.notes} == {Trouble.TORN, Trouble.LOST, Trouble.SUSPECT}


def test_a_suite_result_that_never_came() -> None:
    lost = "    # Subtest: a\n    1..1\n    ok 1 x\n"
    account = parse(document(f"{lost}    # Subtest: b\n    1..1\n    ok 1 y\nok 2 b\n", 2))
    assert outline(account.suites) == [["a missing", ["x passed"]], ["b passed", ["y passed"]]]
    assert Trouble.LOST in {note.trouble for note in account.notes}


def test_a_suite_unfinished_at_the_end() -> None:
    account = parse(MERMAP.partition("    ok 3")[0])
    assert account.unfinished is not None
    assert (account.unfinished.suite, account.unfinished.planned) == ("mermap", 4)
    assert (account.unfinished.results, account.unfinished.running) == (2, None)
    named = parse(MERMAP.partition("    ok 3")[0] + "    # test_multiple_allocs: hello\n")
    assert named.unfinished is not None
    assert named.unfinished.running == "test_multiple_allocs"


def test_failures_of_a_test_without_result_are_kept() -> None:
    log = MERMAP.partition("    ok 3")[0]
    log += "    # test_multiple_allocs: EXPECTATION FAILED at a.c:1\nalloc 0 failed\n"
    (suite,) = parse(log).suites
    assert suite.tests[-1].name == "test_multiple_allocs"
    assert suite.tests[-1].status is Status.MISSING
    assert suite.tests[-1].failures[0].message == "alloc 0 failed"


def test_bail_out_is_noted() -> None:
    account = parse("TAP version 13\n1..2\nok 1 a\nBail out! no memory\n")
    assert [note.trouble for note in account.notes] == [Trouble.BAILED]
    assert account.unfinished is not None


def test_an_unknown_version_is_noted() -> None:
    account = parse(GOOD.replace("KTAP version 1\n1..1", "KTAP version 9\n1..1"))
    assert [note.trouble for note in account.notes] == [Trouble.VERSION]


def test_lines_that_kunit_prints_in_place_of_ktap() -> None:
    account = parse("kunit executor: error filtering suites: -22\n")
    assert account.kunit_messages == ("kunit executor: error filtering suites: -22",)
    assert account.documents == 0


def test_dropped_messages_are_noted() -> None:
    account = parse(MERMAP.replace("    ok 3", "** 94 printk messages dropped **\n    ok 3"))
    (note,) = account.notes
    assert (note.trouble, note.count) == (Trouble.DROPPED, 94)
    assert len(account.suites[0].tests) == 4


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("1..4", Progress("plan", 0, "4", None)),
        ("    # Subtest: mermap", Progress("subtest", 1, "mermap", None)),
        ("    ok 1 test_basic_alloc", Progress("result", 1, "test_basic_alloc", ok=True)),
        ("        not ok 2 - one", Progress("result", 2, "one", ok=False)),
        ("ok 1 mermap # SKIP", Progress("result", 0, "mermap", ok=True)),
        ("# mermap: pass:4", None),
        ("KTAP version 1", None),
        ("ACPI: okay", None),
        ("", None),
    ],
)
def test_progress_of_one_line(line: str, progress: Progress | None) -> None:
    assert progress_of(line) == progress


def many(suites: int, tests: int) -> str:
    body = []
    for number in range(1, suites + 1):
        body += [
            "    KTAP version 1",
            f"    # Subtest: s{number}",
            f"    1..{tests}",
            *(f"    ok {i} case_{i}" for i in range(1, tests + 1)),
            f"ok {number} s{number}",
        ]
    return f"KTAP version 1\n1..{suites}\n" + "\n".join(body) + "\n"


def test_memory_is_bounded_by_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ktap_state, "KEEP_TESTS", 10)
    account = parse(many(20, 6))
    assert sum(len(suite.tests) for suite in account.suites) <= 10
    assert sum(len(s.tests) + s.omitted for s in account.suites) + 6 * account.omitted == 120
    assert account.notes == ()


def test_failures_have_room_when_the_rest_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ktap_state, "KEEP_TESTS", 10)
    log = many(20, 6).replace("    ok 4 case_4\n    ok 5 case_5\n    ok 6 case_6\nok 20", "ok 20")
    log = log.replace("ok 20 s20", "    not ok 4 case_4\n    ok 5 x\n    ok 6 y\nnot ok 20 s20")
    last = parse(log).suites[-1]
    assert (last.name, last.status) == ("s20", Status.FAILED)
    assert outline(last.tests) == ["case_4 failed"]


GLUED = "    ok 1 x # SKIP not here    not ok 2 case_2"
WHOLE = MERMAP + GOOD + many(3, 5)
LINE = st.sampled_from([*WHOLE.splitlines(), "noise", "", "    ok 1 x # SKIP", GLUED, "\tok 1 - y"])


@settings(deadline=None)
@given(st.lists(LINE, max_size=60), st.booleans())
def test_runs_of_lines_give_the_same_as_single_lines(lines: list[str], known: bool) -> None:
    log = "".join(f"{line}\n" for line in lines)
    assert parse(log, runs=True, known=known) == parse(log, runs=False, known=known)


@pytest.mark.parametrize("stamp", ["", "[   12.345678] ", "[    1.000000][    T1] "])
def test_runs_of_lines_give_the_same_for_whole_logs(stamp: str) -> None:
    log = "".join(f"{stamp}{line}\n" for line in WHOLE.splitlines())
    fast, slow = parse(log, runs=True), parse(log, runs=False)
    assert fast == slow
    assert len(fast.suites) == 5


@settings(deadline=None)
@given(st.lists(LINE | st.text(max_size=30), max_size=40), st.randoms())
def test_no_input_crashes_the_parser(lines: list[str], random: object) -> None:  # noqa: ARG001
    account = parse("\n".join(lines))
    for suite in account.suites:
        assert suite.name
        assert replace(suite) == suite


def test_lines_one_by_one() -> None:
    parser = KtapParser()
    assert parser.feed(Line(1, "KTAP version 1")) is None
    assert not parser.inside
    assert parser.feed(Line(2, "1..1")) is None
    assert parser.inside
    assert parser.feed(Line(3, "    # Subtest: s")) is None
    assert parser.suite == "s"
    assert parser.feed(Line(4, "    ok 1 t")) == ("t", False, True)
    assert parser.feed(Line(5, "not ok 1 s")) == ("s", True, False)
    assert not parser.inside
