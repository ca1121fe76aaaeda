# SPDX-License-Identifier: GPL-2.0-only
"""Add to a build what only exists then: the commit, the man pages, the scripts of completion.

A wheel contains them as data files, so that `pip install --user` and pipx put them where man and
the shells look. An editable install has none of them: `mermapctl --version` asks git there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMIT = "mermapctl/commit.txt"
COMPLETIONS = {
    "bash": "share/bash-completion/completions/mermapctl",
    "zsh": "share/zsh/site-functions/_mermapctl",
    "fish": "share/fish/vendor_completions.d/mermapctl.fish",
}
"""The place of each shell's script below the prefix of an installation."""


class Made(BuildHookInterface):  # type: ignore[type-arg]
    """Make the files in a temporary directory and name them to hatchling."""

    _folder: tempfile.TemporaryDirectory[str]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files. Raises CalledProcessError if a command of ours fails."""
        self._folder = tempfile.TemporaryDirectory()
        if version == "editable":
            return
        place, root = Path(self._folder.name), Path(self.root)
        if (root / ".git").exists():  # an sdist contains the file already
            (place / "commit.txt").write_text(f"{_commit(root)}\n")
            build_data["force_include"][str(place / "commit.txt")] = COMMIT
        if self.target_name == "wheel":
            self._run("docs.manpages", str(place / "man"))
            for page in sorted((place / "man").iterdir()):
                build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"
            for shell, target in COMPLETIONS.items():
                script = place / shell
                script.write_text(self._run("mermapctl", "completion", shell))
                build_data["shared_data"][str(script)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the temporary directory."""
        self._folder.cleanup()

    def _run(self, module: str, *arguments: str) -> str:
        """Run a module of this source tree; return its output."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": self.root},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


def _commit(root: Path) -> str:
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(describe, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
