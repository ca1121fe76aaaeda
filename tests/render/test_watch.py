# SPDX-License-Identifier: GPL-2.0-only
"""What a watch says of its events."""

from __future__ import annotations

import pytest

from mermapctl.render.terminal.watch import words
from mermapctl.series.watch_events import RangeMoved, Saved, WatchedSet
from mermapctl.tree.build_inputs import steers


@pytest.mark.parametrize(
    ("names", "objects", "of", "said"),
    [
        (("include/linux/mermap.h",), 4, 613, "include/linux/mermap.h: 4 of 613 objects"),
        (("mm/other.c",), 0, 613, "mm/other.c: no object has read it"),
        (("mm/Kconfig.debug", "mm/mermap.c"), 1, 613, "mm/Kconfig.debug, mm/mermap.c: 1 to 613"),
        (("mm/Makefile",), 0, 613, "mm/Makefile: 0 to 613 objects"),
        (("mm/a.c",), 0, 0, "mm/a.c: nothing is built yet"),
        (tuple("abcde"), 2, 9, "a, b, c and 2 more: 2 of 9 objects"),
    ],
)
def test_the_price_of_a_save(names: tuple[str, ...], objects: int, of: int, said: str) -> None:
    steering = tuple(filter(steers, names))
    assert words(Saved(names, objects, of, steering, running=False)).startswith(said)
    told = words(Saved(names, objects, of, steering, running=True))
    assert told.endswith("; what runs is cancelled")


def test_what_is_watched_and_why_in_turn() -> None:
    seen = WatchedSet(2795, 123, 613, "", refs=True, keys=True)
    assert words(seen) == (
        "watching 2,795 files in 123 directories, read by 613 objects, and the refs; "
        "f failed only, a all, enter again, q quit"
    )
    polled = WatchedSet(1, 1, 0, "inotify does not see all changes on nfs4", refs=False, keys=False)
    assert words(polled) == (
        "watching 1 file in 1 directory, looked at once a second: "
        "inotify does not see all changes on nfs4"
    )
    assert words(RangeMoved(1, 1)) == "the range has 1 commit, 1 of them new"
