# SPDX-License-Identifier: GPL-2.0-only
"""What each mode of `mermapctl report` calls and prints. Imported when the command runs.

A mode imports what it alone needs: a list of runs is quicker without the judge.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from mermapctl import render
from mermapctl.commands import history
from mermapctl.errors import Exit, UserError
from mermapctl.records.previous import previous
from mermapctl.records.record import State, exit_of_verdict
from mermapctl.records.store import Filters, Store, console_lines
from mermapctl.render.terminal import runs as run_list
from mermapctl.render.terminal.runs import Sheet
from mermapctl.render.terminal.text import colored, count, look_of
from mermapctl.render.visible import visible
from mermapctl.system import files, stdio

if TYPE_CHECKING:
    from collections.abc import Callable

    from mermapctl.records.record import RunRecord

ROWS = 25


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `report`, by their names in `mermapctl.cli.report`."""

    mode: str
    runs: tuple[str, ...]
    log: Path | None
    suite: str | None
    allow_splats: bool
    form: str
    output: Path | None
    full: bool
    open_it: bool
    follow: bool
    list: bool
    compare: tuple[str, str] | None
    history: str | None
    flaky: bool
    rejudge: bool
    prune: bool
    reindex: bool
    failed: bool
    target: str | None
    variant: str | None
    commit: str | None
    since: str | None
    limit: int | None
    older: str | None
    keep: int | None
    max_size: str | None
    yes: bool
    dry_run: bool

    @property
    def run(self) -> str | None:
        """The run that is asked for; None is the latest."""
        return self.runs[0] if self.runs else None

    @property
    def file(self) -> Path | None:
        """Where to write it; None is standard output."""
        return None if str(self.output) == "-" else self.output

    def filters(self, default: int = ROWS) -> Filters:
        """Which runs."""
        return Filters(
            failed=self.failed,
            target=self.target,
            variant=self.variant,
            commit=self.commit,
            since=None if self.since is None else history.moment(self.since),
            limit=default if self.limit is None else self.limit,
        )


def _show_one(asked: Asked) -> int:
    store = Store.open()
    record = store.get(_run_key(store, asked.run))
    _tell(store)
    if record.run.state is State.INTERRUPTED and not record.cells:
        _note(f"what it left is in {store.folder(record.run.id).path}")
    return _show(asked, record)


def _run_key(store: Store, key: str | None) -> str | None:
    """The same key. Raises UserError for a file's name that names no run."""
    if key is None or not _is_file(key):
        return key
    try:
        store.resolve(key)
    except UserError as error:
        hint = f"to judge the console log {key}: mermapctl report --log {shlex.quote(key)}"
        raise UserError(f"{key} is a file, not a stored run", hint) from error
    return key


def _is_file(key: str) -> bool:
    try:
        return Path(key).is_file()
    except OSError:  # too long, or in a directory that cannot be looked into
        return False


def _show_log(asked: Asked) -> int:
    from mermapctl.commands import judge_log

    command = ("mermapctl", *sys.argv[1:])
    log = str(asked.log)
    record = judge_log.of_log(log, command, suite=asked.suite, allow_splats=asked.allow_splats)
    return _show(asked, record)


def _show(asked: Asked, record: RunRecord) -> int:
    """Print, write or open one record; its verdict is the exit code."""
    if asked.open_it:
        from mermapctl.cli import open_page

        page = open_page.write_page(record, asked.file)
        click.echo(look_of(sys.stdout).verbatim(str(page)))
        if not open_page.open_page(page):
            _note("no browser could be started; open the file above")
        return exit_of_verdict(record.verdict)
    before = previous(record) if asked.form == "html" else None
    if asked.file is None:
        render.print_record(
            record, asked.form, console=console_lines, full=asked.full, previous=before
        )
    else:
        document = render.document(
            record, asked.form, console_lines, full=asked.full, previous=before
        )
        _write(asked.file, document)
    return exit_of_verdict(record.verdict)


def _follow(asked: Asked) -> int:
    from mermapctl.commands import follow

    store = Store.open()
    look = look_of(sys.stdout)
    printed = False

    def line(said: str) -> None:
        nonlocal printed
        if asked.form == "table" and asked.file is None:
            printed = True
            sys.stdout.write(look.plain(said, limit=4000) + "\n")
            sys.stdout.flush()

    record = follow.follow(store, _run_key(store, asked.run), line, _note)
    _tell(store)
    if printed:
        click.echo()
    return _show(asked, record)


def _list(asked: Asked) -> int:
    store = Store.open()
    rows = store.list(asked.filters())
    total = store.count()
    _tell(store)
    return _say(asked, "runs", rows, lambda sheet: run_list.runs(rows, total, sheet))


