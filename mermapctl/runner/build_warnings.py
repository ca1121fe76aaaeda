# SPDX-License-Identifier: GPL-2.0-only
"""All warnings of a build directory's objects, also of those that the last build did not make."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.judge import compiler_warnings
from mermapctl.judge.compiler_warnings import CompilerWarning
from mermapctl.runner import build_log
from mermapctl.system import cache_file

if TYPE_CHECKING:
    from mermapctl.runner.job import Job

FILE = ".mermapctl-warnings"
MOST = 500
"""Warnings that are kept; of more they count as unknown: a cut list would make old ones new."""


@dataclass(frozen=True, slots=True)
class _KeptWarnings:
    """The warnings of all objects; not `whole` if there are objects whose warnings are unknown."""

    whole: bool
    warnings: tuple[CompilerWarning, ...] = ()


def known(job: Job) -> tuple[CompilerWarning, ...] | None:
    """Return the warnings of all objects; None if some of them are unknown."""
    kept = cache_file.read(job.build_dir / FILE, _KeptWarnings)
    return kept.warnings if kept and kept.whole else None


@contextlib.contextmanager
def collected(job: Job) -> Iterator[None]:
    """Within the block make runs; take the warnings out of its log, however it ends.

    If we are killed in the block, the warnings stay unknown.
    """
    path = job.build_dir / FILE
    before = cache_file.read(path, _KeptWarnings)
    if before is None:
        before = _KeptWarnings(whole=not (job.build_dir / "init/main.o").exists())
    since = _time(path)
    cache_file.write(path, _KeptWarnings(whole=False, warnings=before.warnings))
    try:
        yield
    finally:
        log = build_log.whole(job)
        made = compiler_warnings.sources_made(log)
        trees = dict.fromkeys((str(job.tree), str(job.tree.resolve())))
        kept = [
            each
            for each in before.warnings
            if each.file not in made and _unchanged(job.tree / each.file, since)
        ]
        new = [
            each
            for each in compiler_warnings.warnings_in(log, trees)
            if os.path.isfile(job.tree / each.file)  # noqa: PTH113 - a name may be too long
        ]
        found = tuple(dict.fromkeys((*kept, *new)))
        whole = before.whole and len(found) <= MOST
        cache_file.write(path, _KeptWarnings(whole, found[:MOST]))


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _unchanged(path: Path, since: int) -> bool:
    """Return whether a file is there, and was not written after the last build."""
    return 0 < _time(path) <= since
