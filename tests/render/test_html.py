# SPDX-License-Identifier: GPL-2.0-only
"""The HTML page, read with Python's own parser. e2e/test_browser.py reads it with a browser."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import Former, Tool
from mermapctl.render.excerpt import Gap
from mermapctl.render.html import annotated, grid
from mermapctl.render.html import page as html_page
from mermapctl.render.html.annotated import Fold
from tests import sample_records as samples
from tests.hostile import TEXTS, Console, infect

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Page(HTMLParser):
    """Collect tags with their attributes, text by tag, ids, and errors where tags do not nest."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]

    def text(self, tag: str) -> str:
        return " ".join("".join(self.texts.get(tag, [])).split())


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.wrong == []
    assert page.open == []
    return page


@pytest.mark.parametrize("name", samples.WITH_SERIES)
def test_the_page_stands_alone(name: str) -> None:
    text = html_page.render(samples.WITH_SERIES[name](), console=samples.log("missing-flush"))
    page = read(text)
    assert len(page.ids) == len(set(page.ids))
    links = [a["href"] for a in page.named("a")]
    assert links
    assert {str(link)[1:] for link in links} <= set(page.ids)
    fetching = {"src", "srcset", "style", "action", "data"}
    assert [a for _, a in page.tags if a.keys() & fetching] == []
    assert [a for _, a in page.tags if any(key.startswith("on") for key in a)] == []
    (icon,) = page.named("link")
    assert str(icon["href"]).startswith("data:")
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in text


def test_the_policy_names_what_runs_and_forbids_the_rest() -> None:
    page = read(html_page.render(samples.failed()))
    policies = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    (policy,) = policies
    assert str(policy).startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        body = "".join(page.texts[tag])
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy)


@pytest.mark.parametrize(
    ("name", "tag", "said"),
    [
        ("passed", "p", "Every test passed, and the kernel had no complaint."),
        ("passed", "title", "PASSED: mermap on Linux 7.3.4 (v7.3-1204-gfcf46f19ecac)"),
        ("failed", "a", "Addresses were handed out again and no TLB flush was counted before."),
        ("failed", "small", "of 4"),
        ("failed", "pre", "Expected mc->tlb_flushes == 1, but mc->tlb_flushes == 0 (0x0)"),
        ("no verdict", "p", "No verdict: boot failed: Kernel panic"),
        ("no verdict", "pre", "ARCH_SUPPORTS_RT [=y] blocked by EXPERT [=n] (init/Kconfig:1589): "),
        ("no verdict", "code", "CONFIG_PREEMPT_RT"),
        ("multi cell", "a", "x86_64/debug"),
        ("multi cell", "summary", "4 consequences"),
        ("traced", "figcaption", "512 gets, 0 TLB flushes, 1 stale reuse"),
        ("bare log", "title", "FAILED: mermap on Linux, version unknown"),
        ("another suite", "title", "PASSED: example on Linux 7.3.4"),
        ("another suite", "h1", "example Linux 7.3.4"),
        ("series", "a", "x86_64/base: first bad commit: fcf46f19ecac (mm: flush <never>): missing"),
        (
            "series",
            "li",
            "x86_64/base: new warning in bbbbbbbbbbbb (mm: add the mermap): mm/merm",
        ),
        ("series", "small", "as run 20261122-070512-123a1b2"),
        ("series", "strong", "first bad"),
        ("series", "summary", "mm: flush <never>"),
        ("nothing ran", "p", "The run was interrupted before its end; the report is incomplete."),
    ],
)
def test_the_page_contains_its_sentences(name: str, tag: str, said: str) -> None:
    page = read(html_page.render(samples.WITH_SERIES[name]()))
    everything = page.text(tag)
    if tag == "figcaption":
        everything = page.text("span")
    assert said in everything


def test_a_finding_and_its_line_lead_to_each_other() -> None:
    page = read(html_page.render(samples.failed(), console=samples.log("missing-flush")))
    links = {a["href"] for a in page.named("a")}
    assert {"#c0-L157", "#c0-f0"} <= links
    assert {"c0-L157", "c0-f0"} <= set(page.ids)


def test_without_a_console_no_line_is_linked() -> None:
    page = read(html_page.render(samples.failed()))
    assert not [a for a in page.named("a") if "-L" in str(a["href"])]
    assert "/runs/1/console.log" in page.text("code")


