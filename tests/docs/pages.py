# SPDX-License-Identifier: GPL-2.0-only
"""The pages of the documentation, and the commands in them."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
BELOW = ("kernel", "tests/cases", "tests/logs", "docs")
_HERE_DOCUMENT = re.compile(r"<<'?(\w+)'?")
_PARSER = MarkdownIt("commonmark").enable("table")


def names() -> list[str]:
    """Return the path of each page from the repository's top."""
    below = sorted(path for folder in BELOW for path in (ROOT / folder).rglob("*.md"))
    return [*TOP, *(str(path.relative_to(ROOT)) for path in below)]


@functools.cache
def tokens(page: str) -> tuple[Token, ...]:
    """Return the blocks of a page, as CommonMark with tables."""
    return tuple(_PARSER.parse((ROOT / page).read_text("utf-8")))


def inline(page: str) -> Iterator[Token]:
    """Yield links, pictures, texts and code within the lines of a page."""
    for block in tokens(page):
        yield from block.children or ()


def code(page: str) -> list[str]:
    """Return the code within lines, with each run of blanks as one blank."""
    return [" ".join(each.content.split()) for each in inline(page) if each.type == "code_inline"]


@dataclass(frozen=True, slots=True)
class Statement:
    """A command line for bash, with its continuation lines and here documents."""

    page: str
    text: str


def _statements(block: str) -> Iterator[str]:
    lines = iter(block.splitlines())
    for line in lines:
        said = [line]
        while said[-1].endswith("\\"):
            said.append(next(lines))
        if end := _HERE_DOCUMENT.search(line):
            while said[-1] != end[1]:
                said.append(next(lines))
        if line.strip() and not line.startswith("#"):
            yield "\n".join(said)


def _of_yaml(block: str) -> Iterator[str]:
    """Yield the scripts of a CI system's jobs, each as one shell."""
    document = yaml.safe_load(block)
    for job in [*document.values(), *document.get("jobs", {}).values()]:
        if isinstance(job, dict):
            lines = job.get("script", [])
            if lines:
                yield "( set -e\n" + "\n".join(lines) + "\n)"
            yield from (step["run"] for step in job.get("steps", []) if "run" in step)


def statements(page: str) -> list[Statement]:
    """Return the command lines in the blocks of a page, in their order."""
    found: list[str] = []
    for block in tokens(page):
        if block.type == "fence" and block.info == "sh":
            found += _statements(block.content)
        elif block.type == "fence" and block.info == "yaml":
            found += _of_yaml(block.content)
        elif block.type == "fence" and block.info == "toml":
            found += [each["command"] for each in tomllib.loads(block.content)["tests"]]
    return [Statement(page, text) for text in found]
