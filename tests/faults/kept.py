# SPDX-License-Identifier: GPL-2.0-only
"""The results of a run that takes an hour, kept one by one: a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from tests.faults.corpus import ROOT

T = TypeVar("T")
PLACE = ROOT / "build/faults"


def mark(tree: Path) -> str:
    """Return what a result depends on: the program with its changes, and the tree's commit."""
    asked = (
        ("-C", ROOT, "rev-parse", "HEAD"),
        ("-C", ROOT, "diff", "HEAD", "--", ".", ":!docs"),
        ("-C", tree, "rev-parse", "HEAD"),
    )
    said = [
        subprocess.run(["git", *each], capture_output=True, check=True).stdout for each in asked
    ]
    return hashlib.sha256(b"\0".join([str(tree).encode(), *said])).hexdigest()


class Kept(Generic[T]):
    """Results by the names of cases, in a file that only a run with the same `mark` reads.

    Those that `failed`, for another reason than the kernel, are not kept.
    """

    def __init__(
        self, name: str, marked: str, failed: Callable[[T], bool], place: Path = PLACE
    ) -> None:
        self._path = place / f"{name}.pickle"
        self._marked = marked
        self._failed = failed
        self._results: dict[str, T] = {}
        try:
            before, results = pickle.loads(self._path.read_bytes())  # noqa: S301 - we wrote it
        except (OSError, ValueError, EOFError, pickle.UnpicklingError, AttributeError):
            return
        if before == marked:
            self._results = results

    @property
    def count(self) -> int:
        """How many results there are."""
        return len(self._results)

    def get(self, name: str, find: Callable[[], T]) -> T:
        """Return the result of a case; find and keep it, if no earlier run has."""
        if name not in self._results:
            result = find()
            if self._failed(result):
                return result
            self._results[name] = result
            self._path.parent.mkdir(parents=True, exist_ok=True)
            whole = self._path.with_suffix(".new")
            whole.write_bytes(pickle.dumps((self._marked, self._results)))
            whole.replace(self._path)
        return self._results[name]

    def end(self) -> None:
        """Forget all: the next run tries each case anew."""
        self._path.unlink(missing_ok=True)
