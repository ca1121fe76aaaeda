# SPDX-License-Identifier: GPL-2.0-only
"""A parsed Kconfig kept on disk, and given back only while everything it was made from is the same.

kconfiglib's objects refer to each other in circles, too deep for pickle; each object's state is
kept on its own, with numbers in place of the other objects.
"""

from __future__ import annotations

import contextlib
import copyreg
import hashlib
import io
import json
import pickle
from typing import TYPE_CHECKING, Any

import kconfiglib
from kconfiglib import Choice, MenuNode, Symbol

from mermapctl import atomic
from mermapctl.errors import HarnessError
from mermapctl.kconfig_reader import Account, Reader, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
"""Raise it when what is kept changes."""
_LINKS = frozenset({"next", "list", "parent", "include_path", "help", "kconfig", "_dependents"})
_CLASSES = (Symbol, Choice, MenuNode)
_FRESH = {
    kind: {slot: getattr(kind(), slot) for slot in kind.__slots__ if hasattr(kind(), slot)}
    for kind in _CLASSES
}


def key(identity: Mapping[str, str]) -> str:
    """What a parsed Kconfig depends on besides its files, as one line."""
    version = ".".join(map(str, kconfiglib.VERSION))
    text = json.dumps([FORMAT, version, sorted(identity.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _unchanged(tree: Path, files: Mapping[str, str]) -> bool:
    for name, digest in files.items():
        try:
            if hashlib.sha256((tree / name).read_bytes()).hexdigest() != digest:
                return False
        except OSError:
            return False
    return True


class _Pickler(pickle.Pickler):
    """Writes a number where an object of the Kconfig stands."""

    def __init__(self, file: io.BytesIO, numbers: dict[int, int]) -> None:
        super().__init__(file, protocol=5)
        self.dispatch_table = copyreg.dispatch_table.copy()
        for kind in _CLASSES:
            self.dispatch_table[kind] = lambda item: (_number, (numbers[id(item)],))


def _number(number: int) -> int:
    """Stands for an object while a state is written; never called on loading."""
    raise pickle.UnpicklingError(f"object {number} outside a model")


class _Unpickler(pickle.Unpickler):
    """Reads states back into `objects`; knows no other callable than that one."""

    def __init__(self, file: io.BytesIO, objects: list[Any]) -> None:
        super().__init__(file)
        self._objects = objects

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_number.__module__, _number.__name__):
            return self._objects.__getitem__
        if (module, name) == ("builtins", "set"):
            return set
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a parsed Kconfig")


def _objects(kconf: Reader) -> list[Any]:
    """Every object whose state matters, the three constants first, each once."""
    found: dict[int, Any] = {id(item): item for item in (kconf.n, kconf.m, kconf.y)}
    symbols = [*kconf.const_syms.values(), *kconf.syms.values()]
    for item in (*symbols, *kconf.unique_choices):
        found[id(item)] = item
        for node in item.nodes:
            found[id(node)] = node
    return list(found.values())


def _state(item: Any) -> dict[str, Any]:
    fresh = _FRESH[type(item)]
    cached = not item.is_constant if isinstance(item, Symbol) else True
    state = {}
    for slot in type(item).__slots__:
        if slot in _LINKS or not hasattr(item, slot) or (cached and slot.startswith("_cached")):
            continue
        value = getattr(item, slot)
        if slot not in fresh or (fresh[slot] is not value and fresh[slot] != value):
            state[slot] = value
    return state


def save(path: Path, kconf: Reader, wanted: str) -> None:
    """Keep a Kconfig that was just parsed, before anything was assigned in it.

    A cache that cannot be written is no reason to fail: the next call parses again.
    """
    items = _objects(kconf)
    numbers = {id(item): number for number, item in enumerate(items)}
    file = io.BytesIO()
    pickle.dump(bytes(_CLASSES.index(type(item)) for item in items), file)
    _Pickler(file, numbers).dump(
        {
            "states": [_state(item) for item in items],
            "names": [(name, numbers[id(symbol)]) for name, symbol in kconf.syms.items()],
            "constants": [(name, numbers[id(item)]) for name, item in kconf.const_syms.items()],
            "choices": [numbers[id(choice)] for choice in kconf.unique_choices],
            "defined": [numbers[id(symbol)] for symbol in kconf.unique_defined_syms],
        }
    )
    account = kconf.account
    header = {
        "key": wanted,
        "files": account.files,
        "transitional": sorted(account.transitional),
        "complaints": account.complaints,
        "answers": account.answers,
    }
    with contextlib.suppress(HarnessError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps(header).encode() + b"\n" + file.getvalue())


def _revive(body: bytes, request: Request) -> Reader:
    """The objects and the few members of Kconfig that evaluation and assignment use."""
    objects: list[Any] = []
    file = io.BytesIO(body)
    objects.extend(_CLASSES[kind]() for kind in _Unpickler(file, objects).load())
    content = _Unpickler(file, objects).load()
    kconf = Reader.__new__(Reader)
    kconf.request = request
    kconf.n, kconf.m, kconf.y = objects[:3]
    kconf.warn = kconf.warn_to_stderr = False
    kconf.warnings = []
    kconf.defconfig_list = None
    kconf._parsing_kconfigs = False  # noqa: SLF001 - a lookup must not make symbols
    kconf.syms = {name: objects[number] for name, number in content["names"]}
    kconf.const_syms = {name: objects[number] for name, number in content["constants"]}
    kconf.modules = kconf.syms["MODULES"]
    kconf.unique_choices = kconf.choices = [objects[number] for number in content["choices"]]
    kconf.unique_defined_syms = [objects[number] for number in content["defined"]]
    for item, state in zip(objects, content["states"], strict=True):
        item.kconfig = kconf
        for slot, value in state.items():
            setattr(item, slot, value)
    kconf._build_dep()  # noqa: SLF001 - quicker made again than kept
    kconf._add_choice_deps()  # noqa: SLF001
    return kconf


def load(path: Path, request: Request, wanted: str) -> Reader | None:
    """The Kconfig kept at `path`, or None where there is none, or none that still holds."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        header = json.loads(head)
        if header["key"] != wanted or not _unchanged(request.tree, header["files"]):
            return None
        kconf = _revive(body, request)
    except (OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError, EOFError):
        return None
    kconf.account = Account(
        header["files"], set(header["transitional"]), header["complaints"], header["answers"]
    )
    return kconf
