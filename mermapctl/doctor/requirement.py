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
    """One need. `needed` false: things go on without it, slower or with less.

    `found` says what is there, or what is wrong; `use` what it is for. `need` is its name in
    packages.toml where a package would help, `advice` what else would. `target` is None for what
    every target needs.
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
        """Whether nothing is to be done."""
        return self.state is NeedState.OK

    @property
    def lacking(self) -> bool:
        """Whether this stands in the way."""
        return self.needed and not self.ok
