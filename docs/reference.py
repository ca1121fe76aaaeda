# SPDX-License-Identifier: GPL-2.0-only
"""`make reference`: write docs/findings.md and docs/variants.md from what they are about.

A finding is listed with the seeded fault that raises it (kernel/faults), with the stored console of
which the judge makes it (tests/logs, tests/cases), and else with the tests that make it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.config import variants
from mermapctl.judge import suites
from mermapctl.judge.console_verdict import judge
from tests.faults import corpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[1]
MOST = 3
"""Faults, consoles or tests that a row lists."""
WRITTEN = "<!-- Written by `make reference`. Do not edit. -->\n"
SHIPPED = [path.stem for path in sorted((ROOT / "configs").glob("*.kunitconfig"))]
_HEADINGS = re.compile(r"^#+ ", re.MULTILINE)


def codes() -> dict[str, str]:
    """Map each code of the tables of findings in docs/verdicts.md to its row's explanation."""
    text = (ROOT / "docs/verdicts.md").read_text("utf-8").split("\n## Findings\n")[1]
    rows = [line.split("|") for line in _HEADINGS.split(text)[0].splitlines()]
    return {
        code: row[2].strip()
        for row in rows
        if len(row) > 2
        for code in re.findall(r"`([a-z-]+)`", row[1])
    }


@functools.cache
def _faults() -> Mapping[str, list[str]]:
    """Map codes to links to the faults that raise them, those with the fewest codes first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for case in corpus.faults():
        raised: set[str] = set()
        for expected in (case.plain, case.traced):
            raised |= expected.codes if expected else set()
        raised |= case.witnessed or set()
        for code in raised:
            link = f"[{case.name}](../kernel/faults/{case.name}.patch)"
            found.setdefault(code, []).append((len(raised), link))
    return {code: [link for _, link in sorted(links)] for code, links in found.items()}


@functools.cache
def _consoles() -> Mapping[str, list[str]]:
    """Map codes to links to the stored consoles of which the judge makes them."""
    found: dict[str, list[str]] = {}
    manifest = suites.load()
    for path in sorted((ROOT / "tests").glob("[cl]*s/*.log")):
        with path.open("rb") as log:
            raised = {finding.code for finding in judge(log, manifest=manifest).findings}
        for code in raised:
            found.setdefault(code, []).append(f"[{path.stem}](../{path.relative_to(ROOT)})")
    return found


@functools.cache
def _texts(folder: str) -> Mapping[Path, str]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT): path.read_text("utf-8") for path in paths}


def _tests(code: str) -> list[str]:
    """Return links to the tests that name a code, as a text or by a constant of mermapctl."""
    names = [f'"{code}"']
    for path, text in _texts("mermapctl").items():
        names += [
            f"{path.stem}.{constant}"
            for constant in re.findall(rf'^(\w+) = "{code}"$', text, re.MULTILINE)
        ]
    return [
        f"[{path.stem}](../{path})"
        for path, text in _texts("tests").items()
        if path.stem.startswith("test_") and any(name in text for name in names)
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def findings() -> str:
    """Return docs/findings.md."""
    head = """# Findings, each with the fault that shows it

What raises a finding is in [verdicts.md](verdicts.md#findings). Here is where you can see it: a
fault of [kernel/faults](../kernel/faults/README.md) whose kernel was built, booted and judged
([faults.md](faults.md)), or a [console](../tests/logs/README.md) that the tests judge.
`mermapctl report log` shows the finding in such a console:

```sh
mermapctl report log tests/logs/early-flush.log
```

The tests in the last column make findings that need two runs, another checker or a broken probe.

| finding | faults | consoles | else |
| --- | --- | --- | --- |
"""
    rows = []
    for code in codes():
        faults, consoles = _faults().get(code, []), _consoles().get(code, [])
        tests = [] if faults or consoles else _tests(code) or ["none is stored"]
        shown = (", ".join(links[:MOST]) for links in (faults, consoles, tests))
        rows.append(_row((f"`{code}`", *shown)))
    return WRITTEN + head + "\n".join(rows) + "\n"


def _guest(definition: variants.Definition) -> str:
    """Return the guest that a variant needs, as options of `run`."""
    said = [f"`--smp {definition.smp}`"] if definition.smp else []
    said += [f"`--cpu {definition.cpu}`"] if definition.cpu else []
    said += [f"`--kernel-arg {each}`" for each in definition.kernel_args]
    return " ".join(said)


def variants_page() -> str:
    """Return docs/variants.md."""
    head = """# Variants and fragments

A *fragment* is a file of `CONFIG_` lines; a *variant* merges some of them, and says which guest its
kernel needs. `a+b` merges two. [Your own](howto/fragments.md) are listed with them:

```sh
mermapctl config list
mermapctl config show base+smp
mermapctl run --variant base --variant kasan+smp
```

## Variants

| variant | a pass proves that | costs | fragments | guest |
| --- | --- | --- | --- | --- |
"""
    rows = [
        _row((f"`{name}`", each.proves, each.costs, ", ".join(each.fragments), _guest(each)))
        for name, each in variants.definitions().items()
        if name not in variants.own_fragments()
    ]
    middle = "\n\n## Fragments\n\n| fragment | purpose | symbols |\n| --- | --- | --- |\n"
    loaded = [variants.load_fragment(name) for name in SHIPPED]
    fragments = [
        _row(
            (
                f"[{each.name}](../configs/{each.name}.kunitconfig)",
                each.about,
                str(len(each.assignments)),
            )
        )
        for each in loaded
    ]
    return WRITTEN + head + "\n".join(rows) + middle + "\n".join(fragments) + "\n"


PAGES = {"findings.md": findings, "variants.md": variants_page}


def main() -> None:
    """Write the pages."""
    for name, text in PAGES.items():
        (ROOT / "docs" / name).write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
