# SPDX-License-Identifier: GPL-2.0-only
"""Numbered lines from bytes: prefixes, line ends, escape codes, and bounded memory."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.console import ktap_parser
from mermapctl.console.lines import LINE_BYTES, Console, Line, LineKind, LineRun

PICKS = {LineKind.KTAP: ("ok ", "not ok ", "KTAP version ", r"  *ok "), LineKind.SPLAT: ("BUG: ",)}
ANYWHERE = {"TAP version ": LineKind.KTAP, "Kernel panic": LineKind.SPLAT}


def read(data: bytes, *, chunk: int | None = None) -> list[Line]:
    pieces = [data] if chunk is None else [data[i : i + chunk] for i in range(0, len(data), chunk)]
    return [line for line in Console(pieces, PICKS, ANYWHERE) if isinstance(line, Line)]


def texts(data: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in read(data)]


@pytest.mark.parametrize(
    ("raw", "text", "seconds", "caller"),
    [
        (b"ok 1 a", "ok 1 a", None, None),
        (b"[    0.123456] ok 1 a", "ok 1 a", 0.123456, None),
        (b"[12345.678901] ok 1 a", "ok 1 a", 12345.678901, None),
        (b"[    0.100000][   T27] ok 1 a", "ok 1 a", 0.1, "T27"),
        (b"[    0.100000][    C0] ok 1 a", "ok 1 a", 0.1, "C0"),
        (b"[   T27] ok 1 a", "ok 1 a", None, "T27"),
        (b"<6>ok 1 a", "ok 1 a", None, None),
        (b"<6>[    0.123456] ok 1 a", "ok 1 a", 0.123456, None),
        (b"[    0.123456]     ok 1 a", "    ok 1 a", 0.123456, None),
        (b"\x1b[1;32mok 1 a\x1b[0m", "ok 1 a", None, None),
        (b"\x1b]0;title\x07ok 1 a", "ok 1 a", None, None),
        (b"\x00\x00ok 1 a\x00", "ok 1 a", None, None),
        (b"ok 1 a\r", "ok 1 a", None, None),
        (b"\rok 1 a", "ok 1 a", None, None),
        (b"ok 1 \xff\xfe", "ok 1 \\xff\\xfe", None, None),
        ("ok 1 sécurité".encode(), "ok 1 sécurité", None, None),
        (b"ok 1 bell\x07 back\x08 \x9b", "ok 1 bell\\x07 back\\x08 \\x9b", None, None),
    ],
)
def test_a_line_without_its_prefix(
    raw: bytes, text: str, seconds: float | None, caller: str | None
) -> None:
    (line,) = read(b"boot noise\n" + raw + b"\nmore noise\n")
    assert (line.number, line.text, line.seconds, line.caller) == (2, text, seconds, caller)
    assert line.whole


@pytest.mark.parametrize(
    "prefix",
    [
        "[Sun Nov 22 18:03:57 2026] ",
        "Nov 22 18:03:57 myhost kernel: ",
        "2026-11-22T18:03:57.1234567Z ",
        "[2026-11-22 18:03:57] ttyS0: ",
        "18:03:57.123  ",
        "kern  :info  : ",
        "2026-11-22T18:03:57.1234567Z [    0.060000] ",
    ],
)
def test_an_unknown_prefix_is_learnt_from_the_header(prefix: str) -> None:
    other = prefix.replace("22", "23").replace("57", "59").replace("info", "warn")
    log = f"{prefix}KTAP version 1\n{other}    ok 1 a\nok 2 without prefix\n{other}BUG: bad\n"
    assert [(line.text, line.kind) for line in read(log.encode())] == [
        ("KTAP version 1", LineKind.KTAP),
        ("    ok 1 a", LineKind.KTAP),
        ("ok 2 without prefix", LineKind.KTAP),
        ("BUG: bad", LineKind.SPLAT),
    ]


def test_a_header_inside_a_comment_is_no_prefix() -> None:
    log = b"# TAP version 13\n# ok 1 x\nok 1 y\n"
    assert texts(log) == [(1, "# TAP version 13"), (3, "ok 1 y")]


def test_a_learnt_prefix_keeps_the_kernel_time() -> None:
    (header, line) = read(b"ci> [    0.060000] KTAP version 1\nci> [    1.500000] ok 1 a\n")
    assert (header.seconds, line.seconds) == (0.06, 1.5)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n", b"\n\r"])
def test_line_ends(end: bytes) -> None:
    assert texts(end.join([b"noise", b"ok 1 a", b"noise", b"ok 2 b", b""])) == [
        (2, "ok 1 a"),
        (4, "ok 2 b"),
    ]


def test_a_lone_carriage_return_begins_a_line_but_no_number() -> None:
    assert texts(b"10%\r20%\rok 1 a\nok 2 b\n") == [(1, "ok 1 a"), (2, "ok 2 b")]


def test_the_last_line_may_be_cut() -> None:
    (first, last) = read(b"ok 1 a\nok 2")
    assert (first.whole, last.whole) == (True, False)
    assert (last.number, last.text) == (2, "ok 2")


def test_words_count_in_the_middle_of_lines() -> None:
    assert texts(b"a\nfoo Kernel panic - x\nb\n") == [(2, "foo Kernel panic - x")]


def test_an_attentive_reader_gets_every_line() -> None:
    console = Console([b"a\nBUG: x\nb\n\nok 1 c\nd\ne\n"], PICKS, ANYWHERE)
    seen = []
    for line in console:
        assert isinstance(line, Line)
        seen.append((line.number, line.text, line.kind))
        console.attentive = line.text in ("BUG: x", "b", "", "ok 1 c")
    assert seen == [
        (2, "BUG: x", LineKind.SPLAT),
        (3, "b", LineKind.OTHER),
        (4, "", LineKind.OTHER),
        (5, "ok 1 c", LineKind.KTAP),
        (6, "d", LineKind.OTHER),
    ]
    assert console.lines == 7


def test_a_word_watched_for_from_now_on() -> None:
    console = Console([b"x mm_get y\nok 1 a\nx mm_get y\n"], PICKS, ANYWHERE)
    seen = []
    for line in console:
        assert isinstance(line, Line)
        seen.append(line.number)
        console.watch({"mm_get": LineKind.TRACE})
    assert seen == [2, 3]


def test_text_before_a_later_header_is_no_prefix() -> None:
    log = b"KTAP version 1\nok 1 a    KTAP version 1\nnoise    KTAP version 1\nok 2 a\n"
    console = Console([log], PICKS, ANYWHERE)
    seen = []
    for line in console:
        assert isinstance(line, Line)
        seen.append((line.number, line.text))
        console.settle()
    assert seen == [(1, "KTAP version 1"), (2, "ok 1 a    KTAP version 1"), (4, "ok 2 a")]


def test_a_run_is_read_at_once_and_can_be_split() -> None:
    run = re.compile(r"(?:\nok \d+ \w+$){2,}", re.MULTILINE)
    console = Console([b"noise\nok 1 a\nok 2 b\nnoise\nok 3 c\n"], PICKS, ANYWHERE, run)
    first, last = list(console)
    assert isinstance(first, LineRun)
    assert first.number == 2
    assert [(line.number, line.text) for line in console.split(first)] == [
        (2, "ok 1 a"),
        (3, "ok 2 b"),
    ]
    assert isinstance(last, Line)
    assert last.number == 5


def test_empty_input() -> None:
    console = Console([], PICKS, ANYWHERE)
    assert list(console) == []
    assert (console.lines, console.whole, console.tail) == (0, True, ())


def test_the_last_lines_are_kept() -> None:
    console = Console([b"".join(b"[    0.1] line %d\n" % i for i in range(100))], PICKS, ANYWHERE)
    assert list(console) == []
    assert console.tail[-2:] == ("line 98", "line 99")
    assert console.lines == 100


def endless(size: int, step: int = 1 << 16) -> Iterator[bytes]:
    for _ in range(size // step):
        yield b"x" * step


def test_a_line_without_end_is_split_in_bounded_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ok 1 a\nok 2 "
        yield from endless(64 << 20)
        yield b"\nok 3 c\n"

    tracemalloc.start()
    console = Console(chunks(), PICKS, ANYWHERE)
    lines = [line for line in console if isinstance(line, Line)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line.number for line in lines] == [1, 2, 3]
    assert len(lines[1].text) <= LINE_BYTES
    assert lines[2].text == "ok 3 c"
    assert console.lines == 3
    assert peak < 4 << 20


def test_a_file_is_read_in_blocks() -> None:
    data = b"noise that means nothing at all\n" * 50_000 + b"ok 1 a\n"
    console = Console(io.BytesIO(data), PICKS, ANYWHERE)
    assert [line.number for line in console] == [50_001]


@given(st.binary(max_size=400), st.integers(1, 50))
def test_chunks_do_not_matter(data: bytes, chunk: int) -> None:
    assert read(data, chunk=chunk) == read(data)


@given(st.lists(st.sampled_from([b"ok 1 a", b"noise", b"", b"BUG: x", b"  ok 2 b"])))
def test_numbers_are_those_of_an_editor(lines: list[bytes]) -> None:
    expected = [
        (number, line.decode())
        for number, line in enumerate(lines, 1)
        if line.startswith((b"ok ", b"BUG", b"  ok"))
    ]
    assert texts(b"".join(line + b"\n" for line in lines)) == expected


def ktap(log: str) -> list[tuple[int, str]]:
    """Return the lines that the judge's KTAP reader gets."""
    picks = {LineKind.KTAP: ktap_parser.PICKS}
    lines = Console([log.encode()], picks, {ktap_parser.HEADER: LineKind.KTAP})
    return [(line.number, line.text) for line in lines if isinstance(line, Line)]