def test_the_previous_run_is_compared() -> None:
    page = read(html_page.render(samples.failed(), previous=samples.passed()))
    assert "compared" in page.ids
    assert "newly failing" in page.text("td")
    assert "compared" not in read(html_page.render(samples.failed())).ids


def test_an_impossible_comparison_is_left_out() -> None:
    page = read(html_page.render(samples.failed(), previous=samples.no_verdict()))
    assert "A has no verdict for x86_64/rt -> x86_64/base (boot-failed)." in page.text("p")
    assert "No test and no finding changed." not in page.text("p")


@pytest.mark.parametrize(
    ("summary", "shown"),
    [
        ("the kernel warned", "The kernel warned"),
        ("test_size has no result", "test_size has no result"),
        ("x86_64/smp: the kernel warned", "x86_64/smp: the kernel warned"),
    ],
)
def test_a_sentence_begins_with_a_capital_and_a_name_stays(summary: str, shown: str) -> None:
    cell = samples.cell_missing_flush()
    finding = replace(cell.findings[0], summary=summary)
    page = read(html_page.render(samples.record(replace(cell, findings=(finding,)))))
    assert shown in page.texts["p"]
    assert shown in page.texts["a"]


def test_a_replaced_verdict_is_shown() -> None:
    former = Former(Verdict.PASSED, Tool("mermapctl", "0.0.9"), "2026-12-01T10:00:00Z")
    page = read(html_page.render(replace(samples.failed(), former=(former,))))
    said = "Judged again at 2026-12-01 10:00:00 UTC; mermapctl 0.0.9 reported PASSED."
    assert said in page.text("p")


def test_the_timeline_is_drawn() -> None:
    page = read(html_page.render(samples.traced(), console=samples.log("missing-flush")))
    kinds = [str(a.get("class")) for a in page.named("rect")]
    assert (kinds.count("bar stale"), len(page.named("li")) > 512) == (1, True)
    assert "stale" in [a.get("class") for a in page.named("circle")]
    good = read(html_page.render(samples.traced(stale=False)))
    assert "flush" in [a.get("class") for a in good.named("g")]
    assert "stale" not in [a.get("class") for a in good.named("circle")]


@functools.cache
def clean_tags(sample: str) -> frozenset[str]:
    record = samples.WITH_SERIES[sample]()
    page = read(html_page.render(record, console=Console("x", times=20), previous=record))
    return frozenset(tag for tag, _ in page.tags) | {"details", "summary", "ul", "li"}


@pytest.mark.parametrize("sample", ["multi cell", "traced", "series"])
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_a_kernel_is_markup(name: str, sample: str) -> None:
    record: RunRecord = infect(samples.WITH_SERIES[sample](), TEXTS[name])
    text = html_page.render(record, console=Console(TEXTS[name]), previous=record)
    page = read(text)
    assert {tag for tag, _ in page.tags} <= clean_tags(sample)
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert [a for _, a in page.tags if any(key.startswith("on") for key in a)] == []
    assert [a for a in page.named("a") if not str(a["href"]).startswith("#")] == []
    assert not set(map(chr, range(32))) - set("\t\n") & set(text)
    assert text.encode("utf-8")
    assert len(text) < 3_000_000


def test_the_cells_of_a_series_open_from_its_grid() -> None:
    page = read(html_page.render(samples.series()))
    opened = [a["id"] for a in page.named("section") if a.get("class") == "cell"]
    assert opened == ["c0", "c1", "c2"]  # not the absent one
    links = [str(a["href"]) for a in page.named("a")]
    assert all(f"#{name}" in links for name in opened)
    assert len(page.named("details")) >= 3
    assert {"absent", "not run"} <= {text.strip() for text in page.texts["span"]}
    assert "Matrix" not in page.text("h2")


def test_of_a_long_series_the_page_opens_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MOST", 1)
    page = read(html_page.render(samples.series()))
    (only,) = [a["id"] for a in page.named("section") if a.get("class") == "cell"]
    assert "✗ fcf46f19ecac/x86_64/base" in page.text("span")
    assert "1 of 3 cells open on this page." in page.text("p")
    links = {str(a["href"]) for a in page.named("a")}
    assert f"#{only}" in links
    assert links <= {f"#{name}" for name in page.ids}
    assert page.text("small").startswith("of 12")  # all tests count, also those not shown


