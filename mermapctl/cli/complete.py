# SPDX-License-Identifier: GPL-2.0-only
"""Values for shell completion. No error is printed: it would garble the user's prompt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mermapctl.errors import MermapctlError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import click

MOST = 200
"""Words offered; a shell lists no more of use."""
_PLAIN = re.compile(r"[\w.,:@+=/^][\w.,:@+=/^~-]*")
"""Words that mean themselves. bash puts a word into the line as it is, and would run `$(…)` in the
name of a test, which comes from a console, or of a file of a tree."""


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that complete the word and that no shell obeys, MOST at most."""
    found = (name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name))
    return list(found)[:MOST]


def variants(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return variant names that complete the word, or its part behind the last ``+``."""
    from mermapctl.config.variants import definitions

    before, plus, last = incomplete.rpartition("+")
    try:
        return [f"{before}{plus}{name}" for name in definitions() if name.startswith(last)]
    except (MermapctlError, OSError):
        return []


def configurations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return names of variants and fragments."""
    from mermapctl.commands import config

    try:
        return list(config.names(incomplete))
    except (MermapctlError, OSError):
        return []


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return targets of the tree that `run` would use."""
    from mermapctl.config import target
    from mermapctl.tree import find

    option: Path | None = ctx.params.get("tree")
    try:
        known = target.targets(find.resolve(option))
    except (MermapctlError, OSError):
        return []
    return _beginning(known, incomplete)


def suites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the suites that a fragment builds, and behind a dot the tests of one."""
    from mermapctl.config.variants import SUITE_PREFIX, fragment_files

    if "." in incomplete:
        suite, _, begun = incomplete.partition(".")
        return [f"{suite}.{name}" for name in _tests_of(suite) if name.startswith(begun)]
    try:
        names = [name.removeprefix(SUITE_PREFIX) for name in fragment_files()
                 if name.startswith(SUITE_PREFIX)]  # fmt: skip
    except (MermapctlError, OSError):
        return []
    return _beginning(names, incomplete)


def _tests_of(suite: str) -> tuple[str, ...]:
    from mermapctl.judge.suites import load

    try:
        return tuple(test.name for test in load().tests(suite, None))
    except MermapctlError:
        return ()


def tests(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the known tests of the suite on the command line."""
    suite = ctx.params.get("filter_glob") or ctx.params.get("suite") or "mermap"
    return [name for name in _tests_of(str(suite)) if name.startswith(incomplete)]


def stored_tests(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the tests in stored runs, also those of a suite as ``SUITE.TEST``."""
    from mermapctl.records import history
    from mermapctl.records.store import Store

    try:
        names = Store.open().query(history.names)
    except (MermapctlError, OSError):
        return []
    bare = {name.partition(".")[2] for name in names}
    return _beginning(sorted({*bare, *names}), incomplete)


def commits(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the commits of stored runs, as `git describe` names them and abbreviated."""
    from mermapctl.records.rows import Filters
    from mermapctl.records.store import Store

    try:
        rows = Store.open().list(Filters(limit=500))
    except (MermapctlError, OSError):
        return []
    names = dict.fromkeys(
        name for row in rows for name in (row.describe, (row.commit or "")[:12]) if name
    )
    return _beginning(names, incomplete)


def refs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return HEAD, branches and tags of the tree that `run` would use, then stored commits."""
    from mermapctl.tree import find, ref_names

    option: Path | None = ctx.params.get("tree")
    try:
        known = ref_names.names(find.resolve(option))
    except (MermapctlError, OSError):
        known = []
    return list(dict.fromkeys(
        (*_beginning(known, incomplete), *commits(ctx, param, incomplete))
    ))[:MOST]  # fmt: skip


def ranges(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return what completes BASE, or TIP behind the dots."""
    before, dots, last = incomplete.rpartition("..")
    return [f"{before}{dots}{name}" for name in refs(ctx, param, last)]


def findings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the codes of findings: of failed assertions, of splats, and those in stored runs."""
    from mermapctl.console.splat import SplatKind
    from mermapctl.judge.suites import load
    from mermapctl.records.rows import Filters
    from mermapctl.records.store import Store

    try:
        rules = {rule.code for suite in load().suites.values() for rule in suite.rules}
        rows = Store.open().list(Filters(limit=500))
    except (MermapctlError, OSError):
        return []
    stored = {code for row in rows for cell in row.cells for code in cell.findings}
    return _beginning(sorted(rules | stored | {str(each) for each in SplatKind}), incomplete)


def cpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the CPU models of the target's QEMU."""
    from mermapctl.config import cpu_models

    targets = ctx.params.get("targets") or ("x86_64",)
    names = cpu_models.models(f"qemu-system-{targets[0]}")
    return _beginning(names, incomplete)


def symbols(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the Kconfig symbols of the tree that begin with the word, from two letters on."""
    from mermapctl.config import symbol_names
    from mermapctl.tree import find

    word = incomplete.removeprefix("CONFIG_")
    if len(word) < 2:
        return []
    option: Path | None = ctx.params.get("tree")
    try:
        found = symbol_names.beginning(find.resolve(option), word)
    except (MermapctlError, OSError):
        return []
    begun = incomplete[: len(incomplete) - len(word)]
    return [f"{begun}{name}" for name in found][:MOST]
