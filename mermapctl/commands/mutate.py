# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl mutate`: change one line at a time in a lane; count which changes the suite sees."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mermapctl.commands import required_programs, test_filter
from mermapctl.config import coverage, plan, target, toolchain
from mermapctl.config.fragment import Fragment
from mermapctl.config.plan import CellPlan, Request
from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note
from mermapctl.mutation import generate, lanes, score, sessions, trial, unchanged, universal
from mermapctl.mutation.lane_job import LaneJob
from mermapctl.mutation.mutant import Mutant, MutantResult
from mermapctl.mutation.report import SCHEMA, MutationReport
from mermapctl.mutation.results import KeptResults
from mermapctl.runner import compiler_cache, gcovr
from mermapctl.runner.job import Job, LaneCommit
from mermapctl.series import key
from mermapctl.system import cache_file, files, paths, signals
from mermapctl.tree import build_dir, commits, ownership, series_worktrees, state
from mermapctl.tree.commits import Commit
from mermapctl.tree.series_worktrees import Borrower, Lane

_COVERED = "covered.json"


@dataclass(frozen=True, slots=True)
class MutateRequest:
    """What is asked of `mutate` besides a run: `files` of the tree, and how many mutants.

    `sample` is the number of those that count in the score, drawn by `seed`; None: all. Without
    `every_rule` there are only the mutants by mermapctl's own rules. With `rerun` no result of an
    earlier session counts. `lanes` are side by side; None: as many as pay off.
    """

    files: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 1
    rerun: bool = False
    every_rule: bool = True
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    """One session: the lane with its commit, and where results are."""

    request: Request
    own: tuple[Fragment, ...]
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
        place = sessions.root() / key.of_files(column, commit.tree)
        session = _Session(
            replace(request, tree=lane.tree, rebuild=True),
            own, asked, path, repository, lane, commit, chosen, KeptResults(place), invoked, tell,
        )  # fmt: skip
        texts = trial.sources(lane.tree, chosen)
        made = generate.mutants(program, texts)
        with sessions.locked(place, invoked, wait=request.wait, waiting=waiting):
            return _report(session, made, planned)


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


def _report(session: _Session, made: Sequence[Mutant], planned: CellPlan) -> MutationReport:
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
            with (
                signals.interruptible(),
                contextlib.closing(_tried(session, order, known, notes)) as tried,
            ):
                # What came before a signal stays in the list.
                results.extend(_sampled(asked.sample, tried))
        except (signals.Interrupted, unchanged.Stopped):
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
    session: _Session, order: Sequence[Mutant], known: Mapping[str, MutantResult], notes: list[str]
) -> Generator[MutantResult, None, None]:
    """Yield the result of each mutant in this order, tried and kept if it is not known."""
    left = [each for each in order if each.key not in known]
    with contextlib.closing(_in_lanes(session, left, notes)) as tried:
        for mutant in order:
            yield known.get(mutant.key) or next(tried)


def _in_lanes(
    session: _Session, mutants: Sequence[Mutant], notes: list[str]
) -> Generator[MutantResult, None, None]:
    """Yield the results of mutants that are tried in lanes, in their order."""
    work = session.known.place / "work"
    files.make_empty(work)  # a session that was killed, or somebody, may have left anything
    uncovered = _uncovered(session, work, notes)
    claims = work / "claims"
    files.make_folder(claims)
    first = _job(session, session.lane, work / "lane1", session.request)
    seconds = unchanged.passed(first).phases.boot or 1.0
    cached = session.request.ccache and compiler_cache.installed()
    expected = len(mutants) if session.asked.sample is None else 4 * session.asked.sample
    number = lanes.number(min(expected, len(mutants)), session.asked.lanes, cached=cached)

    def job(at: int) -> LaneJob:
        lane = session.lane if at == 0 else _another(session, at + 1)
        return LaneJob(
            request=replace(session.request, tree=lane.tree),
            own=session.own,
            commit=_commit(session, lane),
            invoked=session.invoked,
            folder=work / f"lane{at + 1}",
            results=session.known.place,
            claims=claims,
            files=session.files,
            uncovered=uncovered,
            mutants=tuple(mutants),
            seconds=seconds if at == 0 else None,
        )

    yield from lanes.Trying(job, number, session.tell).results(mutants)


def _another(session: _Session, number: int) -> Lane:
    lane = session.repository.lane(number)
    session.repository.check_out(lane, session.commit.tree)
    return lane


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
    found = unchanged.passed(_job(session, session.lane, folder / "coverage", request))
    if found.coverage is None:
        said = next((note for note in found.notes if note.startswith("no coverage")), "no coverage")
        notes.append(f"lines that no test runs are tried too: {said}")
        return {}
    missed = {each.path: each.missed for each in found.coverage.files}
    cache_file.write(kept, missed)
    return missed


def _job(session: _Session, lane: Lane, folder: Path, request: Request) -> Job:
    """Return the job of a lane's kernel, with an empty folder for its files."""
    commit = _commit(session, lane)
    return unchanged.begun(request, session.own, commit, folder, session.invoked, session.tell)


def _commit(session: _Session, lane: Lane) -> LaneCommit:
    commit = session.commit
    line = session.repository.checkout_line(lane, commit.tree)
    return LaneCommit(session.origin, commit.id, commit.tree, line)
