# SPDX-License-Identifier: GPL-2.0-only
"""Compile one changed file by the command that Kbuild recorded for its object.

make takes a second to find out that nothing else has changed. The object is put where make expects
it, newer than its source and made by the same command, so a make that follows only links.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mermapctl.runner import kunit_session
from mermapctl.runner.job import Job
from mermapctl.system import inputs, process
from mermapctl.tree import ownership

_SAVED = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.MULTILINE)
_SECONDS = 300
_ERROR = re.compile(r"\berror: (.*)")


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """What came of a file: the `digest` of its object, or the compiler's `error`.

    Both are None where Kbuild has no command for it, as for a header.
    """

    digest: str | None = None
    error: str | None = None


def compile_file(job: Job, file: str) -> CompiledObject:
    """Compile a file of the tree; its object replaces the one in the build directory."""
    ownership.require(job.tree)
    made = job.build_dir / Path(file).with_suffix(".o")
    command = _command(made)
    if command is None:
        return CompiledObject()
    env = kunit_session.environment(job)
    made.unlink(missing_ok=True)  # an old one must not pass for the new one
    # Kbuild's shell has -e too: objtool follows the compiler, behind a semicolon.
    done = process.run(["sh", "-e", "-c", command], cwd=job.build_dir, env=env, timeout=_SECONDS)
    if done.returncode != 0:
        found = _ERROR.search(done.stderr) or _ERROR.search(done.stdout)
        last = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        return CompiledObject(error=found[1] if found else last)
    return CompiledObject(digest=hashlib.sha256(inputs.read_regular(made)).hexdigest())


def _command(made: Path) -> str | None:
    """Return the shell command in an object's record; None without one."""
    try:
        record = inputs.read_text(made.with_name(f".{made.name}.cmd"))
    except OSError:
        return None
    found = _SAVED.search(record)
    return found[1].replace("$(pound)", "#").replace("$$", "$") if found else None
