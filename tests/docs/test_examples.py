# SPDX-License-Identifier: GPL-2.0-only
"""The files of examples/ are those that the how-tos show, and their scripts give the code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from junitparser import Failure, JUnitXml

from tests.docs import pages
from tests.docs.pages import ROOT
from tests.forkprogram import program
from tests.series.fake_commits import add, add_all
from tests.tables import LOGS

SPDX = "# SPDX-License-Identifier: GPL-2.0-only\n"
GITLAB = ROOT / "examples/gitlab-ci.yml"


def test_the_page_shows_the_files() -> None:
    shown = [
        block.content
        for page in ("docs/howto/ci.md", "docs/howto/farm.md")
        for block in pages.tokens(page)
        if block.type == "fence" and block.info == "yaml"
    ]
    texts = [path.read_text("utf-8") for path in (ROOT / "examples").iterdir()]
    assert sorted(text.removeprefix(SPDX) for text in texts) == sorted(shown)
    assert all(text.startswith(SPDX) for text in texts)
    assert all(isinstance(yaml.safe_load(text), dict) for text in texts)


@pytest.mark.parametrize(("last", "code"), [("good", 0), ("early-flush", 1)])
def test_a_pipeline_ends_with_the_verdict_and_leaves_its_reports(
    last: str, code: int, fake_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_KERNELS", str(LOGS))
    base = add(fake_tree, "good", "base")
    add_all(fake_tree, "good", last)
    script = "\n".join(yaml.safe_load(GITLAB.read_text("utf-8"))["mermap"]["script"])
    with program() as start:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/mermapctl").write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        (tmp_path / "bin/mermapctl").chmod(0o755)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=fake_tree, capture_output=True, text=True, timeout=300, check=False,
            env={
                **os.environ,
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            },
        )  # fmt: skip
    assert done.returncode == code, done.stderr
    suites = list(JUnitXml.fromfile(str(fake_tree / "mermap.xml")))
    assert len(suites) == 2
    results = [result for suite in suites for case in suite for result in case.result]
    assert any(isinstance(each, Failure) for each in results) == (code == 1)
    assert "<html" in (fake_tree / "mermap.html").read_text("utf-8")
