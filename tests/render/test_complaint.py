# SPDX-License-Identifier: GPL-2.0-only
"""Every format that lists splats shows the cause, the top frame and the task or CPU."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from mermapctl.console.splat import Splat, SplatKind
from mermapctl.render import complaint
from mermapctl.render.documents import junit, kcidb, mail, markdown
from mermapctl.render.html import page
from mermapctl.render.terminal import record
from tests import sample_records as samples

RECORD = samples.record(samples.cell_warning())
TOP = "__mermap_get+0x2b6/0x310"
SAID = ("cause: no slot is free", f"top frame: {TOP}", "printed by: task 31")


def terminal_text(*, full: bool) -> str:
    return record.render(RECORD, width=80, color=False, full=full)


def test_a_splat_in_brief() -> None:
    text = " ".join(terminal_text(full=False).split())
    assert "cause no slot is free" in text
    assert f"frame: {TOP}" in text


def test_a_splat_on_a_terminal() -> None:
    lines = [line.strip() for line in terminal_text(full=True).splitlines()]
    at = lines.index(SAID[0])
    assert tuple(lines[at : at + 3]) == SAID
    assert lines[at - 1] == "console line 124, in test_basic_alloc"


def test_a_splat_on_the_page() -> None:
    text = re.sub(r"</?(?:code|span)[^>]*>", "", html.unescape(page.render(RECORD)))
    for said in SAID:
        assert f">{said.replace(': ', ' ')}</p>" in text


@pytest.mark.parametrize("render", [markdown.render, mail.render, junit.render, kcidb.render])
def test_a_splat_in_documents(render: object) -> None:
    assert callable(render)
    text = str(render(RECORD))
    for said in SAID:
        assert said in text
    assert text.index(SAID[2]) < text.rindex("------------[ cut here ]------------")


@pytest.mark.parametrize(
    ("caller", "said"), [("T1", "task 1"), ("C0", "CPU 0"), ("X9", "X9"), ("", None), (None, None)]
)
def test_the_task_or_cpu_of_a_splat(caller: str | None, said: str | None) -> None:
    splat = Splat(SplatKind.BUG, "kernel BUG at mm/a.c:1!", None, 1, caller=caller)
    assert complaint.facts(splat) == ([("printed by", said)] if said else [])


def test_nothing_is_repeated() -> None:
    splat = Splat(SplatKind.UBSAN, "UBSAN: shift in mm/a.c:1", None, 1, cause="shift")
    assert complaint.facts(splat) == []
    assert complaint.block(splat) == "UBSAN: shift in mm/a.c:1"
    other = replace(splat, cause="shift exponent 64", excerpt=("one", "two"))
    assert complaint.block(other) == "cause: shift exponent 64\none\ntwo"
