# SPDX-License-Identifier: GPL-2.0-only
"""The pages: no dead link, each one listed, made pages up to date, and the site of `make docs`."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

import mermapctl
from docs import reference, screenshots, site_pages
from tests.docs import pages
from tests.docs.pages import ROOT

IN_SITE = [page for page in pages.names() if page != "README.md"]
MADE_BY_CLICK = "docs/commands.md"
SETTINGS = {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}


def links(page: str) -> Iterator[str]:
    for each in pages.inline(page):
        for name in ("href", "src"):
            target = str(each.attrGet(name) or "")
            if target and not target.startswith(("https:", "http:")):
                yield target


def anchors(page: str) -> set[str]:
    blocks = pages.tokens(page)
    titles = [
        "".join(
            each.content for each in text.children or () if each.type in {"text", "code_inline"}
        )
        for before, text in itertools.pairwise(blocks)
        if before.type == "heading_open"
    ]
    return {slugify(title, "-") for title in titles}


def dead(page: str) -> list[str]:
    """Return the links of a page that lead nowhere in the repository."""
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = Path(os.path.normpath((ROOT / page).parent / path)) if path else ROOT / page
        there = target.exists()
        if not there or (anchor and anchor not in anchors(str(target.relative_to(ROOT)))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages.names())
def test_no_link_is_dead(page: str) -> None:
    assert dead(page) == []


def test_a_dead_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.md").write_text("# One title\n")
    page = (
        "# A `b` c\n\n[1](#a-b-c) [2](other.md#one-title) [3](no.md) [4](other.md#no) ![5](x.png)\n"
    )
    (tmp_path / "dead.md").write_text(page)
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert dead("dead.md") == ["no.md", "other.md#no", "x.png"]


@pytest.mark.parametrize("index", ["README.md", "docs/index.md"])
def test_an_index_links_every_page(index: str) -> None:
    linked = {
        os.path.normpath(Path(index).parent / link.partition("#")[0]) for link in links(index)
    }
    wanted = {page for page in IN_SITE if page.startswith("docs/") and page != "docs/index.md"}
    assert wanted - linked == set()


def test_the_site_has_every_page_beside_docs() -> None:
    assert set(site_pages.BESIDE) == {page for page in IN_SITE if not page.startswith("docs/")}


@pytest.mark.parametrize("page", sorted(reference.PAGES))
def test_a_made_page_is_up_to_date(page: str) -> None:
    made = reference.PAGES[page]()
    assert (ROOT / "docs" / page).read_text("utf-8") == made, "write it: make reference"


def test_every_picture_is_drawn_by_make_screenshots() -> None:
    drawn = {"terminal", *(shot.name for shot in screenshots.SHOTS)}
    shown = {
        Path(link).stem for page in pages.names() for link in links(page) if link.endswith(".png")
    }
    assert shown == drawn
    assert {path.stem for path in screenshots.PICTURES.iterdir()} == drawn


def test_the_changelog_lists_this_version_and_no_change_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(
        rf"^## \[{re.escape(mermapctl.__version__)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE
    )
    lines = Counter(line for line in text.splitlines() if len(line) > 60)
    assert [line for line, times in lines.items() if times > 1] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does, without a network."""
    place = tmp_path_factory.mktemp("site")
    offline = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")}
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(place)]
    env = {**os.environ, **SETTINGS, **offline}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


def html_of(site: Path, page: str) -> str:
    place = page.removeprefix("docs/").replace("README.md", "index.md")
    return (site / place).with_suffix(".html").read_text("utf-8")


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Title\n\n[gone](nowhere.md)\n")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[0]
    settings = settings.replace("hooks: [docs/site_pages.py]\n", "")
    (tmp_path / "mkdocs.yml").write_text(settings)
    argv = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-d",
        str(tmp_path / "x"),
    ]
    env = {**os.environ, **SETTINGS}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr


def test_the_site_fetches_nothing(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*"
    )
    for path in site.rglob("*.html"):
        found = [tag for tag in loads.findall(path.read_text("utf-8")) if "canonical" not in tag]
        assert found == [], path
    imports = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//")
    assert [path for path in site.rglob("*.css") if imports.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("page", [page for page in IN_SITE if page != MADE_BY_CLICK])
def test_a_page_has_in_the_site_what_it_has_in_the_repository(page: str, site: Path) -> None:
    """MkDocs reads lists and tables by other rules than GitHub."""
    count = Counter(block.type for block in pages.tokens(page))
    article = html_of(site, page).split("<article")[1].split("</article>")[0]
    for block, tag in (
        ("table_open", "table"),
        ("list_item_open", "li"),
        ("heading_open", "h[1-6]"),
    ):
        assert len(re.findall(rf"<{tag}[ >]", article)) == count[block], tag
    assert len(re.findall(r"<pre[ >]", article)) == count["fence"] + count["code_block"]


def test_the_commands_page_has_every_command(site: Path) -> None:
    page = html_of(site, MADE_BY_CLICK)
    for words in (
        "run",
        "bisect",
        "report log",
        "config explain",
        "tree prepare",
        "doctor",
        "completion",
    ):
        assert f'id="mermapctl-{words.replace(" ", "-")}">mermapctl {words}' in page, words
    assert "run-cell" not in page
    assert "--bisect-exit" in page
