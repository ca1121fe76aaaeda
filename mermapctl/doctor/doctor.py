# SPDX-License-Identifier: GPL-2.0-only
"""What this machine and tree lack for building and booting targets, and what would help."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from mermapctl.config import target as targets_of
from mermapctl.config import toolchain
from mermapctl.config.modular import NOLIBC
from mermapctl.doctor import checks as machine
from mermapctl.doctor import packages
from mermapctl.doctor.requirement import Check, NeedState
from mermapctl.errors import UserError
from mermapctl.system import paths
from mermapctl.tree import find as trees
from mermapctl.tree import overlay, ownership

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mermapctl.config.target import Target

_BUILD = (
    ("flex", "reading Kconfig"),
    ("bison", "reading Kconfig"),
    ("bc", "time constants"),
    ("perl", "build scripts"),
    ("awk", "build scripts"),
)
_OPTIONAL = (("ccache", "ccache", "quick second builds"),)
_LEFT = (".config", "include/config", "arch/{srcarch}/include/generated")
"""What a build inside the tree leaves, and the top Makefile then refuses O= builds for."""


def check(
    targets: Sequence[Target], tree: Path | None, *, probe_kvm: bool = True
) -> tuple[Check, ...]:
    """Everything that could be in the way of `run` on these targets, met or not.

    `tree` is None where there is none yet. With `probe_kvm` up to five seconds, else a tenth.
    """
    checks = [machine.program("git", "reads the tree's commit")]
    checks += _for_builds(targets, tree)
    checks += [machine.program(name, use, need=need, needed=False) for name, need, use in _OPTIONAL]
    checks.append(
        machine.header("openssl/opensslv.h", "module signatures", need="openssl", needed=False)
    )
    checks += [machine.disk(paths.cache_dir(), max(1, len(targets))), machine.memory()]
    if probe_kvm and any(each.native and each.qemu for each in targets):
        checks.append(machine.kvm())
    checks += _tree(tree, targets)
    return _once(checks)


def missing_for_run(tree: Path, target: Target) -> tuple[Check, ...]:
    """What would end a build or a boot of one target at once. Within a tenth of a second."""
    return tuple(each for each in _once(_for_builds([target], tree)) if each.lacking)


def _for_builds(targets: Sequence[Target], tree: Path | None) -> list[Check]:
    checks = [machine.make(tree)]
    checks += [machine.program(name, use) for name, use in _BUILD]
    for target in targets:
        checks += machine.compiler(tree, target, toolchain.of(target))
        if target.qemu:
            use = f"boots {target.name}"
            checks.append(machine.program(target.qemu, use, target=target.name))
    if any(each.cross_compile for each in targets):
        host = toolchain.of_build(None).host_cc
        need = "clang" if host != "gcc" else host
        checks.append(machine.program(host, "compiles what the build itself runs", need=need))
    checks.append(machine.header("stdio.h", "what the build itself runs", need="libc", needed=True))
    if any(each.srcarch == "x86" for each in targets):
        checks.append(machine.header("gelf.h", "objtool (x86)", need="libelf", needed=True))
    return checks


def _once(checks: Iterable[Check]) -> tuple[Check, ...]:
    """One check a name: the first, but what is needed goes before what is not."""
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
        kernel = trees.validate(tree)
        ownership.require(tree)
    except UserError as error:
        return [Check("tree", NeedState.BROKEN, error.message, "what is tested", advice=error.hint)]
    checks = [Check("tree", NeedState.OK, f"{tree}, Linux {kernel}", "what is tested")]
    mermap = _mermap(tree)
    checks += [_clean(tree, targets), mermap]
    known = targets_of.read(tree)
    for target in targets if mermap.ok else ():
        obstacle = known.mermap_obstacle(target)
        if obstacle:
            name = f"mermap on {target.name}"
            use = "other suites run there"
            checks.append(Check(name, NeedState.MISSING, obstacle, use, needed=False))
    if any(each.qemu for each in targets):
        checks.append(_nolibc(tree))
    return checks


def _clean(tree: Path, targets: Sequence[Target]) -> Check:
    """Builds are made outside the tree, which make refuses where one was made inside."""
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
    """What the init of `run --as-module` is compiled with; it needs no busybox."""
    there = (tree / NOLIBC / "nolibc.h").is_file()
    found = f"{NOLIBC} is there" if there else f"this tree has no {NOLIBC}"
    state = NeedState.OK if there else NeedState.MISSING
    return Check("nolibc", state, found, "suites that are modules", needed=False)


def sentence(lacking: Sequence[Check]) -> str:
    """What is in the way, as one sentence."""
    missing = [each.name for each in lacking if each.state is NeedState.MISSING]
    parts = [f"not installed: {', '.join(missing)}"] if missing else []
    parts += [
        f"{each.name}: {each.found}" for each in lacking if each.state is not NeedState.MISSING
    ]
    return "; ".join(parts)


def install_hint(lacking: Sequence[Check]) -> str:
    """The command that installs what is in the way, and what else to do."""
    found = packages.installation([each.need for each in lacking if each.need])
    parts = [found.command] if found.command else []
    if found.uncovered:
        parts.append(f"{', '.join(found.uncovered)}: {_no_package()}")
    parts += [each.advice for each in lacking if each.advice and not each.need]
    return "; ".join(parts) or "`mermapctl doctor` says more"


def _no_package() -> str:
    name = packages.os_release().get("PRETTY_NAME") or platform.system()
    return f"{name} has no package that we know of"
