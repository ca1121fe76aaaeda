# SPDX-License-Identifier: GPL-2.0-only
"""A cell's job for tests of its parts: what kunit.py is told, and what decides to build."""

from __future__ import annotations

from pathlib import Path

from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import CellPlan, Options
from mermapctl.config.target import Target
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
    make_options: tuple[str, ...] = (),
) -> Job:
    return Job(
        cell=CellPlan(target, Variant("base", Fragment("base")), "mermap", ()),
        options=Options(jobs=jobs),
        own=(),
        tree=tree,
        build_dir=build_dir,
        kunitconfig=kunitconfig,
        folder=tree,
        can=Capabilities((), {}),
        commit=None,
        invoked="mermapctl run",
        tell=lambda _event: None,
        make_options=make_options,
    )
