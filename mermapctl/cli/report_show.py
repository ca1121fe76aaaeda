# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report show`, `log` and `follow`: a record in any format; its verdict is the code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mermapctl import render
from mermapctl.cli import output, types
from mermapctl.cli.command import Command, all_of, form
from mermapctl.records.record import State, exit_of_verdict
from mermapctl.records.store import Store, console_lines
from mermapctl.render.terminal.text import look_of

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

_shown = all_of(
    form("table", "json", "junit", "html", "markdown", "email", "kcidb", "checks", says=output.HOW),
    output.output,
    click.option("--full", is_flag=True, help="Every test, frame and consequence."),
)
_open = click.option("--open", "open_it", is_flag=True, help="Show it in the browser, as HTML.")
_run = output.run("run", "[RUN]")


@dataclass(frozen=True, slots=True)
class Shown:
    """How a record is shown. Raises UsageError for an option that another takes the effect from."""

    form: str
    path: Path | None
    full: bool
    open_it: bool = False

    def __post_init__(self) -> None:
        if self.open_it:
            if self.form != "html" and _is_given("form"):
                raise click.UsageError(f"--open shows HTML, not --format {self.form}")
            if str(self.path) == "-":
                raise click.UsageError("--open needs a file: give -o FILE, or leave -o out")
        if self.full and (self.form != "table" or self.open_it):
            raise click.UsageError("--full goes with --format table")

    def show(self, record: RunRecord) -> int:
        """Print, write or open one record; returns the exit code of its verdict."""
        file = output.destination(self.path)
        if self.open_it:
            _open_page(record, file)
        elif file is None:
            before = self._previous(record)
            render.print_record(
                record, self.form, console=console_lines, full=self.full, previous=before
            )
        else:
            output.write(file, self.document(record))
        return exit_of_verdict(record.verdict)

    def document(self, record: RunRecord) -> str:
        """The record as text for a file."""
        before = self._previous(record)
        return render.document(record, self.form, console_lines, full=self.full, previous=before)

    def _previous(self, record: RunRecord) -> RunRecord | None:
        from mermapctl.records.previous import previous

        return previous(record) if self.form == "html" else None


def _is_given(name: str) -> bool:
    """Whether the command line has this option."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _open_page(record: RunRecord, file: Path | None) -> None:
    from mermapctl.cli import open_page

    page = open_page.write_page(record, file)
    click.echo(look_of(sys.stdout).verbatim(str(page)))
    if not open_page.open_page(page):
        output.note("no browser could be started; open the file above")


@click.command("show", cls=Command)
@_run
@_shown
@_open
def show(run: str | None, **how: Any) -> None:
    """Show RUN as it was shown when it ended; the latest run by default.

    \b
    mermapctl report show latest~1          the run before the latest
    mermapctl report show --open            the latest, as a page in the browser
    mermapctl report show --format junit -o mermap.xml

    Exit codes: those of the verdict: 0 passed, 1 failed, 3 no verdict. Wrong usage: 2.
    """
    shown = Shown(**how)
    store = Store.open()
    record = store.get(run)
    output.tell(store)
    if record.run.state is State.INTERRUPTED and not record.cells:
        output.note(f"what it left is in {store.folder(record.run.id).path}")
    sys.exit(shown.show(record))


@click.command("log", cls=Command, groups={"What is judged": ("suite", "allow_splats")})
@click.argument("files", nargs=-1, required=True, type=types.INPUT, metavar="FILE…")
@click.option("--suite", type=types.TEXT, metavar="GLOB", help="Suites that each log must hold.")
@click.option("--allow-splats", is_flag=True, help="A kernel warning is a finding, not a failure.")
@_shown
@_open
def log(files: tuple[Path, ...], suite: str | None, allow_splats: bool, **how: Any) -> None:
    """Judge console logs from any machine, without a tree (-: standard input).

    \b
    mermapctl report log console.txt
    xz -dc console.xz | mermapctl report log -
    mermapctl report log lab/*.log --format junit -o lab.xml

    Several logs are one record with a cell for each. It failed if one of them failed, else it has
    no verdict if one of them has none.

    Exit codes: 0 passed, 1 failed, 3 no verdict. Wrong usage: 2.
    """
    from mermapctl.commands import judge_log

    shown = Shown(**how)
    logs = [str(file) for file in files]
    if logs.count(judge_log.STDIN) > 1:
        raise click.UsageError("standard input (-) is given twice: it can be read once")
    command = ("mermapctl", *sys.argv[1:])
    record = judge_log.of_logs(logs, command, suite=suite, allow_splats=allow_splats)
    sys.exit(shown.show(record))


@click.command("follow", cls=Command)
@_run
@_shown
def follow(run: str | None, **how: Any) -> None:
    """Show the console of a running RUN as it comes, then the run; the latest by default.

    \b
    mermapctl report follow                 the run that was started last
    mermapctl report follow 20260131-1      the one that started then
    mermapctl report follow --format json -o run.json

    Exit codes: those of the verdict, as for `show`.
    """
    from mermapctl.commands import follow as following

    shown = Shown(**how)
    store = Store.open()
    look = look_of(sys.stdout)
    printed = False

    def line(said: str) -> None:
        nonlocal printed
        if shown.form == "table" and output.destination(shown.path) is None:
            printed = True
            sys.stdout.write(look.plain(said, limit=4000) + "\n")
            sys.stdout.flush()

    record = following.follow(store, run, line, output.note)
    output.tell(store)
    if printed:
        click.echo()
    sys.exit(shown.show(record))
