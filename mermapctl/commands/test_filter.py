# SPDX-License-Identifier: GPL-2.0-only
"""Which tests of a suite are asked for: `-k TEST`, `SUITE.TEST`, and a name that no suite has.

A misspelt test would be built and booted, and its run would fail for want of the suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from mermapctl.config import near_names
from mermapctl.errors import CommitError, UserError
from mermapctl.judge import suites
from mermapctl.tree import suite_source
from mermapctl.tree.suite_source import Tests

_GLOB = re.compile(r"[*?\[]")


def of_test(suite: str, test: str) -> str:
    """Return kunit.py's filter `SUITE.TEST`.

    In a suite whose tests are known, a part of a name stands for the tests that contain it. Raises
    UserError where the suite names a test already.
    """
    if "." in suite:
        raise UserError(f"--suite {suite} names a test already", "leave out -k, or the test there")
    known = [each.name for each in suites.load().tests(suite, None)]
    if not known or test in known or _GLOB.search(test):
        return f"{suite}.{test}"
    return f"{suite}.*{test}*"


def require(glob: str, tree: Path | None, commits: Iterable[str] = ()) -> None:
    """Raise CommitError if neither mermapctl nor the source of a tree has a test of this filter.

    `commits` are those of a trusted `tree` in which it may be, too. A suite that mermapctl does not
    know is not checked, nor one whose source does not list its tests plainly.
    """
    suite, _, test = glob.partition(".")
    expected = suites.load().suites.get(suite) if test else None
    if expected is None or any(fnmatchcase(each, test) for each in expected.names):
        return
    names = dict.fromkeys(expected.names)
    directory = expected.source.rpartition("/")[0]
    for own in _sources(tree, commits, directory, suite) if tree else ():
        if own is None or any(fnmatchcase(each, test) for each in own):
            return
        names |= dict.fromkeys(sorted(own))
    plain = test.strip("*")
    raise CommitError(
        f"the suite {suite} has no test {plain!r}", near_names.hint(plain, names, "it has")
    )


def require_name(suite: str, test: str, tree: Path, commits: Iterable[str]) -> None:
    """Raise CommitError as `require` does, for a test (SUITE.TEST or TEST, and a part below it)."""
    name = test.partition("/")[0]
    require(name if "." in name else f"{suite.partition('.')[0]}.{name}", tree, commits)


def _sources(
    tree: Path, commits: Iterable[str], directory: str, suite: str
) -> Iterator[Tests | None]:
    """Yield the tests in the work tree, then those in each commit."""
    yield suite_source.in_tree(tree, directory, suite)
    for commit in commits:
        yield suite_source.in_commit(tree, commit, directory, suite)
