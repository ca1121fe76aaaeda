# SPDX-License-Identifier: GPL-2.0-only
"""The last line of a report: the verdict, with test, finding and FILE:LINE of what failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Reason, Severity, Verdict
from mermapctl.records.record import State
from mermapctl.records.record_kinds import series_of
from mermapctl.render import series_words
from mermapctl.render.account import account, counts, label, verdict_word, why
from mermapctl.render.grouped import faults
from mermapctl.render.terminal.plain import count
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord
    from mermapctl.records.series_facts import Series
    from mermapctl.render.grouped import Fault
    from mermapctl.render.series_words import BadCommit
    from mermapctl.render.terminal.plain import PlainLook

_LONGEST = 300
"""Limit on the characters of a reason in the line."""


def verdict_line(
    record: RunRecord,
    look: PlainLook,
    width: int | None = None,
    every: list[Fault] | None = None,
) -> list[str]:
    """Return the line: ``✗ FAILED early-flush in test_tlb_flushed (mm/mermap.c:118)``.

    It is one line without `width`, else as many as its columns need.
    """
    mark = f"{look.glyph(record.verdict)} {verdict_word(record.verdict)}"
    said = look.plain(_words(record, faults(record) if every is None else every), limit=_LONGEST)
    line = f"{mark} {said}".rstrip()
    return [line] if width is None else wrapped(line, width)


def _words(record: RunRecord, every: list[Fault]) -> str:
    going = {State.RUNNING: "so far", State.INTERRUPTED: "interrupted"}.get(record.run.state)
    if record.verdict is Verdict.FAILED:
        said = _failed(record, every)
    else:
        said = _passed(record) if record.verdict is Verdict.PASSED else _none(record)
    repeated = going is None or said.startswith(going)
    return said if repeated else f"{going}; {said}".removesuffix("; ")


def _passed(record: RunRecord) -> str:
    told = [account(cell) for cell in record.cells]
    total = sum(one.total for one in told)
    tests, words = count(total, "test"), counts(told)
    cells = [count(len(told), "cell")] if len(told) > 1 else []
    parts = [*cells, tests if words == f"{total} passed" else f"{tests}: {words}"]
    number = sum(f.severity is Severity.WARNING for cell in record.cells for f in cell.findings)
    return ", ".join([*parts, *([count(number, "warning")] if number else [])])


def _failed(record: RunRecord, every: list[Fault]) -> str:
    bad = [cell for cell in record.cells if cell.verdict is Verdict.FAILED]
    series = series_of(record)
    if series is not None and (brought := series_words.bad_commits(record, series)):
        return _first_bad(brought, record, series)
    errors = [each for each in every if each.error]
    said = counts([account(cell) for cell in bad])
    said = _errors(errors) or said
    of_cells = f"{len(bad)} of {count(len(record.cells), 'cell')}: "
    return (of_cells if len(record.cells) > 1 else "") + said


def _errors(errors: list[Fault]) -> str:
    """Return the first of some errors with its place, and how many more there are."""
    if not errors:
        return ""
    said = errors[0].words + (f" ({errors[0].where})" if errors[0].where else "")
    more = len(errors) - 1
    return said + (f", and {more} more" if more > 0 else "")


def _first_bad(brought: list[BadCommit], record: RunRecord, series: Series) -> str:
    """Return the oldest first bad commit with what it brought, and its place."""
    bad = brought[0]
    codes = {(each.code, each.test) for each in bad.found.findings}
    of_cell = faults(replace(record, cells=(bad.cell,))) if bad.cell else []
    said = _errors([each for each in of_cell if (each.name, each.test) in codes])
    said = said or ", ".join(dict.fromkeys(code for code, _ in codes))
    of = f" ({', '.join(each.name for each in bad.columns)})"
    which = f"first bad commit {series_words.short(bad.found.commit)}"
    if series.work_tree and bad.found.commit == series.tip:
        which = "first bad: the work tree"
    more = len(brought) - 1
    others = f"; and {more} more first bad commit{'s' * (more > 1)}" if more else ""
    return f"{which}{of if len(bad.columns) < len(series.columns) else ''}: {said}{others}"


def _none(record: RunRecord) -> str:
    silent = [cell for cell in record.cells if cell.verdict is Verdict.NO_VERDICT]
    cells = [cell for cell in silent if cell.reason is not Reason.ABSENT]
    if not cells:
        return "no commit has the suite" if silent else "no cell was run"
    said = why(cells[0]).splitlines()[0] if cells[0].reason or cells[0].detail else ""
    if len(record.cells) == 1:
        return said
    name = label(cells[0], record)
    return f"{len(cells)} of {count(len(record.cells), 'cell')}: {name}: {said}"
