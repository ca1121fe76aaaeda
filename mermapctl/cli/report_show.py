# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report show`, `log` and `follow`: show a record, and exit with its verdict."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mermapctl import render
from mermapctl.cli import report_options, types
from mermapctl.cli.command import Command, all_of, format_option
from mermapctl.cli.console_output import ConsoleOutput
from mermapctl.records.exit_code import exit_of_result
from mermapctl.records.record import State
from mermapctl.records.store import Store, console_lines
from mermapctl.render.terminal.plain import plain_look_of

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

FORMATS = ("table", "json", "junit", "html", "markdown", "email", "kcidb", "checks")
_shown = all_of(
    format_option(*FORMATS, summary=report_options.HOW),
    report_options.output_option,
    click.option("--full", is_flag=True, help="Show every test, frame and consequence."),
)
_open = click.option("--open", "open_it", is_flag=True, help="Show the HTML page in the browser.")
_run = report_options.run_argument("run", "[RUN]")
_SHOWN_GROUPS = {"How it is shown": ("form", "path", "full")}
_OPEN_GROUPS = {"How it is shown": ("form", "path", "full", "open_it")}
_LOG_GROUPS = {"What is judged": ("suite", "allow_splats")} | _OPEN_GROUPS


@dataclass(frozen=True, slots=True)
class Shown:
    """How to show a record. Raises UsageError where one option makes another one useless."""

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

    @property
    def to_stdout(self) -> bool:
        """Tell whether the record goes to standard output."""
        return report_options.file_or_stdout(self.path) is None

    def show(self, record: RunRecord) -> int:
        """Print, write or open a record; return the exit code of its verdict."""
        file = report_options.file_or_stdout(self.path)
        if self.open_it:
            _open_page(record, file)
        elif file is None:
            render.print_record(
                record, self.form, console=console_lines, full=self.full, **self._more(record)
            )
        else:
            report_options.write(file, self.document(record))
        return exit_of_result(record)

    def document(self, record: RunRecord) -> str:
        """Return the record as text for a file."""
        return render.document(
            record, self.form, console_lines, full=self.full, **self._more(record)
        )

    def _more(self, record: RunRecord) -> dict[str, Any]:
        """Return what a page or a mail has besides the record."""
        if self.form == "html":
            from mermapctl.records.previous import previous

            return {"previous": previous(record)}
        if self.form == "email":
            from mermapctl.tree import git_identity

            return {"tester": git_identity.of_user()}
        return {}


def _is_given(name: str) -> bool:
    """Tell whether the command line has this option."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _open_page(record: RunRecord, file: Path | None) -> None:
    from mermapctl.cli import open_page

    page = open_page.write_page(record, file)
    click.echo(plain_look_of(sys.stdout).verbatim(str(page)))
    if not open_page.open_page(page):
        report_options.print_note("no browser could be started; open the file above")


@click.command("show", cls=Command, groups=_OPEN_GROUPS)
@_run
@_shown
@_open
def show(run: str | None, **how: Any) -> None:
    """Show RUN as it was shown when it ended; the latest run by default.

    \b
    mermapctl report show latest~1          the run before the latest
    mermapctl report show --open            the latest, as a page in the browser
    mermapctl report show --format junit -o mermap.xml

    Exit codes, from the verdict: 0 passed, 1 failed, 3 no verdict. Wrong usage: 2.
    """
    shown = Shown(**how)
    store = Store.open()
    record = store.get(run)
    report_options.print_notices(store)
    if record.run.state is State.INTERRUPTED and not record.cells:
        report_options.print_note(f"its files are in {store.folder(record.run.id).path}")
    sys.exit(shown.show(record))


@click.command("log", cls=Command, groups=_LOG_GROUPS)
@click.argument("files", nargs=-1, required=True, type=types.INPUT, metavar="FILE…")
@click.option("--suite", type=types.TEXT, metavar="GLOB", help="Suites that each log must contain.")
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
    no verdict if one of them has none. A FILE may be a whole mail: the consoles in its text and
    attachments are judged, without the quotation marks.

    Exit codes: 0 passed, 1 failed, 3 no verdict. Wrong usage: 2.
    """
    from mermapctl.commands import judge_log
    from mermapctl.system import paths

    shown = Shown(**how)
    logs = [str(file) for file in files]
    if logs.count(judge_log.STDIN) > 1:
        raise click.UsageError("standard input (-) is given twice: it can be read only once")
    if not shown.to_stdout:
        paths.require_not_read(Path(str(shown.path)), files)
    command = ("mermapctl", *sys.argv[1:])
    record = judge_log.of_logs(logs, command, suite=suite, allow_splats=allow_splats)
    sys.exit(shown.show(record))


@click.command("follow", cls=Command, groups=_SHOWN_GROUPS)
@_run
@_shown
def follow(run: str | None, **how: Any) -> None:
    """Show the console of a running RUN as it comes, then the run; the latest by default.

    \b
    mermapctl report follow                 the run that was started last
    mermapctl report follow 20260131-1      the one that started then
    mermapctl report follow --format json -o run.json

    Exit codes: from the verdict, as for `show`; 3 once nothing reads the output any more.
    """
    from mermapctl.commands import follow as following

    shown = Shown(**how)
    store = Store.open()
    console = ConsoleOutput(silent=shown.form != "table" or not shown.to_stdout)
    record = following.follow(store, run, console.print, report_options.print_note)
    report_options.print_notices(store)
    console.end()
    sys.exit(shown.show(record))
