# SPDX-License-Identifier: GPL-2.0-only
"""What `python -m tests.faults --stress` tries, and when it calls a judgement wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mermapctl.tree.postings import Posting
from tests.faults import corpus, stressed
from tests.faults.corpus import Case
from tests.faults.stressed import GOOD_ROUNDS, Stressed

FAULT = next(case for case in corpus.faults() if case.stressed)
CASES = stressed.cases(corpus.faults(), corpus.good())


def right(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_a_fault_is_tried_on_each_of_its_mermaps() -> None:
    tried = stressed.cases([replace(FAULT, mermaps=(None, Posting.NEWEST))], ())
    assert [case.posting for case in tried] == [None, Posting.NEWEST]
    assert stressed.cases([replace(FAULT, stressed=None)], ()) == ()


def test_every_good_configuration_with_probes_is_tried() -> None:
    good = [case for case in CASES if not case.patch]
    assert {case.posting for case in good} == {None, *Posting}
    assert not any("--no-trace" in case.run for case in good)
    assert len(good) == len(corpus.good()) - 2


@pytest.mark.parametrize(
    ("name", "told", "is_right"),
    [
        ("one-cpu", {"traced": True}, True),
        ("one-cpu", {"traced": False}, False),
        ("one-cpu", {"traced": True, "histories": GOOD_ROUNDS - 1}, False),
        ("one-cpu", {"traced": True, "verdict": "failed"}, False),
        ("one-cpu", {"traced": True, "error": "it does not build"}, False),
        ("debug", {"traced": False}, True),
        ("debug", {"verdict": "no-verdict"}, False),
    ],
)
def test_a_right_mermap_runs_every_history_observed(
    name: str, told: dict[str, object], is_right: bool
) -> None:
    ran = {"verdict": "passed", "histories": GOOD_ROUNDS, **told}
    assert (not Stressed(right(name), 1, **ran).wrong) is is_right  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "found", "shrunk", "is_right"),
    [
        ("failed", min(FAULT.stressed or ()), "r0.0", True),
        ("failed", min(FAULT.stressed or ()), None, False),
        ("failed", "hang", "r0.0", False),
        ("passed", None, None, False),
    ],
)
def test_a_fault_has_its_finding_and_a_history(
    verdict: str, found: str | None, shrunk: str | None, is_right: bool
) -> None:
    assert (not Stressed(FAULT, 1, verdict, found, shrunk).wrong) is is_right
