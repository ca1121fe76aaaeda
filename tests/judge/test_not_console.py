# SPDX-License-Identifier: GPL-2.0-only
"""Input that is no bare console is named; no finding is about a kernel or a machine."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from hashlib import sha256
from pathlib import Path

import pytest

from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Reason, Verdict
from tests.tables import LOGS, MANIFEST

ROOT = Path(__file__).parents[2]
GOOD = (LOGS / "good.log").read_bytes()
KTAP = GOOD[GOOD.index(b"KTAP version 1") :]


def judged(data: bytes) -> Judgement:
    return judge(io.BytesIO(data), manifest=MANIFEST, expected_suites="mermap")


REPORT = b"""\
[09:14:02] Starting KUnit Kernel (1/1)...
[09:14:02] ============================================================
[09:14:02] =================== sample (2 subtests) ====================
[09:14:02] [PASSED] one
[09:14:02] [SKIPPED] two
[09:14:02] ===================== [PASSED] sample ======================
[09:14:02] Testing complete. Ran 2 tests: passed: 1, skipped: 1
"""
KUNIT_JSON = json.dumps(
    {"arch": "x86_64", "sub_groups": [{"name": "s", "test_cases": [], "sub_groups": []}]}
).encode()
JUNIT = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="x"><testsuite name="s" tests="1"><testcase name="t"/>
<system-out>KTAP version 1
1..1
ok 1 s
</system-out></testsuite></testsuites>
"""
LAVA = b"".join(
    b'- {"dt": "2023-05-04T11:59:59.204170", "lvl": "target", "msg": "%s"}\n' % line
    for line in KTAP.splitlines()
)
MAIL = b"""\
From: A Developer <dev@example.org>
Subject: [PATCH v2 3/7] mm: it works here
Date: Thu, 4 May 2023 11:59:59 +0000
Message-ID: <20230504.1@example.org>

See the console:

"""
CASES = {
    "kunit.py's report": (REPORT, "kunit.py's report", "--raw_output"),
    "the same, in colour": (
        REPORT.replace(b"[PASSED]", b"\x1b[1;32m[PASSED]\x1b[0;0m"),
        "kunit.py's report",
        "test.log",
    ),
    "the same, from a CI": (
        b"".join(b"2023-05-04T11:59:59.204170Z " + x for x in REPORT.splitlines(keepends=True)),
        "kunit.py's report",
        "test.log",
    ),
    "kunit.py --json": (KUNIT_JSON, "--json", "test.log"),
    "indented JSON": (json.dumps(json.loads(KUNIT_JSON), indent=4).encode(), "--json", "test.log"),
    "JUnit": (JUNIT, "JUnit XML", "test.log"),
    "JUnit without a declaration": (JUNIT.partition(b"\n")[2], "JUnit XML", "test.log"),
    "LAVA": (LAVA, "LAVA", "plain log"),
    "mail": (MAIL + KTAP, "mail", "not quoted"),
    "mail, quoted": (
        MAIL + b"".join(b"> " + line for line in KTAP.splitlines(keepends=True)),
        "mail",
        "not quoted",
    ),
    "mbox": (b"From dev@example.org Thu May  4 11:59:59 2023\n" + MAIL + KTAP, "mail", "separate"),
    "a patch": (b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n" + MAIL, "mail", "separate"),
    "gzip": (gzip.compress(GOOD), "gzip", "zcat"),
    "bzip2": (bz2.compress(GOOD), "bzip2", "bzcat"),
    "xz": (lzma.compress(GOOD), "xz", "xzcat"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-16", "iconv"),
    "binary": (b"".join(sha256(bytes([i])).digest() for i in range(250)), "binary", "text"),
    "zeros": (bytes(10_000), "binary", "text"),
    "an ELF file": (b"\x7fELF\2\1\1" + bytes(100), "ELF", "text"),
    "documentation": ((ROOT / "CONTRIBUTING.md").read_bytes(), "text for people", "console"),
    "a licence": ((ROOT / "LICENSE").read_bytes(), "text for people", "console"),
    "a web page": (b"<!DOCTYPE html>\n<html><pre>" + KTAP, "web page", "raw log"),
    "docker's JSON": (b'{"log":"KTAP version 1\\n","stream":"stdout"}\n', "JSON", "console"),
    "our own document": (b'{\n "schema": 1,\n "cells": []\n}\n', "mermapctl itself", "console"),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_input_that_is_no_console_is_named(name: str) -> None:
    data, what, give = CASES[name]
    judgement = judged(data)
    assert (judgement.verdict, judgement.reason) == (Verdict.NO_VERDICT, Reason.NOT_A_CONSOLE)
    (finding,) = judgement.findings
    assert finding.code == "not-a-console"
    assert what in finding.summary
    assert give in (finding.advice or "")
    assert judgement.detail == finding.summary
    assert judgement.suites == ()
    for word in ("boot", "QEMU", "look at the machine"):
        assert word not in finding.summary + (finding.advice or "")


CONSOLES = {
    "bare": GOOD,
    "with NULs": b"\0" * 500 + GOOD,
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "behind QMP's greeting": b'{"QMP": {"version": {}, "capabilities": []}}\r\n' + GOOD,
    "behind kunit.py's own lines": REPORT.splitlines(keepends=True)[0] + GOOD,
    "quoted": b"".join(b"> " + line for line in KTAP.splitlines(keepends=True)),
    "GitHub": b"".join(
        b"2023-05-04T11:59:59.2041700Z " + line for line in KTAP.splitlines(keepends=True)
    ),
    "GitLab": b"".join(
        b"2023-05-04T11:59:59.204170Z 01O " + line for line in KTAP.splitlines(keepends=True)
    ),
    "in Latin 1": b"Grub l\xe4dt\n" + GOOD,
}


@pytest.mark.parametrize("name", sorted(CONSOLES))
def test_a_console_is_judged(name: str) -> None:
    assert judged(CONSOLES[name]).verdict is Verdict.PASSED


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda path: path.stem)
def test_no_captured_console_is_taken_for_something_else(log: Path) -> None:
    assert judged(log.read_bytes()).reason is not Reason.NOT_A_CONSOLE
