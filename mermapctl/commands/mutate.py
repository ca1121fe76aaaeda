# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl mutate`: change one line at a time in a lane; count which changes the suite sees."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.commands import required_programs, test_filter
from mermapctl.config import coverage, plan, target, toolchain
from mermapctl.config.plan import CellPlan, Request
from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.mutation import advice, code, generate, score, trial, universal
from mermapctl.mutation.mutant import ALIVE, Mutant, MutantResult
from mermapctl.mutation.report import SCHEMA, MutationReport
from mermapctl.mutation.results import KeptResults
from mermapctl.mutation.trial import Original
from mermapctl.records.folder import RunFolder
from mermapctl.records.record import Cell
from mermapctl.runner import cell, gcovr, job, kunit
from mermapctl.runner.job import Job, LaneCommit
from mermapctl.series import key
from mermapctl.system import cache_file, files, inputs, paths, signals
from mermapctl.tree import build_dir, commits, ownership, series_worktrees, state
from mermapctl.tree.commits import Commit
from mermapctl.tree.series_worktrees import Borrower, Lane

_COVERED = "covered.json"


@dataclass(frozen=True, slots=True)
class MutateRequest:
    """What is asked of `mutate` besides a run: `files` of the tree, and how many mutants.

    `sample` is the number of those that count in the score, drawn by `seed`; None: all. Without
    `every_rule` there are only the mutants by mermapctl's own rules. With `rerun` no result of an
    earlier session counts.
    """

    files: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 1
    rerun: bool = False
    every_rule: bool = True


class _Stopped(Exception):  # noqa: N818 - no error
    """A signal ended the run of the unchanged kernel."""


@dataclass(frozen=True, slots=True)
class _Session:
    """One session: the lane with its commit, and where results are."""

    request: Request
    asked: MutateRequest
    origin: Path
    repository: Borrower
    lane: Lane
    commit: Commit
    files: tuple[str, ...]
    known: KeptResults
    invoked: str
    tell: Listener


def run(
    request: Request, asked: MutateRequest, command: tuple[str, ...], tell: Listener
) -> MutationReport:
    """Try the mutants that no earlier session has tried; return the report of all that are chosen.

    Raises UserError before anything is built, HarnessError if the unchanged suite does not pass. An
    ending signal is not raised once mutants are tried: the report is marked `interrupted`.
    """
    program = universal.program() if asked.every_rule else None
    request = replace(request, triage=False, witness=False)
    own = plan.spelled(request)
    path = target.tree_for(request.tree, request.targets)
    ownership.require(path)
    ownership.require_own(paths.state_dir(), paths.cache_dir())
    test_filter.require(request.suite, path)
    build_dir.require_plain(paths.cache_dir(), paths.state_dir())
    (planned,) = plan.make(target.read(path), request, own)
    chosen = files_of(path, planned, asked.files)
    required_programs.require((planned,))
    head = commits.named(path, "HEAD")
    dirty = state.inspect(path).dirty
    invoked = shlex.join(command)

    def waiting(sentence: str) -> None:
        tell(Note(sentence))

    with series_worktrees.borrow(path, invoked, wait=request.wait, waiting=waiting) as repository:
        commit = repository.snapshot(head)[0] if dirty else head
        lane = repository.lane(1)
        repository.check_out(lane, commit.tree)
        qemu = planned.target.qemu
        column = key.of(request, own, planned.target.name, planned.variant.name, qemu)
        place = _place(key.of_files(column, commit.tree))
        session = _Session(
            replace(request, tree=lane.tree, rebuild=True),
            asked, path, repository, lane, commit, chosen, KeptResults(place), invoked, tell,
        )  # fmt: skip
        texts = {file: _text(lane.tree / file) for file in chosen}
        made = generate.mutants(program, texts)
        return _report(session, texts, made, planned)