def test_two_series_are_compared_with_their_commits() -> None:
    page = read(html_page.render(samples.series(), previous=samples.series()))
    assert page.text("td").count("same patch") == 3


# --- the console --------------------------------------------------------------------------------


def test_boot_and_trace_lines_are_folded_and_what_matters_is_not() -> None:
    cell = replace(samples.cell_missing_flush(), findings=(), suites=())
    finding = replace(samples.cell_missing_flush().findings[0], console_line=1730)
    cell = replace(cell, findings=(finding,))
    blocks, shown = annotated.annotate(cell, samples.log("trace-counted-not-done")(cell), "c0-")
    folds = [block for block in blocks if isinstance(block, Fold)]
    assert shown == sum(len(fold.lines) for fold in folds)
    titles = [fold.title for fold in folds if fold.title]
    assert titles[0].startswith("155 boot lines, 1 to 155")
    assert any(re.fullmatch(r"1,\d\d\d trace lines, \d+ to 1727", title) for title in titles)
    open_lines = {line.number: line for fold in folds if not fold.title for line in fold.lines}
    assert [note.word for note in open_lines[1730].notes] == ["missing-flush"]
    assert open_lines[156].text == "KTAP version 1"


def test_the_failure_block_has_its_colour() -> None:
    cell = samples.cell_missing_flush()
    blocks, _ = annotated.annotate(cell, samples.log("missing-flush")(cell), "c0-")
    lines = [line for block in blocks if isinstance(block, Fold) for line in block.lines]
    failed = [line.text.strip() for line in lines if line.kind == "fail"]
    assert failed == [
        "# test_tlb_flushed: ASSERTION FAILED at mm/tests/mermap_kunit.c:210",
        "Expected mc->tlb_flushes == 1, but",
        "mc->tlb_flushes == 0 (0x0)",
        "not ok 4 test_tlb_flushed",
        "not ok 1 mermap",
    ]


@pytest.mark.parametrize(
    "stamp", ["[    1.234567] ", "[    1.234567][   T17] ", "<6>[   11.234567][    C0] "]
)
@pytest.mark.parametrize("log", ["trace-counted-not-done", "missing-flush"])
def test_a_line_looks_the_same_behind_printks_time_and_caller(log: str, stamp: str) -> None:
    cell = samples.cell_missing_flush()
    lines = [*samples.log(log)(cell)]

    def looks(said: list[str]) -> list[tuple[str, list[str]]]:
        blocks, _ = annotated.annotate(cell, said, "c0-")
        folds = [block for block in blocks if isinstance(block, Fold)]
        return [(fold.title, [line.kind for line in fold.lines]) for fold in folds]

    assert looks([stamp + line for line in lines]) == looks(lines)


def test_each_event_of_a_trace_is_folded() -> None:
    names = [
        *("mm_get", "mm_got", "mm_put", "mm_put_outer", "mm_walk", "mm_walk_any", "mm_tables"),
        *("mm_pte", "mm_pte_b", "mm_prep", "mm_tear", "mm_pin", "mm_unpin"),
    ]
    lines = ["    KTAP version 1", *(f"[    2.9][   T22] {name}: (f+0x0/0x10)" for name in names)]
    blocks, _ = annotated.annotate(replace(samples.cell_missing_flush(), findings=()), lines, "c0-")
    (_, fold) = [block for block in blocks if isinstance(block, Fold)]
    assert fold.title == f"{len(names)} trace lines, 2 to {len(names) + 1}"


def test_a_long_console_is_cut_and_its_marked_lines_stay() -> None:
    cell = replace(samples.cell_missing_flush(), suites=())
    finding = replace(cell.findings[0], console_line=50_000)
    cell = replace(cell, findings=(finding,))
    blocks, shown = annotated.annotate(cell, (f"line {n}" for n in range(1, 100_001)), "c0-")
    gaps = [(gap.first, gap.last) for gap in blocks if isinstance(gap, Gap)]
    assert gaps == [(501, 49_899), (50_101, 99_500)]
    assert shown == 500 + 201 + 500
