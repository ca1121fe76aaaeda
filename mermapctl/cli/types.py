# SPDX-License-Identifier: GPL-2.0-only
"""Types of the options: check a value once, before a command gets it.

An empty value is an error: `report show "$RUN"` with RUN unset must not show another run. What
depends on the machine (does the file exist?) is checked where the file is opened.
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
    _Numbers = click.ParamType[tuple[int, ...]]
    _Percent = click.ParamType[float]
else:
    _Text = _Numbers = _Percent = click.ParamType  # generic from click 8.4 on

WEEK = 7 * 24 * 3600
MOST_JOBS = 8192
"""NR_CPUS is no larger anywhere (6.12, arch/*/Kconfig)."""
MOST_BOOTS = 10_000
MOST_LANES = 256
"""A lane takes 2 GB of disk."""
LARGEST_SHIFT = 10
"""QEMU takes no more (-icount, 7.2)."""
LARGEST_SEED = (1 << 32) - 1
"""QEMU takes 64 bits, and what reads JSON not always."""
COMMAND_LINE = 4096
"""COMMAND_LINE_SIZE is no larger on any target (6.12: s390)."""

_NUMBER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_PERCENT = re.compile(r"(\d{1,4}(?:\.\d{1,4})?) ?%?", re.ASCII)
_DURATION = re.compile(r"(\d{1,10})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RUN = re.compile(r"latest(?:~\d*)?|[\da-f]+(?:-[\da-f]*)*")
_OPTION = re.compile(r"--?[A-Za-z]")
_BLANK = re.compile(r'\s(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A blank outside double quotes, where the kernel ends a parameter (lib/cmdline.c, next_arg)."""


def _flaw_of_option(text: str, param: click.Parameter | None) -> str | None:
    """Return what is wrong where an option takes the next option as its value (`--suite -q`)."""
    if isinstance(param, click.Option) and _OPTION.match(text):
        where = f" (a file of that name is ./{text})" if isinstance(param.type, click.Path) else ""
        return f"would be {shown(text)}, an option: is a value missing?{where}"
    return None


class TextType(_Text):
    """Accept a name, a pattern or a parameter: not empty, one line, every character visible.

    `blanks` allows blanks; `flaw` returns what else is wrong with the text.
    """

    name = "text"

    def __init__(
        self, *, blanks: bool = True, flaw: Callable[[str], str | None] = flaw_of_text
    ) -> None:
        self.blanks = blanks
        self.flaw = flaw

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text unchanged. Fails with what is wrong with it."""
        text = str(value)
        if flaw := _flaw_of_option(text, param) or self.flaw(text):
            self.fail(f"it {flaw}", param, ctx)
        if not self.blanks and re.search(r"\s", text):
            self.fail(f"{text!r} has a blank", param, ctx)
        return text


class RunType(TextType):
    """Accept a stored run. Fails for a file, and names `report log`, which judges one."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text unchanged."""
        text = super().convert(value, param, ctx)
        if not looks_like_a_run(text) and is_file(text):
            command = f"mermapctl report log {shlex.quote(text)}"
            self.fail(f"{text} is a file, not a stored run: {command} judges it", param, ctx)
        return text


def looks_like_a_run(text: str) -> bool:
    """Tell whether a word is `latest`, `latest~1`, or looks like an id, its start or its end."""
    return _RUN.fullmatch(text) is not None


def is_directory(text: str) -> bool:
    """Tell whether a word names a directory; False on an error."""
    try:
        return Path(text).is_dir()
    except OSError:
        return False


def is_file(text: str) -> bool:
    """Tell whether a word names a file; False on an error."""
    try:
        return Path(text).is_file()
    except OSError:  # the name is too long, or its directory cannot be searched
        return False


class KernelArgument(TextType):
    """Accept one kernel parameter; it may have blanks between double quotes, as in the kernel."""

    name = "parameter"

    def __init__(self) -> None:
        super().__init__(flaw=lambda text: flaw_of_text(text, COMMAND_LINE))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the parameter unchanged."""
        text = super().convert(value, param, ctx)
        if text.count('"') % 2:
            self.fail(f"{text!r} has a double quote that does not end", param, ctx)
        if _BLANK.search(text):
            self.fail(f"{text!r} is several parameters: give each its own option", param, ctx)
        return text


class NumbersType(_Numbers):
    """Accept several numbers from 0 to `most`, with commas between them."""

    name = "numbers"

    def __init__(self, *, most: int) -> None:
        self.each = NumberType(min=0, max=most)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        return tuple(self.each.convert(part, param, ctx) for part in str(value).split(","))


class NumberType(click.IntRange):
    """Accept a number in ASCII digits within bounds; int() also takes ``1_0`` and other digits."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            text = value if len(value) <= 40 else f"{value[:40]}…"
            self.fail(f"{text!r} is not a number", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


class PercentType(_Percent):
    """Accept a number of per cent, with or without the sign: ``5%``, ``2.5``."""

    name = "per cent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        found = _PERCENT.fullmatch(str(value))
        if found is None or not float(found[1]):
            self.fail(f"{shown(value)} is no number of per cent, such as 5%", param, ctx)
        return float(found[1])


class ConfidenceType(_Percent):
    """Accept a probability from 0.5 to 0.9999, also in per cent: ``0.95``, ``95%``."""

    name = "probability"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the probability."""
        text = str(value).strip()
        found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)(%?)", text, re.ASCII)
        number = float(found[1]) / (100 if found[2] else 1) if found else 0.0
        if not 0.5 <= number <= 0.9999:
            self.fail(f"{shown(text)} is no probability from 0.5 to 0.9999", param, ctx)
        return number


class SecondsType(NumberType):
    """Accept seconds as a number, or a duration: `90s`, `10m`, `36h`, `7d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = str(int(found[1]) * _UNITS[found[2]]) if found else value
        return super().convert(seconds, param, ctx)


class SymbolType(TextType):
    """Accept one line of a kunitconfig, with or without `CONFIG_`: `KASAN=y`, `NR_CPUS=64`."""

    name = "symbol"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the line with `CONFIG_`. Fails where kunit.py would reject it."""
        from mermapctl.config import fragment
        from mermapctl.errors import UserError

        text = super().convert(value, param, ctx)
        line = text if text.startswith("CONFIG_") else f"CONFIG_{text}"
        try:
            found = fragment.parse(line, "")
        except UserError as error:
            self.fail(f"{shown(text)} is not SYMBOL=VALUE: {error.hint}", param, ctx)
        return found.assignments[0].line()


class PathType(click.Path):
    """Accept a path that a file system can have; with `dash`, ``-`` is a standard stream."""

    def __init__(self, *, files: bool = True, directories: bool = True, dash: bool = False) -> None:
        super().__init__(
            file_okay=files, dir_okay=directories, allow_dash=dash, readable=False, path_type=Path
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path as it is written. Fails with what is wrong with it."""
        if flaw := _flaw_of_option(str(value), param) or flaw_of_path(str(value)):
            self.fail(f"it {flaw}", param, ctx)
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        # pathlib turns the file "./-" into "-".
        return path.absolute() if str(path) == "-" != str(value) else path


def shown(value: Any) -> str:
    """Quote a value, shortened to fit a sentence."""
    text = " ".join(value) if isinstance(value, tuple) else value
    if not isinstance(text, str):  # click's mark for an option whose value may be left out
        return "no value"
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


NAME = TextType(blanks=False)
TEXT = TextType()
SYMBOL = SymbolType(blanks=False)
RUN = RunType()
SOURCE = TextType(flaw=flaw_of_path)
PATH = PathType()
INPUT = PathType(dash=True)
OUTPUT = PathType(directories=False, dash=True)
DIRECTORY = PathType(files=False)
SECONDS = SecondsType(min=1, max=WEEK)
ROWS = NumberType(min=0, max=10**9)
