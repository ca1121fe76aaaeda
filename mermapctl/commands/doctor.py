# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl doctor`: check the machine and a tree; name the command to install what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.commands import self_check
from mermapctl.config import target
from mermapctl.config.target import KernelTree, Target
from mermapctl.doctor import doctor, packages
from mermapctl.doctor.packages import Installation
from mermapctl.doctor.requirement import Check
from mermapctl.errors import UserError
from mermapctl.system import environment


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks; `required` installs what a run needs, `optional` what only helps."""

    targets: tuple[str, ...]
    distribution: str | None
    tree: Path | None
    checks: tuple[Check, ...]
    required: Installation
    optional: Installation

    @property
    def healthy(self) -> bool:
        """Return whether everything needed is installed."""
        return not any(each.lacking for each in self.checks)


def diagnose(
    names: Sequence[str], tree: Path | None, *, probe_kvm: bool = True, deep: bool = False
) -> Diagnosis:
    """Check the machine, and the tree if there is one. `deep` boots a built kernel twice.

    Raises UserError for a target that neither the tree nor kunit.py has, and for a named directory
    that is no kernel tree.
    """
    path = _tree(tree, names)
    known = target.read(path) if path else None
    wanted = [_target(known, name) for name in dict.fromkeys(names)]
    checks = doctor.check(wanted, path, probe_kvm=probe_kvm)
    if deep:
        checks += (self_check.check(path, wanted[0].name),)
    release = packages.os_release()
    return Diagnosis(
        targets=tuple(each.name for each in wanted),
        distribution=release.get("PRETTY_NAME"),
        tree=path,
        checks=checks,
        required=packages.installation(_needs(checks, needed=True), release),
        optional=packages.installation(_needs(checks, needed=False), release),
    )


def _needs(checks: Sequence[Check], *, needed: bool) -> list[str]:
    return [each.need for each in checks if each.need and not each.ok and each.needed is needed]


def _tree(option: Path | None, names: Sequence[str]) -> Path | None:
    """Return the tree that `run` would use; None if no tree is found and none was named."""
    named = option is not None or environment.directory("MERMAPCTL_TREE") is not None
    try:
        return target.tree_for(option, names if named else ())
    except UserError:
        if named:
            raise
        return None


def _target(tree: KernelTree | None, name: str) -> Target:
    if tree is not None:
        return tree.find(name)
    qemu = packages.qemu_of(name)
    if qemu is None and name != "um":
        raise UserError(
            f"{name!r} is not a known target",
            "um, or an architecture of kunit.py; with --tree DIR, those of that tree",
        )
    return target.without_tree(name, qemu)