def _compare(asked: Asked) -> int:
    from mermapctl.render.terminal import comparison

    store = Store.open()
    a, b = asked.compare or ("", "")
    _run_key(store, a)
    _run_key(store, b)
    compared = history.compare(store, a, b)
    _tell(store)
    _say(asked, "comparison", compared, lambda sheet: comparison.render(compared, sheet))
    return Exit.FAILED if compared.worse else Exit.PASSED


def _history(asked: Asked) -> int:
    store = Store.open()
    rows = history.test_history(store, str(asked.history), asked.filters())
    _tell(store)
    return _say(asked, "history", rows, lambda sheet: run_list.history(rows, sheet))


def _flaky(asked: Asked) -> int:
    store = Store.open()
    rows = history.flaky(store, asked.filters(0))
    _tell(store)
    return _say(asked, "flaky", rows, lambda sheet: run_list.flaky(rows, sheet))


def _rejudge(asked: Asked) -> int:
    from mermapctl.commands import rejudge

    store = Store.open()
    chosen = [store.resolve(key) for key in asked.runs]
    runs = chosen or [run.id for run in store.list(asked.filters(0))]
    live = sys.stderr.isatty()
    done = 0

    def tell(_: rejudge.Rejudged) -> None:
        nonlocal done
        done += 1
        if live:
            click.echo(f"\r{done:,} of {count(len(runs), 'run')}", nl=done == len(runs), err=True)

    outcomes = rejudge.rejudge(store, runs, keep=not asked.dry_run, done=tell)
    _tell(store)
    return _say(asked, "rejudged", outcomes, lambda sheet: run_list.rejudged(outcomes, sheet))


def _prune(asked: Asked) -> int:
    from mermapctl.commands import prune

    store = Store.open()
    before = None if asked.older is None else history.moment(asked.older)
    size = None if asked.max_size is None else history.bytes_of(asked.max_size)
    chosen = prune.choose(store, before=before, keep=asked.keep, size=size)
    _tell(store)
    if not chosen.runs:
        click.echo(f"nothing to remove; {count(chosen.kept, 'run')} left")
        return Exit.PASSED
    span = chosen.runs[-1:] if len(chosen.runs) == 1 else (chosen.runs[-1], chosen.runs[0])
    runs = f"{count(len(chosen.runs), 'run')} ({' to '.join(span)})"
    what = f"{runs}, {chosen.size / 1e6:,.1f} MB"
    if asked.dry_run:
        click.echo(f"would remove {what}; {count(chosen.kept, 'run')} left")
        return Exit.PASSED
    if not asked.yes:
        if not sys.stdin.isatty():
            raise UserError(f"would remove {what}", "Say --yes where nobody can be asked.")
        click.confirm(visible(f"Remove {what} from {store.runs}?"), abort=True)
    freed = prune.prune(store, chosen)
    _tell(store)
    click.echo(f"removed {runs}; {count(chosen.kept, 'run')} left, {freed / 1e6:,.1f} MB freed")
    return Exit.PASSED


def _reindex(asked: Asked) -> int:  # noqa: ARG001 - a mode's signature
    store = Store.open()
    number = store.reindex()
    _tell(store)
    click.echo(f"read {count(number, 'run')}")
    return Exit.PASSED


SHOW: dict[str, Callable[[Asked], int]] = {
    "": _show_one,
    "log": _show_log,
    "follow": _follow,
    "list": _list,
    "compare": _compare,
    "history": _history,
    "flaky": _flaky,
    "rejudge": _rejudge,
    "prune": _prune,
    "reindex": _reindex,
}
"""Mode -> what it does; returns the exit code."""


def _say(asked: Asked, name: str, value: object, table: Callable[[Sheet], str]) -> int:
    """Print or write a value that is no record, as a table or as JSON."""
    if asked.form == "json":
        document = msgspec.json.encode({"schema": 1, name: value})
        text = msgspec.json.format(document, indent=1).decode() + "\n"
    elif asked.file is not None:
        text = table(Sheet(look_of(sys.stdout)))
    else:
        width = render.terminal_width(sys.stdout)
        text = table(Sheet(look_of(sys.stdout), colored(sys.stdout), width))
    if asked.file is None:
        sys.stdout.write(text)
    else:
        _write(asked.file, text)
    return Exit.PASSED


def _write(path: Path, text: str) -> None:
    files.write(path, text.encode("utf-8", "replace"))


def _tell(store: Store) -> None:
    """What the store has to say of itself, once."""
    while store.notices:
        _note(store.notices.pop(0))


def _note(sentence: str) -> None:
    stdio.tell(visible(f"mermapctl: {sentence}"))
