# SPDX-License-Identifier: GPL-2.0-only
"""What a shell may complete. An error here would garble the user's prompt: there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.errors import MermapctlError

if TYPE_CHECKING:
    from pathlib import Path

    import click


def variants(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Variant names, also after a ``+``."""
    from mermapctl.config.variants import definitions

    before, plus, last = incomplete.rpartition("+")
    try:
        return [f"{before}{plus}{name}" for name in definitions() if name.startswith(last)]
    except (MermapctlError, OSError):
        return []


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Targets of the tree that `run` would work on."""
    from mermapctl.config import target
    from mermapctl.tree import find

    option: Path | None = ctx.params.get("tree")
    try:
        known = target.targets(find.resolve(option))
    except (MermapctlError, OSError):
        return []
    return [name for name in known if name.startswith(incomplete)]
