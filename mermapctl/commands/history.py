# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report history` and `flaky`: questions about many stored runs."""

from __future__ import annotations

import difflib
import re

from mermapctl.errors import UserError
from mermapctl.records import history
from mermapctl.records.history import CostPoint, Flaky, Occurrence
from mermapctl.records.rows import Filters
from mermapctl.records.store import Store


def test_history(store: Store, test: str, filters: Filters) -> list[Occurrence]:
    """Return the results of a test, newest first; `test` is `test` or `suite.test`.

    Raises UserError with similar names if no stored run has the test.
    """
    names = store.query(history.names)
    suite, _, name = test.rpartition(".")
    if test in {known.partition(".")[2] for known in names}:
        suite, name = "", test
    elif f"{suite}.{name}" not in names:
        known = sorted({name.partition(".")[2] for name in names})
        close = difflib.get_close_matches(test, [*known, *names], n=3, cutoff=0.5)
        meant = f"Did you mean {' or '.join(close)}?"
        hint = meant if close else "`mermapctl report list` shows the runs."
        raise UserError(f"no stored run has a test named {test!r}", hint)
    return store.query(lambda db: history.occurrences(db, suite or None, name, filters))


def cost_history(store: Store, what: str, filters: Filters) -> list[CostPoint]:
    """Return the instructions of a test (`test` or `suite.test`), or of a get, put or flush.

    Newest first. Raises UserError with the known names if no stored run has counted it.
    """
    known = store.query(history.costed)
    name = what if what in known else what.rpartition(".")[2]
    if name not in known:
        hint = f"Counted are: {', '.join(known)}." if known else "`mermapctl run --cost` counts."
        raise UserError(f"no stored run has counted the instructions of {what!r}", hint)
    return store.query(lambda db: history.costs(db, name, filters))


def flaky(store: Store, filters: Filters) -> list[Flaky]:
    """Return the tests that both passed and failed on one commit in one configuration."""
    return store.query(lambda db: history.flaky(db, filters))


def bytes_of(text: str) -> int:
    """Convert `500M`, `5G` or `100000` to bytes. Raises UserError for anything else."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kKMGT]?)i?B?", text, re.ASCII)
    if not found:
        raise UserError(f"{text!r} is no size", "Write 500M or 5G.")
    power = " KMGT".index(found[2].upper() or " ")
    return int(float(found[1]) * 1024**power)
