# SPDX-License-Identifier: GPL-2.0-only
"""A cell's job for tests of its parts: what kunit.py is told, and what decides to build."""

from __future__ import annotations

from pathlib import Path

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import CellPlan, Request
from mermapctl.config.target import KernelTree, Target
from mermapctl.config.variants import Variant
from mermapctl.runner.job import Job
from mermapctl.runner.kunit import Capabilities


def job(
    tree: Path,
    target: Target,
    *,
    build_dir: Path,
    kunitconfig: Path,
    jobs: int = 1,
) -> Job:
    request = Request(jobs=jobs)
    return Job(
        cell=CellPlan(
            request=request,
            tree=KernelTree(tree, "", {}, (), mermap=True),
            own=(),
            target=target,
            variant=Variant("base", Fragment("base")),
            suite=request.suite,
            kernel_args=(),
        ),
        build_dir=build_dir,
        kunitconfig=kunitconfig,
        folder=tree,
        can=Capabilities((), {}),
        commit=None,
        invoked="mermapctl run",
        tell=lambda _event: None,
        timeout=request.timeout,
        silence=request.silence,
    )
