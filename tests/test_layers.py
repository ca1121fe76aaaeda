# SPDX-License-Identifier: GPL-2.0-only
"""The rooms import only from rooms before them, and each outside library has one place."""

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
    """Return the modules imported at run time, also by a function's call."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not _for_types_only(child):
            yield from _imports(child)


def _graph() -> dict[str, set[str]]:
    """A module -> its imports: modules of mermapctl by full name, others by their first word."""
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

ROOMS = (
    *("system", "console", "trace", "tree", "config", "judge", "records", "runner", "doctor"),
    *("series", "mutation", "commands", "render", "cli"),
)
"""Rooms, lowest first: a room imports only from those before it, and from errors and events."""


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _reached(start: str) -> set[str]:
    todo, found = [start], set[str]()
    while todo:
        for name in ALL.get(todo.pop(), set()) - found:
            found.add(name)
            todo.append(name)
    return found


def _order(module: str) -> int:
    """Return the index of a module's room; the entry point comes last."""
    return ROOMS.index(_room(module)) if _room(module) in ROOMS else len(ROOMS)


def test_a_room_imports_only_from_the_rooms_before_it() -> None:
    everyones = {"errors", "events"}
    rooms = {_room(name) for name in MODULES} - {"", "__main__"} - everyones
    assert rooms == set(ROOMS)
    wrong = [
        (name, each)
        for name, found in ALL.items()
        for each in found & set(MODULES)
        if _room(each) in ROOMS
        and (_room(name) in everyones or _order(name) < ROOMS.index(_room(each)))
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_its_purpose_in_its_docstring(room: str) -> None:
    text = (PACKAGE / room / "__init__.py").read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))


def test_there_is_no_circle() -> None:
    ours = {name: found & set(MODULES) for name, found in ALL.items()}
    order = list(graphlib.TopologicalSorter(ours).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("subprocess", ["mermapctl.system.process", "mermapctl.system.program"]),
        ("git", ["mermapctl.tree"]),
        ("distributed", ["mermapctl.series.engines.cluster_"]),
        ("dask", ["mermapctl.series.engines.cluster_"]),
        ("kconfiglib", ["mermapctl.config"]),
        ("watchfiles", ["mermapctl.system.file_changes"]),
        ("termios", ["mermapctl.system.keyboard"]),
        ("sqlite3", ["mermapctl.records"]),
        ("click", ["mermapctl.cli", "mermapctl.__main__"]),
        ("rich", ["mermapctl.render"]),
        ("jinja2", ["mermapctl.render"]),
        ("mermapctl.render", ["mermapctl.render", "mermapctl.cli", "mermapctl.__main__"]),
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


@pytest.mark.parametrize("room", ["console", "trace", "judge"])
def test_pure_rooms_import_no_process_and_no_library_of_the_system(room: str) -> None:
    names = [name for name in MODULES if _room(name) == room]
    assert names
    outside = {"mermapctl.system.process", "subprocess", "sqlite3", "git"}
    reached = {name: _reached(name) & outside for name in names}
    assert {name: found for name, found in reached.items() if found} == {}


def test_no_class_name_means_two_things() -> None:
    homes: dict[str, list[str]] = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
