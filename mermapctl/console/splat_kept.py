# SPDX-License-Identifier: GPL-2.0-only
"""The splats kept of a log: the first ones, and the last of each kind that can end a kernel. Pure.

The last deadly splat shows how a boot ended; warnings in every test must not push it out.
"""

from __future__ import annotations

from dataclasses import replace

from mermapctl.console.splat import DEADLY, STUCK, Splat, SplatKind, sameness

_LAST = DEADLY | STUCK
"""Kinds that may be the last output of a kernel."""

_Key = tuple[SplatKind, str, str | None]


class KeptSplats:
    """Keep up to `room` different splats, and one more of each kind that can end a kernel.

    Equal complaints in the same test are counted. `dropped` counts those that are not kept.
    """

    def __init__(self, room: int) -> None:
        self.dropped = 0
        self._room = room
        self._kept: dict[_Key, Splat] = {}
        self._last: dict[SplatKind, _Key] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, splat: Splat) -> None:
        """Keep a splat, or count it as dropped."""
        key = (*sameness(splat), splat.test)
        if (same := self._kept.get(key)) is not None:
            self._kept[key] = replace(same, count=same.count + splat.count)
        elif len(self._kept) - len(self._last) < self._room:
            self._kept[key] = splat
        elif splat.kind in _LAST:
            if (prior := self._last.get(splat.kind)) is not None:
                self.dropped += self._kept.pop(prior).count
            self._kept[key] = splat
            self._last[splat.kind] = key
        else:
            self.dropped += splat.count

    def take(self) -> tuple[Splat, ...]:
        """Return all kept splats and clear them; `dropped` stays."""
        taken = tuple(self._kept.values())
        self._kept.clear()
        self._last.clear()
        return taken
