# SPDX-License-Identifier: GPL-2.0-only
"""RunRecord -> a mail of plain ASCII in 72 columns: a Tested-by reply, or a bug report.

On a series from the mail it is a reply to that one. A tester's name may be more than ASCII.
Kernel text is indented, so that no line of it is read as a trailer, a patch or a mailbox's "From".
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator

from mermapctl.console.ktap import Status
from mermapctl.judge.flush_table import UNSEEN
from mermapctl.judge.result_types import Finding, Reason, Severity, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import bisect_of, series_of
from mermapctl.render import account, portable, series_words
from mermapctl.render.documents import bisect_lines, mail_headers, series_tables
from mermapctl.render.missing import missing_lines
from mermapctl.render.visible import ascii_line, one_line, visible

WIDTH = 72
_BLOCK_LINES = 40  # console lines quoted for one test
_BLOCKS = 8  # tests quoted of one cell
_COMMAND_LIMIT = 2000
_CODES = 5  # codes of remarks named on a series


def render(
    record: RunRecord,
    *,
    console: Callable[[Cell], Iterable[str]] | None = None,  # noqa: ARG001 - one signature for all
    tester: str | None = None,
) -> str:
    """Return subject, an empty line, body; `tester` is "Name <address>" for the trailer.

    No line is longer than WIDTH, except for a word of a command that cannot be broken.
    """
    lines = [*_opening(record)]
    lines += [*_wrap(account.unfinished(record) or ""), ""] if account.unfinished(record) else [""]
    lines += [*_environment(record), ""]
    lines += _matrix(record)
    for cell in series_words.shown_whole(record):
        lines += _cell(cell, record)
    lines += _reproduce(record)
    if record.verdict is Verdict.PASSED and _clean(record):
        name = one_line(tester) if tester else "[your name] <[your address]>"
        lines.append(f"Tested-by: {name}")
    elif record.verdict is Verdict.FAILED:
        lines.append(_flat(f"Found with {record.tool.name} {record.tool.version}.")[:WIDTH])
    body = "\n".join(lines).rstrip() + "\n"
    return "\n".join([*_headers(record), *mail_headers.content(body), "", body])


def _headers(record: RunRecord) -> list[str]:
    """Return the lines of the header: those of a reply where a series came from the mail."""
    series = series_of(record)
    if series is not None and series.mail is not None:
        return [*mail_headers.reply(series.mail)]
    return [f"Subject: {_subject(record)}"[:WIDTH].rstrip()]


def _clean(record: RunRecord) -> bool:
    """Return whether a clean commit was tested, by the tree's state or a log's kernel version."""
    dirty = any("-dirty" in (version or "") for version in account.kernels(record, record.cells))
    return not record.tree.dirty and not dirty


def _flat(text: str, limit: int = 400) -> str:
    return ascii_line(text, limit=limit).strip()


def _wrap(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Wrap one paragraph; break long words, since the column limit has priority."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _subject(record: RunRecord) -> str:
    """Return the subject: the worst finding, or the passed suites."""
    what = account.subject(record)
    where = f"on {record.tree.kernel}" if record.tree.kernel else f"in {account.log_words(record)}"
    worst = sorted(record.cells, key=lambda cell: cell.verdict is not Verdict.FAILED)
    findings = [f for cell in worst for f in cell.findings if f.severity is Severity.ERROR]
    if record.verdict is Verdict.FAILED:
        codes = list(dict.fromkeys(f.code for f in findings)) or ["tests failed"]
        more = f" (+{len(codes) - 1})" if len(codes) > 1 else ""
        return _flat(f"[BUG] {what}: {codes[0]}{more} {where}")
    if record.verdict is Verdict.NO_VERDICT:
        reasons = [
            str(c.reason) for c in record.cells if c.reason is not Reason.ABSENT and c.reason
        ]
        reason = next(iter(reasons), "no commit has the suite" if record.cells else "unknown why")
        reason = reason if record.cells else "no cell ran"
        return _flat(f"{what}: no verdict {where}: {reason}")
    cells = account.log_words(record) if account.is_log(record) else f"{len(record.cells)} cells"
    more = f", {cells}" if len(record.cells) > 1 and cells not in where else ""
    return _flat(f"{what}: KUnit suite passed {where}{more}")


def _opening(record: RunRecord) -> list[str]:
    what = _flat(account.subject(record))
    told = account.counts(map(account.account, record.cells))
    total = len(record.cells)
    bad = sum(cell.verdict is record.verdict for cell in record.cells)
    noun = "logs" if account.is_log(record) else "configurations"
    cells = f" in {bad} of {total} {noun}" if total > 1 else ""
    series, bisected = series_of(record), bisect_of(record)
    if series is not None:
        commits = len(series.commits)
        cells = f" on a series of {commits} commit{'s' * (commits != 1)}"
    if bisected is not None:
        commits = bisected.range
        cells = f" in a bisect of {commits} commit{'s' * (commits != 1)}"
    if record.verdict is Verdict.PASSED:
        quiet = not any(cell.findings for cell in record.cells)
        end = "without a complaint" if quiet else "with the remarks below"
        if not quiet and series is not None:  # its cells that passed are not shown one by one
            codes = dict.fromkeys(
                _flat(each.code, 40) for cell in record.cells for each in cell.findings
            )
            end = f"with remarks ({', '.join([*codes][:_CODES])}{', ...' * (len(codes) > _CODES)})"
        flushes = [row for cell in record.cells for row in cell.flushes]
        unseen = f" TLB flushes: {UNSEEN}." if any(row.observed is None for row in flushes) else ""
        return _wrap(f"The {what} KUnit suite passed{cells}, {end}: {told}.{unseen}")
    if record.verdict is Verdict.NO_VERDICT:
        the = "the " if what == "mermap" else ""
        return [
            *_wrap(f"No verdict on {the}{what}{cells}: its suite could not be judged."),
            *_wrap(f"This is no failure of {the}{what}."),
        ]
    return _wrap(f"The {what} KUnit suite fails{cells}: {told}.")


def _environment(record: RunRecord) -> Iterator[str]:
    """Yield what was tested, and on which machine."""
    host = record.run.host
    shared = record.cells[0] if len(record.cells) == 1 else None
    facts = {
        "kernel": account.kernel(record),
        "commit": record.tree.commit,
        "base": _base(record),
        "boot": account.boot_words(shared) if shared else None,
        "machine": _machine(shared) if shared else None,
        "built by": host.compiler if host else None,
        "emulator": host.qemu if host else None,
        "date" if host else "judged": f"{record.run.started[:19].replace('T', ' ')} UTC",
    }
    for name, value in facts.items():
        if value:
            yield from _wrap(_flat(value), f"  {name + ':':<10} ", " " * 13)


def _base(record: RunRecord) -> str | None:
    """Return the commit below a series from the mail, and what named it."""
    series = series_of(record)
    if series is None or series.mail is None:
        return None
    chosen = series.mail.base_from == "--onto"
    return f"{series.base[:12]}, {'chosen by the tester' if chosen else 'named by the series'}"


def _machine(cell: Cell) -> str:
    smp = f"{cell.smp} CPU{'s' * (cell.smp != 1)}" if cell.smp else None
    name = account.label(cell) if cell.target else None
    return ", ".join(x for x in (name, cell.cpu, smp, cell.accelerator) if x)


def _matrix(record: RunRecord) -> Iterator[str]:
    """Yield a line for each cell, or for each test of the only cell."""
    series, bisected = series_of(record), bisect_of(record)
    if bisected is not None:
        yield from bisect_lines.mail(bisected, _flat, _wrap)
        return
    if series is not None:
        yield from series_tables.mail(record, series, _flat, _wrap)
        return
    if len(record.cells) == 1:
        told = account.account(record.cells[0])
        rows = told.rows
        width = min(max((len(_flat(row.name)) for row in rows), default=0), 46)
        for row in rows:
            yield f"  {_flat(row.name)[:width]:<{width}}  {_state(row)}"[:WIDTH]
        if more := account.not_listed(told):
            yield from _wrap(more, "  ", "    ")
        if rows or more:
            yield ""
        return
    width = min(
        max((len(_flat(account.label(cell, record))) for cell in record.cells), default=0), 34
    )
    for cell in record.cells:
        word = account.verdict_word(cell.verdict).lower()
        said = account.counts([account.account(cell)])
        head = f"  {_flat(account.label(cell, record))[:width]:<{width}}  {word:<10}  "
        yield from _wrap(said, head, " " * len(head))
        if own := account.own_kernel(cell, record):
            yield from _wrap(_flat(own), " " * len(head))
    if record.cells:
        yield ""


def _state(row: account.Row) -> str:
    if row.failed_by_finding:
        return f"passed, but {_flat(row.errors[0].code)}"
    if row.test.status is Status.SKIPPED and row.test.reason:
        return f"skipped ({_flat(row.test.reason)})"
    return str(row.test.status)


def _cell(cell: Cell, record: RunRecord) -> Iterator[str]:
    """Yield reason, findings, quoted console and flushes of a cell that has any."""
    several = len(record.cells) > 1
    if cell.verdict is Verdict.PASSED and not cell.findings:
        return
    if several:
        # not "---": git takes that for the end of a message or a patch
        yield f"== {_flat(account.label(cell, record), 60)} "[:WIDTH].ljust(WIDTH, "=")
        yield ""
    if cell.verdict is Verdict.NO_VERDICT:
        yield from (*_wrap(f"No verdict: {_flat(account.why(cell))}", "", "  "), "")
    for symbol in cell.missing:
        got = symbol.resolved or "nothing"
        text = f"CONFIG_{symbol.symbol}={symbol.requested} became {got}."
        yield from _wrap(_flat(text), "", "  ")
        for line in missing_lines(symbol):
            yield from _quoted(line)
        yield ""
    for finding in cell.findings:
        yield from _finding(finding)
    if cell.untraced and cell.untraced.words:
        yield from (*_wrap(_flat(f"{cell.untraced.words}."), "", "  "), "")
    yield from _blocks(account.account(cell))
    yield from _flushes(cell)


_BEFORE = "gets before reuse"
"""The heading of `allocations`: those of a whole test are more, the first table has them."""


def _flushes(cell: Cell) -> Iterator[str]:
    """Yield the flush numbers of a failed cell, or the rules that a passed one did not exercise."""
    if cell.flushes and cell.verdict is Verdict.FAILED:
        heads = f"{'expected':>8} {'counted':>8} {'observed':>8} {_BEFORE}"
        yield f"  {'TLB flushes':<24} {heads}"
        for row in cell.flushes:
            numbers = (row.expected, row.counted, row.observed, row.allocations)
            *three, gets = ("-" if n is None else n for n in numbers)
            shown = " ".join((*(f"{n:>8}" for n in three), f"{gets:>{len(_BEFORE)}}"))
            yield f"  {_flat(row.test)[:24]:<24} {shown}"
        yield from _seen(cell)
        yield ""
    if cell.not_exercised and cell.verdict is Verdict.PASSED:
        words = _flat(f"not exercised: {', '.join(cell.not_exercised)}", 2000)
        yield from _wrap(words, "  ", "  ")
        yield ""


def _seen(cell: Cell) -> Iterator[str]:
    """Yield who observed the numbers of flushes."""
    unseen = [row.test for row in cell.flushes if row.counted is not None and row.observed is None]
    if unseen:
        yield from _wrap(_flat(f"{UNSEEN}: {', '.join(unseen)}"), "  ", "    ")


def _finding(finding: Finding) -> Iterator[str]:
    test = f" ({finding.test})" if finding.test else ""
    mild = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    yield from _wrap(_flat(f"{mild}{finding.code}{test}: {finding.summary}"), "* ", "  ")
    facts = account.evidence_lines(finding)
    if len(facts) == 1:
        yield from _wrap(_flat(f"evidence: {facts[0]}"), "    ", "      ")
    elif facts:
        yield "    evidence:"
        for fact in facts:
            yield from _wrap(_flat(fact), "      ", "        ")
    if finding.where:
        yield from _wrap(_flat(f"where: {finding.where}"), "    ", "      ")
    if finding.advice:
        yield from _wrap(_flat(f"next: {finding.advice}"), "    ", "      ")
    for text in finding.consequences[:_BLOCKS]:
        yield from _wrap(_flat(f"follows: {text}"), "    ", "      ")
    yield ""


def _blocks(told: account.CellRows) -> Iterator[str]:
    """Yield the console blocks of the failed tests."""
    for row in [row for row in told.rows if row.bad][:_BLOCKS]:
        text = "\n\n".join(account.test_blocks(row))
        lines = visible(text).split("\n") if text else []
        for line in lines[:_BLOCK_LINES]:
            yield from _quoted(line)
        if len(lines) > _BLOCK_LINES:
            yield f"  [{len(lines) - _BLOCK_LINES} more lines]"
        if lines:
            yield ""


def _quoted(line: str) -> list[str]:
    """Quote a line of the console, indented by two columns more."""
    indent = " " * (2 + min(len(line) - len(line.lstrip(" ")), 20))
    return _wrap(_flat(line), indent, indent + "    ")


def _reproduce(record: RunRecord) -> Iterator[str]:
    """Yield the shell commands, those of failing cells first, each once."""
    cells = sorted(record.cells, key=lambda cell: cell.verdict is Verdict.PASSED)
    if record.verdict is not Verdict.PASSED:
        cells = [cell for cell in cells if cell.verdict is not Verdict.PASSED]
    series = series_of(record)
    if series is None:
        told = (portable.reproduce(cell, record) for cell in cells if cell.reproduce)
        commands = tuple(dict.fromkeys(told))
    else:
        whole = cells if record.verdict is Verdict.PASSED else series_words.shown_whole(record)
        commands = portable.of_series(whole, record, series)
    if not commands:
        return
    here = any(cell.reproduce in commands for cell in cells)
    yield from ("To reproduce:" if here else "To reproduce, in the kernel tree:", "")
    if series is not None and not here and (applying := portable.applying(series)):
        yield from _command(applying)
        yield from (f"  cd {portable.SERIES}", "")
    for lines in commands:
        for line in lines:
            yield from _command(line)
        yield ""


def _command(command: str) -> Iterator[str]:
    r"""Break one command between its words with a backslash; no word is broken."""
    words = _words(ascii_line(command, limit=_COMMAND_LIMIT))
    line = "  "
    for n, word in enumerate(words):
        room = WIDTH - (2 if n < len(words) - 1 else 0)
        joined = f"{line}{'' if line.isspace() else ' '}{word}"
        if len(joined) > room and not line.isspace():
            yield f"{line} \\"
            joined = f"      {word}"
        line = joined
    yield line


def _words(command: str) -> list[str]:
    """Split a command into words with their quotes; at blanks if no shell could parse it."""
    try:
        lexer = shlex.shlex(command, posix=False, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = ""
        return list(lexer) or [""]
    except ValueError:
        return command.split() or [""]
