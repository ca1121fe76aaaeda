# SPDX-License-Identifier: GPL-2.0-only
"""The page of a failing traced run in a real browser.

The run is a console of a real kernel: its mermap counts the flush at the wrap and does not do it.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mermapctl.records.record import Phases
from mermapctl.records.rows import CellSummary, RunSummary
from mermapctl.render.account import kernel, subject
from mermapctl.render.html import page as html_page
from mermapctl.render.html import runs as runs_page
from mermapctl.render.visible import one_line
from tests import sample_records as samples
from tests.e2e.chromium import Browser, browser
from tests.e2e.conftest import mermapctl
from tests.hostile import TEXTS, Console, infect
from tests.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

CONTRAST = """(() => {
  const parse = (text) => {
    const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    context.fillStyle = text; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("svg, script, dialog, .skiplink, .vh")) continue;
    if (!element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found[element.outerHTML.slice(0, 90)] = ratio.toFixed(2);
  }
  return found;
})()"""

BROKEN_WORDS = """(() => {
  const found = {};
  const range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (element.closest("pre, script, dialog, .vh, .artifacts, .console")) continue;
    if (!element.checkVisibility()) continue;
    for (const word of node.data.matchAll(/[^\\s\\/-]+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) found[word[0]] = element.outerHTML.slice(0, 90);
    }
  }
  return found;
})()"""

SHORTENED = """[...document.querySelectorAll("th, dt, .chip, .name")].filter((element) =>
    element.checkVisibility() && !element.closest(".vh")
    && element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).overflow === "hidden").map((element) => element.textContent)"""

OVERLAPPING = """(() => {
  const found = [];
  const boxes = (cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return [...range.getClientRects()];
  };
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  for (const row of document.querySelectorAll("main tr")) {
    const cells = [...row.children].filter((cell) => cell.checkVisibility()).map(boxes);
    cells.forEach((mine, at) => cells.slice(at + 1).forEach((other) => {
      if (mine.some((a) => other.some((b) => meet(a, b)))) found.push(row.textContent.trim());
    }));
  }
  return found;
})()"""

CUT_OFF = """[...document.querySelectorAll("main *")].filter((element) =>
    element.checkVisibility() && !element.closest("svg")
    && element.getBoundingClientRect().right > innerWidth + 1
  ).map((element) => element.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def chromium(shared: Browser) -> Browser:
    shared.look()
    shared.open(LOGS / "nothing", "")  # the former store is deleted
    shared.complaints()
    shared.fetched()
    return shared


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    log = LOGS / "trace-counted-not-done.log"
    done = mermapctl("report", "log", str(log), "--format=html", f"-o{path}")
    assert (done.returncode, done.stderr) == (1, "")
    return path


def visible(chromium: Browser, selector: str) -> bool:
    script = (
        "(() => { const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        " return box.top >= 0 && box.bottom <= innerHeight && box.height > 0; })"
    )
    return bool(chromium.ask(f"{script}.apply(null, arguments)", selector))


