# SPDX-License-Identifier: GPL-2.0-only
"""Records: to the public JSON document and back; ids, marks of processes, exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from mermapctl.errors import Exit, HarnessError
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records import exit_code
from mermapctl.records import record as records
from mermapctl.records.record import (
    Former,
    Run,
    RunRecord,
    State,
    Tool,
    TreeFacts,
    from_json,
    to_json,
)
from tests import sample_records as samples
from tests.hostile import TEXTS, infect


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_record_comes_back_as_it_was(name: str) -> None:
    record = samples.SAMPLES[name]()
    assert from_json(to_json(record)) == record


def test_the_former_verdicts_come_back() -> None:
    former = Former(Verdict.FAILED, Tool("mermapctl", "0.0.1"), "2026-01-01T00:00:00Z")
    record = dataclasses.replace(samples.passed(), former=(former,))
    assert from_json(to_json(record)) == record


def test_the_document_is_the_promised_one() -> None:
    """Check each key and value that docs/verdicts.md shows."""
    document = json.loads(to_json(samples.failed()))
    cell = document["cells"][0]
    failing = cell["suites"][0]["tests"][3]
    parts: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (document, {"schema": 1, "verdict": "failed"}),
        (document["tool"], {"name": "mermapctl", "version": "0.1.0"}),
        (document["run"], {"started": "2026-11-23T07:05:12.123Z", "seconds": 38.4}),
        (document["tree"], {"kernel": "7.3.4", "commit": samples.COMMIT, "dirty": False}),
        (cell, {"target": "x86_64", "variant": "base", "verdict": "failed", "reason": None}),
        (cell, {"accelerator": "tcg", "phases": {"config": 2.1, "build": 33.9, "boot": 1.4}}),
        (cell["suites"][0], {"name": "mermap", "status": "failed"}),
        (failing, {"name": "test_tlb_flushed", "status": "failed", "seconds": 0.31}),
        (failing["failures"][0], {"kind": "assertion", "line": 210}),
        (failing["failures"][0], {"values": {"mc->tlb_flushes": "0 (0x0)"}}),
        (cell["flushes"][0], {"expected": 1, "counted": 0, "observed": None, "allocations": None}),
        (cell["findings"][0], {"code": "missing-flush", "severity": "error", "consequences": []}),
        (cell["findings"][0], {"evidence": {"flushes": 0, "expected": 1}}),
        (cell["artifacts"], {"console": "/runs/1/console.log", "config": "/runs/1/config"}),
    ]
    for part, expected in parts:
        assert part | expected == part
    assert {"host", "command", "id"} <= set(document["run"])
    assert all(isinstance(line, str) for line in cell["reproduce"])


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_can_be_kept(name: str) -> None:
    record = infect(samples.multi_cell(), TEXTS[name])
    document = to_json(record)
    json.loads(document.decode("utf-8"))
    back = from_json(document)
    assert len(back.cells) == len(record.cells)
    if all(not 0xD800 <= ord(char) < 0xE000 for char in TEXTS[name]):
        assert back == record
    else:
        assert "\ufffd" in str(back.tree.path)


def test_keys_of_a_later_version_are_passed_over() -> None:
    document = json.loads(to_json(samples.failed()))
    document["later"] = {"x": [1]}
    document["cells"][0]["later"] = None
    assert from_json(json.dumps(document).encode()) == samples.failed()


def test_keys_of_an_earlier_version_may_lack() -> None:
    document = json.loads(to_json(samples.passed()))
    for key in ("notes", "boot", "omitted", "trace", "suite"):
        document["cells"][0].pop(key, None)
    del document["former"]
    assert from_json(json.dumps(document).encode()).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "here is damaged"),
        (b"\xff", "here is damaged"),
        (b"[]", "here is damaged"),
        (b'{"schema": 1}', "here is damaged, or no run record: Object missing required field"),
        (b'{"schema": 2}', "here was written by a newer mermapctl .schema 2; version 1"),
        (b'{"schema": "x"}', "here is damaged"),
    ],
)
def test_invalid_documents_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(HarnessError, match=words) as caught:
        from_json(data, "here")
    assert caught.value.hint


def test_a_newer_schema_is_refused_even_where_it_reads() -> None:
    document = to_json(samples.passed()).replace(b'"schema": 1', b'"schema": 2')
    with pytest.raises(HarnessError, match="newer mermapctl"):
        from_json(document)


@pytest.mark.parametrize(
    ("verdicts", "run"),
    [
        ("", Verdict.NO_VERDICT),
        ("p", Verdict.PASSED),
        ("pp", Verdict.PASSED),
        ("pn", Verdict.NO_VERDICT),
        ("pnf", Verdict.FAILED),
        ("fn", Verdict.FAILED),
    ],
)
def test_the_verdict_of_a_run(verdicts: str, run: Verdict) -> None:
    known = {"p": Verdict.PASSED, "f": Verdict.FAILED, "n": Verdict.NO_VERDICT}
    cells = [samples.cell_passed(verdict=known[letter]) for letter in verdicts]
    assert records.verdict_of(cells) is run


@pytest.mark.parametrize(
    ("record", "bisect", "code"),
    [
        (samples.passed(), False, Exit.PASSED),
        (samples.failed(), False, Exit.FAILED),
        (samples.no_verdict(), False, Exit.NO_VERDICT),
        (samples.no_verdict(), True, Exit.BISECT_SKIP),
        (samples.failed(), True, Exit.FAILED),
        (
            samples.record(samples.cell_no_verdict(Reason.INTERRUPTED), state=State.INTERRUPTED),
            True,
            Exit.INTERRUPTED,
        ),
    ],
)
def test_exit_codes(record: RunRecord, bisect: bool, code: Exit) -> None:
    assert exit_code.exit_of(record, bisect=bisect) is code


def test_a_new_run_contains_this_machine_and_process() -> None:
    begun = records.begin(command=("mermapctl", "run"), tree=TreeFacts())
    run = begun.run
    assert (run.state, run.pid, begun.verdict) == (State.RUNNING, os.getpid(), Verdict.NO_VERDICT)
    assert run.host is not None
    assert run.host.machine == os.uname().machine
    assert run.host.cpus == len(os.sched_getaffinity(0))
    assert run.started.endswith("Z")
    assert run.id.startswith(run.started[:10].replace("-", ""))
    assert records.still_running(run)


def test_a_process_is_known_beyond_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        mark = records.process_mark(child.pid)
        ours = records.process_mark(os.getpid())
        run = Run("x", "x", 0.0, (), state=State.RUNNING, pid=child.pid, process=mark)
        assert records.still_running(run)
        assert not records.still_running(dataclasses.replace(run, process=ours))
        assert not records.still_running(dataclasses.replace(run, state=State.FINISHED))
        child.kill()
        deadline = time.monotonic() + 60
        while records.still_running(run) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not records.still_running(run)  # a zombie until its exit code is read
    assert mark != ours
    assert records.process_mark(child.pid) != mark
