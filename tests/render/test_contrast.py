# SPDX-License-Identifier: GPL-2.0-only
"""Colours of the page's marks against what lies behind them: WCAG 2.2, 1.4.11 asks for 3:1."""

from __future__ import annotations

import re
from importlib import resources

import pytest

CSS = {
    name: (resources.files("mermapctl.render") / "html" / name).read_text("utf-8")
    for name in ("page.css", "timeline.css", "runs.css")
}
BLOCKS = re.findall(r":root[^{]*\{([^{}]*--live[^{}]*)\}", CSS["page.css"])
SCHEMES = ("light", "dark by the system", "dark by choice", "paper")
PLOT = ("live", "reserved", "waiting", "flush", "stale")
BEHIND = ("code", "card", "cut", "window")
CHART = ("config", "build", "boot")
TONES = ("pass", "fail", "warn", "note", "skip")


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of a scheme; those that it leaves out are the light ones."""
    found: dict[str, str] = {}
    for block in (BLOCKS[0], BLOCKS[SCHEMES.index(scheme)]):
        found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block))
    return found


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#dfe4ea", "#f3f5f7") < 1.3
    assert len(BLOCKS) == len(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_mark_stands_out(scheme: str) -> None:
    known = colours(scheme)
    pairs = [(mark, behind) for mark in PLOT for behind in BEHIND]
    pairs += [(mark, behind) for mark in CHART for behind in ("soft", "card")]
    pairs += [(tone, behind) for tone in TONES for behind in ("bg", "card", f"{tone}-bg")]
    pairs += [("ink", mark) for mark in ("code", "cut")] + [("dim", "cut")]
    weak = {
        pair: round(contrast(known[pair[0]], known[pair[1]]), 2)
        for pair in pairs
        if contrast(known[pair[0]], known[pair[1]]) < 3
    }
    assert weak == {}


def test_no_mark_is_made_paler() -> None:
    assert [name for name, text in CSS.items() if "opacity" in text] == []


def test_every_mark_of_the_timeline_has_one_of_these_colours() -> None:
    used = set(re.findall(r"(?:fill|stroke|background): var\(--([a-z]+)\)", CSS["timeline.css"]))
    assert used - {"code", "ink", "dim", "line", "cut", "window", "soft", "accent"} == set(PLOT)
