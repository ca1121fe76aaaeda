# SPDX-License-Identifier: GPL-2.0-only
"""What this machine and tree lack to build and boot targets, and what helps."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from mermapctl.config import target, toolchain
from mermapctl.config.modular import NOLIBC
from mermapctl.config.target import Target
from mermapctl.doctor import checks, packages
from mermapctl.doctor.requirement import Check, NeedState
from mermapctl.errors import UserError
from mermapctl.system import paths
from mermapctl.tree import find, overlay, ownership

_BUILD = (
    ("flex", "reading Kconfig"),
    ("bison", "reading Kconfig"),
    ("bc", "time constants"),
    ("perl", "build scripts"),
    ("awk", "build scripts"),
)
PROGRAMS = ("make", *(name for name, _ in _BUILD))
"""Programs of a build besides its toolchain."""
_OPTIONAL = (("ccache", "ccache", "quick second builds"),)
_LEFT = (".config", "include/config", "arch/{srcarch}/include/generated")
"""Files of a build inside the tree, with which the top Makefile refuses O= builds."""


def check(
    targets: Sequence[Target], tree: Path | None, *, probe_kvm: bool = True
) -> tuple[Check, ...]:
    """Check everything that `run` on these targets needs, met or not.

    `tree` is None where there is none yet. Takes up to five seconds with `probe_kvm`, else a tenth.
    """
    found = [*check_machine(targets, tree, probe_kvm=probe_kvm), *_tree(tree, targets)]
    return _once(found)


def check_machine(
    targets: Sequence[Target], tree: Path | None = None, *, probe_kvm: bool = True
) -> tuple[Check, ...]:
    """Check what every tree needs of this machine for these targets, met or not."""
    found = [checks.program("git", "reads the tree's commit")]
    found += _for_builds(targets, tree)
    found += [checks.program(name, use, need=need, needed=False) for name, need, use in _OPTIONAL]
    found += [checks.coverage(toolchain.of(each)) for each in targets]
    found.append(
        checks.header("openssl/opensslv.h", "module signatures", need="openssl", needed=False)
    )
    found += [checks.disk(paths.cache_dir(), max(1, len(targets))), checks.memory()]
    if probe_kvm and any(each.native and each.qemu for each in targets):
        found.append(checks.kvm())
    return _once(found)


def missing_for_run(tree: Path, target: Target) -> tuple[Check, ...]:
    """Return what would end a build or a boot of one target at once. Takes a tenth of a second."""
    return tuple(each for each in _once(_for_builds([target], tree)) if each.lacking)


def _for_builds(targets: Sequence[Target], tree: Path | None) -> list[Check]:
    found = [checks.make(tree)]
    found += [checks.program(name, use) for name, use in _BUILD]
    for each in targets:
        found += checks.compiler(tree, each, toolchain.of(each))
        if each.qemu:
            use = f"boots {each.name}"
            found.append(checks.program(each.qemu, use, target=each.name))
    if any(each.cross_compile for each in targets):
        host = toolchain.of_build(None).host_cc
        need = "clang" if host != "gcc" else host
        found.append(checks.program(host, "compiles what the build itself runs", need=need))
    found.append(checks.header("stdio.h", "what the build itself runs", need="libc", needed=True))
    if any(each.srcarch == "x86" for each in targets):
        found.append(checks.header("gelf.h", "objtool (x86)", need="libelf", needed=True))
    return found


def _once(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Keep one check a name: the first one, or the first needed one."""
    found: dict[str, Check] = {}
    for each in checks:
        if each.name not in found or (each.needed and not found[each.name].needed):
            found[each.name] = each
    return tuple(found.values())


def _tree(tree: Path | None, targets: Sequence[Target]) -> list[Check]:
    if tree is None:
        return [
            Check(
                "tree",
                NeedState.MISSING,
                "no kernel tree to work on",
                "what is tested",
                advice="make one with `mermapctl tree prepare DIR`, or give --tree DIR",
            )
        ]
    try:
        kernel = find.validate(tree)
        ownership.require(tree)
    except UserError as error:
        return [Check("tree", NeedState.BROKEN, error.message, "what is tested", advice=error.hint)]
    checks = [Check("tree", NeedState.OK, f"{tree}, Linux {kernel}", "what is tested")]
    mermap = _mermap(tree)
    checks += [_clean(tree, targets), mermap]
    known = target.read(tree)
    for each in targets if mermap.ok else ():
        obstacle = known.mermap_obstacle(each)
        if obstacle:
            name = f"mermap on {each.name}"
            use = "other suites run there"
            checks.append(Check(name, NeedState.MISSING, obstacle, use, needed=False))
    if any(each.qemu for each in targets):
        checks.append(_nolibc(tree))
    return checks


def _clean(tree: Path, targets: Sequence[Target]) -> Check:
    """Check that no build was made inside the tree: make then refuses builds outside of it."""
    names = [name.format(srcarch=each.srcarch) for name in _LEFT for each in targets]
    left = sorted({name for name in names if (tree / name).exists()})
    return Check(
        "clean tree",
        NeedState.BROKEN if left else NeedState.OK,
        f"holds {' and '.join(left)} of an earlier build" if left else "no build inside it",
        "builds outside the tree",
        advice=f"`make -C {tree} mrproper` (it removes the tree's .config: keep a copy)",
    )


def _mermap(tree: Path) -> Check:
    kind = overlay.present(tree)
    found = f"its {kind.value} mermap" if kind else "this tree has none"
    return Check(
        "mermap",
        NeedState.OK if kind else NeedState.MISSING,
        found,
        "what is tested",
        advice=f"`mermapctl tree prepare DIR --source {tree}` makes a tree that has one",
    )


def _nolibc(tree: Path) -> Check:
    """Check for the headers that compile the init of `run --as-module`; it needs no busybox."""
    there = (tree / NOLIBC / "nolibc.h").is_file()
    found = f"{NOLIBC} is there" if there else f"this tree has no {NOLIBC}"
    state = NeedState.OK if there else NeedState.MISSING
    return Check("nolibc", state, found, "suites that are modules", needed=False)


def sentence(lacking: Sequence[Check]) -> str:
    """Join the failed checks to one sentence."""
    missing = [each.name for each in lacking if each.state is NeedState.MISSING]
    parts = [f"not installed: {', '.join(missing)}"] if missing else []
    parts += [
        f"{each.name}: {each.found}" for each in lacking if each.state is not NeedState.MISSING
    ]
    return "; ".join(parts)


def install_hint(lacking: Sequence[Check]) -> str:
    """Return the command that installs what is missing, and other advice."""
    found = packages.installation([each.need for each in lacking if each.need])
    parts = [found.command] if found.command else []
    if found.uncovered:
        parts.append(f"{', '.join(found.uncovered)}: {_no_package()}")
    parts += [each.advice for each in lacking if each.advice and not each.need]
    return "; ".join(parts) or "`mermapctl doctor` says more"


def _no_package() -> str:
    name = packages.os_release().get("PRETTY_NAME") or platform.system()
    return f"{name} has no package that we know of"
