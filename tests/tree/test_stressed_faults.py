# SPDX-License-Identifier: GPL-2.0-only
"""What `python -m tests.faults --stress` tries, and when it calls a judgement wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mermapctl.tree.postings import Posting
from tests.faults import corpus, stressed, trial
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


def test_the_section_has_a_row_for_each_seed_of_a_right_mermap() -> None:
    ran = [
        Stressed(right("one-cpu"), 1, "passed", traced=True, histories=GOOD_ROUNDS),
        Stressed(right("two-cpus"), 2, "failed", "overlap", traced=True, histories=7),
    ]
    text = stressed.section(ran)
    assert "2 boots without a fault: 1 judged wrongly." in text
    assert "| two CPUs | 2 | 7 | `overlap` | **wrong**: failed |" in text
    assert "isolation on | 1 | 1,000 | passed | right |" in text


def test_a_fault_is_booted_once_whatever_its_run_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def documented(
        _tree: Path, _case: Case, *options: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        asked.extend(options)
        return {}, {"stress": None, "verdict": "passed", "detail": None}

    monkeypatch.setattr(trial, "documented", documented)
    repeated = ("--variant=smp", "--repeat=16", "--no-trace", "--no-witness")
    stressed.run(Path("linux"), replace(FAULT, run=repeated))
    assert asked[-1] == "--variant=smp"
    assert not {"--repeat=16", "--no-trace"} & set(asked)
