# SPDX-License-Identifier: GPL-2.0-only
"""mermapctl against kunit.py: same tree, same machine, in turn, medians, as ratios."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MERMAPCTL = [sys.executable, "-m", "mermapctl"]


def seconds(argv: list[str], env: dict[str, str]) -> float:
    """Wall seconds of a command that must succeed."""
    began = time.monotonic()
    done = subprocess.run(argv, env=env, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(argv)}: {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - began


def compare(
    name: str,
    ours: list[str],
    theirs: list[str],
    *,
    env: dict[str, str],
    limit: float,
    rounds: int = 5,
    before: Callable[[], None] | None = None,
) -> bool:
    """Run both in turn; print the medians and whether the ratio is what was promised."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for who, argv in (("theirs", theirs), ("ours", ours)):
            if before:
                before()
            times[who].append(seconds(argv, env))
    mine, kunit = (statistics.median(times[who]) for who in ("ours", "theirs"))
    ratio = mine / kunit
    word = "ok" if ratio <= limit else "NOT REACHED"
    print(f"{name:24} kunit.py {kunit:7.2f} s  mermapctl {mine:7.2f} s  "
          f"ratio {ratio:.2f} (<= {limit:.2f}) {word}")
    return ratio <= limit


def main(tree: Path) -> bool:
    """Start-up, nothing changed, mm/mermap.c touched (with contents that differ each time)."""
    kunit = [sys.executable, str(tree / "tools/testing/kunit/kunit.py")]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    kept = compare("--help", [*MERMAPCTL, "--help"], [*kunit, "--help"], env=env, limit=1.0)
    with tempfile.TemporaryDirectory(prefix="mermapctl-bench-") as directory:
        place = Path(directory)
        env["MERMAPCTL_HOME"] = str(place / "home")
        (place / "kunitconfig").write_text("CONFIG_KUNIT=y\nCONFIG_MERMAP_KUNIT_TEST=y\n")
        ours = [*MERMAPCTL, "run", f"--tree={tree}", "--accel=tcg", "--quiet"]
        theirs = [
            *kunit,
            "run",
            "--arch=x86_64",
            f"--kunitconfig={place / 'kunitconfig'}",
            f"--build_dir={place / 'build'}",
            "--kernel_args=pti=on",
            "--kernel_args=panic=-1",
            f"--jobs={os.cpu_count()}",
            "mermap",
        ]
        kept &= compare("cold", ours, theirs, env=env, limit=0.55, rounds=1)
        kept &= compare("nothing changed", ours, theirs, env=env, limit=0.30)
        source = tree / "mm/mermap.c"
        text = source.read_text(encoding="utf-8")
        edits = iter(range(1000))

        def touch() -> None:
            source.write_text(f"{text}\n/* {next(edits)} */\n", encoding="utf-8")

        try:
            kept &= compare(
                "mm/mermap.c touched", ours, theirs, env=env, limit=0.50, before=touch
            )
        finally:
            source.write_text(text, encoding="utf-8")
    return kept