def files_of(tree: Path, planned: CellPlan, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the files that are changed: those asked for, by default mm/mermap.c.

    Raises UserError for what cannot be changed or built.
    """
    if planned.obstacle:
        raise UserError(planned.obstacle)
    if planned.modular:
        raise UserError("mutants are built into the kernel", "leave out --as-module")
    if planned.suite.partition(".")[0] == plan.SUITE and not asked:
        asked = (coverage.MERMAP,)
    if not asked:
        raise UserError(f"which files does the suite {planned.suite} test?", "name them: FILE…")
    found = coverage.profile(tree, planned.target, asked, planned.suite)
    if found.directories or not all(each.endswith(".c") for each in found.files):
        raise UserError("mutants are made of .c files", "name one, such as mm/mermap.c")
    return tuple(dict.fromkeys(found.files))


def _place(name: str) -> Path:
    return paths.state_dir() / "mutants" / name


def _text(path: Path) -> str:
    return inputs.read_regular(path).decode(errors="surrogateescape")


def _report(
    session: _Session, texts: Mapping[str, str], made: Sequence[Mutant], planned: CellPlan
) -> MutationReport:
    asked = session.asked
    began = time.monotonic()
    order = generate.drawn(made, asked.seed)
    known = {} if asked.rerun else session.known.find(order)
    session.tell(Note(f"{len(made)} mutants, {len(known)} tried before"))
    notes: list[str] = []
    results: list[MutantResult] = []
    interrupted = False
    # In this block an ending signal ends the mutant that is tried, and the results are reported.
    with signals.deferred():
        try:
            with signals.interruptible():
                # What came before a signal stays in the list.
                results.extend(_sampled(asked.sample, _tried(session, texts, order, known, notes)))
        except (signals.Interrupted, _Stopped):
            interrupted = True
    return MutationReport(
        schema=SCHEMA,
        tree=str(session.origin),
        commit=session.commit.id,
        target=planned.target.name,
        variant=planned.variant.name,
        suite=planned.suite,
        files=session.files,
        made=len(made),
        sample=asked.sample,
        seed=asked.seed,
        seconds=round(time.monotonic() - began, 3),
        interrupted=interrupted,
        score=score.of(results, sampled=len(results) < len(made)),
        results=tuple(sorted(results, key=lambda each: _by_line(each.mutant))),
        notes=tuple(notes),
    )


def _by_line(mutant: Mutant) -> tuple[str, int, str]:
    return (mutant.file, mutant.line, mutant.after)


def _sampled(wanted: int | None, results: Iterator[MutantResult]) -> Iterator[MutantResult]:
    """Yield results until as many as wanted count in the score."""
    counted = 0
    while counted != wanted and (result := next(results, None)) is not None:
        counted += result.fate.counts
        yield result


def _tried(
    session: _Session,
    texts: Mapping[str, str],
    order: Sequence[Mutant],
    known: Mapping[str, MutantResult],
    notes: list[str],
) -> Iterator[MutantResult]:
    """Yield the result of each mutant, tried and kept if it is not known."""
    trier: _Trier | None = None
    for number, mutant in enumerate(order, 1):
        found = known.get(mutant.key)
        if found is None:
            trier = trier or _trier(session, texts, notes)
            found = trier.tried(mutant)
            where = f"{mutant.file}:{mutant.line}"
            session.tell(Note(f"{number} of {len(order)}: {where} {found.fate} ({mutant.rule})"))
            session.known.keep(found)
        yield found


@dataclass(frozen=True, slots=True)
class _Trier:
    """The unchanged kernel, and by file what the functions and uncovered lines are."""

    original: Original
    functions: dict[str, dict[int, str]]
    uncovered: dict[str, tuple[int, ...]]

    def tried(self, mutant: Mutant) -> MutantResult:
        """Return the fate of a mutant, and what an assertion would have to check to see it."""
        function = self.functions[mutant.file].get(mutant.line)
        covered = mutant.line not in self.uncovered.get(mutant.file, ())
        result = trial.run(self.original, mutant, function, covered=covered)
        if result.fate in ALIVE:
            return replace(result, said=advice.seen_by(mutant, result.fate, function))
        return result


def _trier(session: _Session, texts: Mapping[str, str], notes: list[str]) -> _Trier:
    """Build and boot the unchanged kernel. Raises HarnessError if its suite does not pass."""
    folder = session.known.place / "work"
    uncovered = _uncovered(session, folder, notes)
    functions = {file: code.functions(text) for file, text in texts.items()}
    made = _job(session, folder / "mutant", session.request)
    first = _passed(made)
    known = trial.original(made, dict(texts), first.phases.boot or 1.0)
    quiet = replace(known, job=replace(known.job, tell=lambda _event: None))
    return _Trier(quiet, functions, uncovered)


def _uncovered(session: _Session, folder: Path, notes: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the lines of each file that the suite does not run; none where that is not known."""
    kept = session.known.place / _COVERED
    known = cache_file.read(kept, dict[str, tuple[int, ...]])
    if known is not None:
        return known
    try:
        gcovr.tools(toolchain.of_build(session.request.cross_compile))
    except HarnessError as error:
        notes.append(f"lines that no test runs are tried too: {error.message}")
        return {}
    session.tell(Note("measuring the coverage first"))
    request = replace(session.request, coverage=True, coverage_of=session.files, rebuild=False)
    found = _passed(_job(session, folder / "coverage", request))
    if found.coverage is None:
        said = next((note for note in found.notes if note.startswith("no coverage")), "no coverage")
        notes.append(f"lines that no test runs are tried too: {said}")
        return {}
    missed = {each.path: each.missed for each in found.coverage.files}
    cache_file.write(kept, missed)
    return missed


def _job(session: _Session, folder: Path, request: Request) -> Job:
    """Return the job of the lane's kernel, with an empty folder for its files."""
    tree = session.lane.tree
    own = plan.spelled(request)
    (planned,) = plan.make(target.read(tree), request, own)
    line = session.repository.checkout_line(session.lane, session.commit.tree)
    files.make_folder(folder)
    return job.begin(
        planned,
        RunFolder("mutate", folder),
        can=kunit.capabilities(tree),
        commit=session.commit.id,
        invoked=session.invoked,
        tell=session.tell,
        checkout=LaneCommit(session.origin, session.commit.id, session.commit.tree, line),
        folder=folder,
    )


def _passed(made: Job) -> Cell:
    """Run the unchanged kernel. Raises HarnessError if it does not pass, _Stopped by a signal."""
    found = cell.run_to_end(made, cell.unjudged(made))
    if found.reason is Reason.INTERRUPTED:
        raise _Stopped
    if found.verdict is Verdict.PASSED:
        return found
    raise HarnessError(
        f"the suite does not pass on the unchanged files: {found.detail or found.verdict}",
        f"`mermapctl run` reports why (its console is {made.console})",
    )
