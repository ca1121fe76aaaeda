# SPDX-License-Identifier: GPL-2.0-only
"""The shell commands of a Kconfig's macros: run one, or many at once ahead of the parser.

Half of the time of a parse is a hundred runs of the compiler, one after another. They hardly depend
on each other, so those that a first, rough reading meets are run side by side.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl import process
from mermapctl.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 60.0
"""Seconds for one macro; the slowest of 7.3 compiles an empty file."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Where macros run: a scratch directory, since compiler checks make files where they stand."""

    scratch: Path
    environment: Mapping[str, str]

    def _environment(self) -> dict[str, str]:
        given = {name: value for name, value in self.environment.items() if value}
        return {**process.inherited(), "LC_ALL": "C", **given}

    def run(self, command: str) -> str:
        """What one command prints, as conf takes it. Raises HarnessError."""
        said = process.run(
            ["/bin/sh", "-c", command], cwd=self.scratch, env=self._environment(), timeout=LIMIT
        )
        return _answer(said.stdout)

    def run_all(self, commands: Sequence[str]) -> dict[str, str]:
        """What many commands print, as far as they could be run side by side."""
        asked, told = self.scratch / "asked", self.scratch / "told"
        asked.mkdir()
        told.mkdir()
        for number, command in enumerate(commands):
            (asked / str(number)).write_text(command, encoding="utf-8")
        one = f"/bin/sh {shlex.quote(str(asked))}/$0 >{shlex.quote(str(told))}/$0.part 2>/dev/null"
        done = f"mv {shlex.quote(str(told))}/$0.part {shlex.quote(str(told))}/$0"
        argv = ["xargs", "-n", "1", "-P", str(len(os.sched_getaffinity(0))), "/bin/sh", "-c"]
        numbers = "\n".join(str(number) for number in range(len(commands))).encode()
        # No xargs, or one command hangs: what has no answer then is run on its own.
        with contextlib.suppress(HarnessError):
            process.run(
                [*argv, f"{one}; {done}"],
                cwd=self.scratch,
                env=self._environment(),
                timeout=LIMIT,
                input=numbers,
            )
        return {
            command: _answer((told / str(number)).read_text(encoding="utf-8", errors="replace"))
            for number, command in enumerate(commands)
            if (told / str(number)).is_file()
        }


def _answer(stdout: str) -> str:
    return " ".join(stdout.rstrip("\n").split("\n"))
