# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of docs/ show no path of the machine that made them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docs.screenshots import Neutral, terminal_text
from mermapctl.records.record import TreeFacts
from mermapctl.system import paths
from tests import sample_records as samples


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("in /data/trees/linux", "in /home/dev/linux"),
        ("--tree=/data/trees/linux/mm", "--tree=/home/dev/linux/mm"),
        ("/data/trees/linux-2", "/data/trees/linux-2"),  # another path
        ("{state}/runs/1", "/home/dev/.local/state/mermapctl/runs/1"),
        ("'{cache}/builds'", "'/home/dev/.cache/mermapctl/builds'"),
        ("on builder, rebuilder", "on dev, rebuilder"),
        ("mm/tests/mermap_kunit.c:194", "mm/tests/mermap_kunit.c:194"),
    ],
)
def test_places_become_those_of_a_user(said: str, shown: str) -> None:
    record = replace(samples.passed(), tree=TreeFacts(path="/data/trees/linux"))
    said = said.format(state=paths.state_dir(), cache=paths.cache_dir())
    assert Neutral.of(record).text(said) == shown


def test_a_path_that_may_be_of_this_machine_is_refused() -> None:
    neutral = Neutral.of(samples.passed())
    for path in ("/home/somebody/x", "/srv/linux", "/mnt/a.log"):
        with pytest.raises(SystemExit, match="may be places of this machine"):
            neutral.text(f"console '{path}'")


def test_the_terminal_shows_all_down_to_the_last_finding() -> None:
    shown = terminal_text(samples.failed())
    assert "missing-flush" in shown
    assert "artifacts" not in shown
    assert "reproduce" not in shown
