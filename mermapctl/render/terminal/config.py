# SPDX-License-Identifier: GPL-2.0-only
"""The output of `mermapctl config`: lists of variants and fragments, merged lines, a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from mermapctl.judge.result_types import Verdict
from mermapctl.render.terminal.columns import columns
from mermapctl.render.terminal.findings import missing_symbols
from mermapctl.render.terminal.page import show_as
from mermapctl.render.terminal.plain import colored, columns_of, count, plain_look_of
from mermapctl.render.terminal.tables import table
from mermapctl.render.terminal.wrap import shortened
from mermapctl.render.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from mermapctl.commands.config import Checked, Listing
    from mermapctl.config.fragment import Fragment
    from mermapctl.config.variants import Definition
    from mermapctl.render.terminal.columns import Field
    from mermapctl.render.terminal.text import Look


def guest(of: Definition) -> str:
    """Describe how a variant's guest differs from the target's: `2 CPUs, -cpu max, pti=off`."""
    parts = [f"{of.smp} CPUs" if of.smp else "", f"-cpu {of.cpu}" if of.cpu else ""]
    only = f"{' and '.join(of.targets)} only" if of.targets else ""
    return ", ".join(part for part in (*parts, *of.kernel_args, only) if part)


_READABLE = 45
"""Columns of a text, below which the guest is left to --full."""


def listing(stream: TextIO, found: Listing, form: str, *, full: bool = False) -> None:
    """Print all variants and fragments; without `full` one line each."""
    if full or form == "json":
        show_as(form, stream, lambda: _listing_document(found), lambda look: _listing(found, look))
        return
    look, color = plain_look_of(stream), colored(stream)
    own = f"{found.own}/NAME.kunitconfig"
    variants = [
        [
            (look.plain(name), "bold"),
            (look.plain(of.brief or of.proves), ""),
            (look.plain(guest(of)), ""),
        ]
        for name, of in found.variants.items()
    ]
    fragments = [
        [(look.plain(name), "bold"), (look.plain(what.about), "")]
        for name, (what, _path) in found.fragments.items()
    ]
    stream.write(_one_line_each(("Variant", "A pass proves that ...", "Guest"), variants, color))
    stream.write("\n" + _one_line_each(("Fragment", "Purpose"), fragments, color))
    stream.write(f"\n--full has all of it; your own: {look.verbatim(own)}, or --config FILE\n")


def _one_line_each(heads: tuple[str, ...], rows: list[list[Field]], color: bool) -> str:  # noqa: FBT001
    """Return a table whose second column is cut, between words, to what the terminal has left."""
    sizes = [max(len(row[at][0]) for row in [[(head, "") for head in heads], *rows])
             for at in range(len(heads)) if at != 1]  # fmt: skip
    room = columns_of() - sum(sizes) - 2 * len(sizes)
    if room < _READABLE and len(heads) > 2:
        return _one_line_each(heads[:2], [row[:2] for row in rows], color)
    cut = [
        [row[0], (shortened(row[1][0], max(room, 16), "..."), row[1][1]), *row[2:]] for row in rows
    ]
    return columns(heads, cut, color=color)


def _listing_document(found: Listing) -> dict[str, object]:
    return {
        "variants": [
            {
                "name": name,
                "proves": of.proves,
                "brief": of.brief,
                "costs": of.costs,
                "fragments": of.fragments,
                "smp": of.smp,
                "cpu": of.cpu,
                "kernel_args": of.kernel_args,
                "targets": of.targets,
            }
            for name, of in found.variants.items()
        ],
        "fragments": [
            {"name": name, "about": what.about, "path": str(path)}
            for name, (what, path) in found.fragments.items()
        ],
        "own": str(found.own),
    }


def _listing(found: Listing, look: Look) -> Iterator[RenderableType]:
    variants = table(look, "Variant", "A pass proves that …", "Costs", "Guest")
    for name, of in found.variants.items():
        variants.add_row(
            look.text(name, "bold"), look.text(of.proves), look.text(of.costs), look.text(guest(of))
        )
    yield variants
    yield Text()
    fragments = table(look, "Fragment", "Purpose", "Symbols", right=["Symbols"])
    for name, (what, _path) in found.fragments.items():
        fragments.add_row(
            look.text(name, "bold"), look.text(what.about), str(len(what.assignments))
        )
    yield fragments
    yield Text()
    yield look.text(f"Your own fragments: {found.own}/NAME.kunitconfig, or --config FILE")


def merged(stream: TextIO, asked: Fragment) -> None:
    """Print each line of a fragment with its origin, as plain text for pipes."""
    width = min(max((len(each.line()) for each in asked.assignments), default=0), 60)
    for each in asked.assignments:
        line = one_line(each.line(), limit=10_000)
        stream.write(f"{line:<{width}}  {one_line(each.origin, limit=10_000)}\n")


def checked(stream: TextIO, result: Checked, form: str) -> None:
    """Print the symbols that a tree does not give as requested."""
    show_as(form, stream, lambda: _checked_document(result), lambda look: _checked(result, look))


def _checked_document(result: Checked) -> dict[str, object]:
    return {
        "tree": str(result.tree),
        "kernel": result.kernel,
        "target": result.target,
        "name": result.asked.name,
        "satisfied": not result.missing,
        "asked": len(result.asked.assignments),
        "missing": [
            {
                "symbol": each.symbol,
                "requested": each.requested,
                "resolved": each.resolved,
                "origin": result.origin(each.symbol),
                "why": each.why,
            }
            for each in result.missing
        ],
        "notes": result.notes,
    }


def _checked(result: Checked, look: Look) -> Iterator[RenderableType]:
    for note in result.notes:
        yield look.text(note, "yellow")
    where = f"Linux {result.kernel} for {result.target} ({result.tree})"
    asked = count(len(result.asked.assignments), "symbol")
    if not result.missing:
        yield look.mark(Verdict.PASSED, f"{result.asked.name}: ").append(
            look.plain(f"{where} gives all {asked} as requested")
        )
        return
    yield look.mark(Verdict.FAILED, f"{result.asked.name}: ").append(
        look.plain(f"{where} does not give {len(result.missing)} of {asked}")
    )
    yield Text()
    rows = table(look, "Symbol", "Requested", "Resolved", "Requested by")
    for each in result.missing:
        rows.add_row(
            look.text(f"CONFIG_{each.symbol}", "bold"),
            look.text(each.requested),
            look.text(each.resolved or "not there"),
            look.text(result.origin(each.symbol)),
        )
    yield rows
    yield from missing_symbols(result.missing, look, columns_of())
