# SPDX-License-Identifier: GPL-2.0-only
"""The kernel modules of a build: those with KUnit suites, and their order of insertion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import inputs

_SUITES = b".kunit_test_suites\0"
"""The section in which kunit_test_suites() puts a module's suites (include/kunit/test.h)."""
_DEPENDS = re.compile(rb"\0depends=([\w,-]*)\0")
LARGEST = 512 << 20
"""Bytes of a module; one with debug information of a whole driver has 100 MB."""
KUNIT = "kunit"


@dataclass(frozen=True, slots=True)
class Module:
    """One built module; `depends` are the names of the modules that it needs."""

    file: Path
    depends: tuple[str, ...] = ()
    has_suites: bool = False

    @property
    def name(self) -> str:
        """The name that the kernel uses: with underscores."""
        return _name(self.file.name.removesuffix(".ko"))


@dataclass(frozen=True, slots=True)
class Insertion:
    """A module and the parameters that it is inserted with (``enable=1``)."""

    module: Module
    parameters: tuple[str, ...] = ()


def _name(text: str) -> str:
    return text.replace("-", "_")


def contents(file: Path) -> bytes:
    """Return the bytes of a .ko. Raises OSError, also above LARGEST."""
    return inputs.read_regular(file, LARGEST)


def read(file: Path) -> Module:
    """Read a .ko's own description (.modinfo, section names)."""
    data = b"\0" + contents(file)
    depends = _DEPENDS.search(data)
    names = depends[1].decode().split(",") if depends else []
    return Module(file, tuple(_name(name) for name in names if name), _SUITES in data)


def built(build_dir: Path) -> dict[str, Module]:
    """Return a build's modules by name, from modules.order. Raises HarnessError if there are none.

    A line there is DIR/NAME.o since Linux 6.3, before that DIR/NAME.ko.
    """
    try:
        lines = inputs.read_text(build_dir / "modules.order").split()
        found = [read(build_dir / re.sub(r"\.k?o\Z", ".ko", line)) for line in lines]
    except OSError as error:
        raise HarnessError(
            f"the build has no modules: {error.filename}: {error.strerror}",
            "--rebuild builds them again",
        ) from error
    return {module.name: module for module in found}


def insertions(known: dict[str, Module], kunit_parameters: tuple[str, ...]) -> list[Insertion]:
    """Return every module that has suites, each after the modules that it needs.

    `kunit_parameters` are for KUnit itself, if it is a module: modprobe passes a module the
    parameters on the command line, the kernel does not. Raises HarnessError if no module has a
    suite.
    """
    ordered: list[Insertion] = []
    seen: set[str] = set()
    needed: list[tuple[str, bool]] = []
    for name, module in known.items():
        if module.has_suites:
            needed.append((name, False))
        while needed:
            each, ready = needed.pop()
            if ready:
                parameters = kunit_parameters if each == KUNIT else ()
                ordered.append(Insertion(known[each], parameters))
            elif each not in seen and each in known:  # what is not known is built in
                seen.add(each)  # modules that need each other are inserted once; the kernel says so
                needed.append((each, True))
                needed += [(other, False) for other in reversed(known[each].depends)]
    if not ordered:
        raise HarnessError(
            "none of the modules that were built holds a KUnit suite",
            "is the suite's symbol a tristate? Leave out --as-module to build it in",
        )
    return ordered
