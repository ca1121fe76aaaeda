# SPDX-License-Identifier: GPL-2.0-only
"""What the page says first: the finding with its assertion, and tiles that agree with it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mermapctl.commands import judge_log
from mermapctl.console.ktap import Status
from mermapctl.judge.result_types import Flush
from mermapctl.render.account import account
from mermapctl.render.html import page as html_page
from mermapctl.render.html.answer import FlushTile, flush_tile, headline, shared_errors
from tests import sample_records as samples
from tests.tables import LOGS


def page_of(*logs: str) -> str:
    paths = [str(LOGS / f"{log}.log") for log in logs]
    return html_page.render(judge_log.of_logs(paths, ("mermapctl",), suite=None))


def tile(page: str, name: str) -> tuple[str, str]:
    """Return the tone and the text of a tile."""
    found = re.search(rf'<div class="(\w+)"><dt>{name}</dt><dd>(.*?)</dd>', page)
    assert found is not None
    return found[1], " ".join(re.sub(r"<[^>]*>", "", found[2]).split())


@pytest.mark.parametrize(
    ("log", "tone", "text"),
    [
        ("early-flush", "fail", "1 flushed too early, before allocation 3: counted, not observed"),
        ("missing-flush", "fail", "0 reused without a flush: counted, not observed"),
        ("extra-flush", "fail", "2 flushes at one reuse: counted, not observed"),
        ("good", "pass", "1 of 1 expected, counted, not observed"),
        ("trace-good", "pass", "1 of 1 expected"),
        ("trace-counted-not-done", "fail", "0 counted 1, but 0 done"),
        ("hang-one-cpu", "fail", "? unknown: the test has no result"),
    ],
)
def test_the_flush_tile_has_the_colour_of_its_test(log: str, tone: str, text: str) -> None:
    assert tile(page_of(log), "TLB flushes") == (tone, text)


def test_no_table_calls_an_early_flush_the_expected_one() -> None:
    page = page_of("early-flush")
    assert "1 of 1" not in re.sub(r"<[^>]*>", "", page)
    (row,) = re.findall(
        r"<tr><th scope=\"row\"><code class=\"name\" title=\"test_tlb_flushed\">.*", page
    )
    assert (
        '<td class="words fail">flushed too early, before allocation 3: counted, not observed'
        in row
    )
    assert '<td class="num off" data-h="counted">1</td>' in row


def test_skipped_tests_are_not_red() -> None:
    cell = samples.cell_passed()
    (suite,) = cell.suites
    tests = tuple(replace(test, status=Status.SKIPPED) for test in suite.tests)
    told = account(replace(cell, suites=(replace(suite, tests=tests),)))
    flushes = (Flush("test_tlb_flushed", 1, None, words="unknown: the test was skipped"),)
    assert flush_tile(told, flushes) == FlushTile("skip", "?", "of 1 expected")
    assert flush_tile(told, ()) is None


@pytest.mark.parametrize("log", ["early-flush", "trace-counted-not-done", "wrong-page"])
def test_one_cell_begins_with_its_finding(log: str) -> None:
    page = page_of(log)
    body = page[page.index("<main") :]
    places = [body.index(part) for part in ('id="c0-f0"', 'class="tests"')]
    assert places == sorted(places)
    assert 'id="matrix"' not in page
    assert '<a href="#matrix">' not in page


def test_a_finding_shows_its_assertion_once() -> None:
    page = page_of("early-flush")
    card = page[page.index('id="c0-f0"') : page.index("</article>")]
    assert "Expected mc-&gt;tlb_flushes == 0, but" in card
    assert page.index('class="assertion"') < page.index('class="evidence"')
    assert "<details><summary>1 failure</summary>" in page


def test_several_cells_have_a_matrix_below_the_findings() -> None:
    page = page_of("early-flush", "good", "missing-flush")
    order = [page.index(f'id="{name}"') for name in ("errors", "matrix", "c0")]
    assert order == sorted(order)


def test_a_finding_of_several_cells_is_listed_once_with_them() -> None:
    record = samples.repeated()
    page = html_page.render(replace(record, cells=(*record.cells, samples.cell_missing_flush())))
    errors = page[page.index('id="errors"') : page.index('id="matrix"')]
    assert errors.count("Addresses were handed out again") == 1
    assert {"#c1-f0", "#c3-f0"} <= set(re.findall(r'href="(#[^"]*)"', errors))


def test_the_headline_names_the_place() -> None:
    page = page_of("early-flush")
    place = page[page.index('class="place"') : page.index('class="tiles"')]
    for said in ("early-flush", "test_tlb_flushed", "mm/tests/mermap_kunit.c:194"):
        assert said in place


def test_without_a_cell_there_is_nothing_to_say() -> None:
    assert headline([]) is None
    assert shared_errors([]) == ()


def test_long_kernel_arguments_are_folded() -> None:
    cell = samples.cell_passed(kernel_args=("pti=on", "kprobe_event=" + "x" * 900))
    page = html_page.render(samples.record(cell))
    assert "2 kernel arguments" in page
    assert page.index('<details class="arguments">') < page.index("kprobe_event=")


def test_a_page_of_512_gets_stays_small() -> None:
    log = LOGS / "trace-counted-not-done.log"
    record = judge_log.of_logs([str(log)], ("mermapctl",), suite=None)
    lines = log.read_text("utf-8", "surrogateescape").split("\n")
    page = html_page.render(record, console=lambda _: lines)
    assert page.count("<li data-e=") > 520
    assert len(page.encode()) < 600_000
