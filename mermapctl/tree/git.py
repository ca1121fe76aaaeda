# SPDX-License-Identifier: GPL-2.0-only
"""Runs git with limited settings from the environment, the user and a repository.

A repository's configuration names programs: a file system monitor, hooks, filters, a transport, a
signature checker. Our commands need none of them, so each is turned off. The user's configuration
(hooks, signing, line endings) is ignored when we commit; it is read when we clone, which may need
proxies and credentials.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import files, process
from mermapctl.tree import credentials

QUIET = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "core.gitProxy": "none",
    "core.alternateRefsCommand": "false",
    "core.askPass": "",
    "core.editor": "false",
    "core.excludesFile": os.devnull,
    "core.pager": "cat",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "gc.auto": "0",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
}
"""Settings that could start a program or block on a file, turned off."""

NO_PROGRAMS = ("--no-ext-diff", "--no-textconv")
"""Options for commands that show diffs: QUIET cannot list the names of a repository's drivers."""

FILTERS = r"^filter\."
LONGEST = 600
"""Seconds that git may take to look at a tree. A cold one on a slow disk takes a minute."""
IDLE = 10
"""Seconds that git may sleep without using the CPU: no disk is that slow, a FIFO is for ever."""
_COMPLAINT = re.compile(r"(fatal|error|tar|cp|xz): (?!Removing leading)")
_UNWRITTEN = re.compile(
    r"\b(?:unable to|cannot|could not|couldn't|failed to) (?:write|create|append|update)\b"
)
"""git's messages on a file that it could not write; most have no reason."""
_FULL = ("No space left on device", "Out of diskspace", "Disk quota exceeded", "File too large")
AUTHOR = ("mermapctl", "mermapctl@localhost")
# One pack instead of 90,000 loose objects, weakly compressed: measured on 2 cores with 6.12,
# 36 s of work against 42 s, and a third less on the disk. `git add` and `git update-index` stream
# files above the threshold into one pack.
QUICK = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "-c", "gc.auto=0")
_TRACE = "GIT_TRACE"
"""What the names of git's variables for tracing begin with: on stderr a trace is no complaint."""
_OPTIONS = "GIT_CONFIG_PARAMETERS"
"""Options of a surrounding `git -c`: they rank above GIT_CONFIG_COUNT, and the last one wins."""
REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE"),
    *("GIT_CONFIG", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE"),
    *("GIT_NO_REPLACE_OBJECTS", "GIT_INTERNAL_SUPER_PREFIX", "GIT_QUARANTINE_PATH"),
)
"""Variables of a surrounding hook that name its repository (git rev-parse --local-env-vars)."""


def quiet(base: Mapping[str, str], filters: Iterable[str] = ()) -> dict[str, str]:
    """Return variables to add to `base`: QUIET, no lazy fetch, no lock, no prompt.

    `filters` are the names of settings that match FILTERS, which `git status` would otherwise
    start for files that look changed.
    """
    off = {name: "false" if name.endswith(".required") else "" for name in filters}
    return {
        **settings(base, [*QUIET.items(), *off.items()]),
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        **dict.fromkeys((f"{_TRACE}2", f"{_TRACE}2_EVENT", f"{_TRACE}2_PERF"), "0"),
        **{name: "0" for name in base if name.startswith(_TRACE)},
    }


def settings(base: Mapping[str, str], wanted: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return variables that set git's configuration above every file, and after those of `base`.

    Not `git -c`: names of filters may hold a "=", and arguments are for all users to see.
    """
    before = base.get("GIT_CONFIG_COUNT", "")
    first = int(before) if before.isascii() and before.isdigit() else 0
    added = {"GIT_CONFIG_COUNT": str(first + len(wanted))}
    for number, (name, value) in enumerate(wanted, first):
        added |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    if given := base.get(_OPTIONS):
        added[_OPTIONS] = " ".join([given, *(f"{_quoted(n)}={_quoted(v)}" for n, v in wanted)])
    return added


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


def environment(*, own: bool = True) -> dict[str, str]:
    """Return git's environment without a surrounding hook's; with `own` also without the user's."""
    always = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    given = process.inherited()
    given.pop("TAR_OPTIONS", None)
    if not own:
        kept = {
            name: value
            for name, value in given.items()
            if name not in REPOSITORY and not name.startswith(_TRACE)
        }
        hooks = [("core.fsmonitor", "false"), ("core.hooksPath", os.devnull)]
        return {**kept, **always, **settings(kept, hooks)}
    kept = {name: value for name, value in given.items() if not name.startswith("GIT_")}
    none = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return {**kept, **none, **quiet({}), **always}


def failed(what: str, said: str, place: Path | None = None) -> HarnessError:
    """Build the error for a failed program, with the line of its output that gives the reason.

    `place` is where it writes.
    """
    lines = said.strip().splitlines() or ["it said nothing"]
    reason = next((line for line in lines if _COMPLAINT.match(line)), lines[-1])[:300]
    reason = credentials.without(reason)
    full = place is not None and files.has_no_room(place) and _UNWRITTEN.search(said)
    if full or any(words in said for words in _FULL):
        return HarnessError(f"the disk is full: {reason}", "free some space, and run it again")
    return HarnessError(f"{what} failed: {reason}")


def git(
    tree: Path,
    *arguments: str,
    text: str | None = None,
    env: dict[str, str] | None = None,
    settings: Sequence[str] = QUICK,
    idle: float | None = None,
) -> str:
    """Run git in a tree of ours; return its output. Raises HarnessError with git's message.

    `settings` are options in front of the command. Raises StuckError once git was idle for `idle`
    seconds.
    """
    said = process.run(
        ["git", *settings, *arguments],
        cwd=tree,
        env=env or environment(),
        input=None if text is None else text.encode("utf-8", "surrogateescape"),
        idle=idle,
    )
    if said.returncode != 0:
        raise failed(f"git {arguments[0]}", said.stderr, tree)
    return said.stdout.strip()


def finds(tree: Path, *arguments: str, env: dict[str, str]) -> bool:
    """Return whether a search by git ends with 0: found. Raises HarnessError, StuckError."""
    said = process.run(["git", *arguments], cwd=tree, env=env, idle=IDLE)
    if said.returncode > 1 or said.returncode < 0:
        raise failed(f"git {arguments[0]}", said.stderr)
    return said.returncode == 0


def identity(env: dict[str, str], date: int) -> dict[str, str]:
    """Return the environment with our name and `date` (seconds since 1970) for a commit."""
    name, mail = AUTHOR
    env = dict(env)
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": mail}
        env[f"GIT_{who}_DATE"] = f"@{date} +0000"
    return env


def commit(tree: Path, message: str, date: int, env: dict[str, str] | None = None) -> str:
    """Commit the index under our name at `date` (seconds since 1970); return the hash.

    The same source and the same mermapctl give the same hashes on every machine.
    """
    env = identity(env or environment(), date)
    git(tree, "commit", "--quiet", "--no-verify", "--file=-", text=message, env=env)
    return git(tree, "rev-parse", "HEAD", env=env)
