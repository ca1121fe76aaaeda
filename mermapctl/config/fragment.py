# SPDX-License-Identifier: GPL-2.0-only
"""kunitconfig fragments as values: parse, merge, compare with the resulting .config, write.

The syntax is that of kunit.py's own parser (tools/testing/kunit/kunit_config.py): one
``CONFIG_X=value`` or ``# CONFIG_X is not set`` a line, comments on lines of their own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.system import inputs

SUFFIX = ".kunitconfig"
STDIN = Path("-")
_LIMIT = 1 << 20
_ASSIGNED = re.compile(r'CONFIG_(\w+)=([ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*")', re.ASCII)
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set", re.ASCII)
_MISTAKES = (
    (r"CONFIG_\w+=\S+\s+#", "kunit.py wants comments on lines of their own"),
    (r"CONFIG_\w+\s+=|CONFIG_\w+=\s+\S", "no blank may stand beside the ="),
    (r"CONFIG_\w+=?$", "it needs a value: CONFIG_X=y, =m, a number or a string"),
    (r"CONFIG_[A-Za-z0-9_]+=", "a value is y, m, n, a number, or a string in quotes"),
    (r"[A-Z][A-Z0-9_]*\s*=", "a symbol begins with CONFIG_"),
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One symbol (without CONFIG_), its value as written (``n`` for "is not set"), and its origin.

    `origin` is FILE:LINE; two assignments are equal if symbol and value are.
    """

    symbol: str
    value: str
    origin: str

    def line(self) -> str:
        """Return the line in a kunitconfig."""
        return config_line(self.symbol, self.value)


def config_line(symbol: str, value: str) -> str:
    """Return an assignment in a kunitconfig's form."""
    return f"# CONFIG_{symbol} is not set" if value == "n" else f"CONFIG_{symbol}={value}"


