# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl bisect GOOD BAD`: name the commit that brought a finding, with the evidence."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.commands import commit_range, test_filter
from mermapctl.commands.commit_range import CommitRange
from mermapctl.errors import UserError
from mermapctl.events import Listener, Note
from mermapctl.records import record
from mermapctl.records.bisect_facts import Bisect
from mermapctl.records.record import RunRecord, State, TreeFacts, verdict_of_bisect
from mermapctl.records.store import Store
from mermapctl.series import bisect_answer
from mermapctl.series.bisect_answer import named
from mermapctl.series.bisect_loop import Bisected, BisectLoop
from mermapctl.series.bisect_target import Wanted
from mermapctl.series.engines.work import Work
from mermapctl.series.presence import Presence
from mermapctl.system import signals
from mermapctl.tree import commits, state

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.config.plan import Request
    from mermapctl.series.grid import GridColumn
    from mermapctl.tree.commits import Commit, Range
    from mermapctl.tree.series_worktrees import Borrower
    from mermapctl.tree.state import Tree


@dataclass(frozen=True, slots=True)
class BisectRequest:
    """What the user asked of a bisect: the ends, what to look for, how sure to be."""

    good: str
    bad: str
    finding: str | None = None
    test: str | None = None
    confidence: float = 0.95
    rerun: bool = False


def run(
    request: Request, asked: BisectRequest, command: tuple[str, ...], tell: Listener
) -> RunRecord:
    """Bisect; return the record, which is then in the store.

    Raises UserError before anything is built, HarnessError if a program or the store fails. If
    INT, TERM or HUP arrives once the record exists, nothing is raised: it is marked `interrupted`.
    """

    def read(path: Path) -> tuple[Range, Tree]:
        found = commits.between(path, asked.good, asked.bad)
        if asked.test:
            test_filter.require_name(request.suite, asked.test, path, found.ids)
        return found, state.inspect(path)

    with commit_range.opened(request, command, read, tell) as opened:
        request = replace(request, triage=False, confirm=False, cost=False, witness=False)
        (column,) = commit_range.columns(request, opened)
        found, looked = opened.found, opened.looked
        bisected = _bisected(found, asked, column, opened.repository)
        if found.at_head and looked.dirty:
            note = "the work tree has changes, which are no commit: they are not tested"
            bisected = replace(bisected, notes=(*bisected.notes, note))
        facts = TreeFacts(looked.kernel, found.tip, None, dirty=False, path=str(looked.path))
        begun = record.begin(command=command, tree=facts, host=opened.host)
        return _run(request, asked, opened, bisected, begun, tell)


def _bisected(
    found: Range, asked: BisectRequest, column: GridColumn, repository: Borrower
) -> Bisected:
    """Return what is bisected: from the first commit on that has the suite. Raises UserError."""
    every = (found.base, *found.commits)
    notes = [] if found.base.id == found.asked_base else [
        f"{asked.good} came in by a merge: the good end is {named(found.base)}, its fork point"
    ]  # fmt: skip
    lacking = Presence(repository).before_suite(every, column.symbols)
    if len(every) - len(lacking) < 2:
        symbol = lacking[max(lacking)]
        which = asked.bad if len(lacking) == len(every) else f"any commit before {asked.bad}"
        raise UserError(
            f"no Kconfig of {which} has {symbol}: there is no suite to bisect",
            "`mermapctl run --commits` shows which commits have it",
        )
    if lacking:
        first = every[len(lacking)]
        notes.append(
            f"the {len(lacking)} oldest commits lack the suite: the good end is {named(first)}"
        )
    wanted = Wanted(asked.finding, asked.test) if asked.finding or asked.test else None
    return Bisected(every[len(lacking) :], column, asked.confidence, wanted, {}, tuple(notes))


def _run(
    request: Request,
    asked: BisectRequest,
    opened: CommitRange,
    bisected: Bisected,
    begun: RunRecord,
    tell: Listener,
) -> RunRecord:
    """Bisect in the store's folder; return the stored record."""
    store = Store.open()
    for notice in store.notices:
        tell(Note(notice))
    column, ends = bisected.column, bisected.commits
    facts = Bisect(
        good=ends[0].id,
        bad=ends[-1].id,
        range=len(ends) - 1,
        confidence=asked.confidence,
        target=column.target,
        variant=column.variant,
        finding=asked.finding,
        test=asked.test,
    )
    begun = ran = replace(begun, bisect=facts)
    began = time.monotonic()
    # In this block an ending signal ends the cells, and the record is kept.
    with contextlib.suppress(signals.Interrupted), signals.deferred():
        folder = store.begin(begun)
        work = Work(
            request=request,
            own=opened.own,
            repository=opened.repository,
            folder=folder,
            invoked=opened.invoked,
            work_tree=None,
            rerun=asked.rerun,
            boots=0,
        )
        loop = BisectLoop(work, bisected, tell)
        at_end = State.RUNNING
        try:
            with signals.interruptible():
                loop.run()
        except signals.Interrupted:
            at_end = State.INTERRUPTED
        cells = tuple(loop.cells[index] for index in sorted(loop.cells))
        seconds = round(time.monotonic() - began, 3)
        kept = replace(
            begun,
            cells=cells,
            verdict=verdict_of_bisect(cells),
            bisect=_answered(facts, bisected, loop, opened.repository),
            run=replace(begun.run, seconds=seconds, state=at_end),
        )
        ran = store.finish(kept)
    return ran


def _answered(facts: Bisect, asked: Bisected, loop: BisectLoop, repository: Borrower) -> Bisect:
    """Return the facts with the answer."""
    answer = loop.answer()
    wanted = loop.target
    suspects = [asked.commits[index] for index in answer.suspects]
    single = suspects[0] if len(suspects) == 1 and answer.outcome == "found" else None
    return replace(
        facts,
        outcome=answer.outcome,
        finding=wanted.code if wanted else None,
        test=wanted.test if wanted else None,
        by_default=asked.target is None and wanted is not None,
        culprit=single.id if single else None,
        suspects=tuple(each.id for each in suspects),
        error=None if answer.error is None else round(answer.error, 6),
        certain=answer.known.certain,
        builds=loop.builds,
        boots=loop.booted,
        known_boots=loop.known_boots,
        commits=bisect_answer.told(answer, loop.kernels),
        words=tuple(bisect_answer.words(answer)),
        reproduce=_reproduce(single, answer.suspects[-1], loop, repository) if single else (),
    )


def _reproduce(
    culprit: Commit, index: int, loop: BisectLoop, repository: Borrower
) -> tuple[str, ...]:
    """Return the shell lines that show the culprit, and boot it again as it was booted."""
    shown = shlex.join(["git", "-C", str(repository.lender), "show", culprit.id])
    cell = loop.cells.get(index)
    return (shown, *(cell.reproduce[:1] if cell else ()))
