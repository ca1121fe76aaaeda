# SPDX-License-Identifier: GPL-2.0-only
"""Markdown, read back with markdown-it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from mermapctl.render.documents import markdown
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect

if TYPE_CHECKING:
    from markdown_it.token import Token

MARKUP = {"</details>", "<sub>", "</sub>", "<details><summary>Reproduce</summary>"}
CONSOLE = re.compile(r"<details><summary>Console of <code>[^<>\"]+</code></summary>")


def tokens(text: str) -> list[Token]:
    """Return block and inline tokens in one list."""
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or [])]
    return found


def markup(found: list[Token]) -> list[str]:
    """Return the HTML, with the one text in it that is quoted as "…"."""
    raw = [token.content.strip() for token in found if token.type.startswith("html_")]
    return ["<details>…" if CONSOLE.fullmatch(text) else text for text in raw]


def table(text: str) -> list[list[str]]:
    """Return the first table as text."""
    rows: list[list[str]] = []
    for token in tokens(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level > 2:
            rows[-1].append(token.content.replace("`", ""))
        elif token.type == "table_close":
            break
    return rows


def test_the_matrix_has_tests_down_and_cells_across() -> None:
    rows = table(markdown.render(samples.multi_cell()))
    assert {len(row) for row in rows} == {9}
    assert rows[0][:4] == ["test", "x86_64/base", "x86_64/smp", "x86_64/debug"]
    found = {row[0]: row[1:] for row in rows}
    assert found["mermap: test_basic_alloc"][:5] == [
        "✅ passed",
        "✅ passed",
        "❌ passed, but kernel-warning",
        "❌ failed",
        "✅ passed",
    ]
    assert found["mermap: test_multiple_allocs"][3:5] == ["💥 crashed", "❓ missing"]
    assert found["mermap: test_la57"][6] == "⏭️ skipped"
    assert found["**verdict**"][-1] == "⚠️ **NO VERDICT**"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("passed", "## ✅ mermap: PASSED"),
        ("failed", "❌ **missing-flush** in `test_tlb_flushed`: Addresses were handed out again"),
        ("failed", "Evidence: `flushes 0, expected 1`"),
        ("failed", "the wrap in `__mermap_get()`: it must flush"),
        ("failed", "    mc->tlb_flushes == 0 (0x0)"),
        ("failed", "mermapctl run --tree /src/linux --target x86_64 --variant base"),
        ("no verdict", "No verdict, boot failed: Kernel panic"),
        ("no verdict", "`CONFIG_PREEMPT_RT=y` became `n`.\n\n```text\nCONFIG_PREEMPT_RT is n"),
        ("no verdict", "\n  blocked by EXPERT [=n] (init/Kconfig:1589): nothing asks for it\n"),
        ("multi cell", "8 cells: 1 passed, 6 failed, 1 no verdict"),
        ("commits", "`bbbbbbbbbbbb/x86_64/base`: failed"),
        ("failed", "<details><summary>Console of <code>test_tlb_flushed</code></summary>\n"),
        ("multi cell", "  - Evidence:\n    - `title: WARNING: mm/mermap.c:189 at __mermap_"),
        ("nothing ran", "## ⚠️ mermap: NO VERDICT"),
        ("nothing ran", "The run was interrupted before its end; the report is incomplete.\n\nNo"),
        ("another suite", "## ✅ example: PASSED"),
    ],
)
def test_the_text_contains_its_sentences(name: str, said: str) -> None:
    assert said in markdown.render(samples.SAMPLES[name]())


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_our_own_markup_is_all_there_is(name: str) -> None:
    raw = markup(tokens(markdown.render(samples.SAMPLES[name]())))
    assert set(raw) <= MARKUP | {"<details>…"}
    assert raw.count("</details>") == sum("<details>" in line for line in raw)


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_a_kernel_is_markup(name: str) -> None:
    record = infect(samples.multi_cell(), TEXTS[name])
    text = markdown.render(record, console=Console(TEXTS[name]))
    found = tokens(text)
    assert set(markup(found)) <= MARKUP | {"<details>…"}
    assert not {t.type for t in found} & {"image", "link_open", "s_open", "code_block"}
    loose = "".join(t.content for t in found if t.type == "text")
    assert not set("@#!<>[]{}$~*`") & set(loose)
    assert {len(row) for row in table(text)} == {9}
    assert not set(map(chr, range(32))) - set("\t\n") & set(text)
    assert text.encode("utf-8")
    assert len(text) < 600_000
