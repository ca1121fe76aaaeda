# SPDX-License-Identifier: GPL-2.0-only
"""Coverage as it is shown: on a terminal, in Markdown, in the page."""

from __future__ import annotations

import re

from mermapctl.judge import coverage
from mermapctl.render.documents import markdown
from mermapctl.render.html import page
from mermapctl.render.terminal import record as terminal
from tests import sample_records as samples
from tests.judge.test_coverage import ALONE, SOURCE, WHOLE

REPORTS = {"lcov": "/runs/1/coverage.lcov", "cobertura": "/runs/1/coverage.xml"}
RUN = samples.record(
    samples.cell_passed(coverage=coverage.of(WHOLE, ALONE, {**SOURCE, "mm/b.c": ["<b>"]}, REPORTS))
)
BRIEF = """\
Coverage   Lines           Branches
mm/a.c    2 of 4   50.0 %    3 of 4  75.0 %
mm/b.c    1 of 1  100.0 %    0 of 0       -
"""


def shown(*, full: bool) -> str:
    return terminal.render(RUN, width=80, color=False, full=full)


def test_a_run_ends_with_a_line_for_each_file() -> None:
    assert BRIEF in shown(full=False)


def test_the_whole_report_has_tests_missed_lines_and_files_for_other_programs() -> None:
    text = shown(full=True)
    assert BRIEF in text
    assert re.search(r"m\.test_y alone +2 of 5 +40\.0 % +2 of 4 +50\.0 % +1\n", text)
    assert "mm/a.c: not run: 3-4" in text
    assert "lcov       /runs/1/coverage.lcov\nCobertura  /runs/1/coverage.xml" in text


def test_markdown_has_the_table() -> None:
    text = markdown.render(RUN)
    assert "| `mm/a.c` | 2 | 4 | 3 | 4 |" in text
    assert "| `m.test_x` alone | 1 | 5 | 1 | 4 |" in text


def test_the_page_shows_the_source_with_counts_branches_and_tests() -> None:
    text = page.render(RUN)
    rows = re.findall(r'<tr class="(\w+)"><td class="num">(\d+)</td>(.*?)</tr>', text)
    tones = [tone for tone, _, _ in rows]
    assert tones == ["code", "warn", "fail", "fail", "code", "pass", "pass"]
    assert "1/2" in rows[1][2]
    assert re.findall(r'title="([^"]+)">(\d)<', rows[1][2]) == [
        ("m.test_x", "1"),
        ("m.test_y", "2"),
    ]
    assert "<code>        y();</code>" in rows[2][2]
    assert "&lt;b&gt;" in rows[6][2]
    assert 'href="#c0-coverage"' in text


def test_a_run_without_it_shows_nothing_of_it() -> None:
    plain = samples.record(samples.cell_passed())
    for text in (page.render(plain), markdown.render(plain), terminal.render(plain, full=True)):
        assert "overage" not in text
