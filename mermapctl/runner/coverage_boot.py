# SPDX-License-Identifier: GPL-2.0-only
"""Add the coverage of a cell: that of its judged boot, and of each test booted alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mermapctl.config.coverage import Profile
from mermapctl.config.toolchain import of_build
from mermapctl.errors import HarnessError
from mermapctl.events import Note
from mermapctl.judge import coverage
from mermapctl.judge.coverage import FileLines
from mermapctl.records.record import Cell
from mermapctl.runner import boot, counters, further_boot, gcovr, unprobed
from mermapctl.runner.boot import Booted
from mermapctl.runner.job import Job
from mermapctl.system import inputs

WHOLE = "all"
"""The folder of the counters of the judged boot."""
MOST_TESTS = 100
"""The most tests that are booted alone, a second each."""


def add(job: Job, cell: Cell, booted: Booted) -> Cell:
    """Return the cell with its coverage. Raises Interrupted, HarnessError, OSError: there is none.

    A test whose own boot gives no counters has a note, and no numbers.
    """
    profile = job.cell.profile or Profile()
    found = gcovr.tools(of_build(job.target.cross_compile))
    place = counters.collect(job, WHOLE)
    reports = job.folder / counters.FOLDER
    whole = _chosen(gcovr.lines(found, place, job.tree, reports=reports), profile)
    if not whole:
        raise HarnessError("the counters have no line of the chosen files")
    alone: dict[str, FileLines] = {}
    notes = []
    for number, test in enumerate(_tests(job, cell), 1):
        again = _again(job, booted, test, number)
        try:
            boot.boot(again, booted.kernel, booted.accelerator)
            there = counters.collect(again, f"test-{number:03}")
            alone[test] = _chosen(gcovr.lines(found, there, job.tree), profile)
        except (HarnessError, OSError) as error:
            notes.append(f"no coverage of {test} alone: {error}")
        further_boot.remove_files(again)
        again.counters.unlink(missing_ok=True)
    named = {"lcov": reports / gcovr.LCOV, "cobertura": reports / gcovr.COBERTURA}
    made = coverage.of(
        whole,
        alone,
        {path: _source(job.tree / path) for path in whole},
        {name: str(path) for name, path in named.items() if path.is_file()},
    )
    return replace(cell, coverage=made, notes=(*cell.notes, *notes))


def _chosen(lines: FileLines, profile: Profile) -> FileLines:
    return {path: each for path, each in lines.items() if profile.has(path) and each}


def _tests(job: Job, cell: Cell) -> Iterator[str]:
    """Yield what is booted alone, as kunit.py's filter: each test that a boot began."""
    if not (job.cell.modular or job.request.coverage_tests):
        return
    names = [f"{suite.name}.{test.name}" for suite in cell.suites for test in suite.tests]
    if len(names) > MOST_TESTS:
        job.tell(Note(f"coverage of {MOST_TESTS} tests, of {len(names)}, each booted alone"))
    for number, name in enumerate(names[:MOST_TESTS], 1):
        job.tell(Note(f"coverage: booting {name} alone, {number} of {len(names)}"))
        yield name


def _again(job: Job, booted: Booted, test: str, number: int) -> Job:
    """Return the job of a boot of one test, without probes; ? stands for a blank in its name."""
    cell = replace(job.cell, untraced="", suite=test.replace(" ", "?"))
    made = unprobed.bounded(job, booted)
    return replace(made, cell=cell, patience=None, repeat=f"coverage-{number:03}")


def _source(path: Path) -> list[str]:
    """Return the lines of a source file; none if it cannot be read any more."""
    try:
        return inputs.read_text(path).splitlines()
    except OSError:
        return []
