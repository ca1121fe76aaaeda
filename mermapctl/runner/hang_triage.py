# SPDX-License-Identifier: GPL-2.0-only
"""After a hang: boot each unfinished test alone with a short limit, and find where it hangs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mermapctl.config.plan import kernel_args
from mermapctl.events import Event, Note, Tick
from mermapctl.judge import hang_trials
from mermapctl.judge.hang_trial import Outcome, Trial
from mermapctl.judge.result_types import Verdict
from mermapctl.records.cell_verdict import judge_console, suites_known
from mermapctl.records.folder import cell_slug
from mermapctl.records.record import Cell
from mermapctl.runner import boot, qmp, socket_place, system_map
from mermapctl.runner.job import Job
from mermapctl.runner.kernel import Kernel
from mermapctl.runner.qmp import Sample
from mermapctl.runner.system_map import SystemMap
from mermapctl.system import inputs

LONGEST_NAME = 100
"""The longest name of a folder, in characters; file systems allow 255 bytes."""


def hung(job: Job, kernel: Kernel, cell: Cell) -> Iterator[tuple[Trial, ...]]:
    """Boot the tests that the hang of `cell` left unfinished; yield all trials so far after each.

    If none of them hangs alone, boot the suite once more. Raises Interrupted, HarnessError.
    """
    wanted = hang_trials.unfinished(cell.suites, cell.findings)
    for unnamed in hang_trials.nameless(cell.suites):
        known = {test.name for test in unnamed.tests}
        names = _listed(job, kernel, unnamed.name)
        wanted += [(unnamed.name, name) for name in names if name not in known]
    trials: list[Trial] = []
    for suite, test in wanted[: hang_trials.MOST]:
        trials.append(_boot(job, kernel, suite, test))
        yield tuple(trials)
    for suite in dict.fromkeys(suite for suite, _ in wanted):
        if not any(each.outcome is Outcome.HUNG for each in trials if each.suite == suite):
            trials.append(_boot(job, kernel, suite, None))
            yield tuple(trials)


def _listed(job: Job, kernel: Kernel, suite: str) -> list[str]:
    """Return the tests of a suite; a boot that only lists them prints their names."""
    job.tell(Note(f"hang triage: which tests {suite} has"))
    listing = _alone(job, kernel, suite, f"{suite}-list")
    arguments = (*listing.cell.kernel_args, hang_trials.LIST)
    boot.boot(replace(listing, cell=replace(listing.cell, kernel_args=arguments)), kernel)
    with inputs.open_own(listing.console) as console:
        return hang_trials.listed(console, suite)


def _boot(job: Job, kernel: Kernel, suite: str, test: str | None) -> Trial:
    what = f"{test} alone" if test else f"the suite {suite} again"
    job.tell(Note(f"hang triage: {what}"))
    glob = f"{suite}.{test}" if test else suite
    alone = _alone(job, kernel, glob, glob)
    with _Watcher.of(alone) as watcher:
        booted = boot.boot(watcher.job, kernel)
    blank = Cell(
        target=job.target.name,
        variant=job.cell.variant.name,
        verdict=Verdict.NO_VERDICT,
        boot=booted.boot,
        suite=alone.cell.suite,
    )
    with inputs.open_own(alone.console) as console:
        judged = judge_console(blank, console)
    outcome, named = hang_trials.outcome(suite, test, judged.suites, judged.findings)
    reported = hang_trials.function(judged.splats, suite, suites_known())
    sampled, share = hang_trials.sampled(watcher.samples, suite, suites_known())
    function, seen = (reported, hang_trials.DETECTED) if reported else (sampled, share)
    hung = outcome is Outcome.HUNG
    return Trial(
        suite=suite,
        test=test,
        outcome=outcome,
        seconds=round(booted.seconds, 3),
        function=function if hung else None,
        console=str(alone.console),
        named=named,
        seen=seen if hung else None,
    )


def _alone(job: Job, kernel: Kernel, glob: str, name: str) -> Job:
    """Return the job of one filter, in a folder of its own, with options that detect a hang.

    It has no probes, which would slow it down.
    """
    cell = job.cell
    folder = _folder(job.folder, name)
    folder.mkdir()
    watching = hang_trials.watching(kernel.config)
    watch = hang_trials.DETECTOR if watching.detector else ()
    # Without KASLR the addresses are those in System.map.
    arguments = kernel_args(("nokaslr", *watch), cell.kernel_args, ())
    smp = max(2, cell.smp or 1) if watching.smp and cell.target.qemu else cell.smp
    return replace(
        job,
        cell=replace(cell, suite=glob, smp=smp, kernel_args=arguments, untraced=""),
        timeout=min(hang_trials.LONGEST, job.timeout),
        silence=min(hang_trials.SHORT, job.silence, job.timeout),
        folder=folder,
    )


def _folder(parent: Path, name: str) -> Path:
    """Return the path of a new folder; a number makes it unique, whatever the names are."""
    number = 1 + len(list(parent.glob("triage-*")))
    return parent / cell_slug(f"triage-{number:02}", name)[:LONGEST_NAME]


class _Watcher:
    """Asks QEMU once where the CPUs are, after a boot has printed nothing for long enough.

    `job` is the boot's job with a listener that checks the console at each tick.
    """

    def __init__(self, job: Job, known: SystemMap | None, place: Path) -> None:
        self.samples: list[Sample] = []
        self._known = known
        self._socket = place / "qmp"
        self._console = job.console
        self._told = job.tell
        self._after = min(hang_trials.SAMPLED_AFTER, 0.6 * job.silence)
        self._size = -1
        self._heard = time.monotonic()
        more = qmp.argument(self._socket) if known else ()
        self.job = replace(job, cell=replace(job.cell, more_qemu_args=more), tell=self._listen)

    @classmethod
    @contextlib.contextmanager
    def of(cls, job: Job) -> Iterator[_Watcher]:
        """Yield a watcher; then remove its socket's directory. The socket's path must be short."""
        known = system_map.load(job.build_dir / system_map.NAME)
        able = job.target.qemu is not None and job.can.has("exec", "--qemu_args")
        with socket_place.directory() as place:
            yield cls(job, known if able else None, place)

    def _listen(self, event: Event) -> None:
        self._told(event)
        if not isinstance(event, Tick) or self._known is None or self.samples:
            return
        now = time.monotonic()
        size = self._console.stat().st_size if self._console.is_file() else 0
        if size != self._size:
            self._size, self._heard = size, now
        elif now - self._heard > self._after:
            self._heard = now
            self.samples = qmp.samples(self._socket, self._known)
