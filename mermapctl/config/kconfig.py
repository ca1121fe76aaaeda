# SPDX-License-Identifier: GPL-2.0-only
"""The Kconfig of a tree for one target, read once: its symbols, expressions and places."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import kconfiglib
from kconfiglib import AND, BOOL, NOT, OR, TRI_TO_STR, TRISTATE, Choice, Symbol, expr_value

from mermapctl.config import kconfig_cache, kconfig_parser, toolchain
from mermapctl.config.kconfig_parser import KconfigRequest, Reader, UnreadableError
from mermapctl.config.target import Target
from mermapctl.config.toolchain import Toolchain
from mermapctl.system import inputs, paths, scratch
from mermapctl.tree import ownership

__all__ = ["Model", "Selector", "Setting", "UnreadableError", "read", "read_part"]

Setting = tuple[str, str]
"""A symbol without CONFIG_, and its value: y, m, n, a number, or a string without quotes."""

RECURSION = 10_000
_ELSEWHERE = frozenset(
    {"drivers", "sound", "net", "fs", "crypto", "security", "samples", "io_uring"},
)
"""Directories that another target's answer seldom depends on: nine tenths of Kconfig."""
_NEXT_ENTRY = re.compile(r"(menu)?config\s|source\s|if\s|endif|menu\s|endmenu|choice|endchoice")
_NUMBER = re.compile(r"-?\d+|0[xX][0-9a-fA-F]+")
_CAN_BE_MET = re.compile(r"echo \"?(-\w+|y|n)?\"? \|\| echo \"?(-\w+|y|n)?\"?$")


@dataclass(frozen=True, slots=True)
class Selector:
    """A symbol that selects another one where `condition` holds; `where` is the select's line.

    `value` is the selector's own; None where this target does not read that file.
    """

    symbol: str
    condition: str
    where: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """A parsed Kconfig, with the values of the latest `assign`."""

    tree: Path
    target: Target
    chain: Toolchain
    kconf: Reader

    def assign(self, assignments: Iterable[Setting]) -> None:
        """Replace all earlier assignments by these; skip unknown symbols."""
        self.kconf.unset_values()
        for name, value in assignments:
            symbol = self.kconf.syms.get(name)
            if symbol is not None and symbol.nodes:
                symbol.set_value(value)

    def symbol(self, name: str) -> Any:
        """Return a symbol defined in a file read for this target, or None."""
        symbol = self.kconf.syms.get(name)
        return symbol if symbol is not None and symbol.nodes else None

    def value(self, name: str) -> str:
        """Return the value in .config; n for an undefined symbol."""
        symbol = self.symbol(name)
        return "n" if symbol is None else str(symbol.str_value)

    def selectors(self, symbol: Any) -> tuple[Selector, ...]:
        """Return symbols that select it, in files read for this target, active ones first."""
        found = []
        for term in operands(symbol.rev_dep, OR):
            first, *_ = operands(term, AND)
            if isinstance(first, Symbol) and first.nodes:
                where = _select_line(self.tree, first, symbol.name)
                selector = Selector(
                    first.name, _condition(first, symbol), where, str(first.str_value)
                )
                found.append((-expr_value(term), selector))
        return tuple(selector for _, selector in sorted(found, key=lambda item: item[0]))


def _condition(selector: Any, symbol: Any) -> str:
    """Return the `if` of a select as written, without the selector's own dependencies."""
    for node in selector.nodes:
        for selected, condition in node.orig_selects:
            if selected is symbol:
                text = kconfiglib.expr_str(condition)
                return "" if text == "y" else str(text)
    return ""


def _select_line(tree: Path, selector: Any, name: str) -> str:
    """Return file:line of `select NAME` in the selector's definitions."""
    pattern = re.compile(rf"\s+select\s+{re.escape(name)}\b")
    for node in selector.nodes:
        for number, line in lines_of(tree, node.filename, node.linenr):
            if pattern.match(line):
                return f"{node.filename}:{number}"
    return f"{selector.nodes[0].filename}:{selector.nodes[0].linenr}"


