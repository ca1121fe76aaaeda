# SPDX-License-Identifier: GPL-2.0-only
"""A worker's own directories, with what does not belong there. No dask."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mermapctl.series.engines import station


@pytest.fixture
def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Offer this process; return the directory of its bundles."""
    monkeypatch.setattr(station, "_station", None)
    facts = station.facts_of((), {}, cores=1, memory=None, kvm=False, distributed="0")
    station.open_station(facts)
    return home / "cache/series/farm/incoming"


@pytest.mark.parametrize("kind", ["directory", "FIFO", "link", "file in its place"])
def test_what_is_in_the_way_of_a_bundle_is_cleared(opened: Path, tmp_path: Path, kind: str) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    opened.parent.mkdir(parents=True)
    if kind == "file in its place":
        opened.write_text("x")
    else:
        opened.mkdir()
        for name in ("abc", "other"):
            if kind == "directory":
                (opened / name / "deep").mkdir(parents=True)
            elif kind == "FIFO":
                os.mkfifo(opened / name)
            else:
                (opened / name).symlink_to(kept)
    assert station.receive("abc", 0, b"bun") is None
    assert station.receive("abc", 3, b"dle") is None
    assert (opened / "abc").read_bytes() == b"bundle"
    assert [*opened.iterdir()] == [opened / "abc"]
    assert kept.read_text() == "mine"


def test_fragments_of_a_client_replace_what_is_there(opened: Path, home: Path) -> None:
    assert not opened.exists()
    place = home / "config"
    for name in ("old.kunitconfig/x", "new.kunitconfig/x"):
        (place / name).mkdir(parents=True)
    station._set_fragments({"new.kunitconfig": b"CONFIG_X=y"})
    assert [*place.iterdir()] == [place / "new.kunitconfig"]
    assert (place / "new.kunitconfig").read_bytes() == b"CONFIG_X=y"


def test_a_bundle_that_cannot_be_written_is_one_sentence(opened: Path) -> None:
    opened.parent.parent.mkdir(parents=True)
    opened.parent.write_text("a file")
    said = station.receive("abc", 0, b"bundle")
    assert said is not None
    assert "Not a directory" in said or "File exists" in said
    assert "\n" not in said
    assert "is no name of a bundle" in (station.receive("../abc", 0, b"") or "")
