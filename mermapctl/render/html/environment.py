# SPDX-License-Identifier: GPL-2.0-only
"""Templates -> pages that stand alone: Jinja2 with the filters and guards of every page.

Three guards make text from a kernel harmless: every expression goes through `visible`, Jinja2
escapes it, and the page's content security policy allows only the one script and the one style
whose hashes it names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.records.comparison import Change
from mermapctl.render.account import verdict_word
from mermapctl.render.visible import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

GLYPHS: dict[str, str] = {
    Status.PASSED: "✓",
    Status.FAILED: "✗",
    Status.CRASHED: "✸",
    Status.HUNG: "∞",
    Status.MISSING: "?",
    Status.SKIPPED: "○",
    Verdict.NO_VERDICT: "~",
    Severity.ERROR: "✗",
    Severity.WARNING: "!",
    Severity.NOTE: "i",
    Change.NEWLY_FAILING: "✗",
    Change.FIXED: "✓",
    Change.STILL_FAILING: "=",
    Change.NEW: "+",
    Change.GONE: "−",  # noqa: RUF001 - a minus sign is intended
}
_TONES: dict[str, str] = {
    Status.PASSED: "pass",
    Status.SKIPPED: "skip",
    Verdict.NO_VERDICT: "warn",
    Severity.WARNING: "warn",
    Severity.NOTE: "note",
    Change.FIXED: "pass",
    Change.STILL_FAILING: "warn",
    Change.NEW: "note",
    Change.GONE: "note",
}
_PATH_LIMIT = 4000
NONE = "–"  # noqa: RUF001 - a dash
"""Shown for a value that there is not."""


def document(template: str, styles: Sequence[str], scripts: Sequence[str], **values: object) -> str:
    """Return the page of a template with our own style and script files."""
    style, script = "".join(map(_file, styles)), "".join(map(_file, scripts))
    return (
        environment()
        .get_template(template)
        .render(
            policy=policy(style, script),
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            **values,
        )
    )


def policy(style: str, script: str) -> str:
    """Return the content security policy: no fetches, and only this style and this script."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return (resources.files("mermapctl.render") / "html" / name).read_text("utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment with the filters of every page; pages add their own functions."""
    made = jinja2.Environment(
        autoescape=True,
        loader=jinja2.PackageLoader("mermapctl.render", "html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters |= {
        "line": one_line,
        "sentence": _sentence,
        "glyph": _glyph,
        "tone": tone,
        "verdict": verdict_word,
        "path": _path,
        "seconds": seconds,
    }
    return made


def _finalize(value: object) -> object:
    """Convert each value for the page; make text visible, except our own markup."""
    if value is None:
        return NONE
    return visible(value) if type(value) is str else value


def _sentence(text: str) -> str:
    """Capitalize a sentence, unless that would change a name."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ,]", text) else text


def _glyph(what: str) -> str:
    return GLYPHS.get(what, "✗")


def tone(what: str) -> str:
    """Return the name of the colours of a status, a verdict, a severity or a change."""
    return _TONES.get(what, "fail")


def _path(text: str) -> str:
    return one_line(text, limit=_PATH_LIMIT)


def seconds(value: float | None) -> str:
    """Format a duration."""
    if value is None:
        return NONE
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"
