# SPDX-License-Identifier: GPL-2.0-only
"""The job of a cell is a file: one that nobody has written as it is ends with a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.config.plan import Request
from mermapctl.errors import UserError
from mermapctl.series import cell_job
from mermapctl.series.cell_job import CellJob

JOB = CellJob(
    request=Request(tree=Path("/lane"), targets=("x86_64",), variants=("base",)),
    own=(),
    run="20261127-152928-2495694",
    folder=Path("/runs/\udcff"),
    origin=Path("/tree"),
    commit="a" * 40,
    files="b" * 64,
    line="git read-tree",
    work_tree=False,
    invoked="mermapctl run",
    key="c" * 64,
    column="d" * 64,
    rerun=False,
)


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    cell_job.write(tmp_path / "job", JOB)
    assert cell_job.read(tmp_path / "job") == JOB


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, key="../../../etc/x"),
        replace(JOB, column="\0"),
        replace(JOB, commit="--output=x"),
        replace(JOB, files="HEAD"),
        replace(JOB, run=".."),
        replace(JOB, request=replace(JOB.request, targets=())),
        replace(JOB, request=replace(JOB.request, variants=("base", "smp"))),
        replace(JOB, request=replace(JOB.request, shifts=())),
    ],
)
def test_a_job_whose_values_are_none_is_refused(tmp_path: Path, job: CellJob) -> None:
    cell_job.write(tmp_path / "job", job)
    with pytest.raises(UserError, match="is no job of a cell: "):
        cell_job.read(tmp_path / "job")