CHANGING = [
    ("05/04/2023 11:59:59 AM UTC [INFO] ", "05/04/2023 12:00:00 PM UTC [WARNING] "),
    ("2023-05-04T11:59:59.204170Z ", "2023-05-04T12:00:00Z "),
    ("2023-05-04 11:59:59,204 [INFO ] ", "2023-05-04 12:00:00,000 [ERROR] "),
    ("Mär 26 01:59:59 CET box-1 kernel: ", "Mär 26 03:00:00 CEST box-1.lan kernel: "),
    ("[ci-runner-7] 11:59:59 | ", "[other.host] 12:00:00 | "),
    ("2023-05-04T11:59:59.204170Z 01O ", "2023-05-04T11:59:59.304170Z 01E "),
    ("<info> ", "<warning> "),
    ("[INFO] ", "[ERROR] "),
    ("2023-05-04T11:59:59+0100 ttyS0: ", "[04/May/2023 12:00:00] serial1: "),
    ("2023-05-04T11:59:59+0100 ttyS0: ", ""),
]


@pytest.mark.parametrize(("first", "then"), CHANGING)
@pytest.mark.parametrize("stamp", ["", "[    0.060000] ", "[    0.060000][   T27] "])
def test_a_prefix_may_change(first: str, then: str, stamp: str) -> None:
    log = (
        f"{first}{stamp}KTAP version 1\n{first}{stamp}1..1\n{first}{stamp}    1..2\n"
        f"{first}{stamp}    ok 1 a\n{then}{stamp}    ok 2 b\n{then}{stamp}ok 1 s\n"
    )
    assert [text for _, text in ktap(log)] == [
        *("KTAP version 1", "1..1", "    1..2", "    ok 1 a", "    ok 2 b", "ok 1 s")
    ]