def lines_of(tree: Path, name: str, first: int) -> Iterator[tuple[int, str]]:
    """Yield numbered lines of one entry of a Kconfig file, from its `config` line on."""
    try:
        text = inputs.read_text(tree / name)
    except OSError:
        return
    for number, line in enumerate(text.split("\n")[first - 1 :], first):
        if number > first and _NEXT_ENTRY.match(line):
            return
        yield number, line


def operands(expr: Any, operator: int) -> list[Any]:
    """Return the parts of a chain of one operator, left to right, without recursion."""
    found, waiting = [], [expr]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple) and part[0] is operator:
            waiting += [part[2], part[1]]
        else:
            found.append(part)
    return found


def leaves(expr: Any) -> list[Any]:
    """Return symbols, choices, relations and negated symbols of an expression, each once."""
    found: list[Any] = []
    waiting = [expr]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple) and part[0] in {AND, OR}:
            waiting += [part[2], part[1]]
        elif isinstance(part, tuple) and part[0] is NOT and isinstance(part[1], tuple):
            waiting.append(part[1])
        elif part not in found and not (isinstance(part, Symbol) and part.is_constant):
            found.append(part)
    return found


def without_choice(symbol: Any) -> Any:
    """Return a symbol's dependencies without its choice, which kconfiglib adds."""
    parts = operands(symbol.direct_dep, AND)
    kept = [part for part in parts if part is not symbol.choice]
    return reduce(lambda left, right: (AND, left, right), kept) if kept else symbol.kconfig.y


def text(expr: Any, *, values: bool = False) -> str:
    """Format an expression as in Kconfig; with values as menuconfig shows them: `KUNIT [=y]`."""

    def name(item: Any) -> str:
        if isinstance(item, Choice):
            shown = f"choice {title(item)!r}"
        elif item.is_constant or is_number(item):
            return str(kconfiglib.standard_sc_expr_str(item))
        else:
            shown = item.name
        return f"{shown} [={shown_value(item)}]" if values else shown

    return str(kconfiglib.expr_str(expr, name))


def title(choice: Any) -> str:
    """Return a choice's prompt, or its name."""
    prompts = [node.prompt[0] for node in choice.nodes if node.prompt]
    return prompts[0] if prompts else choice.name or "without a name"


def shown_value(item: Any) -> str:
    """Return a value to print; that of an undefined symbol is n."""
    if isinstance(item, Symbol) and not item.nodes and not item.is_constant:
        return "n"
    return str(item.str_value)


def is_number(item: Any) -> bool:
    """Return whether a symbol is a number in an expression, which kconfiglib makes a symbol."""
    return not item.nodes and _NUMBER.fullmatch(item.name or "") is not None


def prompt(item: Any) -> str | None:
    """Return the prompt of a symbol or choice, visible or not."""
    return next((str(node.prompt[0]) for node in item.nodes if node.prompt), None)


def places_of(item: Any) -> tuple[str, ...]:
    """Return file:line of every definition."""
    return tuple(f"{node.filename}:{node.linenr}" for node in item.nodes)


def is_tri(item: Any) -> bool:
    """Return whether it is a bool or a tristate."""
    return item.orig_type in {BOOL, TRISTATE}


def tri(value: int) -> str:
    """Return 0, 1, 2 as n, m, y."""
    return str(TRI_TO_STR[value])


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Disable garbage collection: half a million objects all stay; it takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _cache_path(tree: Path, target: Target) -> Path:
    """Return one file a tree and target; newer answers replace older ones."""
    digest = hashlib.sha256(os.fsencode(tree)).hexdigest()[:12]
    return paths.cache_dir() / "kconfig" / f"{digest}-{target.name}.json"


