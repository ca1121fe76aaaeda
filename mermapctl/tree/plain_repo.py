# SPDX-License-Identifier: GPL-2.0-only
"""GitPython's repository, reading the repository's own configuration file alone.

GitPython itself follows include.path in this process, where a FIFO blocks and a device never ends;
git, which we run with a time limit, follows it by rules of its own. Imports GitPython: 0.2 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from git import GitConfigParser, Repo

if TYPE_CHECKING:
    from git.types import Lit_config_levels, PathLike


class PlainRepo(Repo):
    """A repository whose configuration has no includes."""

    def _config_reader(
        self,
        config_level: Lit_config_levels | None = None,
        git_dir: PathLike | None = None,
    ) -> GitConfigParser:
        level = config_level or "repository"
        return GitConfigParser(self._get_config_path(level, git_dir), merge_includes=False)