@dataclass(frozen=True, slots=True)
class MissingSymbol:
    """A symbol that the tree's olddefconfig did not give as requested.

    `why` is the text of `mermapctl config explain`: a heading, and indented lines.
    """

    symbol: str
    requested: str
    resolved: str | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A set of assignments, each symbol once, in order of first assignment.

    `about` is the sentence of the fragment's first comment line.
    """

    name: str
    assignments: tuple[Assignment, ...] = ()
    about: str = ""

    def text(self) -> str:
        """Return a kunitconfig for kunit.py."""
        return "".join(f"{assignment.line()}\n" for assignment in self.assignments)

    def value(self, symbol: str) -> str | None:
        """Return the value requested for a symbol; None where there is none."""
        return next((each.value for each in self.assignments if each.symbol == symbol), None)


def _shown(line: str) -> str:
    cut = line if len(line) <= 80 else f"{line[:77]}..."
    return repr(cut)


def _assignment(line: str, origin: str) -> Assignment | None:
    """Parse the assignment on one stripped line, None for a comment. Raises UserError."""
    if found := _NOT_SET.fullmatch(line):
        return Assignment(found[1], "n", origin)
    if line.startswith("#"):
        return None
    if found := _ASSIGNED.fullmatch(line):
        return Assignment(found[1], found[2], origin)
    hint = next(
        (advice for mistake, advice in _MISTAKES if re.match(mistake, line)),
        "a line is CONFIG_X=value, `# CONFIG_X is not set`, or a comment that begins with #",
    )
    raise UserError(f"{origin}: not a kunitconfig line: {_shown(line)}", hint)


def parse(text: str, origin: str, name: str = "") -> Fragment:
    """Parse a kunitconfig; errors begin with `origin` (a file's name) and the line number.

    Raises UserError for a line that kunit.py would reject, and for two values of one symbol.
    """
    found: dict[str, Assignment] = {}
    about = ""
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line:
            continue
        assignment = _assignment(line, f"{origin}:{number}")
        if assignment is not None:
            _add(found, assignment)
        elif not (about or found or "SPDX-License-Identifier" in line):
            about = line.lstrip("# ")
    return Fragment(name or origin, tuple(found.values()), about)


def _add(found: dict[str, Assignment], new: Assignment) -> None:
    old = found.setdefault(new.symbol, new)
    if old.value != new.value:
        raise UserError(
            f"CONFIG_{new.symbol} is asked for twice: {old.line()} ({old.origin}), "
            f"{new.line()} ({new.origin})",
            "keep one of the two lines, or leave one of the fragments out",
        )


def overlay(under: Fragment, over: Fragment) -> Fragment:
    """Return `over`, preceded by `under`'s lines on other symbols; no conflict is possible."""
    spoken = {each.symbol for each in over.assignments}
    kept = tuple(each for each in under.assignments if each.symbol not in spoken)
    return Fragment(over.name, kept + over.assignments, over.about)


def merge(name: str, fragments: Iterable[Fragment]) -> Fragment:
    """Merge fragments. Raises UserError with both places of a conflict."""
    found: dict[str, Assignment] = {}
    for fragment in fragments:
        for assignment in fragment.assignments:
            _add(found, assignment)
    return Fragment(name, tuple(found.values()))


def load(path: Path, name: str = "", shown: str = "") -> Fragment:
    """Read a kunitconfig file; a directory stands for the .kunitconfig in it, as for kunit.py.

    ``-`` is standard input. `shown` is the file's name in errors and origins. Raises UserError
    where it cannot be read.
    """
    shown = shown or ("standard input" if path == STDIN else str(path))
    hint = "a kunitconfig is a text file of CONFIG_X=value lines"
    try:
        if path != STDIN and path.is_dir():
            path, shown = path / SUFFIX, f"{shown}/{SUFFIX}"
        data = _first_bytes(path)
    except OSError as error:
        raise UserError(f"cannot read {shown}: {error.strerror}", hint) from error
    except ValueError as error:  # a NUL in the name
        raise UserError(f"cannot read {shown!r}: {error}", hint) from error
    if len(data) > _LIMIT:
        raise UserError(f"{shown} is larger than {_LIMIT >> 20} MiB", hint)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{shown}:{line}: not UTF-8 text", hint) from error
    return parse(text, shown, name or path.name.removesuffix(SUFFIX))


def _first_bytes(path: Path) -> bytes:
    """Return a file's contents, up to a byte more than _LIMIT. Raises OSError."""
    if path == STDIN:
        return sys.stdin.buffer.read(_LIMIT + 1)
    # It may be a pipe: --config <(echo CONFIG_X=y).
    with inputs.open_stream(path, devices=True) as file:
        return file.read(_LIMIT + 1) or b""  # None: a file in /proc that is empty now


def load_all(paths: Iterable[Path]) -> tuple[Fragment, ...]:
    """Read several files, each once: a pipe (`--config <(…)`) cannot be read again."""
    every = tuple(paths)
    if every.count(STDIN) > 1:
        raise UserError("standard input can be read only once", "give --config - once")
    return tuple(load(path) for path in every)


def resolved(dot_config: Path) -> dict[str, str]:
    """Return symbol to value in a .config, ``n`` for "is not set"; {} for a missing file."""
    if not dot_config.is_file():
        return {}
    return values(inputs.read_text(dot_config).split("\n"))


def values(lines: Iterable[str]) -> dict[str, str]:
    """Return the same from the lines of a .config."""
    found: dict[str, str] = {}
    for raw in lines:
        line = raw.strip()
        if assigned := _ASSIGNED.fullmatch(line):
            found[assigned[1]] = assigned[2]
        elif unset := _NOT_SET.fullmatch(line):
            found[unset[1]] = "n"
    return found


def missing(fragment: Fragment, dot_config: Path) -> tuple[MissingSymbol, ...]:
    """Return where a .config differs from the fragment.

    As in kunit.py, a symbol absent from .config equals one that is not set; `resolved` is then
    None. A missing .config gives nothing.
    """
    return unmet(fragment, resolved(dot_config))


def unmet(fragment: Fragment, given: Mapping[str, str]) -> tuple[MissingSymbol, ...]:
    """Return the same of the symbols and values of a configuration."""
    return tuple(
        MissingSymbol(each.symbol, each.value, given.get(each.symbol))
        for each in fragment.assignments
        if given.get(each.symbol, "n") != each.value
    )
