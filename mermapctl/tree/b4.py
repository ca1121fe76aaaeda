# SPDX-License-Identifier: GPL-2.0-only
"""Runs b4, which fetches a thread and makes its patches ready for `git am`.

Runs it in an empty directory, so that it reads neither the tree's configuration nor its .b4-config,
and with data and, but for a fetch, configuration of its own: nothing of the user's is written.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import files, process
from mermapctl.tree import git

OLDEST = (0, 16)
INSTALL = (
    "pipx install 'mermapctl[mail]' installs it (pipx inject mermapctl 'b4>=0.16' if mermapctl is "
    "there already)"
)
_SECONDS = 300
_VERSION = re.compile(r"(\d+)\.(\d+)")


def program() -> str:
    """Return the path of b4: beside our Python, or on PATH. Raises UserError if it is not there."""
    beside = Path(sys.executable).parent / "b4"
    found = str(beside) if beside.is_file() else shutil.which("b4")
    if found is None:
        raise UserError("b4 is not installed: it reads series of patches from mails", INSTALL)
    said = process.run([found, "--version"], env=git.environment(), timeout=_SECONDS).stdout
    version = _VERSION.search(said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise UserError(f"{found} is b4 {said.strip()[:40] or '?'}; {wanted} is needed", INSTALL)
    return found


def thread(b4: str, message_id: str, place: Path) -> Path:
    """Fetch the thread of a message, by the user's settings of b4; return its mailbox.

    Raises HarnessError if that fails.
    """
    made = place / "thread.mbx"
    env = {**git.environment(own=False), "XDG_DATA_HOME": str(place)}
    words = ["-n", "--no-stdin", "mbox", "--no-cache", "-o", str(place), "-n", made.name]
    said = _run(b4, [*words, message_id], place, env)
    if not made.is_file():
        reason = next(iter(reversed(said.strip().splitlines())), "it said nothing")
        raise HarnessError(
            f"b4 did not fetch the thread of {message_id}: {reason[:300]}",
            "is the message public, and is there a network? A mailbox of the thread needs none",
        )
    return made


def ready(b4: str, mailbox: Path, place: Path) -> Path:
    """Make the patches of a mailbox ready for `git am`, without a network; return their mailbox.

    Takes them as they were sent: no trailers of replies, no attestation. Raises UserError if b4
    refuses them.
    """
    made = place / "series.mbx"
    env = {
        **git.environment(),
        "XDG_DATA_HOME": str(place),
        "XDG_CACHE_HOME": str(place),
        "XDG_CONFIG_HOME": str(place),
        "GIT_CEILING_DIRECTORIES": str(place.parent.resolve()),
    }
    words = ["-n", "--no-stdin", "--offline-mode", "-c", "b4.attestation-policy=off", "am"]
    words += ["--no-add-trailers", "--no-partial-reroll", "--no-cover", "-m", str(mailbox)]
    said = _run(b4, [*words, "-o", str(place), "-n", made.name], place, env)
    if not made.is_file():
        reason = next(iter(reversed(said.strip().splitlines())), "it said nothing")
        raise UserError(f"b4 refuses the series: {reason[:300]}", "try `b4 am -m MBOX` by hand")
    return made


def _run(b4: str, words: Sequence[str], place: Path, env: dict[str, str]) -> str:
    done = process.run([b4, *words], cwd=place, env=env, timeout=_SECONDS)
    files.require_room(place)  # its mailbox may be half a one
    return f"{done.stdout}\n{done.stderr}"
