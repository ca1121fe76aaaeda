# SPDX-License-Identifier: GPL-2.0-only
"""Read trace lines and test results of a console as the judge does, for the trace tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Flush
from mermapctl.judge.trace_findings import findings
from mermapctl.trace.reader import TRACE_LINE, TraceReader
from mermapctl.trace.summary import TraceAccount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mermapctl.judge.result_types import Finding

_RESULT = re.compile(r"\s+(?:not )?ok \d+ (test_\w+)")
_PREFIX = re.compile(r"(?:\[ *[\d.]+\])?\[ *([TC]\d+)\] ?")

COUNTED = (Flush("test_tlb_flushed", expected=1, counted=1),)


def read(lines: Iterable[str]) -> TraceAccount:
    reader = TraceReader()
    for number, line in enumerate(lines, 1):
        caller = None
        text = line
        if prefix := _PREFIX.match(text):
            caller, text = prefix[1], text[prefix.end() :]
        if TRACE_LINE.search(text):
            reader.feed(number, text, None, caller)
        elif result := _RESULT.match(text):
            reader.test_ended(result[1])
    return reader.finish()


def judge(
    lines: Iterable[str], flushes: tuple[Flush, ...] = COUNTED
) -> tuple[tuple[Finding, ...], tuple[Flush, ...], TraceAccount]:
    account = read(lines)
    found, rows = findings(account, flushes)
    return found, rows, account


def codes(found: Iterable[Finding]) -> list[str]:
    return [finding.code for finding in found]
