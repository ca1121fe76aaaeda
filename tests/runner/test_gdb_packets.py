# SPDX-License-Identifier: GPL-2.0-only
"""The frames of gdb's remote protocol, and what a witness.log makes of entries."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mermapctl.runner import gdb_packets, system_map
from mermapctl.runner.gdb_packets import Deframer, StopReply, StubError
from mermapctl.trace import witness_log, witness_reader

PAYLOADS = st.lists(st.binary(max_size=40).map(lambda raw: raw.hex().encode()), max_size=6)


@given(payloads=PAYLOADS, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_frames_come_back_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"+".join(map(gdb_packets.frame, payloads))
    deframer = Deframer()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = [
        packet
        for low, high in itertools.pairwise(places)
        for packet in deframer.feed(stream[low:high])
    ]
    assert found == payloads


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_frames(received: bytes) -> None:
    with contextlib.suppress(StubError):
        packets = Deframer().feed(received)
        assert all(len(packet) <= gdb_packets.LONGEST_PACKET for packet in packets)


def framed(payload: bytes) -> bytes:
    return b"$%b#%b" % (payload, gdb_packets.checksum(payload))


@pytest.mark.parametrize(
    ("payload", "plain"),
    [(b"0* ", b"0000"), (b"a}\x03b", b"a#b"), (b"OK", b"OK"), (b"}\x04* ", b"$$$$")],
)
def test_escapes_and_repetitions_are_spelled_out(payload: bytes, plain: bytes) -> None:
    assert Deframer().feed(framed(payload)) == [plain]


@pytest.mark.parametrize("payload", [b"*~", b"a}", b"a*", b"0*~" + b"*~" * 1000])
def test_a_repetition_of_nothing_or_of_too_much_is_an_error(payload: bytes) -> None:
    with pytest.raises(StubError):
        Deframer().feed(framed(payload))


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        (b"T05thread:01;", StopReply(5, 1)),
        (b"T05thread:p01.0a;hwbreak:;", StopReply(5, 10)),
        (b"S02", StopReply(2)),
        (b"T05thread:01;watch:ffffc90000003e00;", StopReply(5, 1, watched=0xFFFFC90000003E00)),
        (b"T05thread:01;rwatch:8;", StopReply(5, 1, watched=8)),
        (b"W00", StopReply(exited=True)),
        (b"O414243", None),
    ],
)
def test_a_stop_names_its_cpu(payload: bytes, reply: StopReply | None) -> None:
    assert gdb_packets.stop(payload) == reply


@pytest.mark.parametrize("payload", [b"", b"OK", b"Tzz", b"T05thread:xyzzy;", b"E01"])
def test_a_reply_that_is_no_stop_is_an_error(payload: bytes) -> None:
    with pytest.raises(StubError):
        gdb_packets.stop(payload)


def test_registers_are_counted_as_the_description_lists_them() -> None:
    text = b'<reg name="rax" bitsize="64"/><!-- <reg name="no"/> --><reg name="cr4"/>'
    assert gdb_packets.numbers(text + b'<reg name="x" regnum="40"/><reg name="y"/>') == {
        "rax": 0, "cr4": 1, "x": 40, "y": 41,
    }  # fmt: skip


ENTRIES = st.lists(
    st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 0x1000, 0x2000, 0x3000]), max_size=60
)


@given(ENTRIES)
def test_entries_come_back_from_their_runs(entries: list[int]) -> None:
    text = witness_log.line("got", entries=witness_log.spelled(entries))
    assert witness_log.parse(text).entries("entries") == entries


def test_a_long_mapping_is_one_run() -> None:
    entries = [0x8000000002400063 + 0x1000 * at for at in range(511)]
    assert witness_log.spelled(entries) == "0x8000000002400063*511+0x1000"


@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_log_breaks_its_reader(lines: list[str]) -> None:
    account = witness_reader.read(lines)
    assert not account.conclusive


def test_a_log_that_is_cut_concludes_nothing() -> None:
    whole = ["kernel cpus=1 vmemmap=0xffffea0000000000 page=0x40 nx=1", "end"]
    assert witness_reader.read(whole).lost is None
    assert witness_reader.read(whole[:1]).lost == "the log ends before the guest did"
    assert witness_reader.read([*whole[:1], "got alloc=0x", *whole[1:]]).lost is not None
    bomb = "got cpu=0 thread=1 alloc=0x10 base=0x1000 end=0x2000 low=0x0 pair=1,2 entries="
    get = "get cpu=0 thread=1 mm=0x10 page=0x40 size=0x1000 prot=0x63 reserved=0"
    read = witness_reader.read([get, f"{bomb}0x1*9999999,0x1*9999999", "end"])
    assert read.lost == "line 2 of the log cannot be read"


def test_a_name_that_several_functions_have_is_none() -> None:
    listed = "ffffffff81000000 T a\nffffffff81000010 t b\nffffffff81000020 t b\n"
    listed += "0000000000000010 A a\n"
    known = system_map.parse(listed)
    assert (known.one("a"), known.one("b"), known.one("c")) == (0xFFFFFFFF81000000, None, None)
    assert (known.function(0xFFFFFFFF8100000F), known.function(0)) == ("a", "")
    assert known.size("a") == 16
