# SPDX-License-Identifier: GPL-2.0-only
"""Check: one need of a build or a boot, and whether this machine or tree meets it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class NeedState(enum.StrEnum):
    """How a need is met."""

    OK = "ok"
    MISSING = "missing"
    OLD = "too old"
    LOW = "too little"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One need. Without `needed`, work goes on more slowly or with less.

    `found` is what exists, or what is wrong; `use` its purpose. `need` is its name in packages.toml
    where a package helps, `advice` other help. `target` is None for what every target needs.
    """

    name: str
    state: NeedState
    found: str
    use: str
    needed: bool = True
    need: str | None = None
    advice: str | None = None
    target: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return self.state is NeedState.OK

    @property
    def lacking(self) -> bool:
        """Whether this prevents a run."""
        return self.needed and not self.ok
