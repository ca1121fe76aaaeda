# SPDX-License-Identifier: GPL-2.0-only
"""proc(5): reads /proc/PID/stat."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # a guard reads /proc too (`mermapctl.system.child_guard`)
if TYPE_CHECKING:
    from collections.abc import Iterator


class Stat:
    """A process: `state` is a letter (D waits for I/O, Z has ended), `started` is in ticks.

    So is `ticks`, the CPU time of all its threads.
    """

    __slots__ = ("name", "parent", "pid", "session", "started", "state", "ticks")

    def __init__(
        self, pid: int, name: str, state: str, parent: int, session: int, started: int,
        ticks: int = 0,
    ) -> None:  # fmt: skip
        """Keep the fields as they are."""
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.session = session
        self.started = started
        self.ticks = ticks

    @property
    def living(self) -> bool:
        """Whether it has not ended; a zombie has."""
        return self.state not in {"Z", "X"}

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}, state {self.state})"


def stat(pid: int) -> Stat | None:
    """Read one process; None where there is none of that id."""
    return _parsed(pid, f"/proc/{pid}/stat")


def _parsed(pid: int, path: str) -> Stat | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - in the guard, half the time
            line = file.read().decode(errors="backslashreplace")
    except OSError:
        return None
    # "pid (comm) state ppid pgrp session ...": comm may hold blanks and parentheses.
    head, _, rest = line.rpartition(")")
    fields = rest.split()
    if len(fields) < 20:
        return None
    name = head.partition("(")[2]
    used = int(fields[11]) + int(fields[12])  # utime, stime
    return Stat(pid, name, fields[0], int(fields[1]), int(fields[3]), int(fields[19]), used)


def boot_id() -> str | None:
    """Return the id of this boot of the host; None where /proc has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return None


def every() -> Iterator[Stat]:
    """Yield every process."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - as above
        if name.isdigit() and (found := stat(int(name))) is not None:
            yield found


def family(ancestor: int) -> list[Stat]:
    """Return the living descendants of a process."""
    children: dict[int, list[Stat]] = {}
    for each in every():
        children.setdefault(each.parent, []).append(each)
    found: list[Stat] = []
    waiting = [ancestor]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += [each.pid for each in below]
    return [each for each in found if each.living]


def session(leader: int) -> list[Stat]:
    """Return the living processes of a session."""
    return [each for each in every() if each.session == leader and each.living]


def asleep(pid: int) -> int | None:
    """Return the CPU ticks of a process and its descendants; None if one of their threads works.

    A thread that waits for a disk (state D) does not sleep; one that waits for a pipe does.
    """
    first = stat(pid)
    together = [*([first] if first else []), *family(pid)]
    for each in together:
        for number in _threads(each.pid):
            thread = _parsed(each.pid, f"/proc/{each.pid}/task/{number}/stat")
            if thread is not None and thread.state not in {"S", "Z", "X"}:
                return None
    return sum(each.ticks for each in together)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as above
    except OSError:
        return []
