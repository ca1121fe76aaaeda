# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own conformance logs, judged by mermapctl and by that tree's kunit.py.

The logs are the kernel's and are not copied here: they come from MERMAPCTL_TEST_TREE, else from the
distribution's linux-source package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mermapctl.console.ktap import Suite, Test
from mermapctl.judge import suites
from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Verdict

pytestmark = pytest.mark.e2e

KUNIT = Path("tools/testing/kunit")
PACKAGED = Path("/usr/src")

STATUSES = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped", "ERROR": "crashed"}
VERDICTS = {True: Verdict.PASSED, False: Verdict.FAILED}

VERDICT_DIFFERS = {
    "test_insufficient_memory": (
        Verdict.NO_VERDICT,
        "an empty console: the kernel said nothing, so nothing has failed",
    ),
    "test_is_test_passed-no_tests_run_no_header": (
        Verdict.NO_VERDICT,
        "the kernel panicked before any KTAP: no verdict on the tests",
    ),
    "test_is_test_passed-missing_plan": (
        Verdict.FAILED,
        "two plans are lost: kunit.py counts that as an error, and passes the run all the same",
    ),
    "test_skip_all_tests": (
        Verdict.PASSED,
        "skips are allowed and shown: every suite says ok and nothing failed",
    ),
}
"""A log -> mermapctl's verdict where it differs from kunit.py's, and the reason."""

TESTS_DIFFER = {
    "test_kernel_panic_interrupt": (
        {"": "crashed"},
        {},
        "kunit.py fills the plan with crashed tests without a name; we name no test by guessing",
    ),
    "test_is_test_passed-no_tests_no_plan": (
        {"case": "failed"},
        {"case": "passed"},
        "a test whose `# Subtest:` is empty says ok: kunit.py counts it passed, lists it failed",
    ),
    "test_is_test_passed-kselftest": (
        {"": "skipped"},
        {"#3": "skipped"},
        "a result without a name (7.3): we give it its number",
    ),
}
"""A log -> tests that only kunit.py has, tests that only mermapctl has, and the reason."""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy tools/testing/kunit to a directory."""
    scratch = tmp_path_factory.mktemp("kunit")
    given = os.environ.get("MERMAPCTL_TEST_TREE")
    if given and (Path(given) / KUNIT).is_dir():
        shutil.copytree(Path(given) / KUNIT, scratch / KUNIT)
        return scratch
    tarballs = sorted(PACKAGED.glob("linux-source-*.tar.*"))
    if not tarballs:
        pytest.fail(
            f"no kernel to take {KUNIT}/test_data from: set MERMAPCTL_TEST_TREE to a kernel tree, "
            f"or install the package linux-source, which puts a tarball into {PACKAGED}"
        )
    with tarfile.open(tarballs[-1], "r|*") as tar:
        for member in _wanted(tar):
            tar.extract(member, scratch, filter="data")
    return scratch


def _wanted(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Return the members of kunit.py's directory, without the tarball's top directory."""
    seen = False
    for member in tar:
        member.name = member.name.partition("/")[2]
        if member.name.startswith(f"{KUNIT}/"):
            seen = True
            yield member
        elif seen:
            return


def theirs(tree: Path, log: Path) -> tuple[bool, dict[str, str]]:
    """Return whether kunit.py passes the run, and its leaf tests."""
    out = tree / f"{log.stem}.json"
    done = subprocess.run(
        [sys.executable, str(KUNIT / "kunit.py"), "parse", f"--json={out}", str(log)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0, dict(_leaves_of(json.loads(out.read_text())))


def _leaves_of(group: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for case in group["test_cases"]:
        yield case["name"], STATUSES[case["status"]]
    for inner in group["sub_groups"]:
        yield from _leaves_of(inner)


def ours(log: Path) -> Judgement:
    with log.open("rb") as stream:
        return judge(stream, manifest=suites.load())


def _leaves(tests: tuple[Suite, ...] | tuple[Test, ...]) -> Iterator[tuple[str, str]]:
    for test in tests:
        if test.tests:
            yield from _leaves(test.tests)
        else:
            yield test.name, str(test.status)


def test_verdicts_and_tests_are_kunit_pys_but_for_what_is_listed(tree: Path) -> None:
    logs = sorted((tree / KUNIT / "test_data").glob("*.log"))
    assert len(logs) > 20
    differing: dict[str, str] = {}
    for log in logs:
        they_pass, their_tests = theirs(tree, log)
        judgement = ours(log)
        our_tests = dict(_leaves(judgement.suites))
        verdict, _ = VERDICT_DIFFERS.get(log.stem, (VERDICTS[they_pass], ""))
        only_theirs, only_ours, _ = TESTS_DIFFER.get(log.stem, ({}, {}, ""))
        only = set(their_tests.items()) - set(our_tests.items())
        extra = set(our_tests.items()) - set(their_tests.items())
        if judgement.verdict is not verdict:
            differing[log.stem] = f"{judgement.verdict}, kunit.py: passed {they_pass}"
        elif not only <= set(only_theirs.items()) or not extra <= set(only_ours.items()):
            differing[log.stem] = f"only kunit.py: {only}, only we: {extra}"
    assert differing == {}


def test_every_listed_difference_is_one(tree: Path) -> None:
    for stem, (verdict, why) in VERDICT_DIFFERS.items():
        log = tree / KUNIT / "test_data" / f"{stem}.log"
        they_pass, _ = theirs(tree, log)
        assert ours(log).verdict is verdict, why
        assert verdict is not VERDICTS[they_pass], why
    for stem in TESTS_DIFFER:
        assert (tree / KUNIT / "test_data" / f"{stem}.log").is_file()
