# SPDX-License-Identifier: GPL-2.0-only
"""The checks format, read by b4's own review code."""

from __future__ import annotations

import json
import shlex
import sys
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, cast

import pytest

from mermapctl.judge.result_types import Reason
from mermapctl.records.record import RunRecord, to_json
from mermapctl.render.documents import b4_checks
from tests import sample_records as samples
from tests.b4_review import review
from tests.hostile import TEXTS, Console, infect

if TYPE_CHECKING:
    from pathlib import Path

FROM_RECORD = """
import sys
from pathlib import Path
from mermapctl.records.record import from_json
from mermapctl.render.documents import b4_checks as checks
sys.stdout.write(checks.render(from_json(Path(sys.argv[1]).read_bytes())))
"""


@pytest.fixture
def message() -> tuple[str, EmailMessage]:
    cover = EmailMessage()
    cover["Subject"] = "[PATCH 0/4] mm: a mermap"
    cover["Message-Id"] = "<x@example.org>"
    cover.set_content("text")
    return "x@example.org", cover


def by_b4(record: RunRecord, folder: Path, message: tuple[str, EmailMessage]) -> dict[str, str]:
    """Return b4's result, also from its cache, for a check command that prints a text."""
    stored, script = folder / "record.json", folder / "check.py"
    stored.write_bytes(to_json(record))
    script.write_text(FROM_RECORD)
    command = shlex.join([sys.executable, str(script), str(stored)])
    results = review.run_series_checks(message, [command], str(folder))
    database = review.get_db()
    review.store_results(database, message[0], results)
    kept = review.get_cached_results(database, [message[0]])[message[0]]
    database.close()
    assert kept == results
    (result,) = results
    return result


@pytest.mark.parametrize(
    ("record", "status", "summary"),
    [
        (samples.passed(), "pass", "4 passed, Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)"),
        (samples.nothing_ran(), "warn", "no verdict: no cell ran, Linux 7.3.4"),
        (samples.failed(), "fail", "missing-flush, Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)"),
        (samples.multi_cell(), "fail", "missing-flush, kernel-warning, global-mapping-refused,"),
        *[
            (samples.no_verdict(r), "warn", f"no verdict: {r.replace('-', ' ')}: Kernel panic")
            for r in Reason
        ],
    ],
)
def test_b4_reads_it(
    record: RunRecord,
    status: str,
    summary: str,
    tmp_path: Path,
    message: tuple[str, EmailMessage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = by_b4(record, tmp_path, message)
    assert (result["tool"], result["status"]) == ("mermap", status)
    assert result["summary"].startswith(summary)


def marks(record: RunRecord, **how: Any) -> list[dict[str, str]]:
    (result,) = json.loads(b4_checks.render(record, **how))
    assert set(result) <= {"tool", "status", "summary", "url", "details"}
    assert all(isinstance(value, str) for value in result.values())
    return cast("list[dict[str, str]]", json.loads(result["details"]))


def test_each_cell_and_finding_is_a_line_of_the_details() -> None:
    lines = [(m["status"], m["context"], m["state"]) for m in marks(samples.multi_cell())]
    assert lines[:5] == [
        ("pass", "x86_64/base", "passed"),
        ("fail", "x86_64/smp", "failed"),
        ("fail", "x86_64/smp test_tlb_flushed", "missing-flush"),
        ("fail", "x86_64/debug", "failed"),
        ("fail", "x86_64/debug test_basic_alloc", "kernel-warning"),
    ]
    assert ("warn", "x86_64/cut test_size", "idle-flush") in lines
    assert lines[-3:] == [
        ("warn", "x86_64/rt", "no-verdict"),
        ("warn", "x86_64/rt", "CONFIG_PREEMPT_RT=y"),
        ("warn", "x86_64/rt", "boot-failed"),
    ]
    said = [m["description"] for m in marks(samples.multi_cell()) if "PREEMPT_RT" in m["state"]]
    assert said == ["CONFIG_PREEMPT_RT is n, not y, on x86_64: its dependencies fail"]


def test_a_series_names_new_warnings_and_no_absent_commit() -> None:
    lines = [(m["status"], m["state"], m["description"]) for m in marks(samples.series())]
    said = "mm/mermap.c:12: unused variable 'x' [-Wunused-variable]"
    assert lines[-1] == ("warn", "new-warning", said)
    assert "absent" not in str(lines)
    record = samples.record(samples.cell_no_verdict(Reason.ABSENT), samples.cell_no_verdict())
    (result,) = json.loads(b4_checks.render(record))
    assert result["summary"].startswith("no verdict: boot failed")


def test_the_url_is_handed_on() -> None:
    (result,) = json.loads(b4_checks.render(samples.passed(), url="https://example.org/1"))
    assert result["url"] == "https://example.org/1"


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_a_kernel_is_quoted(
    name: str, tmp_path: Path, message: tuple[str, EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = infect(samples.multi_cell(), TEXTS[name])
    (result,) = json.loads(b4_checks.render(record, console=Console(TEXTS[name])))
    assert result["status"] == "fail"
    assert len(marks(record)) == len(marks(samples.multi_cell()))
    assert all(char.isprintable() for char in result["summary"])
    assert len(result["details"]) < 100_000
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    database = review.get_db()
    review.store_results(database, message[0], [result])  # SQLite takes no lone surrogate
    database.close()