def test_text_that_a_result_ran_into_is_no_prefix() -> None:
    log = (
        "2023-05-04T11:59:59Z KTAP version 1\n2023-05-04T11:59:59Z 1..2\n"
        "2023-05-04T11:59:59Z random: crng init done    ok 1 a\n2023-05-04T11:59:59Z ok 2 b\n"
    )
    assert ktap(log)[2:] == [(3, "random: crng init done    ok 1 a"), (4, "ok 2 b")]


@pytest.mark.parametrize("filler", [b"x", b"\0", b"12%\r", b"\xff", b"x \0\r"])
@pytest.mark.parametrize("size", [LINE_BYTES - 9, LINE_BYTES, 3 * LINE_BYTES + 5])
@pytest.mark.parametrize("chunk", [None, 5000])
def test_nothing_is_lost_behind_a_line_that_is_too_long(
    filler: bytes, size: int, chunk: int | None
) -> None:
    long = (filler * size)[:size]
    found = read(b"ok 1 a\n" + long + b"Kernel panic - x\nok 2 b\n", chunk=chunk)
    assert [line.number for line in found] == [1, 2, 3]
    assert found[1].text.endswith("Kernel panic - x")


def test_a_piece_of_a_line_begins_no_line() -> None:
    """Text in the middle of a line is no result, wherever the line is cut."""
    long = b"x".ljust(LINE_BYTES - 1030) + b"not ok 2 b " * 200
    assert [line.text for line in read(b"ok 1 a\n" + long + b"\nok 2 b\n")] == ["ok 1 a", "ok 2 b"]


def test_an_escape_sequence_without_end_hides_nothing() -> None:
    assert texts(b"\x1b]0;BUG: x\n\x1b]BUG: y\n\x1b]0;BUG: x\x07ok 1 a\n") == [
        (1, "BUG: x"),
        (2, "BUG: y"),
        (3, "ok 1 a"),
    ]
