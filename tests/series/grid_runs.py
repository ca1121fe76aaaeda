# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --commits` on the stand-in tree: its record, and the words of its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.forkserver import Done, command

PLAIN = ("--accel=tcg", "--no-triage", "--no-trace", "--no-witness")


def series(tree: Path, commits: str, *argv: str, seconds: int = 60) -> Done:
    words = (f"--tree={tree}", f"--commits={commits}", *PLAIN, *argv)
    return command("run", *words, seconds=seconds)


def document(done: Done) -> dict[str, Any]:
    assert done.stdout, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def run(tree: Path, commits: str, *argv: str) -> dict[str, Any]:
    return document(series(tree, commits, "--format=json", *argv))


def results(made: dict[str, Any]) -> list[str]:
    return [cell["reason"] or cell["verdict"] for cell in made["cells"]]
