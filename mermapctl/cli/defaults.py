# SPDX-License-Identifier: GPL-2.0-only
"""A user's defaults: tables of `config.toml` named like commands, and variables `MERMAPCTL_RUN_*`.

A variable ranks above the file, the command line above both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mermapctl.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FILE = "config.toml"
PREFIX = "MERMAPCTL"
LARGEST = 1 << 20
NEVER = frozenset({"dry-run", "last-failed", "bisect-exit", "yes", "help", "debug", "version"})
"""Options that change what a command is, so that a default would surprise."""
_TRUE = {"1": True, "true": True, "yes": True, "on": True}
_FALSE = {"0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Default:
    """One default: the option's long name, its value for click, as it is written, and where."""

    command: str
    option: str
    param: str
    value: Any
    written: str
    origin: str


def file() -> Path:
    """Return the path of the user's file, which may not exist."""
    from mermapctl.system import paths

    return paths.config_dir() / FILE


def tables() -> dict[str, Any]:
    """Return what the file contains, {} where there is none. Raises UserError."""
    from mermapctl.system import inputs

    path = file()
    if not path.exists():
        return {}
    import tomllib

    try:
        return tomllib.loads(inputs.read_regular(path, LARGEST).decode())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", "mend it, or remove it") from error
    except (ValueError, RecursionError) as error:  # also of tomllib and UTF-8
        raise UserError(
            f"{path}: {error}", "`mermapctl config defaults --help` has a file"
        ) from error


def of(words: Sequence[str], command: click.Command, known: dict[str, Any]) -> list[Default]:
    """Return the defaults of one command, of the file (`known`) and of variables.

    Raises UserError, with near names, for what is no option of it, and for a wrong kind of value.
    """
    options = {name: param for param in command.params for name in _names(param)}
    found: dict[str, Default] = {}
    name = " ".join(words)
    for key, value in _table(words, known).items():
        if isinstance(value, dict) and isinstance(command, click.Group):  # of a subcommand
            continue
        where = f"{file()}, [{'.'.join(words)}] {key}"
        param = options.get(key)
        if param is None or key in NEVER:
            raise _no_option(where, key, name, [*options])
        each = Default(name, key, str(param.name), _value(value, key, param, where), _shown(value),
                       str(file()))  # fmt: skip
        found[each.param] = each
    for key, param in options.items():
        variable = "_".join([PREFIX, *words, key]).upper().replace("-", "_")
        text = os.environ.get(variable)
        if text is None or key in NEVER:
            continue
        value = _from_text(text, param, variable)
        made = _value(value, key, param, variable)
        found[str(param.name)] = Default(name, key, str(param.name), made, text, variable)
    return [*found.values()]


def apply(ctx: click.Context, command: click.Command) -> None:
    """Set the defaults of the command that is about to be parsed. Raises UserError."""
    words: list[str] = []
    above: click.Context | None = ctx
    while above is not None and above.parent is not None:
        words.insert(0, above.info_name or "")
        above = above.parent
    given = {each.param: each.value for each in of(words, command, tables())}
    ctx.default_map = {**(ctx.default_map or {}), **given}


def _names(param: click.Parameter) -> Iterator[str]:
    if isinstance(param, click.Option):
        for name in (*param.opts, *param.secondary_opts):
            if name.startswith("--"):
                yield name.removeprefix("--")


def _table(words: Sequence[str], known: dict[str, Any]) -> dict[str, Any]:
    table: Any = known
    for word in words:
        table = table.get(word, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise UserError(f"{file()}: {'.'.join(words)} is not a table", f"write [{'.'.join(words)}]")
    return table


def _no_option(where: str, key: str, name: str, options: list[str]) -> UserError:
    from mermapctl.config import near_names

    what = f"`mermapctl {name}` has no option --{key}"
    if key in options:
        what = f"--{key} of `mermapctl {name}` cannot be a default"
    return UserError(f"{where}: {what}", near_names.hint(key, options, "it has"))


def _value(value: Any, key: str, param: click.Parameter, where: str) -> Any:
    """Return a value as click wants it. Raises UserError."""
    option = param if isinstance(param, click.Option) else None
    if option is not None and option.is_flag:
        if not isinstance(value, bool):
            raise UserError(f"{where} is not true or false", "write true or false, without quotes")
        first = f"--{key}" in param.opts
        plain = option.flag_value if first and isinstance(option.flag_value, bool) else first
        return plain if value else not plain
    many = value if isinstance(value, list) else [value]
    if any(isinstance(each, bool | dict | list) for each in many):
        raise UserError(f"{where} is no text and no number", "write a text in quotes, or a number")
    if not many:
        raise UserError(f"{where} is empty", "name a value, or leave it out")
    if param.multiple:
        return [str(each) for each in many]
    if isinstance(value, list):
        raise UserError(f"{where} has several values", "the option takes one")
    return str(value)


def _from_text(text: str, param: click.Parameter, variable: str) -> Any:
    if isinstance(param, click.Option) and param.is_flag:
        known = (_TRUE | _FALSE).get(text.lower())
        if known is None:
            raise UserError(f"{variable} is not 1 or 0: {text[:40]!r}", f"unset {variable}")
        return known
    return text.split() if param.multiple else text


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def commands(group: click.Group, ctx: click.Context) -> Iterator[tuple[list[str], click.Command]]:
    """Yield all commands below a group with the words that name them."""
    for name in group.list_commands(ctx):
        member = group.get_command(ctx, name)
        if isinstance(member, click.Group):
            below = click.Context(member, parent=ctx, info_name=name)
            yield from (([name, *words], each) for words, each in commands(member, below))
        elif member is not None:
            yield [name], member


def every(root: click.Group, ctx: click.Context) -> list[Default]:
    """Return all defaults. Raises UserError also for a table that no command has."""
    known = tables()
    found = [*commands(root, ctx)]
    names = {tuple(words) for words, _ in found}
    _require_commands(known, (), names)
    return [each for words, command in found for each in of(words, command, known)]


def _require_commands(
    table: dict[str, Any], above: tuple[str, ...], names: set[tuple[str, ...]]
) -> None:
    for key, value in table.items():
        words = (*above, key)
        if words in names:
            continue
        if isinstance(value, dict) and any(name[: len(words)] == words for name in names):
            _require_commands(value, words, names)
            continue
        from mermapctl.config import near_names

        meant = ".".join(words)
        known = [".".join(name) for name in sorted(names)]
        hint = near_names.hint(meant, known, "it has")
        raise UserError(f"{file()}: no command is named {meant!r}", hint)
