# SPDX-License-Identifier: GPL-2.0-only
"""Clones a git repository, local or behind a URL, and keeps no credentials."""

from __future__ import annotations

import shlex
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note
from mermapctl.system import process
from mermapctl.system.process_output import StuckError
from mermapctl.tree import git, git_files, ownership
from mermapctl.tree.credentials import Credentials
from mermapctl.tree.source import Source, SourceKind

_HELPER = (
    '!f() { test "$1" = get && printf \'username=%s\\n\' "$MERMAPCTL_USER" && '
    'test "${MERMAPCTL_PASSWORD+given}" && '
    "printf 'password=%s\\n' \"$MERMAPCTL_PASSWORD\"; }; f"
)
"""A credential helper for git: a password in the URL would be stored in the new tree."""


def clone(source: Source, tree: Path, tell: Listener) -> None:
    """Clone a URL or a local repository into the empty directory `tree`.

    Raises UserError for another user's repository, and HarnessError with git's complaint.
    """
    location = source.location
    more: list[str] = []
    if source.kind is SourceKind.REPOSITORY:
        ownership.require(Path(location))
        git_files.require_readable(Path(location))
        if _changed(Path(location)):
            tell(Note(f"what is not committed in {location} is not taken along"))
    else:
        # A remote repository is cloned shallow; a local one shares its files by hard links.
        more = ["--depth=1"]
    more += [f"--branch={source.ref}"] if source.ref else []
    said = process.run(
        ["git", "clone", "--quiet", "--template=", *more, "--", location, "."],
        cwd=tree,
        env=_with(source.credentials, git.environment(own=False)),
    )
    if "dubious ownership" in said.stderr:
        trust = f"git config --global --add safe.directory {shlex.quote(location)}"
        raise UserError(f"git does not clone {location}: it belongs to another user", trust)
    if said.returncode != 0:
        error = git.failed(f"git clone {location}", said.stderr)
        raise HarnessError(error.message, error.hint or "try the git clone by hand")


def _with(secret: Credentials | None, env: dict[str, str]) -> dict[str, str]:
    """Return an environment in which git gives user and password to their server alone."""
    if secret is None:
        return env
    told = {"MERMAPCTL_USER": secret.user}
    wanted = [(f"credential.{secret.place}.username", secret.user)]
    if secret.password is not None:
        told["MERMAPCTL_PASSWORD"] = secret.password
        # An empty helper clears the earlier ones: their credentials are another user's.
        wanted += [("credential.helper", ""), (f"credential.{secret.place}.helper", _HELPER)]
    return {**env, **told, **git.settings(env, wanted)}


def _changed(checkout: Path) -> bool:
    env = git.environment(own=False)
    ask = ["git", "config", "--name-only", "--null", "--get-regexp", git.FILTERS]
    filters = filter(None, process.run(ask, cwd=checkout, env=env).stdout.split("\0"))
    status = ["git", "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"]
    quiet = {**env, **git.quiet(env, filters)}
    # Fails in a bare repository, which has no changes.
    try:
        done = process.run(status, cwd=checkout, env=quiet, timeout=git.LONGEST, idle=git.IDLE)
    except StuckError as error:
        raise git_files.blocked(checkout, error) from error
    return done.returncode == 0 and bool(done.stdout.strip())
