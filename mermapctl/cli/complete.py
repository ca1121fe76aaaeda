# SPDX-License-Identifier: GPL-2.0-only
"""Values for shell completion. No error is printed: it would garble the user's prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.errors import MermapctlError

if TYPE_CHECKING:
    from pathlib import Path

    import click


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
    return [name for name in known if name.startswith(incomplete)]
