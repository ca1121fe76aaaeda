# SPDX-License-Identifier: GPL-2.0-only
"""Write the man pages of the click commands: python -m docs.manpages DIRECTORY.

click-man writes NAME to OPTIONS and COMMANDS. The examples and the exit codes of a command's help
become sections of their own behind them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click_man.core import write_man_pages  # type: ignore[import-untyped]

from mermapctl import __version__
from mermapctl.cli.root import root

UNWRAPPED = re.compile("\b\n(.+?)(?=\n\n|$)", re.DOTALL)
"""A paragraph that click does not wrap."""
_EXIT_CODES = re.compile(r"(?:^|\n\n)Exit codes(?:, from the verdict)?: (.+?)(?=\n\n|$)", re.DOTALL)

EXIT_CODES = """0 passed, 1 failed, 2 wrong usage, 3 no verdict, 130 interrupted. With
--bisect-exit: 125 for no verdict of this commit, 128 for an error that every commit would meet."""

ENVIRONMENT = {
    "MERMAPCTL_TREE": "the kernel tree, if --tree is not given",
    "MERMAPCTL_HOME": "the directory of what is listed below FILES: state, cache, config",
    "MERMAPCTL_COMMAND_OPTION": "the default of an option, such as MERMAPCTL_RUN_ACCEL",
    "LLVM, LLVM_IAS, CROSS_COMPILE": "the compiler, as for the kernel's make",
    "BROWSER": "the browser of --open",
    "NO_COLOR, FORCE_COLOR": "no colours; colours also where the output is no terminal",
}
FILES = {
    "~/.config/mermapctl/config.toml": "your defaults: mermapctl-config-defaults(1)",
    "~/.config/mermapctl/NAME.kunitconfig": "a fragment of your own: the variant NAME",
    "~/.local/state/mermapctl/runs/ID/": "a run: record.json, and the files of each cell",
    "~/.cache/mermapctl/": "build directories and what else can be made again",
}


def load(group: click.Group, change: Callable[[str], str]) -> None:
    """Import all commands of a group: mermapctl imports a command only when it is used.

    `change` gets the help of each command, and returns the help that takes its place.
    """
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            command.help = change(inspect.cleandoc(command.help or ""))
            group.add_command(command, name)
        if isinstance(command, click.Group):
            load(command, change)


def _roff(text: str) -> str:
    """Escape text for roff: backslashes, hyphens, and a control character that begins a line."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", escaped, flags=re.MULTILINE)


def _unwrapped(text: str) -> str:
    return f".nf\n{_roff(text)}\n.fi"


def _terms(heading: str, terms: dict[str, str]) -> str:
    entries = (f".TP\n\\fB{_roff(term)}\\fP\n{_roff(text)}\n" for term, text in terms.items())
    return f".SH {heading}\n{''.join(entries)}"


def _split(said: str) -> tuple[str, str]:
    """Return a help without its examples and exit codes, and the sections with these."""
    sections = ""
    if (found := UNWRAPPED.search(said)) and "mermapctl " in found[1].splitlines()[0]:
        sections = f".SH EXAMPLES\n{_unwrapped(found[1])}\n"
        said = said.replace(found[0], "", 1)
    if found := _EXIT_CODES.search(said):
        sections += f".SH EXIT STATUS\n{_roff(found[1])}\n"
        said = said.replace(found[0], "", 1)
    said = UNWRAPPED.sub(lambda left: _unwrapped(left[1]), said)
    return re.sub(r"\n{3,}", "\n\n", said).strip(), sections


def main(directory: Path) -> None:
    """Write a page for the program and one for each command."""
    directory.mkdir(parents=True, exist_ok=True)
    sections: dict[str, str] = {}

    def change(said: str) -> str:
        text, more = _split(said)
        first = text.partition("\n")[0]
        if first in sections:
            raise ValueError(f"the help of two commands begins with {first!r}")
        sections[first] = more
        return text

    load(root, change)
    write_man_pages("mermapctl", root, version=__version__, target_dir=str(directory))
    for page in directory.glob("mermapctl-*.1"):
        text = page.read_text("utf-8")
        first = text.split(".SH DESCRIPTION\n")[1].partition("\n")[0]
        page.write_text(f"{text}{sections[first]}.SH SEE ALSO\nmermapctl(1)\n", "utf-8")
    with (directory / "mermapctl.1").open("a", encoding="utf-8") as page_of_all:
        page_of_all.write(f".SH EXIT STATUS\n{_roff(EXIT_CODES)}\n")
        page_of_all.write(_terms("ENVIRONMENT", ENVIRONMENT))
        page_of_all.write(_terms("FILES", FILES))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
