# SPDX-License-Identifier: GPL-2.0-only
"""`report list --format html`: one page over the stored runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mermapctl.cli.root import root
from mermapctl.records.record import Phases
from mermapctl.records.rows import CellSummary, RunSummary
from mermapctl.records.store import Store
from mermapctl.render.html import runs
from mermapctl.render.terminal import runs as terminal_runs
from mermapctl.render.terminal.plain import PlainLook
from mermapctl.render.terminal.runs import Sheet, when
from tests import sample_records as samples
from tests.hostile import TEXTS
from tests.render.test_html import read

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.records.record import RunRecord

FAILED = CellSummary("x86_64", "base", "failed", None, "tcg", Phases(), ("early-flush", "leak"))
RUN = RunSummary(
    "20261123-070512-123a1b2", "2026-11-23T07:05:12.123Z", 38.4, "finished", "failed", "7.3.4",
    "f" * 40, "v7.3-12-gf", dirty=True, former="passed", problem=None, cells=(FAILED,),
)  # fmt: skip


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page[page.index("<body>") :]).split())


def test_a_run_has_its_verdict_cells_and_findings() -> None:
    said = text(runs.render([RUN], 7, {RUN.id: "runs/1/report.html"}))
    verdict = ("The latest run: failed, early-flush", "was passed", "x86_64/base early-flush leak")
    for part in (*verdict, "7.3.4", "v7.3-12-gf modified", "38.4 s", "1 of 7"):
        assert part in said


def test_a_series_has_a_line_for_each_column_with_its_commits() -> None:
    good = replace(FAILED, verdict="passed", findings=())
    cells = (
        replace(good, commit="a", verdict="no-verdict", reason="absent"),
        replace(good, commit="b"),
        replace(FAILED, commit="c"),
        replace(good, commit="b", variant="smp"),
        replace(good, commit="c", variant="smp"),
    )
    said = text(runs.render([replace(RUN, cells=cells)], 1, {}))
    assert "✗ x86_64/base 3 commits: · ✓ ✗ early-flush leak" in said
    assert "✓ x86_64/smp 2 commits: ✓ ✓" in said
    sheet = Sheet(PlainLook())
    assert "x86_64/base +1, 3 commits" in terminal_runs.runs([replace(RUN, cells=cells)], 1, sheet)


def test_runs_link_to_their_pages() -> None:
    other = replace(RUN, id="20261124-070512-123a1b2", state="interrupted", verdict="no-verdict")
    page = runs.render([other, RUN], 2, {RUN.id: "runs/1/report.html"})
    assert re.findall(r'href="([^#d"][^"]*)"', page) == ["runs/1/report.html"]
    assert "interrupted" in text(page)
    assert page.count('href="#2026') == 2


def test_an_empty_store() -> None:
    assert "No run is stored" in text(runs.render([], 0, {}))


def test_a_damaged_record_names_its_problem() -> None:
    bad = replace(RUN, state="unreadable", verdict="no-verdict", cells=(), problem="it is damaged")
    assert "it is damaged" in text(runs.render([bad], 1, {}))


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_a_record_is_markup(name: str) -> None:
    bad = TEXTS[name]
    cell = replace(FAILED, target=bad, variant=bad, reason=bad, findings=(bad,))
    run = replace(RUN, kernel=bad, describe=bad, commit=bad, problem=bad, former=bad, cells=(cell,))
    page, clean = runs.render([run], 1, {}), runs.render([RUN], 1, {})
    read_page, read_clean = read(page), read(clean)
    assert {tag for tag, _ in read_page.tags} <= {tag for tag, _ in read_clean.tags}
    assert len(read_page.named("script")) == 1
    assert [a for _, a in read_page.tags if any(key.startswith("on") for key in a)] == []


def listed(tmp_path: Path, *options: str) -> str:
    """Return what `report list --format html` prints, or writes with -o."""
    done = CliRunner().invoke(root, ["report", "list", "--format", "html", *options])
    assert (done.exit_code, done.stderr) == (0, "")
    file = tmp_path / "out" / "runs.html"
    return file.read_text("utf-8") if "-o" in options else done.stdout


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path / "home"))
    (tmp_path / "out").mkdir()
    store = Store.open()
    store.begin(samples.failed())
    return store.finish(samples.failed())


def test_pages_are_written_and_linked(stored: RunRecord, tmp_path: Path) -> None:
    file = tmp_path / "out" / "runs.html"
    assert '<a href="../' not in listed(tmp_path, "-o", str(file))
    page = listed(tmp_path, "--pages", "-o", str(file))
    (address,) = re.findall(r'<a href="(\.\./[^"]*)"', page)
    assert address == f"../home/state/runs/{stored.run.id}/report.html"
    assert (file.parent / address).read_text("utf-8").startswith("<!doctype html>")
    assert f'href="file://{tmp_path}/home' in listed(tmp_path)


def test_pages_without_html_are_refused() -> None:
    done = CliRunner().invoke(root, ["report", "list", "--pages"])
    assert done.exit_code == 2
    assert "--pages goes with --format html" in done.stderr


@pytest.mark.parametrize(
    "started", ["", "x", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_at_the_end_of_the_calendar_keeps_no_list_from_being_shown(started: str) -> None:
    assert when(started) == "-"
