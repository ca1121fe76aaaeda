# SPDX-License-Identifier: GPL-2.0-only
"""Coverage: the files whose lines are counted, and how their kernel is configured and made.

Kbuild profiles an object where GCOV_PROFILE is set (Documentation/dev-tools/gcov.rst). Set on
make's command line it needs no line in the user's Makefiles; its value is expanded for each object,
so it may ask for the object's path. A `GCOV_PROFILE_x.o := n` of the tree still excludes x.o. make
builds an object again when its flags change.

UML has no GCOV_PROFILE: CONFIG_GCOV gives the flags to every object (arch/um/Makefile-skas), and
CFLAGS_KERNEL takes them back from all but the chosen ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import modular, toolchain, variants
from mermapctl.config.fragment import Fragment
from mermapctl.config.target import Target
from mermapctl.errors import CommitError, UserError

UML = "um"
FRAGMENTS = {"x86_64": "coverage", UML: "coverage-um"}
"""Targets whose coverage can be measured, and the fragment of each."""
_GCOV_OPT = "-fprofile-arcs -ftest-coverage -Wl,-z,muldefs,-fini=__gcov_exit"
"""The flags of UML's compiler and linker (measured on 6.12 with gcc 12).

libgcov and fs/seq_file.c both define mangle_path(). libgcov calls its own for -fprofile-dir alone,
so the kernel's may stand for both. gcc puts the call of __gcov_exit() into .fini_array.00100, which
UML's linker script leaves out of the array; so the program's last function makes it.
"""
MERMAP = "mm/mermap.c"
_PARTS = (
    *("arch/{srcarch}/mm/mermap.c", "include/linux/mermap.h"),
    *("arch/{srcarch}/include/asm/mermap.h", "include/asm-generic/mermap.h"),
)
"""What else a mermap consists of, where a tree has it."""
_PATH = re.compile(r"[\w+./-]+", re.ASCII)
"""A path that neither make nor its $(filter) would take for something else."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is counted, as paths in the tree: `files` (.c and .h), and whole `directories`.

    The lines of a header are counted in the objects that are chosen.
    """

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[str, ...]:
        """Patterns of the objects that are compiled with counters, for make's $(filter)."""
        compiled = [each.removesuffix(".c") + ".o" for each in self.files if each.endswith(".c")]
        return (*compiled, *(f"{each}/%" for each in self.directories))

    def has(self, path: str) -> bool:
        """Return whether a path in the tree, or the path of its object, is chosen."""
        stem = path.rpartition(".")[0]
        chosen = {each.rpartition(".")[0] for each in self.files if each.endswith(".c")}
        inside = any(path.startswith(f"{each}/") for each in self.directories)
        return inside or path in self.files or stem in chosen


def profile(tree: Path, target: Target, asked: Iterable[str], suite: str) -> Profile:
    """Return what to count: the paths `asked` for, by default the mermap.

    Raises UserError for a path that cannot be counted, CommitError for one that the tree lacks.
    """
    require(target)
    paths = [_relative(tree, each) for each in dict.fromkeys(asked)]
    if not paths:
        paths = _mermap(tree, target, suite)
    files = [each for each in paths if (tree / each).is_file()]
    directories = [each for each in paths if (tree / each).is_dir()]
    compiled = [each for each in files if each.endswith(".c")]
    if not compiled and not directories:
        raise UserError(
            f"--coverage-of {' '.join(paths)}: a header has lines only where it is compiled",
            "name a .c file or a directory too",
        )
    return Profile(tuple(files), tuple(directories))


def require(target: Target) -> None:
    """Raise UserError for a target whose coverage cannot be measured."""
    if target.name not in FRAGMENTS:
        raise UserError(
            f"--coverage measures {' and '.join(FRAGMENTS)}, not {target.name}",
            f"leave it out, or leave out --target {target.name}",
        )
    if target.name == UML and toolchain.of_build(target.cross_compile).llvm:
        raise UserError(
            "--coverage on um needs gcc: clang's UML counts in another format", "leave out LLVM"
        )


def _mermap(tree: Path, target: Target, suite: str) -> list[str]:
    if suite.partition(".")[0] != "mermap":
        raise UserError(
            f"--coverage counts the mermap's lines, and the suite is {suite}",
            "--coverage-of PATH names other files or directories of the tree",
        )
    if not (tree / MERMAP).is_file():
        raise CommitError(f"{tree} has no {MERMAP}", "--coverage-of PATH names other files")
    parts = [each.format(srcarch=target.srcarch) for each in _PARTS]
    return [MERMAP, *(each for each in parts if (tree / each).is_file())]


def _relative(tree: Path, asked: str) -> str:
    """Return a path as it is named in the tree. Raises UserError, CommitError."""
    given = Path(asked)
    try:
        found = given.relative_to(tree) if given.is_absolute() else given
    except ValueError:
        raise UserError(f"--coverage-of {asked} is outside of {tree}") from None
    path = re.sub(r"\.o\Z", ".c", str(found))
    if ".." in found.parts or not _PATH.fullmatch(path) or path == ".":
        raise UserError(
            f"--coverage-of {asked}: not a path below the tree that make can match",
            "such as mm/mermap.c or lib/kunit",
        )
    where = tree / path
    if where.is_dir() or (where.is_file() and path.endswith((".c", ".h"))):
        return path
    if where.is_file():
        raise UserError(f"--coverage-of {asked}: only .c and .h files have lines that are counted")
    raise CommitError(f"--coverage-of {asked}: {tree} has no such file or directory")


def fragment_of(fragment: Fragment, target: Target) -> Fragment:
    """Return the fragment with the counters' lines; what base turns off gives way."""
    return modular.above_base(fragment, variants.load_fragment(FRAGMENTS[target.name]))


def make_variables(profile: Profile, target: Target) -> tuple[str, ...]:
    """Return the variables of make's command line that choose the objects.

    make expands them for each object: `$@` is its path in the build directory.
    """
    chosen = f"$(filter {' '.join(profile.objects)},$@)"
    if target.name == UML:
        others = "-fno-profile-arcs -fno-test-coverage"
        return (f"GCOV_OPT={_GCOV_OPT}", f"CFLAGS_KERNEL=$(if {chosen},,{others})")
    return (f"GCOV_PROFILE=$(if {chosen},y)",)
