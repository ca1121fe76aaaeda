# SPDX-License-Identifier: GPL-2.0-only
"""Every format of every captured console has the same verdict, and can be read back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import kcidb_io  # type: ignore[import-untyped]
import pytest
from junitparser import JUnitXml

from mermapctl import render
from mermapctl.commands.judge_log import of_logs
from mermapctl.judge.result_types import Severity, Verdict
from mermapctl.records.store import console_lines
from mermapctl.render import excerpt, visible
from mermapctl.render.excerpt import ExcerptLine, Gap, Window
from tests.hostile import TEXTS
from tests.render.test_html import read
from tests.render.test_schema import VALIDATOR
from tests.tables import LOGS

if TYPE_CHECKING:
    from mermapctl.records.record import RunRecord

NAMES = sorted(path.stem for path in LOGS.glob("*.log"))
WORDS = {"passed": Verdict.PASSED, "failed": Verdict.FAILED, "no verdict": Verdict.NO_VERDICT}


def judged(name: str) -> RunRecord:
    return of_logs([str(LOGS / f"{name}.log")], ("mermapctl", "report"), suite=None)


def by_junit(text: str) -> Verdict:
    document = JUnitXml.fromstring(text.encode())
    if document.failures:
        return Verdict.FAILED
    return Verdict.NO_VERDICT if document.errors else Verdict.PASSED


def by_kcidb(text: str) -> Verdict:
    data = json.loads(text)
    kcidb_io.schema.V5_0.validate(data)
    statuses = {test["status"] for test in data["tests"]}
    if "FAIL" in statuses:
        return Verdict.FAILED
    return Verdict.PASSED if statuses <= {"PASS", "SKIP"} else Verdict.NO_VERDICT


def by_json(text: str) -> Verdict:
    data = json.loads(text)
    VALIDATOR.validate(data)
    return Verdict(data["verdict"])


def by_checks(text: str) -> Verdict:
    (result,) = json.loads(text)
    return {"pass": Verdict.PASSED, "fail": Verdict.FAILED, "warn": Verdict.NO_VERDICT}[
        result["status"]
    ]


def by_html(text: str) -> Verdict:
    (root,) = read(text).named("html")
    return Verdict(str(root["data-verdict"]))


def by_words(text: str) -> Verdict:
    found = re.search(r"\b(passed|failed|no verdict)\b", text, re.IGNORECASE)
    assert found is not None
    return WORDS[found[1].lower()]


def by_mail(text: str) -> Verdict:
    return by_words(text.replace("[BUG]", "failed", 1))


def by_table(text: str) -> Verdict:
    found = re.findall("^[✓✗~] (PASSED|FAILED|NO VERDICT)", text, re.MULTILINE)
    return by_words(found[-1])


READERS = {
    "table": by_table,
    "json": by_json,
    "junit": by_junit,
    "html": by_html,
    "markdown": by_words,
    "email": by_mail,
    "kcidb": by_kcidb,
    "checks": by_checks,
}


def test_every_format_has_a_reader() -> None:
    assert READERS.keys() == render.RENDERERS.keys()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", READERS)
def test_a_captured_console(form: str, name: str) -> None:
    record = judged(name)
    text = render.document(record, form, console_lines)
    assert READERS[form](text) is record.verdict
    errors = [f.code for f in record.cells[0].findings if f.severity is Severity.ERROR]
    assert [code for code in errors if code not in text] == []


# --- shared parts -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_visible_text_is_printable_and_stays_so(name: str) -> None:
    for make in (visible.visible, visible.one_line, visible.ascii_line):
        shown = make(TEXTS[name])
        assert make(shown) == shown.strip("\r\n") or len(TEXTS[name]) > 400
        assert all(c.isprintable() or c in "\n\t" for c in shown)
        assert shown.encode("utf-8").decode("utf-8") == shown
    assert visible.ascii_line(TEXTS[name]).isascii()


@pytest.mark.parametrize(
    ("text", "pictures", "ascii_"),
    [
        ("\x1b[31m", "␛[31m", "^[[31m"),
        ("a\0b", "a␀b", "a^@b"),
        ("\x7f\x9b", "␡\\x9b", "^?\\x9b"),
        ("\udcff", "\\xff", "\\xff"),
        ("\u202e", "\\u202e", "\\u202e"),
        ("é 世", "é 世", "\\xe9 \\u4e16"),
        ("a\tb\nc", "a b c", "a b c"),
    ],
)
def test_each_sample_has_its_sentences(text: str, pictures: str, ascii_: str) -> None:
    assert (visible.one_line(text), visible.ascii_line(text)) == (pictures, ascii_)


@pytest.mark.parametrize(
    ("lines", "marks", "window", "shown"),
    [
        (5, (), Window(2, 2, 1), "1 2 3 4 5"),
        (6, (), Window(1, 1, 1), "1 2-3 4 5 6"),  # a gap of three lines is not marked
        (20, (), Window(2, 4, 1), "1 2 3-16 17 18 19 20"),
        (20, (10,), Window(2, 4, 1), "1 2 3-8 9 10 11 12-16 17 18 19 20"),
        (20, (10, 12), Window(0, 4, 1), "1-8 9 10 11 12 13 14-16 17 18 19 20"),
        (20, (5,), Window(2, 4, 1), "1 2 3 4 5 6 7-16 17 18 19 20"),
        (20, (25,), Window(0, 4, 1), "1-16 17 18 19 20"),
        (0, (3,), Window(), ""),
    ],
)
def test_an_excerpt(lines: int, marks: tuple[int, ...], window: Window, shown: str) -> None:
    found = list(excerpt.excerpt((str(n) for n in range(1, lines + 1)), marks, window))
    words = [f"{i.first}-{i.last}" if isinstance(i, Gap) else str(i.number) for i in found]
    assert " ".join(words) == shown
    assert all(int(item.text) == item.number for item in found if isinstance(item, ExcerptLine))


@pytest.mark.parametrize("form", render.RENDERERS)
def test_a_run_that_was_killed_before_its_first_cell_has_every_format(form: str) -> None:
    record = replace(judged("good"), verdict=Verdict.NO_VERDICT, cells=())
    text = render.document(record, form)
    assert re.search(r"no.verdict|\[\]|testsuites|\"builds\"", text, re.IGNORECASE), text
