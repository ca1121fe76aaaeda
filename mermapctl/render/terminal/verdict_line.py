# SPDX-License-Identifier: GPL-2.0-only
"""The last line of a report: the verdict, with test, finding and FILE:LINE of what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.judge.result_types import Reason, Severity, Verdict
from mermapctl.records.record import State
from mermapctl.render.account import account, counts, label, verdict_word, why
from mermapctl.render.grouped import faults
from mermapctl.render.terminal.plain import count
from mermapctl.render.terminal.wrap import wrapped

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord
    from mermapctl.render.grouped import Fault
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
    errors = [each for each in every if each.error]
    said = counts([account(cell) for cell in bad])
    if errors:
        said = errors[0].words + (f" ({errors[0].where})" if errors[0].where else "")
    more = len(errors) - 1
    said += f", and {more} more" if more > 0 else ""
    of_cells = f"{len(bad)} of {count(len(record.cells), 'cell')}: "
    return (of_cells if len(record.cells) > 1 else "") + said


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
