# SPDX-License-Identifier: GPL-2.0-only
"""`make screenshots RUN=ID`: draw the pictures of docs/ and README from a failed traced run.

The record and its console are unchanged, except that paths of the machine become those of a user
`dev`. One browser draws both the page and the terminal's text.
"""

from __future__ import annotations

import argparse
import io
import re
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from mermapctl.records.record import from_json, to_json
from mermapctl.records.store import Store, console_lines
from mermapctl.render.html import page as html_page
from mermapctl.render.terminal import record as terminal
from mermapctl.system import paths
from tests.e2e.chromium import Browser, browser

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

PICTURES = Path(__file__).parent / "pictures"
COLUMNS = 100
SCALE = 1.5  # sharp in README, at half of the bytes
LARGEST = 300_000  # bytes of one picture
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 18px 22px; background: {background}; color: {foreground}; }}
pre {{ margin: 0; font: 14px/1.35 "DejaVu Sans Mono", monospace; }}
#window {{ display: inline-block; }}
</style><div id="window"><pre><code>{code}</code></pre></div>"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the page: a window of CSS pixels, scrolled to the element `at`."""

    name: str
    width: int
    height: int
    at: str = "body"
    dark: bool = False


SHOTS = (
    Shot("report", 1180, 820),
    Shot("timeline", 1180, 620, at="h3:has(+ .legend)"),
    Shot("phone", 390, 780, dark=True),
)


@dataclass(frozen=True, slots=True)
class Neutral:
    """Replace the paths and names of this machine in texts."""

    known: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, record: RunRecord) -> Neutral:
        """Return the replacements for the tree, the store, the builds, the home and the host."""
        host = record.run.host.name if record.run.host else socket.gethostname()
        known = (
            (record.tree.path or "", "/home/dev/linux"),
            (str(paths.state_dir()), "/home/dev/.local/state/mermapctl"),
            (str(paths.cache_dir()), "/home/dev/.cache/mermapctl"),
            (str(Path.home()), "/home/dev"),
            (host, "dev"),
        )
        return cls(tuple((place, other) for place, other in known if place))

    def text(self, said: str) -> str:
        """Replace each whole name; exit if another path of this machine may remain."""
        for place, other in self.known:
            said = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w.-])", other, said)
        private = r"(?<![\w./-])/(?:home(?!/dev\b)|media|mnt|opt|root|srv|tmp|work)/[\w./-]*"
        if left := sorted(set(re.findall(private, said))):
            raise SystemExit(f"may be places of this machine: {', '.join(left[:5])}")
        return said


def terminal_text(record: RunRecord) -> str:
    """Return the command and what a terminal shows of it, with colours, down to the verdict."""
    return f"$ mermapctl run\n{terminal.render(record, width=COLUMNS, color=True)}".rstrip("\n")


def draw_terminal(chromium: Browser, said: str, target: Path) -> None:
    """Draw a terminal's text as a picture of its size."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(said), soft_wrap=True)
    html = console.export_html(theme=MONOKAI, code_format=PAGE, inline_styles=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "terminal.html"
        page.write_text(html, "utf-8")
        chromium.look(width=1000, height=800, scale=SCALE)
        chromium.open(page)
        box = chromium.ask("document.getElementById('window').getBoundingClientRect().toJSON()")
        size = {"width": round(box["right"] + 22), "height": round(box["bottom"] + 18)}
        chromium.look(**size, scale=SCALE)
        chromium.picture(target)


def draw_page(chromium: Browser, html: str, folder: Path) -> None:
    """Draw the SHOTS of a page."""
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "report.html"
        page.write_text(html, "utf-8")
        for shot in SHOTS:
            chromium.look(width=shot.width, height=shot.height, dark=shot.dark, scale=SCALE)
            chromium.open(page)
            chromium.ask("document.querySelector(arguments[0]).scrollIntoView()", shot.at)
            chromium.picture(folder / f"{shot.name}.png")


def main() -> None:
    """Write docs/pictures/terminal.png, report.png, timeline.png and phone.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="id of a stored run; default: the latest")
    parser.add_argument("--to", type=Path, default=PICTURES, metavar="DIR")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    stored = Store.open().get(options.run)
    neutral = Neutral.of(stored)
    record = from_json(neutral.text(to_json(stored).decode()).encode())
    consoles = {
        shown.artifacts.console: neutral.text("\n".join(console_lines(cell))).split("\n")
        for shown, cell in zip(record.cells, stored.cells, strict=True)
    }
    with browser() as chromium:
        draw_terminal(chromium, terminal_text(record), options.to / "terminal.png")
        page = html_page.render(record, console=lambda cell: consoles[cell.artifacts.console])
        draw_page(chromium, page, options.to)
    for picture in sorted(options.to.glob("*.png")):
        size = picture.stat().st_size
        sys.stdout.write(f"{picture} ({size:,} bytes)\n")
        if size > LARGEST:
            raise SystemExit(f"{picture} is larger than {LARGEST:,} bytes")


if __name__ == "__main__":
    main()
