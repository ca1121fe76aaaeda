# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report`: a group of commands; without the name of one it shows a run."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from mermapctl.cli.command import LazyGroup, Subcommand

VERBS = {
    name: Subcommand(f"mermapctl.cli.{module}", function, does)
    for name, module, function, does in (
        ("show", "report_show", "show", "Show one stored run, the latest by default."),
        ("log", "report_show", "log", "Judge console logs from any machine."),
        ("follow", "report_show", "follow", "Show the console of a running run as it comes."),
        ("checks", "report_checks", "checks", "Answer b4's review checks from the stored runs."),
        ("list", "report_lists", "list_", "List the stored runs, newest first."),
        ("compare", "report_lists", "compare", "Compare two runs."),
        ("history", "report_lists", "history", "Show the results of one test over time."),
        ("flaky", "report_lists", "flaky", "List tests that passed and failed on one commit."),
        ("rejudge", "report_store", "rejudge", "Judge stored consoles again by today's rules."),
        ("prune", "report_store", "prune", "Remove old runs, after asking."),
    )
}
FORMER = {f"--{verb}": verb for verb in VERBS if verb != "show"} | {"-f": "follow"}
"""Options of earlier versions -> the commands that replace them."""


class ReportGroup(LazyGroup):
    """A group that runs `show` where the first word is no command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `show` where no verb is given. Raises UsageError for a misspelt one."""
        if ctx.resilient_parsing and not args:  # completion of the first word
            return super().parse_args(ctx, args)
        if not args or args[0] not in {*VERBS, "-h", "--help"}:
            if not ctx.resilient_parsing:  # an error would garble the user's prompt
                _refuse_no_verb(args, ctx)
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the verbs, and the options or runs that `show` takes."""
        from mermapctl.cli import report_options

        if incomplete.startswith("-"):
            show = self.get_command(ctx, "show")
            return show.shell_complete(ctx, incomplete) if show else []
        found = [*super().shell_complete(ctx, incomplete)]
        return [*found, *map(CompletionItem, report_options.run_ids_beginning(incomplete))]


def _refuse_no_verb(args: list[str], ctx: click.Context) -> None:
    """Raise UsageError for an option of earlier versions, or a misspelt verb."""
    for word in args:
        if verb := FORMER.get(word.partition("=")[0]):
            raise click.UsageError(f"{word} is a command now: mermapctl report {verb}")
    if meant := _similar_verb(args[0] if args else ""):
        raise click.UsageError(f"no such command {args[0]!r}: did you mean {meant}?", ctx)


def _similar_verb(word: str) -> str | None:
    """Return the verb that a word resembles; None for a run, a file or another word."""
    import difflib

    from mermapctl.cli import types

    if len(word) < 2 or types.looks_like_a_run(word) or types.is_file(word):
        return None
    begun = [verb for verb in VERBS if verb.startswith(word)]
    return next(iter((*begun, *difflib.get_close_matches(word, VERBS, n=1))), None)


@click.group("report", cls=ReportGroup, members=VERBS, subcommand_metavar="[COMMAND] [RUN]…")
def command() -> None:
    """Show, compare and export stored runs; judge any console log.

    \b
    mermapctl report                        the latest run, as it was shown when it ended
    mermapctl report log console.txt        judge a log from any machine, without a tree
    mermapctl report compare                what changed from the run before to the latest

    RUN is an id, its start or its end, `latest`, or `latest~N` for the Nth before it. Without a
    command, `show` runs with the options given.
    """
