# SPDX-License-Identifier: GPL-2.0-only
"""Build and boot one mutant in a lane, and tell its fate."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.judge import leaf_tests
from mermapctl.judge.result_types import Ended, Reason, Severity, Verdict
from mermapctl.mutation import compiled
from mermapctl.mutation.mutant import Fate, Mutant, MutantResult
from mermapctl.records.cell_verdict import judge_log
from mermapctl.records.record import Cell
from mermapctl.runner import boot, kernel, stages, up_to_date
from mermapctl.runner.boot import Booted
from mermapctl.runner.cell import unjudged
from mermapctl.runner.job import Job
from mermapctl.series import kernel_digest
from mermapctl.system import files, inputs, program

SHORTEST, SILENCE = 20, 8
"""Seconds of a mutant's boot at least, in all and without output."""
SLOWER = 8
"""A mutant may take so many times as long as the original; an emulated boot takes 0.8 s."""
PATIENT = 3
"""A mutant that hung idle is booted again with limits so many times as long."""
BUSY = 0.7
"""A boot that had so much of a CPU until its limit hung by itself, however busy the machine is."""
_HUNG = (Ended.TIMEOUT, Ended.SILENCE)
_OURS = (Ended.KILLED, Ended.ACCELERATOR_FAILED)
"""Ends of a boot that are no fault of the kernel."""


@dataclass(frozen=True, slots=True)
class Original:
    """The unchanged kernel in a lane: its files, objects and image, to compare mutants with.

    `job` has the limits of a mutant's boot.
    """

    job: Job
    texts: dict[str, str]
    objects: dict[str, str | None]
    image: str


def sources(tree: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the texts of files of a tree; bytes that are no UTF-8 are kept as surrogates."""
    return {
        name: inputs.read_regular(tree / name).decode(errors="surrogateescape") for name in names
    }


def original(job: Job, texts: dict[str, str], seconds: float) -> Original:
    """Return what mutants are compared with. The lane has just been built; a boot took `seconds`.

    Raises HarnessError.
    """
    up_to_date.forget(job)  # whatever ends us: the next run builds again
    objects = {}
    for file in texts:
        made = compiled.compile_file(job, file)
        if made.error:
            raise HarnessError(f"{file} does not compile by Kbuild's own command: {made.error}")
        objects[file] = made.digest
    image = _image(job)
    if image is None:
        raise HarnessError(f"the kernel in {job.build_dir} cannot be read")
    limited = replace(
        job,
        timeout=max(SHORTEST, int(SLOWER * seconds)),
        silence=max(SILENCE, int(SLOWER * seconds)),
        patience=None,
    )
    return Original(limited, texts, objects, image)


def _image(job: Job) -> str | None:
    return kernel_digest.of(job.build_dir / kernel.read(job).image)


def run(
    known: Original, mutant: Mutant, function: str | None, *, covered: bool = True
) -> MutantResult:
    """Return the fate of a mutant; the file in the lane is then as it was.

    One that no test runs is compiled only: most that universalmutator makes are no C.

    Raises Interrupted, HarnessError, OSError.
    """
    began = time.monotonic()
    path = known.job.tree / mutant.file
    text = known.texts[mutant.file]
    lines = text.split("\n")
    lines[mutant.line - 1] = mutant.after
    try:
        files.write_own(path, "\n".join(lines).encode(errors="surrogateescape"))
        found = _fate(known, mutant, covered=covered)
    finally:
        files.write_own(path, text.encode(errors="surrogateescape"))
    return replace(found, seconds=round(time.monotonic() - began, 3), function=function)


def _fate(known: Original, mutant: Mutant, *, covered: bool) -> MutantResult:
    job = known.job
    made = compiled.compile_file(job, mutant.file)
    if made.error:
        return MutantResult(mutant, Fate.UNBUILT, said=made.error)
    if made.digest is not None and made.digest == known.objects[mutant.file]:
        return MutantResult(mutant, Fate.EQUIVALENT, said="its object is the same")
    if not covered:
        return MutantResult(mutant, Fate.UNCOVERED)
    job.build_log.unlink(missing_ok=True)  # it would name the error of another mutant
    built = stages.build(job, kernel.read(job))
    if built.reason:
        return MutantResult(mutant, Fate.UNBUILT, said=built.detail or "")
    if _image(job) == known.image:
        return MutantResult(mutant, Fate.EQUIVALENT, said="its kernel is the same")
    return _booted(job, mutant)


def _booted(job: Job, mutant: Mutant) -> MutantResult:
    began = program.processor_seconds()
    booted = boot.boot(job, kernel.read(job))
    if booted.boot.ended in _HUNG and program.processor_seconds() - began >= BUSY * booted.seconds:
        return _hung(job, booted, mutant, "it loops")
    if booted.boot.ended in _HUNG:
        slow = replace(job, timeout=PATIENT * job.timeout, silence=PATIENT * job.silence)
        booted = boot.boot(slow, kernel.read(slow), booted.accelerator)
        if booted.boot.ended in _HUNG:
            return _hung(job, booted, mutant, "hung twice")
    if booted.boot.ended in _OURS:
        return MutantResult(mutant, Fate.UNJUDGED, said=f"the boot was {booted.boot.ended}")
    return judged(mutant, _judged(job, booted, observe=True), _judged(job, booted, observe=False))


def _hung(job: Job, booted: Booted, mutant: Mutant, said: str) -> MutantResult:
    whole = _judged(job, booted, observe=True)
    return MutantResult(mutant, Fate.HUNG, _tests(whole), _codes(whole), said)


def _judged(job: Job, booted: Booted, *, observe: bool) -> Cell:
    """Judge the console; without `observe` as if there were no trace in it."""
    blank = replace(
        unjudged(job),
        boot=booted.boot,
        suite=job.cell.suite,
        allow_splats=job.request.allow_splats,
    )
    with inputs.open_own(job.console) as console:
        return judge_log(blank, console, observe=observe)[0]


def judged(mutant: Mutant, whole: Cell, alone: Cell) -> MutantResult:
    """Return the fate by a console, judged with its trace (`whole`), and without (`alone`)."""
    first = next((each.summary for each in whole.findings), whole.detail or "")
    if whole.verdict is Verdict.PASSED:
        return MutantResult(mutant, Fate.SURVIVED, codes=_codes(whole))
    if whole.verdict is Verdict.NO_VERDICT:
        died = whole.reason is Reason.BOOT_FAILED
        fate = Fate.KILLED if died else Fate.UNJUDGED
        return MutantResult(mutant, fate, codes=(str(whole.reason),), said=whole.detail or "")
    if alone.verdict is Verdict.PASSED:
        return MutantResult(mutant, Fate.TRACE, _tests(whole), _codes(whole), first)
    return MutantResult(mutant, Fate.KILLED, _tests(alone), _codes(alone) or _codes(whole), first)


def _tests(cell: Cell) -> tuple[str, ...]:
    return tuple(f"{leaf.suite}.{leaf.name}" for leaf in leaf_tests.leaves(cell) if leaf.bad)


def _codes(cell: Cell) -> tuple[str, ...]:
    found = (each.code for each in cell.findings if each.severity is Severity.ERROR)
    return tuple(dict.fromkeys(found))
