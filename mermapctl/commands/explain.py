# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl config explain`: explain why a tree and target do not give a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.config import fragment, target, variants
from mermapctl.config.explain import why
from mermapctl.config.explanation import Cause, Explanation
from mermapctl.system import paths
from mermapctl.tree import build_dir


@dataclass(frozen=True, slots=True)
class Explained:
    """The explanations of symbols on top of the configuration that `asked` names."""

    tree: Path
    kernel: str
    target: str
    asked: str
    explanations: tuple[Explanation, ...]

    @property
    def satisfied(self) -> bool:
        """Return whether each symbol gets its value when it is asked for."""
        return all(
            each.cause is Cause.SATISFIED and each.verified is not False
            for each in self.explanations
        )


def explain(
    tree: Path | None,
    target_name: str,
    symbols: Sequence[str],
    names: Sequence[str],
    configs: tuple[Path, ...] = (),
    *,
    verify: bool = True,
) -> Explained:
    """Explain symbols (NAME or NAME=VALUE) on top of variants or fragments `names`.

    Raises UserError for a wrong tree, target or name.
    """
    asked = variants.compose(names, fragment.load_all(configs), target=target_name)
    path = target.tree_for(tree, [target_name])
    build_dir.require_plain(path, paths.cache_dir())
    known = target.read(path)
    where = known.find(target_name)
    found = why(path, where, symbols, asked, verify=verify)
    return Explained(path, known.version, where.name, asked.name, found)
