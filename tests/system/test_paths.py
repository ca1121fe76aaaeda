# SPDX-License-Identifier: GPL-2.0-only
"""The places of files, and the errors where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError, UserError
from mermapctl.records.store import Store
from mermapctl.system import paths
from tests.forkserver import command

PLACES = [paths.state_dir, paths.cache_dir, paths.config_dir]


@pytest.mark.parametrize("place", PLACES)
def test_mermapctl_home_moves_everything(
    place: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path))
    assert place().parent == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERMAPCTL_HOME", "here")
    assert place().parent == tmp_path / "here"


HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("environment", "places"),
    [
        ({"HOME": "/home/me"}, (".local/state", ".cache", ".config")),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/s"}, ("/s", ".cache", ".config")),
        # The specification: consider a relative path invalid, and ignore it.
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "c"}, (".local/state", ".cache", ".config")),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": ""}, (".local/state", ".cache", ".config")),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "~/x"}, (".local/state", ".cache", ".config")),
        ({"HOME": "x", "XDG_STATE_HOME": "/s"}, ("/s", None, None)),
        ({"HOME": "./x"}, (None, None, None)),
        ({"HOME": "~"}, (None, None, None)),
        ({"HOME": ""}, (None, None, None)),
    ],
)
def test_places_are_those_of_the_xdg_specification_and_never_relative(
    environment: dict[str, str],
    places: tuple[str | None, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "MERMAPCTL_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for place, wanted in zip(PLACES, places, strict=True):
        if wanted is not None:
            assert place() == HOME / wanted / "mermapctl"
        else:
            with pytest.raises(UserError, match=f"HOME is {environment['HOME']!r}"):
                place()
    monkeypatch.delenv("HOME", raising=False)
    if not environment.keys() & {"XDG_STATE_HOME", "XDG_CACHE_HOME"}:
        assert paths.cache_dir() == Path.home() / ".cache/mermapctl"  # of the password database


@pytest.mark.parametrize("place", PLACES)
def test_a_missing_home_is_an_error_with_a_hint(
    place: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", "~no-such-user/x")
    with pytest.raises(UserError) as caught:
        place()
    assert "MERMAPCTL_HOME" in str(caught.value.hint)


@pytest.mark.parametrize("argv", [["report"], ["config", "list"], ["run"], ["tree", "status"]])
def test_no_home_is_no_defect(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", "~no-such-user/x")
    done = command(*argv, cwd=tmp_path)
    assert done.returncode == 2
    assert "mermapctl: error: no place for the " in done.stderr


def test_a_store_that_cannot_be_written_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MERMAPCTL_HOME", str(tmp_path / "file"))
    with pytest.raises(HarnessError, match="Not a directory") as caught:
        Store.open()
    assert "MERMAPCTL_HOME" in str(caught.value.hint)
