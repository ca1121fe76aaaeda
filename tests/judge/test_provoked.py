# SPDX-License-Identifier: GPL-2.0-only
"""`provokes` in suites.toml: splats that a test makes the kernel print on purpose."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.console.splat import SplatKind
from mermapctl.errors import HarnessError
from mermapctl.judge import suites
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Boot, Ended, Severity, Verdict
from mermapctl.judge.suites import ExpectedSuite, ExpectedTest, Manifest

SHIPPED = suites.load()
WARNING = "WARNING: CPU: 0 PID: 31 at lib/a.c:7 warns+0x1/0x2\n---[ end trace 0 ]---\n"
OTHER = "BUG: KASAN: use-after-free in warns+0x1/0x2\nRead of size 8\n"
PROVOKED = "test_warns provokes this on purpose"


def known(*kinds: SplatKind) -> Manifest:
    """Return the shipped manifest with one more suite."""
    tests = (ExpectedTest("test_quiet"), ExpectedTest("test_warns", provokes=kinds))
    shape = next(iter(SHIPPED.suites.values()))
    suite: ExpectedSuite = replace(shape, tests=tests, rules=())
    return replace(SHIPPED, suites={**SHIPPED.suites, "provoking": suite})


def judged(
    *kinds: SplatKind, first: str = "", second: str = "", result: str = "ok", between: str = ""
) -> Judgement:
    log = (
        f"KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: provoking\n    1..2\n{first}"
        f"    ok 1 test_quiet\n{second}    {result} 2 test_warns\n{result} 1 provoking\n{between}"
    )
    return judge(
        io.BytesIO(log.encode()),
        boot=Boot(ended=Ended.EXITED),
        manifest=known(*kinds),
        expected_suites="provoking",
    )


def test_a_provoked_splat_is_reported_and_fails_nothing() -> None:
    found = judged(SplatKind.WARNING, second=WARNING)
    (finding,) = found.findings
    assert found.verdict is Verdict.PASSED
    assert (finding.code, finding.severity) == ("kernel-warning", Severity.WARNING)
    assert finding.advice == PROVOKED
    assert len(found.splats) == 1


@pytest.mark.parametrize(
    "found",
    [
        judged(second=WARNING),
        judged(SplatKind.KASAN, second=WARNING),
        judged(SplatKind.WARNING, second=OTHER),
        judged(SplatKind.WARNING, second=WARNING + OTHER),
        judged(SplatKind.WARNING, first=WARNING),
        judged(SplatKind.WARNING, first=WARNING, second=WARNING),
        judged(SplatKind.WARNING, second=WARNING, result="not ok"),
    ],
    ids=[
        "nothing is provoked", "another kind is", "another kind came", "another kind came, too",
        "in another test", "in another test, too", "the test failed",
    ],
)  # fmt: skip
def test_any_other_splat_fails(found: Judgement) -> None:
    assert found.verdict is Verdict.FAILED
    assert Severity.ERROR in {finding.severity for finding in found.findings}


def test_a_file_names_the_kinds(tmp_path: Path) -> None:
    path = tmp_path / "suites.toml"
    text = "[suites.x]\n[[suites.x.tests]]\nname = 'test_warns'\nprovokes = ['warning', '{}']\n"
    path.write_text(text.format("kasan"))
    (test,) = suites.load(path).suites["x"].tests
    assert test.provokes == (SplatKind.WARNING, SplatKind.KASAN)
    path.write_text(text.format("warnings"))
    with pytest.raises(HarnessError, match=r"suites\.toml.*'warnings'"):
        suites.load(path)
