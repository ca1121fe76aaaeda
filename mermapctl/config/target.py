# SPDX-License-Identifier: GPL-2.0-only
"""Target: the machine of a kernel. UML, or one of the tree's QEMU architectures.

The tree's `tools/testing/kunit/qemu_configs/*.py` list them; they are parsed, not run. Facts that
the tree lacks are data in configs/targets.toml.
"""

from __future__ import annotations

import ast
import enum
import platform
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mermapctl.config import fragment, near_names
from mermapctl.config.fragment import Fragment
from mermapctl.errors import CommitError, UserError
from mermapctl.system import inputs, tables
from mermapctl.tree import find

QEMU_CONFIGS = "tools/testing/kunit/qemu_configs"
UML_CONFIG = "tools/testing/kunit/configs/arch_uml.config"
SUPPORTS = "ARCH_SUPPORTS_MERMAP"
LARGEST_CONFIG = 1 << 20
"""Bytes of a qemu_config; the largest of 6.12 has 857."""
_NAME = re.compile(r"\w[\w-]*", re.ASCII)
_IMAGE = re.compile(r"(?!/)(?!.*\.\.)[\w./+-]+", re.ASCII)
"""A path in the build directory, deleted before a build: an earlier build may have left it."""


class Accel(enum.StrEnum):
    """The accelerator requested."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class PlainImage:
    """A kernel image that QEMU boots as linked, without the unpacker.

    `image` is its path in the build directory and make's goal; the configuration must have all of
    `needs` and none of `unless` (features of the unpacker).
    """

    image: str
    needs: tuple[str, ...]
    unless: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One target of a tree.

    `name` is kunit.py's --arch, `linux_arch` make's ARCH, `qemu` a program name (None for UML),
    `kconfig` the lines that kunit.py itself puts before a kunitconfig, `kernel_image` a path in the
    build directory, `cross_compile` a prefix (None where this host builds natively), `image_goal`
    make's goal for the image where "all" makes more than is booted, `plain_image` an image that
    need not be packed, `userspace` whether the compiler makes programs for it without more options,
    `first_objects` about how many objects a first build makes.
    """

    name: str
    linux_arch: str
    srcarch: str
    qemu: str | None
    cross_compile: str | None
    kconfig: str
    kernel_image: str
    native: bool
    kernel_args: tuple[str, ...] = ()
    one_cpu_args: tuple[str, ...] = ()
    image_goal: str | None = None
    plain_image: PlainImage | None = None
    userspace: bool = True
    first_objects: int | None = None


@cache
def _facts() -> dict[str, Any]:
    return tables.read("targets.toml", dict[str, Any])


def _fields(config: Path) -> dict[str, str]:
    """Return the constant keyword arguments of the QemuArchParams(...) call in a qemu_config."""
    try:
        with warnings.catch_warnings():  # of an escape in its strings, on our stderr
            warnings.simplefilter("ignore")
            module = ast.parse(inputs.read_regular(config, LARGEST_CONFIG))
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):  # brackets in brackets
        return {}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            fields = {
                keyword.arg: keyword.value.value
                for keyword in node.keywords
                if keyword.arg
                and isinstance(keyword.value, ast.Constant)
                and isinstance(keyword.value.value, str)
            }
            if "qemu_arch" in fields:
                return fields if _plausible(fields) else {}
    return {}


def _plausible(fields: dict[str, str]) -> bool:
    """Return whether the fields that become a program's name, ARCH and a path are valid."""
    names = (fields["qemu_arch"], fields.get("linux_arch", "x"))
    return all(map(_NAME.fullmatch, names)) and bool(
        _IMAGE.fullmatch(fields.get("kernel_path", "x"))
    )


def _target(name: str, linux_arch: str, **fields: str | None) -> Target:
    facts = _facts()["target"].get(name, {})
    native = platform.machine() in facts.get("host", ())
    plain = facts.get("plain_image")
    return Target(
        name=name,
        linux_arch=linux_arch,
        srcarch=facts.get("srcarch", linux_arch),
        qemu=fields.get("qemu"),
        cross_compile=None if native else facts.get("cross_compile"),
        kconfig=fields.get("kconfig") or "",
        kernel_image=fields.get("kernel_image") or "",
        native=native,
        image_goal=facts.get("image_goal"),
        plain_image=PlainImage(plain["image"], tuple(plain["needs"]), tuple(plain["unless"]))
        if plain
        else None,
        userspace=facts.get("userspace", True),
        first_objects=facts.get("first_objects"),
        kernel_args=(*_facts()["every"]["kernel_args"], *facts.get("kernel_args", ())),
        one_cpu_args=tuple(facts.get("one_cpu_args", ())),
    )


def _text(path: Path) -> str:
    """Return a text file of a tree; empty where there is none that can be read.

    Replaces bytes that are not UTF-8; a parser of the lines then rejects them.
    """
    try:
        return inputs.read_regular(path).decode(errors="replace")
    except OSError:
        return ""