def read(tree: Path, target: Target) -> Model:
    """Read the whole Kconfig of a tree for a target; run macros without a known answer.

    Raises UnreadableError with the parser's complaint, UserError where the tree is another user's.
    """
    ownership.require(tree)
    tree = tree.absolute()
    chain = toolchain.of(target)
    environment = toolchain.kconfig_environment(tree, target, chain)
    seen = kconfig_parser.environment(environment)
    wanted = kconfig_cache.key(toolchain.identity({**seen, **environment}))
    cache = kconfig_cache.Cache(_cache_path(tree, target), tree, environment, wanted)
    with (
        scratch.directory("kconfig") as place,
        contextlib.closing(kconfig_parser.Shell(place, seen)) as shell,
        _without_gc(),
    ):
        kconf = kconfig_parser.read(
            KconfigRequest(tree, environment, cache.asking(shell.run)), cache.load()
        )
        cache.save(kconf.account.answers)
    return _model(tree, target, chain, kconf)


def _model(tree: Path, target: Target, chain: Toolchain, kconf: Reader) -> Model:
    # kconfiglib walks an expression by recursion, and some symbols have 700 selectors.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))
    kconf.warn = False
    return Model(tree, target, chain, kconf)


def read_part(model: Model, target: Target, files: Iterable[str]) -> Model:
    """Read `files` and the architectures' own for another target of the same tree.

    Takes a tenth of the time of a whole reading, since no macro runs: tests of the compiler that
    `model` did not run are assumed to pass. Raises UnreadableError.
    """
    needed = _with_parents(files)
    environment = {
        **toolchain.kconfig_environment(model.tree, target, model.chain),
        "ARCH": target.linux_arch,
        "SRCARCH": target.srcarch,
    }
    answers: Mapping[str, str] = model.kconf.account.answers

    def wanted(name: str) -> bool:
        return name in needed or _near(name)

    request = KconfigRequest(model.tree, environment, _assumed, wanted)
    with _without_gc():
        kconf = kconfig_parser.read(request, answers)
    return _model(model.tree, target, model.chain, kconf)


def _near(name: str) -> bool:
    return name.partition("/")[0] not in _ELSEWHERE


def _assumed(command: str) -> str:
    """Return the answer of a compiler that passes all tests."""
    found = _CAN_BE_MET.search(command)
    return (found[1] or "") if found else ""


def _with_parents(files: Iterable[str]) -> set[str]:
    """Return the files and the Kconfig of each directory above them, which source them."""
    found: set[str] = set()
    for name in files:
        path = Path(name)
        found |= {name, *(str(parent / "Kconfig") for parent in path.parents)}
    return found


def elsewhere(model: Model, name: str) -> tuple[tuple[str, ...], tuple[Selector, ...]]:
    """Return definitions (file:line) and selects of a symbol in other architectures."""
    defined: list[str] = []
    selectors: list[Selector] = []
    read_already = model.kconf.account.files
    for path in _architecture_files(model.tree):
        relative = str(path.relative_to(model.tree))
        if relative in read_already:
            continue
        try:
            content = inputs.read_text(path)
        except OSError:  # larger than any Kconfig file
            continue
        if not re.search(rf"\b{re.escape(name)}\b", content):
            continue
        entry = ""
        for number, line in enumerate(content.split("\n"), 1):
            if config := re.match(r"(?:menu)?config\s+(\w+)", line):
                entry = config[1]
                if entry == name:
                    defined.append(f"{relative}:{number}")
            elif select := re.match(rf"\s+select\s+{re.escape(name)}\b(?:\s+if\s+([^#]*))?", line):
                condition = (select[1] or "").strip()
                selectors.append(Selector(entry, condition, f"{relative}:{number}", None))
    return tuple(defined), tuple(selectors)


def _architecture_files(tree: Path) -> Sequence[Path]:
    found = [*tree.glob("arch/*/Kconfig*"), *tree.glob("arch/*/*/Kconfig*")]
    return sorted(path for path in found if path.is_file())
