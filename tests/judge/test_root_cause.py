# SPDX-License-Identifier: GPL-2.0-only
"""Findings that explain others: causes that only a trace and a counter together show."""

from __future__ import annotations

import pytest

from mermapctl.judge.result_types import Finding, Severity
from mermapctl.judge.root_cause import Draft, merge


def draft(code: str, line: int | None, test: str = "test_tlb_flushed", **evidence: str) -> Draft:
    said = f"{code} in {test}"
    return Draft(
        Finding(code, Severity.ERROR, said, test, dict(evidence.items()), console_line=line)
    )


LIES = draft("counter-mismatch", None)
SEEN_STALE = draft("counter-mismatch", None, **{"stale-reuse": "first at line 7"})
SEEN_IDLE = draft("counter-mismatch", None, **{"idle-flush": "first at line 7"})


@pytest.mark.parametrize(
    ("drafts", "codes"),
    [
        ([draft("missing-flush", 9), LIES], ["counter-mismatch"]),
        ([draft("extra-flush", 9), LIES], ["counter-mismatch"]),
        ([draft("early-flush", 9), LIES], ["counter-mismatch"]),
        ([draft("missing-flush", 9, "test_size"), LIES], ["missing-flush", "counter-mismatch"]),
        ([draft("missing-flush", 9), SEEN_STALE], ["missing-flush", "counter-mismatch"]),
        ([draft("missing-flush", 9), SEEN_IDLE], ["counter-mismatch"]),
        ([draft("extra-flush", 9), SEEN_IDLE], ["extra-flush", "counter-mismatch"]),
        ([draft("early-flush", 9), SEEN_STALE], ["counter-mismatch"]),
        ([draft("stale-reuse", 7), draft("missing-flush", 9)], ["missing-flush"]),
        ([draft("stale-reuse", 7), LIES], ["stale-reuse", "counter-mismatch"]),
    ],
)
def test_a_wrong_counter_explains_its_assertion(drafts: list[Draft], codes: list[str]) -> None:
    assert [finding.code for finding in merge(drafts)] == codes
    assert {f.code for f in merge(reversed(drafts))} == set(codes)


@pytest.mark.parametrize(
    ("drafts", "codes"),
    [
        # The get comes before the Oops that prevents its put.
        ([draft("leak", 5), draft("kernel-oops", 9)], ["kernel-oops"]),
        ([draft("leak", 5, "test_size"), draft("kernel-oops", 9)], ["leak", "kernel-oops"]),
        ([draft("leak", 5), draft("test-failed", 9)], ["leak", "test-failed"]),
        ([draft("overlap", 5), draft("wrong-page", 9)], ["overlap"]),
        ([draft("wrong-page", 9), draft("stale-reuse", 7)], ["stale-reuse"]),
        ([draft("wrong-page", 9), draft("overlap", 5, "test_size")], ["overlap", "wrong-page"]),
        ([draft("overlap", 7), draft("region-too-large", 5)], ["overlap"]),
        # An ordinary get took the reserved page, which a reserved get then uses again.
        (
            [draft("region-too-large", 5), draft("stale-reuse", 7, reserved="1")],
            ["region-too-large"],
        ),
        (
            [draft("region-too-large", 5), draft("stale-reuse", 7)],
            ["region-too-large", "stale-reuse"],
        ),
        # One complaint out of two tests: the failure of either follows.
        (
            [
                draft("kernel-oops", 5, tests="test_size, test_basic_alloc"),
                draft("test-failed", 7),
                draft("test-failed", 9, "test_size"),
                draft("test-failed", 11, "test_multiple_allocs"),
            ],
            ["kernel-oops", "test-failed"],
        ),
        # The end of the region was derived from a get that should have been refused.
        (
            [draft("region-too-large", 4), draft("bump-order", None, fits="up to 0x200000 bytes")],
            ["region-too-large"],
        ),
        (
            [draft("region-too-large", 4), draft("bump-order", None)],
            ["region-too-large", "bump-order"],
        ),
        ([draft("leak", 4), draft("too-many-live", 5)], ["too-many-live"]),
        (
            [draft("leak", 4, "test_size"), draft("too-many-live", 5)],
            ["leak", "too-many-live"],
        ),
        (
            [draft("outside-region", 4, get="4"), draft("wrong-range-mapped", 4, get="4")],
            ["outside-region"],
        ),
        (
            [draft("outside-region", 4, get="4"), draft("wrong-range-mapped", 6, get="6")],
            ["outside-region", "wrong-range-mapped"],
        ),
        # An ordinary get took the reserve's slot, which a reserved get and the teardown find used.
        (
            [draft("too-many-live", 5), draft("kernel-warning", 7, top_frame="__mermap_get+0x2/9")],
            ["too-many-live"],
        ),
        (
            [
                draft("too-many-live", 5),
                draft("kernel-warning", 7, top_frame="mermap_mm_teardown+0x3b/0x50"),
            ],
            ["too-many-live"],
        ),
        (
            [draft("too-many-live", 5), draft("kernel-warning", 7, top_frame="mmput+0xf/0x90")],
            ["too-many-live", "kernel-warning"],
        ),
        (
            [draft("too-many-live", 9), draft("kernel-warning", 7, top_frame="__mermap_get+0x2/9")],
            ["kernel-warning", "too-many-live"],
        ),
    ],
)
def test_causes_and_consequences_in_a_trace(drafts: list[Draft], codes: list[str]) -> None:
    assert [finding.code for finding in merge(drafts)] == codes
