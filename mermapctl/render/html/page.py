# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> one HTML file without references to the network or other files.

Three guards make text from a kernel harmless: every expression goes through `visible`, Jinja2
escapes it, and the page's content security policy allows only the one script and the one style
whose hashes it names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from mermapctl.console.ktap import NO_TESTS, Status
from mermapctl.judge.flush_table import UNSEEN
from mermapctl.judge.verdict import Finding, Severity, Verdict
from mermapctl.records.comparison import Change, Moved, compare
from mermapctl.records.record import Cell
from mermapctl.render import complaint
from mermapctl.render.account import (
    CellRows,
    Row,
    account,
    counts,
    failure_block,
    kernel,
    label,
    log_words,
    not_listed,
    own_kernel,
    subject,
    unfinished,
    verdict_word,
    why,
)
from mermapctl.render.excerpt import Gap
from mermapctl.render.html.annotated import Fold, LineMark, annotate
from mermapctl.render.html.svg_timeline import Picture, draw_all
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.records.record import RunRecord

GLYPHS: dict[str, str] = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.CRASHED: "✸",
    Status.HUNG: "∞",
    Status.MISSING: "?",
    Status.SKIPPED: "○",
    Verdict.NO_VERDICT: "~",
    Severity.ERROR: "✗",
    Severity.WARNING: "!",
    Severity.NOTE: "i",
    Change.NEWLY_FAILING: "✗",
    Change.FIXED: "✓",
    Change.STILL_FAILING: "=",
    Change.NEW: "+",
    Change.GONE: "−",  # noqa: RUF001 - a minus sign is intended
}
_TONES: dict[str, str] = {
    Status.PASSED: "pass",
    Status.SKIPPED: "skip",
    Verdict.NO_VERDICT: "warn",
    Severity.WARNING: "warn",
    Severity.NOTE: "note",
    Change.FIXED: "pass",
    Change.STILL_FAILING: "warn",
    Change.NEW: "note",
    Change.GONE: "note",
}
_PHASES = ("config", "build", "boot")
_PATH_LIMIT = 4000
_LINE = re.compile(r"\bline (\d{1,9})\b")
_LINK = Markup('<a href="#{0}-L{1}">line {1}</a>')


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase in the chart; `x` and `width` in per cent of the longest cell."""

    phase: str
    x: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True)
class View:
    """The parts of the page for one cell; `id` begins the ids of its elements."""

    id: str
    label: str
    cell: Cell
    account: CellRows
    pictures: tuple[Picture, ...]
    bars: tuple[PhaseBar, ...]
    seconds: float
    kernel: str | None
    console: tuple[Fold | Gap, ...]
    lines: int
    anchors: frozenset[int]


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,
    previous: RunRecord | None = None,
) -> str:
    """Return the page; `previous` is an earlier run to compare with."""
    longest = max((_seconds(cell) for cell in record.cells), default=0.0)
    views = [
        _view(cell, f"c{n}", record, longest, console(cell) if console else ())
        for n, cell in enumerate(record.cells)
    ]
    environment = _environment()
    style, script = _file("page.css"), _file("page.js")
    return environment.get_template("page.html").render(
        record=record,
        views=views,
        suites=_suites(views),
        totals=_totals(record, views),
        headline=_headline(views),
        comparison=compare(previous, record) if previous else None,
        previous=previous,
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        title=f"{verdict_word(record.verdict)}: {subject(record)} on {kernel(record)}",
        subject=subject(record),
        logs=log_words(record),
        unfinished=unfinished(record),
    )


def policy(style: str, script: str) -> str:
    """Return the content security policy: no fetches, and only this style and this script."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return (resources.files("mermapctl.render") / "html" / name).read_text("utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.PackageLoader("mermapctl.render", "html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["line"] = one_line
    environment.filters["sentence"] = _sentence
    environment.filters["glyph"] = _glyph
    environment.filters["tone"] = _tone
    environment.filters["verdict"] = verdict_word
    environment.filters["why"] = why
    environment.filters["path"] = _path
    environment.filters["seconds"] = seconds
    environment.filters["moved"] = _moved
    environment.globals |= {
        "complaint_facts": complaint.facts,
        "state": _state,
        "find": _find,
        "failure_block": failure_block,
        "counts": counts,
        "not_listed": not_listed,
        "kernel": kernel,
        "is_gap": lambda item: isinstance(item, Gap),
        "row_findings": _row_findings,
        "missing_lines": missing_lines,
        "flushed": _flushed,
        "linked": _linked,
    }
    return environment


def _sentence(text: str) -> str:
    """Capitalize a sentence, unless that would change a name."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ,]", text) else text


def _glyph(what: str) -> str:
    return GLYPHS.get(what, "✗")


def _tone(what: str) -> str:
    return _TONES.get(what, "fail")


def _path(text: str) -> str:
    return one_line(text, limit=_PATH_LIMIT)


def _finalize(value: object) -> object:
    """Convert each value for the page; make text visible, except our own markup."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash
    return visible(value) if type(value) is str else value


def _view(cell: Cell, prefix: str, record: RunRecord, longest: float, lines: Iterable[str]) -> View:
    pictures = draw_all(cell.trace)
    stale: dict[int, LineMark] = {}
    for n, picture in enumerate(pictures):
        for mark in picture.stale:
            if mark.line is not None:
                stale.setdefault(mark.line, LineMark("stale reuse", f"{prefix}-p{n}"))
    folds, shown = annotate(cell, lines, f"{prefix}-", stale)
    anchors = {line.number for fold in folds if isinstance(fold, Fold) for line in fold.lines}
    return View(
        id=prefix,
        label=label(cell, record),
        cell=cell,
        account=account(cell),
        pictures=pictures,
        bars=_bars(cell, longest),
        seconds=_seconds(cell),
        kernel=own_kernel(cell, record),
        console=folds,
        lines=shown,
        anchors=frozenset(anchors),
    )


def _seconds(cell: Cell) -> float:
    phases = cell.phases
    return (phases.config or 0.0) + (phases.build or 0.0) + (phases.boot or 0.0)


def _bars(cell: Cell, longest: float) -> tuple[PhaseBar, ...]:
    bars = []
    at = 0.0
    for phase in _PHASES:
        value = getattr(cell.phases, phase)
        if value is None or longest <= 0:
            continue
        width = value / longest * 100
        bars.append(PhaseBar(phase, round(at, 3), round(width, 3), value))
        at += width
    return tuple(bars)


def _totals(record: RunRecord, views: list[View]) -> dict[str, int]:
    rows = [row for view in views for row in view.account.rows]
    more = sum((view.account.unlisted for view in views), NO_TESTS)
    findings = [finding for cell in record.cells for finding in cell.findings]
    return {
        "tests": len(rows) + more.total,
        "good": sum(not row.bad and row.test.status is not Status.SKIPPED for row in rows)
        + more.passed,
        "skipped": sum(row.test.status is Status.SKIPPED for row in rows) + more.skipped,
        "errors": sum(finding.severity is Severity.ERROR for finding in findings),
        "findings": len(findings),
        "stale": sum(p.stale_count for c in record.cells if c.trace for p in c.trace.timelines),
    }


def _suites(views: list[View]) -> dict[str, list[str]]:
    """Return the tests of all cells by suite."""
    suites: dict[str, dict[str, None]] = {}
    for view in views:
        for row in view.account.rows:
            suites.setdefault(row.suite, {})[row.name] = None
    return {suite: list(names) for suite, names in suites.items()}


def _headline(views: list[View]) -> tuple[str, str] | None:
    """Return the id and the summary of the worst finding."""
    order = list(Severity)
    found = [
        ((order.index(f.severity), view.cell.verdict is not Verdict.FAILED), view, n, f)
        for view in views
        for n, f in enumerate(view.cell.findings)
    ]
    silent = next((v for v in views if v.cell.verdict is Verdict.NO_VERDICT), None)
    worst = min(found, key=lambda item: item[0], default=None)
    if silent and all(v.cell.verdict is not Verdict.FAILED for v in views):
        return silent.id, f"No verdict: {why(silent.cell)}"
    if worst is None:
        return None
    _, view, number, finding = worst
    where = f"{view.label}: " if len(views) > 1 else ""
    return f"{view.id}-f{number}", f"{where}{finding.summary}"


def _find(view: View, suite: str, name: str) -> tuple[int, Row] | None:
    for number, row in enumerate(view.account.rows):
        if (row.suite, row.name) == (suite, name):
            return number, row
    return None


def _state(row: Row) -> tuple[str, str, str]:
    """Return tone, glyph and words of a test."""
    if row.failed_by_finding:
        return "fail", "✗", f"passed, but {one_line(row.errors[0].code, limit=60)}"
    return _TONES.get(row.test.status, "fail"), GLYPHS[row.test.status], str(row.test.status)


def _row_findings(view: View, row: Row) -> list[tuple[int, Finding]]:
    """Return the findings of a test, with their indices in the cell."""
    return [(n, f) for n, f in enumerate(view.cell.findings) if any(f is g for g in row.findings)]


def _linked(view: View, text: str) -> Markup:
    """Link each "line 12" in a text to that line of the console, if the page has it."""
    shown = one_line(text, limit=1000)
    parts: list[str] = []
    at = 0
    for found in _LINE.finditer(shown):
        if int(found[1]) in view.anchors:
            parts.append(escape(shown[at : found.start()]))
            parts.append(_LINK.format(view.id, found[1]))
            at = found.end()
    return Markup("").join([*parts, escape(shown[at:])])


def _flushed(view: View) -> tuple[str, str, str]:
    """Return, for a tile, the observed and the expected flushes of a cell, and their observer."""
    rows = [f for f in view.cell.flushes if f.expected is not None]
    if not rows:
        return "–", "", ""  # noqa: RUF001 - a dash
    seen = [f.observed if f.observed is not None else f.counted for f in rows]
    total = "?" if None in seen else str(sum(n for n in seen if n is not None))
    whose = UNSEEN if all(f.observed is None for f in rows) and total != "?" else ""
    return total, str(sum(f.expected or 0 for f in rows)), whose


def _moved(change: Moved) -> str:
    if change.before is None or change.after is None:
        return "–"  # noqa: RUF001 - a dash
    if not change.before:
        return f"{change.after - change.before:+g}"
    return f"{(change.after - change.before) / change.before * 100:+.0f} %"


def seconds(value: float | None) -> str:
    """Format a duration."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"
