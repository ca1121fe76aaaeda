# SPDX-License-Identifier: GPL-2.0-only
"""`python -m docs.screenshots RUN|LOG`: the pictures in docs/ and README, of a real failing run.

RUN is the id of a stored run, LOG the console of one. What the terminal shows is drawn by the same
browser, from the bytes that `mermapctl report` writes to a terminal.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI, TerminalTheme
from rich.text import Text

from tests.e2e.chromium import Browser, browser

HERE = Path(__file__).parent
COLUMNS = 100
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 18px 22px; background: {background}; color: {foreground}; }}
pre {{ margin: 0; font: 14px/1.35 "DejaVu Sans Mono", monospace; }}
#window {{ display: inline-block; }}
</style><div id="window"><pre><code>{code}</code></pre></div>"""


def mermapctl(subject: str, *argv: str, color: bool = False) -> str:
    """What `mermapctl report` says of a run or a log."""
    of = [f"--log={subject}"] if Path(subject).is_file() else [subject]
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    if color:
        environment["FORCE_COLOR"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "mermapctl", "report", *of, *argv],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise SystemExit(done.stderr)
    return done.stdout


def terminal(chromium: Browser, said: str, target: Path) -> None:
    """A terminal's text as a picture of just its size."""
    theme: TerminalTheme = MONOKAI
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(said))
    html = console.export_html(theme=theme, code_format=PAGE, inline_styles=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "terminal.html"
        page.write_text(html, "utf-8")
        chromium.look(width=1000, height=800)
        chromium.open(page)
        box = chromium.ask("document.getElementById('window').getBoundingClientRect().toJSON()")
        size = (box["right"] + 22, box["bottom"] + 18)
        chromium.look(width=round(size[0]), height=round(size[1]))
        chromium.picture(target)


def main() -> None:
    """Write docs/terminal.png, docs/report-light.png, -dark, -timeline and -phone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", metavar="RUN|LOG")
    parser.add_argument("--to", type=Path, default=HERE / "pictures")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = Path(folder) / "report.html"
        page.write_text(mermapctl(options.subject, "--format=html"), "utf-8")
        for name, dark, width, height, fragment in (
            ("report-light", False, 1280, 1000, ""),
            ("report-dark", True, 1280, 1000, ""),
            ("timeline-light", False, 1280, 760, "#c0-p0"),
            ("timeline-dark", True, 1280, 760, "#c0-p0"),
            ("phone", False, 390, 844, ""),
        ):
            chromium.look(width=width, height=height, dark=dark)
            chromium.open(page, fragment)
            chromium.picture(options.to / f"{name}.png")
        terminal(chromium, mermapctl(options.subject, color=True), options.to / "terminal.png")
    for picture in sorted(options.to.glob("*.png")):
        sys.stdout.write(f"{picture} ({picture.stat().st_size // 1024} KiB)\n")


if __name__ == "__main__":
    main()
