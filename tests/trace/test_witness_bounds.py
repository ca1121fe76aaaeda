# SPDX-License-Identifier: GPL-2.0-only
"""A damaged or hostile witness.log costs no time without end, and proves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mermapctl.judge import witness_findings
from mermapctl.trace import witness_reader
from mermapctl.trace.witness_log import line

PAGES = 0xFFFFEA0000000000
KERNEL = line("kernel", cpus=1, vmemmap=PAGES, page=64, nx="1")
MM = 0xFFFF888001000000
BASE = 0xFFFF880000200000


def getting(number: int) -> Iterator[str]:
    base, alloc = BASE + number * 4096, 0xFFFF888002000000 + number * 64
    yield f"get thread=1 cpu=0 mm={MM:#x} page={PAGES:#x} size=4096 reserved=0 prot=0x63"
    yield (
        f"got thread=1 cpu=0 alloc={alloc:#x} base={base:#x} end={base + 4096:#x} low={base:#x} "
        "pair=1,2 words=0,0 entries=0x63"
    )


def hostile(kind: str) -> Iterator[str]:
    yield KERNEL
    yield line("test", name="test_size")
    if kind == "entries":
        for _ in range(60_000):
            yield f"after cpu=0 stack=0x1 alloc=1 base={BASE:#x} entries=0x1*1048576+0x1000"
    elif kind == "slots":
        for _ in range(60_000):
            yield f"slot mm={MM:#x} at={BASE:#x}*1048576+0x1000 entries=0x1*1048576+0x1000"
    else:
        for number in range(30_000):
            yield from getting(number)
    yield "end"


@pytest.mark.parametrize(("kind", "at"), [("entries", 5), ("slots", 4), ("live", 4_100)])
def test_a_log_without_end_is_given_up(kind: str, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_reader, "MOST_SPELLED", 1 << 21)
    began = time.process_time()
    account = witness_reader.read(hostile(kind))
    assert time.process_time() - began < 10
    assert not account.conclusive
    assert account.lost is not None
    assert account.lost == f"line {at} of the log cannot be read"
    assert witness_findings.findings(account, ()) == ()
