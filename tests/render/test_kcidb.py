# SPDX-License-Identifier: GPL-2.0-only
"""The KernelCI submission, validated with kcidb-io's own schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import kcidb_io  # type: ignore[import-untyped]
import pytest

from mermapctl.judge.result_types import Reason
from mermapctl.render.documents import kcidb
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect
from tests.tables import NAMES

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord


def submission(record: RunRecord, *, log: str | None = None, **how: str) -> dict[str, Any]:
    console = samples.log(log) if log else None
    data: dict[str, Any] = json.loads(kcidb.render(record, console=console, **how))
    kcidb_io.schema.V5_0.validate(data)
    upgraded = kcidb_io.schema.LATEST.upgrade(data)
    kcidb_io.schema.LATEST.validate_exactly(upgraded)
    return data


def statuses(record: RunRecord) -> dict[str, str]:
    return {test["path"]: test["status"] for test in submission(record)["tests"]}


GOOD = {"boot": "PASS", "kunit.mermap": "PASS"}
GOOD |= {f"kunit.mermap.{name}": "PASS" for name in NAMES}


@pytest.mark.parametrize(
    ("record", "changed"),
    [
        (samples.passed(), {}),
        (samples.failed(), {"kunit.mermap": "FAIL", "kunit.mermap.test_tlb_flushed": "FAIL"}),
        (
            samples.record(samples.cell_warning()),  # KTAP has ok
            {"kunit.mermap": "FAIL", "kunit.mermap.test_basic_alloc": "FAIL"},
        ),
        (
            samples.record(samples.cell_hung()),
            {
                "kunit.mermap": "FAIL",
                "kunit.mermap.test_size": "FAIL",
                "kunit.mermap.test_multiple_allocs": "MISS",
                "kunit.mermap.test_tlb_flushed": "MISS",
            },
        ),
    ],
)
def test_the_status_of_each_test(record: RunRecord, changed: dict[str, str]) -> None:
    assert statuses(record) == GOOD | changed


@pytest.mark.parametrize(
    ("reason", "build", "boot"),
    [
        (Reason.BUILD_FAILED, "FAIL", "MISS"),
        (Reason.CONFIG_UNSATISFIED, "ERROR", "MISS"),
        (Reason.BOOT_FAILED, "PASS", "ERROR"),
        (Reason.ACCELERATOR_FAILED, "PASS", "MISS"),
        (Reason.INTERRUPTED, "MISS", "MISS"),
        (Reason.HARNESS_ERROR, "MISS", "MISS"),
    ],
)
def test_no_verdict_fails_no_test(reason: Reason, build: str, boot: str) -> None:
    data = submission(samples.no_verdict(reason))
    assert [b["status"] for b in data["builds"]] == [build]
    assert [(t["path"], t["status"]) for t in data["tests"]] == [("boot", boot)]


def test_a_configuration_that_could_not_be_is_explained() -> None:
    (build,) = submission(samples.no_verdict(Reason.CONFIG_UNSATISFIED))["builds"]
    assert build["misc"] == {"missing": ["CONFIG_PREEMPT_RT=y is n"]}
    assert build["log_excerpt"].endswith(samples.WHY)


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_everything_refers_to_something(name: str) -> None:
    record = samples.SAMPLES[name]()
    data = submission(record)
    ids = {kind: [item["id"] for item in data[kind]] for kind in data if kind != "version"}
    assert all(len(set(keys)) == len(keys) for keys in ids.values())
    assert {build["checkout_id"] for build in data["builds"]} == set(ids["checkouts"])
    assert {test["build_id"] for test in data["tests"]} == set(ids["builds"])
    assert len(ids["builds"]) == len(record.cells)
    assert {incident["issue_id"] for incident in data["incidents"]} == set(ids["issues"])
    assert {incident["test_id"] for incident in data["incidents"]} <= set(ids["tests"])
    assert len(ids["incidents"]) == sum(len(cell.findings) for cell in record.cells)


def test_the_checkout_of_a_run() -> None:
    (checkout,) = submission(samples.passed())["checkouts"]
    assert checkout["git_commit_hash"] == samples.COMMIT
    assert checkout["patchset_hash"] == ""
    assert checkout["start_time"] == "2026-11-23T07:05:12.123000+00:00"
    dirty = replace(samples.passed().tree, dirty=True)
    (checkout,) = submission(replace(samples.passed(), tree=dirty))["checkouts"]
    assert "patchset_hash" not in checkout
    (checkout,) = submission(samples.bare_log())["checkouts"]
    assert "git_commit_hash" not in checkout


def test_the_incident_is_with_its_test() -> None:
    data = submission(samples.failed(), log="missing-flush")
    (incident,) = data["incidents"]
    (test,) = [test for test in data["tests"] if test["id"] == incident["test_id"]]
    assert test["path"] == "kunit.mermap.test_tlb_flushed"
    assert "mc->tlb_flushes == 0 (0x0)" in test["log_excerpt"]
    assert "not ok 4 test_tlb_flushed" in data["tests"][0]["log_excerpt"]
    (issue,) = data["issues"]
    assert (issue["id"], issue["culprit"]["code"]) == ("mermapctl:missing-flush", True)


def test_the_sender_has_a_name() -> None:
    data = submission(samples.failed(), origin="mylab")
    everything = [item for kind in data if kind != "version" for item in data[kind]]
    assert {item["origin"] for item in everything} == {"mylab"}
    assert all(item["id"].startswith("mylab:") for item in everything)


@pytest.mark.parametrize("name", TEXTS)
def test_any_bytes_make_a_valid_submission(name: str) -> None:
    record = infect(samples.multi_cell(), TEXTS[name])
    data = json.loads(kcidb.render(record, console=Console(TEXTS[name], times=300)))
    kcidb_io.schema.V5_0.validate(data)
    assert len(data["builds"]) == len(record.cells)
    assert all(len(test.get("log_excerpt", "")) <= 16384 for test in data["tests"])
    assert len(json.dumps(data)) < 900_000
