# SPDX-License-Identifier: GPL-2.0-only
"""Makes consoles of the suite mermap, and judges them."""

from __future__ import annotations

import io

from mermapctl.judge.console_verdict import Judgement, judge
from mermapctl.judge.result_types import Boot
from mermapctl.judge.suites import Manifest
from tests.tables import LOGS, MANIFEST, NAMES

GOOD = (LOGS / "good.log").read_bytes()
OOPS = (LOGS / "oops.log").read_bytes()


def judged(
    log: bytes | str,
    *,
    boot: Boot = Boot(),  # noqa: B008 - frozen
    suites: str | None = None,
    known: Manifest = MANIFEST,
) -> Judgement:
    data = log.encode() if isinstance(log, str) else log
    return judge(io.BytesIO(data), boot=boot, manifest=known, expected_suites=suites)


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.findings]


def mermap(body: str, *, before: str = "", after: str = "") -> str:
    """Return a console whose suite mermap has this body, after a plan of four."""
    return (
        f"Linux version 7.3.4 (x)\n{before}KTAP version 1\n1..1\n    KTAP version 1\n"
        f"    # Subtest: mermap\n    # module: mermap_kunit\n    1..4\n{body}{after}"
    )


def results(*statuses: str) -> str:
    """Return result lines for the four tests, then the suite's own."""
    lines = [f"    {s} {i} {n}\n" for i, (s, n) in enumerate(zip(statuses, NAMES, strict=False), 1)]
    bad = "not ok" in statuses
    return "".join(lines) + f"{'not ok' if bad else 'ok'} 1 mermap\n"


def failed(index: int, text: str) -> str:
    """Return results of four passed tests, except the one that prints `text` first."""
    lines = results(*("not ok" if i == index else "ok" for i in range(4))).splitlines(keepends=True)
    return "".join((*lines[:index], text, *lines[index:]))


PASS = results("ok", "ok", "ok", "ok")
SOURCE = "mm/tests/mermap_kunit.c"
ZERO = "0000000000000000"


def block(test: str, *lines: str, macro: str = "EXPECTATION") -> str:
    return "\n".join((f"    # {test}: {macro} FAILED at {SOURCE}:9", *lines, ""))


def null(test: str, name: str, *message: str) -> str:
    """Return the assertion of a pointer that must not be NULL."""
    return block(
        test,
        f"    Expected {name} != ((void *)0), but",
        f"        {name} == {ZERO}",
        f"        ((void *)0) == {ZERO}",
        *message,
        macro="ASSERTION",
    )
