# SPDX-License-Identifier: GPL-2.0-only
"""A socket has a short path, whatever TMPDIR and the store are called."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError
from mermapctl.runner import gdb_client, qmp, socket_place


@pytest.mark.parametrize("long", [(), ("folder",), ("TMPDIR",), ("folder", "TMPDIR")])
def test_a_socket_can_be_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: tuple[str, ...]
) -> None:
    made = {}
    for name in ("folder", "TMPDIR"):
        made[name] = Path("/tmp") / f"s{os.getpid()}{name[0]}"  # noqa: S108
        if name in long:
            made[name] = tmp_path / ("x" * 120) / name
        made[name].mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(made["TMPDIR"]))
    with socket_place.directory(made["folder"]) as place:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place / "stub"))
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place.is_relative_to(made["folder"]) == ("folder" not in long)
    assert not place.exists()
    for each in made.values():
        each.rmdir()


def test_no_place_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_place, "LONGEST", 3)
    with pytest.raises(HarnessError, match="no place for a socket"), socket_place.directory():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_comma_in_a_path_does_not_end_it() -> None:
    for argument in (gdb_client.argument, qmp.argument):
        assert "unix:/a,,b/s,server=on,wait=off" in argument(Path("/a,b/s"))
