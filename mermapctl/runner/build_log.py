# SPDX-License-Identifier: GPL-2.0-only
"""Read the logs of make and kunit.py: find the line that explains a failure, bound their size."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.runner.job import Job
from mermapctl.system import files, inputs, process

LOG_BYTES = 128 << 20
"""Longest log of a build, in bytes: far more than one line for each object of a kernel."""

_READ_BYTES = 160 << 20
"""Bytes of a log that are read: more than a log can have when its build is stopped."""

_COMPILER_ERROR = re.compile(
    rb"^(?:\S+:\d+(?::\d+)?: (?:fatal )?error: .*|.*undefined reference to .*"
    rb"|ld: .*|\S*: error: .*|ERROR: modpost: .*|.*: command not found.*)$",
    re.MULTILINE,
)
_TRACEBACK = re.compile(rb"^Traceback \(most recent call last\)", re.MULTILINE)
_MAKE_ERROR = re.compile(rb"^[ \t]*+(?:make\S*: )?\*\*\* .*$", re.MULTILINE)


def bound(job: Job) -> Callable[[], str | None]:
    """Return a function that returns a reason to stop once the log that make writes is too long."""

    def look() -> str | None:
        size = job.build_log.stat().st_size if job.build_log.is_file() else 0
        return f"its log has more than {LOG_BYTES >> 20} MB" if size > LOG_BYTES else None

    return look


def fell_over(job: Job) -> bool:
    """Return whether kunit.py ended in a traceback."""
    return _TRACEBACK.search(_bytes(job.harness_log)) is not None


def _bytes(path: Path) -> bytes:
    try:
        with inputs.open_regular(path) as file:
            return file.read(_READ_BYTES)
    except OSError:
        return b""


def text(job: Job) -> str:
    """Return make's log, or as much of its beginning as is read at once."""
    return whole(job).decode(errors="replace")


def whole(job: Job) -> bytes:
    """Return the bytes of make's log, or as much of its beginning as is read at once."""
    return _bytes(job.build_log)


def why(job: Job, what: str, outcome: process.SessionEnd) -> str:
    """Return the log line that best explains a failed stage, with the source below it.

    Raises HarnessError if the disk is full.
    """
    log, harness = _bytes(job.build_log), _bytes(job.harness_log)
    if b"No space left on device" in log + harness:
        raise _disk_is_full(job)
    for pattern, text in ((_COMPILER_ERROR, log), (_MAKE_ERROR, log)):
        found = pattern.search(text)
        if found:
            return _with_source(text, found)
    if outcome.returncode < 0:
        number = -outcome.returncode
        return f"{what} was ended by signal {number} ({signal.strsignal(number)})"
    last = harness.decode(errors="backslashreplace").strip().splitlines()
    reason = last[-1][:_LONGEST_ERROR] if last else ""
    if not reason and files.has_no_room(job.build_dir):  # the message found no room, either
        raise _disk_is_full(job)
    return f"{what} failed: {reason}" if reason else f"{what} failed without a word"


def _disk_is_full(job: Job) -> HarnessError:
    return HarnessError(
        f"the disk is full: {job.build_dir}",
        "free some space, or set MERMAPCTL_HOME or XDG_CACHE_HOME to a larger disk",
    )


_SHOWN = re.compile(rb"^ *\d* \| ?.*$|^ +\| .*$")
"""The lines below an error in which gcc and clang show the source and point at it."""
_SOURCE_LINES = 3
_LONGEST_ERROR = 2000
"""Bytes of the line of an error: a record has it, in each format."""


def _with_source(log: bytes, found: re.Match[bytes]) -> str:
    """Return the line of an error, and the source that the compiler shows below it."""
    lines = [found[0].strip()[:_LONGEST_ERROR]]
    below = log[found.end() :].split(b"\n", _SOURCE_LINES + 1)[1 : _SOURCE_LINES + 1]
    for line in below:
        if not _SHOWN.match(line):
            break
        lines.append(line.rstrip()[:300])
    return "\n".join(line.decode(errors="backslashreplace") for line in lines)
