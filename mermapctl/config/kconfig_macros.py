# SPDX-License-Identifier: GPL-2.0-only
"""The shell commands of a Kconfig's macros, run one after another below one shell.

A program of its own behind its own guard would cost 10 ms each; a fork of a shell costs one.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

from mermapctl.errors import HarnessError
from mermapctl.system import process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT = 60.0
"""Seconds for one macro; the slowest of 7.3 compiles an empty file."""
LARGEST = 1 << 20
"""Bytes of an answer; conf itself takes 4 KB (scripts/kconfig/preprocess.c)."""
_DRIVER = r"""
while IFS= read -r command; do
    /bin/sh -c "$command" </dev/null 2>/dev/null
    printf '\n%s\n' "$1"
done
"""
_UNSEEN = (
    *("PWD", "OLDPWD", "SHLVL", "_", "TERM", "COLUMNS", "LINES", "WINDOWID", "DISPLAY"),
    *("WAYLAND_DISPLAY", "INVOCATION_ID", "JOURNAL_STREAM", "DBUS_SESSION_BUS_ADDRESS"),
)
_UNSEEN_PREFIXES = ("MERMAPCTL_", "SSH_", "XDG_", "TMUX", "PYTEST_", "LESS", "GIT_", "VTE_")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What macros see: ours without what differs from one terminal to the next, and `given`.

    What is left out here cannot change an answer, and need not be in the key of those kept.
    """
    ours = {
        name: value
        for name, value in process.inherited().items()
        if name not in _UNSEEN and not name.startswith(_UNSEEN_PREFIXES)
    }
    return {**ours, "LC_ALL": "C", **{name: value for name, value in given.items() if value}}


class Shell:
    """A shell in `scratch`, since compiler checks make files where they stand; started if asked."""

    def __init__(self, scratch: Path, environment: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._environment = environment
        self._stack = contextlib.ExitStack()
        self._dialogue: process.Dialogue | None = None
        self._mark = f"mermapctl-{secrets.token_hex(8)}"

    def close(self) -> None:
        """End the shell, and whatever a macro left behind."""
        self._stack.close()

    def run(self, command: str) -> str:
        """What one command prints, as conf takes it. Raises HarnessError."""
        if not command.isascii() or "\n" in command:
            argv = ["/bin/sh", "-c", command]
            env = self._environment
            return _answer(process.run(argv, cwd=self._scratch, env=env, timeout=LIMIT).stdout)
        if self._dialogue is None:
            driver = ["/bin/sh", "-c", _DRIVER, "sh", self._mark]
            dialogue = process.dialogue(driver, self._scratch, self._environment)
            self._dialogue = self._stack.enter_context(dialogue)
        mark = f"\n{self._mark}\n".encode()
        said = self._dialogue.ask(command.encode() + b"\n", mark, LIMIT, LARGEST)
        if said is None:
            raise HarnessError(f"the macro {command!r} did not answer")
        return _answer(said.decode(errors="backslashreplace"))


def _answer(stdout: str) -> str:
    return " ".join(stdout.rstrip("\n").split("\n"))
