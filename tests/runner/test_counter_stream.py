# SPDX-License-Identifier: GPL-2.0-only
"""Counters from a guest are used whole or not at all."""

from __future__ import annotations

import pytest

from mermapctl.runner import counter_stream
from mermapctl.runner.counter_stream import StreamError

WHOLE = [
    "mermapctl-counters 1",
    "file /b/mm/mermap.gcda",
    "61646367",
    "00ff",
    "bytes 6",
    "file /b/mm/with a blank.gcda",
    "bytes 0",
    "files 2",
]
FOUND = {"/b/mm/mermap.gcda": b"adcg\x00\xff", "/b/mm/with a blank.gcda": b""}


def test_files_are_read_back_whatever_a_terminal_adds() -> None:
    assert counter_stream.files(WHOLE) == FOUND
    assert counter_stream.files(["noise", "", *(f"{line}\r" for line in WHOLE), "after"]) == FOUND


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_a_stream_without_its_end_is_refused(end: int) -> None:
    with pytest.raises(StreamError, match="the guest ended"):
        counter_stream.files(WHOLE[:end])


@pytest.mark.parametrize("lost", range(1, len(WHOLE) - 1))
def test_a_line_that_is_lost_is_noticed(lost: int) -> None:
    with pytest.raises(StreamError):
        counter_stream.files([line for at, line in enumerate(WHOLE) if at != lost])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("6164636", "damaged"),
        ("zz", "damaged"),
        ("error debugfs cannot be mounted, errno 19", "debugfs cannot be mounted"),
    ],
)
def test_a_damaged_line_has_its_reason(line: str, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        counter_stream.files([*WHOLE[:2], line, *WHOLE[3:]])


@pytest.mark.parametrize(
    "lines",
    [
        ["error " + "x" * 100_000],
        [f"file /{'x' * 100_000}", f"bytes 9{'9' * 100_000}"],
        ["files " + "9" * 100_000],
        ["z" * 100_000],
    ],
)
def test_an_error_quotes_no_more_than_a_line(lines: list[str]) -> None:
    with pytest.raises(StreamError) as caught:
        counter_stream.files([*WHOLE[:1], *lines])
    assert len(str(caught.value)) < 500
