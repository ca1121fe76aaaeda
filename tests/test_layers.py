# SPDX-License-Identifier: GPL-2.0-only
"""Who may import whom: the rooms have an order, and each outside library one place."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mermapctl

PACKAGE = Path(mermapctl.__file__).parent


def _name(path: Path) -> str:
    parts = ("mermapctl", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imports(node: ast.AST) -> Iterator[str]:
    """What is imported at run time, by a function's call too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not _for_types_only(child):
            yield from _imports(child)


def _graph() -> dict[str, set[str]]:
    """Module -> what it imports: our modules by their names, others by their first word."""
    graph = {}
    for name, path in MODULES.items():
        found = set()
        for imported in _imports(ast.parse(path.read_text("utf-8"))):
            if not imported.startswith("mermapctl"):
                found.add(imported.partition(".")[0])
            elif imported in MODULES:
                found.add(imported)
            else:
                found.add(imported.rpartition(".")[0])
        graph[name] = found - {name}
    return graph


ALL = _graph()
KCONFIG = [
    f"mermapctl.config.{room}" for room in ("kconfig", "explain", "blockers", "cause")
]


def _reached(start: str) -> set[str]:
    todo, found = [start], set[str]()
    while todo:
        for name in ALL.get(todo.pop(), set()) - found:
            found.add(name)
            todo.append(name)
    return found


def test_there_is_no_circle() -> None:
    ours = {name: found & set(MODULES) for name, found in ALL.items()}
    order = list(graphlib.TopologicalSorter(ours).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("subprocess", ["mermapctl.system.process"]),
        ("git", ["mermapctl.tree.find"]),
        ("kconfiglib", KCONFIG),
        ("sqlite3", ["mermapctl.records"]),
        ("click", ["mermapctl.cli", "mermapctl.__main__"]),
        ("rich", ["mermapctl.render"]),
        ("jinja2", ["mermapctl.render"]),
        ("mermapctl.cli", ["mermapctl.cli", "mermapctl.__main__"]),
        ("mermapctl.commands", ["mermapctl.commands", "mermapctl.cli"]),
        (
            "mermapctl.render",
            # What report_open opens is a page.
            [
                *("mermapctl.render", "mermapctl.cli", "mermapctl.__main__"),
                "mermapctl.commands.report_open",
            ],
        ),
    ],
)
def test_only_these_rooms_import(library: str, rooms: list[str]) -> None:
    users = {
        name
        for name, found in ALL.items()
        if any(each == library or each.startswith(f"{library}.") for each in found)
    }
    assert users
    assert [name for name in sorted(users) if not name.startswith(tuple(rooms))] == []


PURE = (
    *("console.ktap", "console.splat", "trace.reader", "judge.trace_findings"),
    *("console.lines", "judge.verdict", "judge.judge", "config.fragment"),
)


@pytest.mark.parametrize("room", PURE)
def test_what_is_pure_reaches_no_process_and_no_store(room: str) -> None:
    names = [name for name in MODULES if name.startswith(f"mermapctl.{room}")]
    assert names
    outside = {f"mermapctl.{name}" for name in (
        *("system.process", "records.store", "tree.find", "runner.stages"),
    )}
    assert [(name, each) for name in names for each in _reached(name) & outside] == []
