# SPDX-License-Identifier: GPL-2.0-only
"""Extend click: options in groups, one value per option, commands imported when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Callback = Callable[..., Any]
Decorator = Callable[[Callback], Callback]


def all_of(*decorators: Decorator) -> Decorator:
    """Combine several parameters into one decorator, in the order in which the help lists them."""

    def decorate(function: Callback) -> Callback:
        for each in reversed(decorators):
            function = each(function)
        return function

    return decorate


def format_option(*formats: str, summary: str | None = None) -> Decorator:
    """Declare `--format`, with the first of `formats` as its default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help=summary,
    )


class Command(click.Command):
    """Group the options in the help, and refuse a second, different value for an option.

    `groups` maps a title to names of parameters; the help lists all others under "Options". Click
    itself takes the last of two values without a message.
    """

    def __init__(
        self, *args: Any, groups: Mapping[str, Sequence[str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group, in the order of `groups`."""
        grouped = {name for names in self.groups.values() for name in names}
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        params = {str(param.name): param for param in options}
        rest = [name for name in params if name not in grouped]
        for title, names in (*self.groups.items(), ("Options", rest)):
            records = [params[name].get_help_record(ctx) for name in names]
            if shown := [record for record in records if record]:
                with formatter.section(title):
                    formatter.write_dl(shown)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set the user's defaults, then parse."""
        if not ctx.resilient_parsing:
            from mermapctl.cli import defaults

            defaults.apply(ctx, self)
        return super().parse_args(ctx, args)

    def make_parser(self, ctx: click.Context) -> Any:
        """Make click's parser, and outside completion let its options refuse a second value."""
        parser: Any = super().make_parser(ctx)
        if ctx.resilient_parsing:
            return parser
        for option in {*parser._short_opt.values(), *parser._long_opt.values()}:  # noqa: SLF001
            if option.action in {"store", "store_const"}:
                option.process = _SingleValue(option, ctx).process
        return parser


class _SingleValue:
    """Set an option unless `state.opts`, where click keeps the values so far, has another one."""

    def __init__(self, option: Any, ctx: click.Context) -> None:
        self.option, self.ctx, self.parent = option, ctx, option.process

    def process(self, value: Any, state: Any) -> None:
        new = value if self.option.takes_value else self.option.const
        old = state.opts.get(self.option.dest, new)
        if new != old:
            raise click.UsageError(self._conflict(old, new), self.ctx)
        self.parent(value, state)

    def _conflict(self, old: Any, new: Any) -> str:
        from mermapctl.cli import types

        param = self.option.obj
        if not self.option.takes_value and param.secondary_opts:
            return f"{param.opts[0]} and {param.secondary_opts[0]} exclude each other"
        name = max(param.opts, key=len)
        return f"{name} is given twice: {types.shown(old)} and {types.shown(new)}"


class Subcommand(NamedTuple):
    """Where a command of a group is defined, and its line in the group's help."""

    module: str
    name: str
    help: str


class LazyGroup(click.Group):
    """Import the `members` of a group when they are used, not when they are listed.

    The help lists them behind the commands that the group's own module defines.
    """

    command_class = Command

    def __init__(
        self, *args: Any, members: Mapping[str, Subcommand] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.members = members or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all command names, the members in the order in which they are declared."""
        return [*super().list_commands(ctx), *self.members]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a member, or return a command of the group's own module."""
        if cmd_name not in self.members:
            return super().get_command(ctx, cmd_name)
        member = self.members[cmd_name]
        command: click.Command = getattr(importlib.import_module(member.module), member.name)
        command.short_help = member.help  # the NAME of its man page, uncut
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names. Raises UsageError with near names."""
        name = args[0]
        found = self.get_command(ctx, name)
        if ctx.resilient_parsing or found is not None or name.startswith("-"):
            return super().resolve_command(ctx, args)
        import difflib

        known = self.list_commands(ctx)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise click.UsageError(f"no such command {name!r}: {hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any of them."""
        own = {name: self.commands[name].get_short_help_str(80) for name in sorted(self.commands)}
        late = {name: each.help for name, each in self.members.items()}
        with formatter.section("Commands"):
            formatter.write_dl([*(own | late).items()])
