# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run -k TEST`: the filter for one test, or several, of a suite."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from mermapctl.config import near_names
from mermapctl.errors import UserError
from mermapctl.judge import suites

_GLOB = re.compile(r"[*?\[]")


def of_test(suite: str, test: str) -> str:
    """Return kunit.py's filter `SUITE.TEST`.

    In a suite whose tests are known, a part of a name stands for the tests that contain it. Raises
    UserError where the suite names a test already, or none of its known tests is meant.
    """
    if "." in suite:
        raise UserError(f"--suite {suite} names a test already", "leave out -k, or the test there")
    known = [each.name for each in suites.load().tests(suite, None)]
    if not known or test in known:
        return f"{suite}.{test}"
    pattern = test if _GLOB.search(test) else f"*{test}*"
    if any(fnmatchcase(name, pattern) for name in known):
        return f"{suite}.{pattern}"
    hint = near_names.hint(test, known, "it has")
    raise UserError(f"the suite {suite} has no test {test!r}", hint)