def targets(tree: Path) -> dict[str, Target]:
    """Return every target that the tree's kunit.py offers, UML first, then QEMU's by name."""
    found: dict[str, Target] = {}
    if (tree / "arch/um").is_dir():
        kconfig = _text(tree / UML_CONFIG)
        found["um"] = _target("um", "um", kconfig=kconfig, kernel_image="linux")
    for config in sorted((tree / QEMU_CONFIGS).glob("[!_]*.py")):
        fields = _fields(config) if _NAME.fullmatch(config.stem) else {}
        if fields:
            found[config.stem] = _target(
                config.stem,
                fields.get("linux_arch", config.stem),
                qemu=f"qemu-system-{fields['qemu_arch']}",
                kconfig=fields.get("kconfig"),
                kernel_image=fields.get("kernel_path"),
            )
    return found


def without_tree(name: str, qemu: str | None) -> Target:
    """Return a target without a tree: enough to list the programs it needs."""
    return _target(name, name, qemu=qemu)


def architectures() -> frozenset[str]:
    """Return kunit.py's targets known without a tree; a new kernel may have more."""
    return frozenset(_facts()["target"])


def tree_for(option: Path | None, names: Iterable[str]) -> Path:
    """Return the tree to work on, by `find.resolve`, for some targets.

    Raises UserError. Where there is no tree, reports a target that no kernel has first: a misspelt
    name matters more than a missing tree.
    """
    try:
        return find.resolve(option)
    except UserError:
        known = architectures()
        for name in names:
            if name not in known:
                hint = near_names.hint(name, sorted(known), "there are")
                raise UserError(f"there is no target {name!r}", hint) from None
        raise


def own_lines(target: Target) -> Fragment:
    """Return the lines that kunit.py itself puts under every kunitconfig for a target."""
    return fragment.parse(target.kconfig, f"kunit.py ({target.name})", target.name)


@dataclass(frozen=True, slots=True)
class Selection:
    """One `select ARCH_SUPPORTS_MERMAP`: its symbol, its condition, its place."""

    symbol: str
    condition: str
    where: str

    def __str__(self) -> str:
        condition = f" if {self.condition}" if self.condition else ""
        return f"{self.symbol}{condition} ({self.where})"

    def symbols(self) -> set[str]:
        """Return every symbol that must be on for the selection to count."""
        return {self.symbol, *re.findall(r"\w+", self.condition)}


def selections(tree: Path) -> tuple[Selection, ...]:
    """Return the tree's selects of ARCH_SUPPORTS_MERMAP, from arch/*/Kconfig."""
    found = []
    for kconfig in sorted(tree.glob("arch/*/Kconfig")):
        symbol = "?"
        text = _text(kconfig)
        if SUPPORTS not in text:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if entry := re.match(r"(?:menu)?config\s+(\w+)", line):
                symbol = entry[1]
            elif select := re.match(rf"\s+select\s+{SUPPORTS}\b(?:\s+if\s+(.*))?", line):
                where = f"{kconfig.relative_to(tree)}:{number}"
                found.append(Selection(symbol, (select[1] or "").strip(), where))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class KernelTree:
    """Facts in the files of a tree: its version, its targets, and where it selects the mermap.

    `mermap` is whether its Kconfig defines the mermap.
    """

    path: Path
    version: str
    targets: dict[str, Target]
    selections: tuple[Selection, ...]
    mermap: bool

    def find(self, name: str) -> Target:
        """Return one target by name. Raises UserError that lists similar names."""
        if name in self.targets:
            return self.targets[name]
        what = f"{self.path} has no target {name!r}"
        if name in architectures():
            raise CommitError(what, f"this version has: {', '.join(self.targets)}")
        raise UserError(what, near_names.hint(name, self.targets, "it has"))

    def mermap_obstacle(self, target: Target) -> str | None:
        """Return why this target cannot have the mermap, as a sentence; None where it may."""
        if not self.selections and not self.mermap:
            return f"{self.path} has no mermap: no {SUPPORTS} in its Kconfig"
        siblings = {
            other.linux_arch.upper()
            for other in self.targets.values()
            if other.srcarch == target.srcarch and other.linux_arch != target.linux_arch
        }
        for selection in self.selections:
            same = selection.where.startswith(f"arch/{target.srcarch}/")
            if same and not selection.symbols() & siblings:
                return None
        by = " and ".join(str(each) for each in self.selections)
        return f"target {target.name} cannot have the mermap: {SUPPORTS} is selected by " + (
            f"{by} only" if by else "no architecture"
        )


def read(tree: Path) -> KernelTree:
    """Read the targets in a tree's files, once for all callers."""
    return KernelTree(
        path=tree,
        version=find.kernel_version(tree) or "",
        targets=targets(tree),
        selections=selections(tree),
        mermap=f"config {SUPPORTS}" in _text(tree / "mm/Kconfig"),
    )
