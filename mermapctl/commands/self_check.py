# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl doctor --deep`: boot a built kernel twice; both must print the same console."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config import plan, target
from mermapctl.config.plan import Request
from mermapctl.doctor.requirement import Check, NeedState
from mermapctl.errors import MermapctlError
from mermapctl.judge.result_types import Ended
from mermapctl.runner import boot, further_boot, guest_clock, kernel, kunit
from mermapctl.runner.guest_clock import EMULATED
from mermapctl.runner.job import Job
from mermapctl.system import paths, scratch
from mermapctl.tree import build_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.config.plan import CellPlan
    from mermapctl.events import Event
    from mermapctl.runner.kernel import Kernel

NAME, USE = "reproducible boots", "what failed fails again"
COMMAND = "mermapctl doctor --deep"


def check(tree: Path | None, name: str) -> Check:
    """Return whether two boots of the kernel of variant base that is built print one console.

    Raises Interrupted.
    """
    try:
        return _check(tree, name)
    except (MermapctlError, OSError) as error:
        return _lacking(f"not tried: {error}")


def _check(tree: Path | None, name: str) -> Check:
    if tree is None:
        return _lacking("not tried: there is no tree", "--tree DIR names one")
    (planned,) = plan.make(target.read(tree), Request(tree=tree, targets=(name,)))
    if planned.target.qemu is None:
        return _lacking(f"not tried: {name} has no emulated guest", "--target x86_64")
    with _job(planned) as job:
        found = kernel.read(job)
        if not (job.build_dir / found.image).is_file():
            build = f"`mermapctl run --tree {tree} --target {name}` builds one"
            return _lacking(f"not tried: no kernel of {tree} is built for {name}", build)
        if why := guest_clock.why_threads(job, found, EMULATED):
            return _lacking(f"not tried: {why}")
        with build_dir.locked(job.build_dir, COMMAND, wait=False, waiting=lambda _: None):
            return _booted_twice(job, found)


def _booted_twice(job: Job, found: Kernel) -> Check:
    consoles = []
    seconds = 0.0
    for number in (1, 2):
        booted = boot.boot(job, found, EMULATED)
        seconds += booted.seconds
        if booted.boot.ended is not Ended.EXITED:
            return _lacking(f"boot {number} of two did not end by itself ({booted.boot.ended})")
        consoles.append(job.console.rename(job.folder / f"{number}.log"))
    differs, lines = further_boot.differing(*consoles)
    if differs is not None:
        words = f"two boots of one kernel differ from line {differs:,} on"
        return Check(NAME, NeedState.BROKEN, words, USE, needed=False)
    if not lines:
        return _lacking("two boots printed nothing")
    words = f"two boots, one console of {lines:,} lines ({seconds:.1f} s)"
    return Check(NAME, NeedState.OK, words, USE, needed=False)


def _lacking(found: str, advice: str | None = None) -> Check:
    return Check(NAME, NeedState.MISSING, found, USE, needed=False, advice=advice)


@contextlib.contextmanager
def _job(planned: CellPlan) -> Iterator[Job]:
    """Yield a job whose files are removed afterwards."""
    where = build_dir.locate(planned.tree.path, planned.target.name, planned.build_name)
    build_dir.require_plain(planned.tree.path, paths.cache_dir())
    with scratch.directory("deep") as folder:
        job = Job(
            cell=planned,
            build_dir=where,
            kunitconfig=folder / "kunitconfig",
            folder=folder,
            can=kunit.capabilities(planned.tree.path),
            commit=None,
            invoked=COMMAND,
            tell=_untold,
            timeout=further_boot.SHORTEST,
            silence=further_boot.SILENCE,
        )
        job.kunitconfig.write_text(planned.variant.fragment.text(), encoding="utf-8")
        yield job


def _untold(_: Event) -> None:
    """Show no progress."""