def test_nothing_is_fetched_and_no_script_complains(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.complaints() == []
    urls = [url for url in chromium.fetched() if not url.startswith(("data:", "about:"))]
    assert urls == [page.as_uri()]
    assert chromium.driver.title.startswith("FAILED: mermap on Linux 7.3.4")


def test_the_policy_stops_a_script_and_a_request(chromium: Browser, page: Path) -> None:
    """The check above can fail: a forbidden action of the page is seen as an error."""
    broken = page.with_name("broken.html")
    text = page.read_text("utf-8")
    broken.write_text(
        text.replace("</footer>", "<img src='file:///x.png'><script>document.title='x'</script>"),
        "utf-8",
    )
    chromium.open(broken)
    complaints = " ".join(chromium.complaints())
    assert "img-src" in complaints
    assert "script-src" in complaints
    assert chromium.driver.title != "x"


def box_of(chromium: Browser, selector: str) -> dict[str, float]:
    script = "document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
    box: dict[str, float] = chromium.ask(script, selector)
    return box


def test_the_finding_and_its_assertion_need_no_scrolling(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    log = str(LOGS / "early-flush.log")
    assert mermapctl("report", "log", log, "--format=html", f"-o{page}").returncode == 1
    chromium.look(width=1280, height=800)
    chromium.open(page)
    assert visible(chromium, ".hero .place")
    assert visible(chromium, "#c0-f0 .summary")
    assert visible(chromium, "#c0-f0 .assertion")


def test_the_reuse_is_enlarged_and_the_rest_an_overview(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#c0-p0")
    near, far = box_of(chromium, "#c0-p0 .near .field"), box_of(chromium, "#c0-p0 .far .field")
    assert near["width"] == far["width"] > 900
    assert near["height"] > far["height"] > 70
    reuse, last = "#c0-p0 .near .bar.stale", "#c0-p0 .near .bar:not(.stale)"
    assert visible(chromium, reuse)
    box = box_of(chromium, reuse)
    assert box["width"] > 20
    assert box["height"] > 15
    assert box["left"] > near["left"] + 0.6 * near["width"]
    assert box["right"] <= near["right"] + 1
    assert box_of(chromium, last)["height"] > 15
    colour = f"getComputedStyle(document.querySelector('{reuse}')).fill"
    assert chromium.ask(colour) == "rgb(209, 36, 47)"
    assert box_of(chromium, "#c0-p0 .far circle.stale")["left"] > far["left"] + 0.9 * far["width"]
    titles = [
        each.text for each in chromium.driver.find_elements(By.CSS_SELECTOR, "#c0-p0 .x-title")
    ]
    assert titles == ["event number; parts are left out", "event number, all events"]


def test_hovering_and_the_arrow_keys_tell_the_event(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#c0-p0")
    read = "document.querySelector('#c0-p0 .readout').textContent"
    field = chromium.driver.find_element(By.CSS_SELECTOR, "#c0-p0 .far .field")
    ActionChains(chromium.driver).move_to_element(field).perform()
    assert "at 0xffff8800" in chromium.ask(read)
    bar = chromium.driver.find_element(By.CSS_SELECTOR, "#c0-p0 .near .bar.stale")
    ActionChains(chromium.driver).move_to_element(bar).perform()
    assert "get of page 0 at 0xffff8800" in chromium.ask(read)
    assert "no TLB flush since its put at event 3" in chromium.ask(read)
    assert "now" in str(bar.get_attribute("class"))
    plot = chromium.driver.find_element(By.CSS_SELECTOR, "#c0-p0 .plot")
    plot.send_keys(Keys.ESCAPE)
    assert chromium.ask(read).startswith("Point at a bar")
    plot.send_keys(Keys.ARROW_LEFT)
    assert "event 1,535: get of page 0" in chromium.ask(read)
    plot.send_keys(Keys.ARROW_RIGHT)
    assert chromium.ask(read).startswith("event 2: get of page 0")
    plot.send_keys(Keys.END)
    assert chromium.ask(read).startswith("event 1,535: get of page 0")


def test_the_focus_tells_what_matters(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#c0-p0")
    chromium.ask("document.querySelector('#c0-p0 .plot').focus()")
    read = "document.querySelector('#c0-p0 .readout').textContent"
    assert "no TLB flush since its put" in chromium.ask(read)
    chromium.driver.find_element(By.CSS_SELECTOR, "#c0-p0 .readout a").click()
    assert chromium.ask("location.hash") == "#c0-L1730"


def test_a_click_on_a_finding_goes_to_its_console_line(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    link = chromium.driver.find_element(By.CSS_SELECTOR, "#c0-f0 .links a")
    assert link.text == "console line 172"
    link.click()
    assert chromium.ask("location.hash") == "#c0-L172"
    assert visible(chromium, "#c0-L172")
    line = chromium.driver.find_element(By.ID, "c0-L172").text
    assert "mm_got: (test_size+" in line
    chromium.driver.find_element(By.CSS_SELECTOR, "#c0-L172 a.chip").click()
    assert visible(chromium, "#c0-f0 h4")


def test_a_line_in_a_fold_is_opened(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    fold = "document.getElementById('c0-L1000').closest('details').open"
    assert chromium.ask(fold) is False
    chromium.ask("location.hash = '#c0-L1000'")
    chromium.open(page, "#c0-L1000")
    assert chromium.ask(fold) is True
    assert visible(chromium, "#c0-L1000")


def test_the_stale_reuse_leads_to_its_get(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#c0-p0")
    chromium.driver.find_element(By.CSS_SELECTOR, "#c0-p0 .story a").click()
    assert chromium.ask("location.hash") == "#c0-L1730"
    assert visible(chromium, "#c0-L1730")


def test_the_keyboard_works(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    body = chromium.driver.find_element(By.TAG_NAME, "body")
    for expected in ("c0-f0", "c0-f1", "c0-f0"):
        body.send_keys("j")
        assert chromium.ask("document.activeElement.id") == expected
    body.send_keys("t", "t")
    assert chromium.ask("document.documentElement.dataset.theme") == "dark"
    body.send_keys("t")
    body.send_keys("e")
    assert chromium.ask("[...document.querySelectorAll('details')].every((d) => d.open)") is True
    body.send_keys("?")
    assert chromium.ask("document.getElementById('keys').open") is True


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280, 2000])
def test_the_page_fits_and_is_readable(
    chromium: Browser, page: Path, width: int, dark: bool
) -> None:  # fmt: skip
    chromium.look(width=width, dark=dark)
    chromium.open(page)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.ask(CONTRAST) == {}
    background = chromium.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(15, 19, 24)" if dark else "rgb(246, 247, 249)")


@pytest.mark.parametrize("width", [320, 400, 1280])
@pytest.mark.parametrize("log", ["trace-counted-not-done", "early-flush", "oops", "good", "kasan"])
def test_no_word_is_broken(chromium: Browser, log: str, width: int, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    mermapctl("report", "log", f"{LOGS / log}.log", "--format=html", f"-o{page}")
    chromium.look(width=width)
    chromium.open(page)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.ask(OVERLAPPING) == []
    if width >= 400:
        assert chromium.ask(BROKEN_WORDS) == {}
        assert chromium.ask(SHORTENED) == []


def test_the_check_of_words_can_fail(chromium: Browser, page: Path) -> None:
    chromium.look(width=400)
    chromium.open(page)
    broken = "{width: '2em', whiteSpace: 'normal', wordBreak: 'break-all'}"
    chromium.ask(f"document.querySelector('dt').animate([{broken}, {broken}], 60000)")
    assert len(chromium.ask(BROKEN_WORDS)) >= 1


def test_the_readability_check_can_fail(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    chromium.ask("document.querySelector('h1').animate({color: ['#bbb', '#bbb']}, 60000)")
    assert len(chromium.ask(CONTRAST)) >= 1


def test_the_page_prints(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    for log in ("trace-counted-not-done", "oops"):
        done = mermapctl("report", "log", f"{LOGS / log}.log", "--format=html", f"-o{page}")
        assert done.returncode == 1
        prints(chromium, page)


def prints(chromium: Browser, page: Path) -> None:
    """No text is cut off at the edge of the paper."""
    chromium.open(page)
    chromium.look(width=720)  # A4 within Chromium's margins
    chromium.command("Emulation.setEmulatedMedia", media="print")
    assert chromium.ask(CUT_OFF) == []
    assert chromium.ask(BROKEN_WORDS) == {}
    printed = chromium.command("Page.printToPDF", printBackground=False)
    assert len(printed["data"]) > 50_000
    assert chromium.complaints() == []


@pytest.mark.parametrize("name", ["script", "attribute", "template", "every control", "bidi"])
def test_a_hostile_kernel_does_nothing(chromium: Browser, name: str, tmp_path: Path) -> None:
    record = infect(samples.traced(), TEXTS[name])
    path = tmp_path / "hostile.html"
    text = html_page.render(record, console=Console(TEXTS[name], times=40), previous=record)
    path.write_text(text, "utf-8")
    chromium.open(path)
    assert chromium.complaints() == []
    urls = [url for url in chromium.fetched() if not url.startswith(("data:", "about:"))]
    assert urls == [path.as_uri()]
    title = one_line(f"FAILED: {subject(record)} on {kernel(record)}")
    assert chromium.driver.title == " ".join(title.split())
    assert chromium.ask("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("width", [400, 1280])
def test_the_list_of_runs_is_filtered(chromium: Browser, tmp_path: Path, width: int) -> None:
    cell = CellSummary("x86_64", "base", "failed", None, "tcg", Phases(), ("stale-reuse",))
    good = replace(cell, verdict="passed", findings=(), variant="smp")
    first = RunSummary(
        "20261120-070512-123a1b2", "2026-11-20T07:05:12.123Z", 3.5, "finished", "failed", "7.3.4",
        "f" * 40, "v7.3-12-gf", dirty=True, former=None, problem=None, cells=(cell,),
    )  # fmt: skip
    last = replace(first, id="20261121-070512-123a1b2", verdict="passed", cells=(good,))
    runs = [last, first]
    path = tmp_path / "runs.html"
    path.write_text(runs_page.render(runs, 2, {first.id: "report.html"}), "utf-8")
    chromium.look(width=width)
    chromium.open(path)
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.ask(BROKEN_WORDS) == {}
    assert chromium.ask(CONTRAST) == {}
    shown = "[...document.querySelectorAll('.runs tbody tr')].filter((r) => r.checkVisibility())"
    assert chromium.ask(f"{shown}.length") == 2
    chromium.driver.find_element(By.ID, "filter").send_keys("stale x86")
    assert chromium.ask(f"{shown}.map((row) => row.id)") == [first.id]
    theme = "document.documentElement.dataset.theme"
    before = chromium.ask(theme)
    chromium.driver.find_element(By.TAG_NAME, "h2").click()
    chromium.driver.find_element(By.TAG_NAME, "body").send_keys("t")
    assert chromium.ask(theme) != before
    assert chromium.complaints() == []


def test_a_picture_is_saved(chromium: Browser, page: Path, tmp_path: Path) -> None:
    chromium.open(page, "#c0-p0")
    data = chromium.picture(tmp_path / "page.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (2560, 1800)
    assert len(data) > 60_000
