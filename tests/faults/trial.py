# SPDX-License-Identifier: GPL-2.0-only
"""One trial: `mermapctl run` on a tree, and kunit.py on the same console."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.corpus import Case, Expected
from tests.faults.environment import ENVIRONMENTS

_RAN = re.compile(r"Ran (\d+) tests?:?(.*)")
_STAGE = {"config-unsatisfied": "config failed", "build-failed": "build failed"}
"""Reasons of mermapctl -> kunit.py's words for them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The judgement of one boot; `kunit` is kunit.py's verdict, `seconds` the time of the run."""

    got: Expected
    kunit: str
    summaries: tuple[str, ...]
    seconds: float
    boot_seconds: float | None
    console: Path | None
    kernel: str
    accelerator: str | None


def run(tree: Path, case: Case, *options: str) -> Trial:
    """Configure, build, boot and judge. Raises RuntimeError if the run prints no document."""
    began = time.monotonic()
    document, cell = documented(tree, case, *case.run, *options)
    return _trial(tree, document, cell, time.monotonic() - began)


def documented(tree: Path, case: Case, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a case with these options alone; return the JSON document and its only cell.

    Raises RuntimeError if the run prints no document.
    """
    argv = [sys.executable, "-m", "mermapctl", "run", f"--tree={tree}", "--format=json", "--quiet"]
    with ENVIRONMENTS[case.environment]() as environ:
        done = subprocess.run(
            [*argv, *options], capture_output=True, text=True, env=environ, check=False
        )
    try:
        document = json.loads(done.stdout)
        (cell,) = document["cells"]
    except ValueError as error:
        raise RuntimeError(f"{case.name}: {done.stderr.strip() or done.stdout[:500]}") from error
    return document, cell


def _trial(tree: Path, document: dict[str, Any], cell: dict[str, Any], seconds: float) -> Trial:
    errors = [finding for finding in cell["findings"] if finding["severity"] == "error"]
    console = cell["artifacts"]["console"]
    path = Path(console) if console else None
    return Trial(
        got=Expected(
            cell["verdict"], cell["reason"], frozenset(finding["code"] for finding in errors)
        ),
        kunit=_STAGE.get(cell["reason"]) or kunit_says(tree, path),
        summaries=tuple(finding["summary"] for finding in errors) or _detail(cell),
        seconds=seconds,
        boot_seconds=cell["phases"]["boot"],
        console=path,
        kernel=document["tree"]["kernel"],
        accelerator=cell["accelerator"],
    )


def _detail(cell: dict[str, Any]) -> tuple[str, ...]:
    return (cell["detail"],) if cell.get("detail") else ()


def kunit_says(tree: Path, console: Path | None) -> str:
    """Return the verdict of the tree's own kunit.py on a console, one of five words."""
    if console is None:
        return "no tests"
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "tools/testing/kunit/kunit.py", "parse", str(console)],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    ran = _RAN.findall(done.stdout)
    if not ran:
        return "gave up"
    count, words = ran[-1]
    if count == "0":
        return "no tests"
    if "crashed" in words:
        return "crashed"
    return "passed" if done.returncode == 0 else "failed"
