# SPDX-License-Identifier: GPL-2.0-only
"""A report on mutants as text: a table, JSON, Markdown, or a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from mermapctl.judge.coverage import percent
from mermapctl.mutation.mutant import Fate
from mermapctl.records.json_text import encoded
from mermapctl.render import print_document
from mermapctl.render.html.environment import document
from mermapctl.render.terminal.columns import columns
from mermapctl.render.terminal.plain import colored, plain_look_of
from mermapctl.render.visible import one_line

if TYPE_CHECKING:
    from typing import TextIO

    from mermapctl.mutation.mutant import MutantResult
    from mermapctl.mutation.report import MutationReport

WORDS = {
    Fate.KILLED: "killed by a test or a check of the kernel",
    Fate.TRACE: "seen only by the trace",
    Fate.HUNG: "hung",
    Fate.SURVIVED: "survived",
    Fate.UNCOVERED: "survived: no test runs its line",
    Fate.EQUIVALENT: "the same to the compiler",
    Fate.UNBUILT: "does not build",
    Fate.UNJUDGED: "no verdict",
}


def print_report(report: MutationReport, form: str, stream: TextIO | None = None) -> None:
    """Print a report in one of the forms table, json, markdown, html."""
    out = stream or sys.stdout
    made = {"json": as_json, "markdown": markdown, "html": page}.get(form)
    print_document(made(report) if made else table(report, out), out)


def as_json(report: MutationReport) -> str:
    """Return the report as a JSON document."""
    return encoded(report, indent=1).decode() + "\n"


def score_words(report: MutationReport) -> str:
    """Return the score as a sentence."""
    score = report.score
    if not score.counted:
        return "no score: no mutant counts"
    said = (
        f"the suite and its trace see {score.seen} of {score.counted} mutants "
        f"({percent(score.seen, score.counted)}), the suite alone {score.by_suite} "
        f"({percent(score.by_suite, score.counted)})"
    )
    if score.low is None or score.high is None:
        return said
    return f"{said}; 95 % interval of a sample: {100 * score.low:.0f} to {100 * score.high:.0f} %"


def _heading(report: MutationReport) -> str:
    tried = len(report.results)
    of = f"{tried} of {report.made}" if tried < report.made else str(report.made)
    cut = ", interrupted" if report.interrupted else ""
    return f"{of} mutants of {', '.join(report.files)}, suite {report.suite}{cut}"


def _by_line(report: MutationReport) -> Iterator[tuple[str, list[MutantResult]]]:
    """Yield the survivors by their line."""
    shown = sorted(report.survivors, key=lambda each: (each.mutant.file, each.mutant.line))
    for (file, line), same in groupby(shown, key=lambda each: (each.mutant.file, each.mutant.line)):
        results = list(same)
        function = f" in {results[0].function}()" if results[0].function else ""
        yield f"{file}:{line}{function}", results


def diff(result: MutantResult) -> tuple[str, str]:
    """Return the two lines of a mutant as a diff has them, safe to print."""
    lines = (result.mutant.before, result.mutant.after)
    before, after = (one_line(each.expandtabs(8)) for each in lines)
    return f"-{before}", f"+{after}"


def table(report: MutationReport, out: TextIO) -> str:
    """Return the report for a terminal."""
    look, color = plain_look_of(out), colored(out)
    rows = [
        [(WORDS[fate], ""), (str(number), "")]
        for fate in Fate
        if (number := report.score.fates.get(fate.value, 0))
    ]
    lines = [look.plain(_heading(report), limit=1000), ""]
    lines += columns(("Mutants", "Number"), rows, color=color, right=("Number",)).splitlines()
    for where, results in _by_line(report):
        lines += ["", look.plain(where)]
        lines.append(look.verbatim(diff(results[0])[0]))
        for each in results:
            lines.append(look.verbatim(diff(each)[1]))
            lines.append(look.plain(f"    seen by: {each.said} ({each.mutant.rule})", limit=1000))
    lines += ["", *(look.plain(f"note: {note}", limit=1000) for note in report.notes)]
    lines.append(look.plain(score_words(report)))
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return text if look.unicode else text.replace("…", "...")


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def markdown(report: MutationReport) -> str:
    """Return the report in Markdown."""
    lines = [f"# {one_line(_heading(report))}", "", f"{score_words(report).capitalize()}.", ""]
    lines += ["| mutants | number |", "| :-- | --: |"]
    for fate in Fate:
        number = report.score.fates.get(fate.value, 0)
        lines += [f"| {WORDS[fate]} | {number} |"] if number else []
    lines += ["", *(f"- {one_line(note)}" for note in report.notes)]
    for where, results in _by_line(report):
        lines += ["", f"## {_code(one_line(where))}", ""]
        for each in results:
            lines += ["    " + line for line in diff(each)]
            said = one_line(each.said, limit=1000).replace("|", "\\|").replace("<", "&lt;")
            lines += ["", f"Seen by: {said}", ""]
    return "\n".join(lines).rstrip() + "\n"


def page(report: MutationReport) -> str:
    """Return the report as one HTML file."""
    return document(
        "mutation.html",
        ("page.css", "mutation.css"),
        ("theme.js",),
        report=report,
        heading=_heading(report),
        score=score_words(report),
        fates=[(WORDS[fate], report.score.fates.get(fate.value, 0)) for fate in Fate],
        lines=list(_by_line(report)),
        diff=diff,
        title=_heading(report),
    )
