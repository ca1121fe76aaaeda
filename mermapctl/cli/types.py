# SPDX-License-Identifier: GPL-2.0-only
"""The types of our options: a value is checked here, once, before a command sees it.

Empty is not absent: `report show "$RUN"` with RUN unset must not show another run. What depends on
the machine (does the file exist?) is checked where the file is opened.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mermapctl.system.boundary import flaw_of_path, flaw_of_text

if TYPE_CHECKING:
    from collections.abc import Callable

    _Text = click.ParamType[str]
else:
    _Text = click.ParamType  # generic from click 8.4 on

WEEK = 7 * 24 * 3600
MOST_JOBS = 8192
"""NR_CPUS is no larger anywhere (6.12, arch/*/Kconfig)."""
COMMAND_LINE = 4096
"""COMMAND_LINE_SIZE is no larger on any target (6.12: s390)."""

_NUMBER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_RUN = re.compile(r"latest(?:~\d*)?|[\da-f]+(?:-[\da-f]*)*")
_OPTION = re.compile(r"--?[A-Za-z]")
_BLANK = re.compile(r'\s(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A blank that is not between double quotes, the kernel's own (lib/cmdline.c, next_arg)."""


def _flaw_of_option(text: str, param: click.Parameter | None) -> str | None:
    """The value of an option that was left without one: `run --suite --quiet`."""
    if isinstance(param, click.Option) and _OPTION.match(text):
        where = f" (a file of that name is ./{text})" if isinstance(param.type, click.Path) else ""
        return f"would be {shown(text)}, an option: is a value missing?{where}"
    return None


class TextType(_Text):
    """A name, a pattern or a parameter: not empty, one line, every character visible.

    `blanks` says whether it may have blanks, `flaw` finds what else is wrong with it.
    """

    name = "text"

    def __init__(
        self, *, blanks: bool = True, flaw: Callable[[str], str | None] = flaw_of_text
    ) -> None:
        self.blanks = blanks
        self.flaw = flaw

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is. Fails with what is wrong with it."""
        text = str(value)
        if flaw := _flaw_of_option(text, param) or self.flaw(text):
            self.fail(f"it {flaw}", param, ctx)
        if not self.blanks and re.search(r"\s", text):
            self.fail(f"{text!r} has a blank", param, ctx)
        return text


class RunType(TextType):
    """A stored run. Fails for a file, which `report log` judges."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        text = super().convert(value, param, ctx)
        if not looks_like_a_run(text) and is_file(text):
            asked = f"mermapctl report log {shlex.quote(text)}"
            self.fail(f"{text} is a file, not a stored run: {asked} judges it", param, ctx)
        return text


def looks_like_a_run(text: str) -> bool:
    """Whether a word is `latest`, `latest~1`, or has the form of an id, its start or its end."""
    return _RUN.fullmatch(text) is not None


def is_file(text: str) -> bool:
    """Whether a word names a file; False where that cannot be found out."""
    try:
        return Path(text).is_file()
    except OSError:  # too long, or in a directory that cannot be looked into
        return False


class KernelArgument(TextType):
    """One kernel parameter; a blank stands between double quotes, as the kernel takes it."""

    name = "parameter"

    def __init__(self) -> None:
        super().__init__(flaw=lambda text: flaw_of_text(text, COMMAND_LINE))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The parameter as it is."""
        text = super().convert(value, param, ctx)
        if text.count('"') % 2:
            self.fail(f"{text!r} has a double quote that does not end", param, ctx)
        if _BLANK.search(text):
            self.fail(f"{text!r} is several parameters: give each its own option", param, ctx)
        return text


class NumberType(click.IntRange):
    """A number in ASCII digits within bounds; int() would also take ``1_0`` and other digits."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            said = value if len(value) <= 40 else f"{value[:40]}…"
            self.fail(f"{said!r} is not a number", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


class PathType(click.Path):
    """A path that the file system can have; `dash` says that ``-`` is a standard stream."""

    def __init__(self, *, files: bool = True, directories: bool = True, dash: bool = False) -> None:
        super().__init__(
            file_okay=files, dir_okay=directories, allow_dash=dash, readable=False, path_type=Path
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path as it is written. Fails with what is wrong with it."""
        if flaw := _flaw_of_option(str(value), param) or flaw_of_path(str(value)):
            self.fail(f"it {flaw}", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        # pathlib makes "-" of "./-", which is a file.
        return path.absolute() if str(path) == "-" != str(value) else path


def shown(value: Any) -> str:
    """A value that was given, short enough for a sentence."""
    text = " ".join(value) if isinstance(value, tuple) else value
    if not isinstance(text, str):  # click's mark for an option whose value may be left out
        return "no value"
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


NAME = TextType(blanks=False)
TEXT = TextType()
RUN = RunType()
SOURCE = TextType(flaw=flaw_of_path)
PATH = PathType()
INPUT = PathType(dash=True)
OUTPUT = PathType(directories=False, dash=True)
DIRECTORY = PathType(files=False)
SECONDS = NumberType(min=1, max=WEEK)
ROWS = NumberType(min=0, max=10**9)
