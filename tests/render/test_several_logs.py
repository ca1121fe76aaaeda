# SPDX-License-Identifier: GPL-2.0-only
"""Several logs in every format: one document, whose cells are told apart by their logs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from junitparser import JUnitXml

from mermapctl import render
from mermapctl.commands.judge_log import of_logs
from mermapctl.records.record import RunRecord
from mermapctl.records.store import console_lines
from mermapctl.render.terminal import record as terminal
from tests.render.test_formats import READERS
from tests.tables import LOGS

DIRTY, CLEAN = "7.3.4-gfcf46f19ecac-dirty", "7.3.4+"


def judged(*logs: str | Path) -> RunRecord:
    files = [str(log) if isinstance(log, Path) else str(LOGS / f"{log}.log") for log in logs]
    return of_logs(files, ("mermapctl", "report"), suite=None)


def document(record: RunRecord, form: str) -> str:
    return render.document(record, form, console_lines)


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize(
    "logs",
    [
        ("good", "oops"),
        ("panic-before-ktap", "good", "oops"),
        ("good", "panic-before-ktap"),
        ("good", "trace-good", "module"),
    ],
    ids="+".join,
)
def test_one_verdict_and_every_log(form: str, logs: tuple[str, ...]) -> None:
    record = judged(*logs)
    text = document(record, form)
    assert READERS[form](text) is record.verdict
    for log in logs:
        assert f"{log}.log" in text


@pytest.mark.parametrize("form", READERS)
def test_different_kernels_are_named(form: str) -> None:
    text = document(judged("good", "real-v1-trace-good"), form)
    assert DIRTY in text
    assert CLEAN in text


@pytest.fixture
def alike(tmp_path: Path) -> list[Path]:
    """A good and a bad log of one name."""
    logs = [tmp_path / folder / "console.log" for folder in ("a", "b")]
    for log, name in zip(logs, ("good", "missing-flush"), strict=True):
        log.parent.mkdir()
        shutil.copy(LOGS / f"{name}.log", log)
    return logs


def test_junit_takes_no_log_for_a_repeat_of_another(alike: list[Path]) -> None:
    for logs in (alike, alike[::-1], [*alike, *alike]):
        text = document(judged(*logs), "junit")
        suites = JUnitXml.fromstring(text.encode())
        times = len(logs) // 2
        assert (suites.tests, suites.failures) == (4 * len(logs), times)
        assert "flaky" not in text
        assert "rerun" not in text
        classes = [{case.classname for case in suite} for suite in suites]
        assert {len(each) for each in classes} == {1}
        assert len(set().union(*classes)) == len(logs)


def test_junit_gives_each_log_its_own_kernel() -> None:
    text = document(judged("good", "real-v1-trace-good"), "junit")
    kernels = re.findall(r'<property name="kernel" value="([^"]*)"', text)
    assert kernels == [f"Linux {DIRTY}", f"Linux {CLEAN}"]


def test_kcidb_has_a_checkout_for_each_kernel() -> None:
    data = json.loads(document(judged("good", "real-v1-trace-good", "oops"), "kcidb"))
    kernels = {each["id"]: each["misc"]["kernel"] for each in data["checkouts"]}
    assert sorted(kernels.values()) == [CLEAN, DIRTY]
    built = [(kernels[each["checkout_id"]], each["comment"]) for each in data["builds"]]
    assert built == [
        (DIRTY, "good.log"),
        (CLEAN, "real-v1-trace-good.log"),
        (DIRTY, "oops.log"),
    ]


def test_nobody_tested_where_one_tree_was_modified() -> None:
    clean = document(judged("real-v1-trace-good", "real-v4-trace-good"), "email")
    assert "Tested-by:" in clean
    assert f"Subject: mermap: KUnit suite passed on {CLEAN}, 2 console logs" in clean
    for logs in (("good", "real-v1-trace-good"), ("real-v1-trace-good", "good")):
        mail = document(judged(*logs), "email")
        assert "passed in 2 of 2 logs" in " ".join(mail.split())
        assert "Tested-by:" not in mail


def test_the_first_sentence_is_about_a_log_that_failed() -> None:
    record = judged("panic-before-ktap", "oops")
    assert document(record, "email").startswith("Subject: [BUG] mermap: kernel-oops (+1) on ")
    said = re.search(r'<p class="says">.*?</p>', document(record, "html"))
    assert said is not None
    assert "oops.log: the kernel oopsed in test_size" in said[0]


def test_logs_that_passed_are_listed_once_with_their_paths(alike: list[Path]) -> None:
    good = alike[0]
    record = judged(good, good, alike[1])
    lines = terminal.render(record, width=100, color=False, full=True).splitlines()
    assert lines[0] == f"3 console logs, Linux {DIRTY}"
    assert lines[-7:-2] == [
        "logs",
        f"  a/console.log      {good}",
        f"  a/console.log (2)  {good}",
        f"  b/console.log      {alike[1]}",
        "",
    ]
    assert lines[-2].startswith("3 cells: 2 passed, 1 failed; 12 tests: 11 passed, ")
    assert lines[-1].startswith("✗ FAILED 1 of 3 cells: missing-flush in test_tlb_flushed")
    short = document(record, "table")
    assert "PASSED" not in short
    assert len(re.findall(r"^\w/console.log.*(?:passed|failed)", short, re.MULTILINE)) == 3
