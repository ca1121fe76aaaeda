# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML, parsed back with junitparser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell
from mermapctl.render.documents import junit
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect
from tests.tables import NAMES

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord


def parse(record: RunRecord, *, console: str | None = None) -> JUnitXml:
    source = samples.log(console) if console else None
    return JUnitXml.fromstring(junit.render(record, console=source).encode())


def suites(record: RunRecord, **how: str) -> list[TestSuite]:
    return list(parse(record, **how))


def outcome(case: TestCase) -> str:
    kinds = {Failure: "failure", Error: "error", Skipped: "skipped"}
    told = [kinds[type(result)] for result in case.result if type(result) in kinds]
    return told[0] if told else "passed"


def outcomes(suite: TestSuite) -> dict[str, str]:
    return {case.name: outcome(case) for case in suite}


GOOD = dict.fromkeys(NAMES, "passed")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (samples.cell_passed(), [GOOD]),
        (samples.cell_missing_flush(), [{**GOOD, "test_tlb_flushed": "failure"}]),
        # KTAP has ok; the kernel complained
        (samples.cell_warning(), [{**GOOD, "test_basic_alloc": "failure"}]),
        (  # the cause belongs to no test, and is shown at the test that it fails
            samples.cell_refused(),
            [dict.fromkeys(NAMES, "failure"), {"global-mapping-refused": "failure"}],
        ),
        (
            samples.cell_hung(),
            [{**dict.fromkeys(NAMES, "failure"), "test_basic_alloc": "passed"}],
        ),
        (
            samples.cell_truncated(),
            [dict.fromkeys(NAMES[:3], "passed"), {"output-truncated": "failure"}],
        ),
        (
            samples.cell_nested(),
            [
                {
                    "test_orders/order=0": "passed",
                    "test_orders/order=9": "failure",
                    "test_la57": "skipped",
                },
                {"test_one": "passed"},
            ],
        ),
        (samples.cell_no_verdict(), [{"boot-failed": "error"}]),
    ],
    ids=lambda value: value.variant if isinstance(value, Cell) else "",
)
def test_every_kind_of_cell(cell: Cell, expected: list[dict[str, str]]) -> None:
    found = suites(samples.record(cell))
    assert [outcomes(suite) for suite in found] == expected


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    document = parse(samples.SAMPLES[name]())
    totals = [document.tests, document.failures, document.errors, document.skipped]
    cases = [outcome(case) for suite in document for case in suite]
    words = ("failure", "error", "skipped")
    assert totals == [len(cases), *(cases.count(word) for word in words)]
    document.update_statistics()  # type: ignore[no-untyped-call]
    again = [document.tests, document.failures, document.errors, document.skipped]
    assert again == totals


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_server_sees_the_verdict(name: str) -> None:
    record = samples.SAMPLES[name]()
    document = parse(record)
    verdict = (
        Verdict.FAILED
        if document.failures
        else Verdict.NO_VERDICT
        if document.errors
        else Verdict.PASSED
    )
    # a repeated test that finally passed is flaky, and no failure for a CI server
    assert verdict is (Verdict.PASSED if name == "repeated" else record.verdict)


def test_a_commit_without_the_suite_is_skipped() -> None:
    (suite,) = suites(samples.no_verdict(Reason.ABSENT))
    assert outcomes(suite) == {"absent": "skipped"}


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.ABSENT])
def test_no_verdict_is_an_error_and_never_a_failure(reason: Reason) -> None:
    (suite,) = suites(samples.no_verdict(reason))
    assert outcomes(suite) == {str(reason): "error"}
    text = next(iter(suite)).result[0].text
    assert "initcall" in text
    told = "\n".join(f"  {line}" for line in samples.WHY.split("\n"))
    assert f"CONFIG_PREEMPT_RT=y was requested and became n\n{told}" in text


def test_the_finding_comes_first_and_the_block_after() -> None:
    (suite,) = suites(samples.failed())
    case = list(suite)[-1]
    (failure,) = case.result
    assert failure.type == "missing-flush"
    assert failure.message.startswith("Addresses were handed out again")
    lines = failure.text.splitlines()
    assert lines[0].startswith("missing-flush: ")
    assert lines.index("evidence: flushes 0, expected 1") < lines.index(
        "# test_tlb_flushed: ASSERTION FAILED at mm/tests/mermap_kunit.c:210"
    )
    assert lines[-2:] == [
        "Expected mc->tlb_flushes == 1, but",
        "    mc->tlb_flushes == 0 (0x0)",
    ]
    assert (case.time, case.classname) == (0.31, "x86_64.base.mermap")
    assert case._elem.get("file") == "mm/tests/mermap_kunit.c"


def test_a_consequence_names_its_cause() -> None:
    suite = suites(samples.record(samples.cell_refused()))[0]
    texts = [case.result[0].text for case in suite]
    assert all("follows from global-mapping-refused" in text for text in texts)


def test_the_properties_of_a_suite() -> None:
    (suite,) = suites(samples.failed())
    facts = {p.name: p.value for p in suite.properties()}  # type: ignore[no-untyped-call]
    assert facts["kernel"] == "Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)"
    assert (facts["commit"], facts["target"], facts["variant"]) == (
        samples.COMMIT,
        "x86_64",
        "base",
    )
    assert (suite.hostname, suite.timestamp) == ("builder", "2026-11-23T07:05:12.123Z")


def test_repeats_are_flaky_where_one_passed_and_reruns_where_none_did() -> None:
    (suite,) = suites(samples.repeated())
    assert outcomes(suite) == GOOD
    tags = {case.name: [child.tag for child in case._elem] for case in suite}
    assert tags["test_tlb_flushed"] == ["flakyFailure"]
    (suite,) = suites(samples.record(*[samples.cell_missing_flush()] * 3))
    tags = {case.name: [child.tag for child in case._elem] for case in suite}
    assert tags["test_tlb_flushed"] == ["failure", "rerunFailure", "rerunFailure"]


def test_cells_do_not_share_a_classname() -> None:
    names = [case.classname for suite in suites(samples.commits()) for case in suite]
    assert len(set(names)) == 2
    assert all(name.count(".") == 3 for name in names)


def test_the_console_is_cut_around_the_failure() -> None:
    (suite,) = suites(samples.failed(), console="missing-flush")
    out = suite._elem.findtext("system-out")
    assert out is not None
    assert "[18:00:29] Starting KUnit Kernel (1/1)..." in out
    assert "mc->tlb_flushes == 0 (0x0)" in out
    assert "[… lines 11 to " in out
    assert "MTRRs disabled by BIOS" not in out


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("sample", ["multi cell", "repeated"])
def test_any_bytes_make_valid_xml_of_a_sane_size(name: str, sample: str) -> None:
    record = samples.SAMPLES[sample]()
    text = junit.render(infect(record, TEXTS[name]), console=Console(TEXTS[name]))
    document = JUnitXml.fromstring(text.encode("utf-8"))
    assert document.failures > 0
    assert document.errors == (sample == "multi cell")
    assert len(text) < 6_000_000
    assert not set(map(chr, range(32))) - set("\t\n") & set(text)
