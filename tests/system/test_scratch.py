# SPDX-License-Identifier: GPL-2.0-only
"""Temporary directories where there is no room for one, or none in it."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.errors import HarnessError
from mermapctl.mutation import universal
from mermapctl.runner import kvm_probe
from mermapctl.runner.kvm_probe import Ability
from mermapctl.system import files, scratch


def test_no_place_for_a_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    with pytest.raises(HarnessError, match=r"No usable .* \['/x'\]$") as caught:
        scratch.directory("x").__enter__()
    assert "TMPDIR" in (caught.value.hint or "")


def test_a_full_disk_is_named_and_no_other_error_is_taken_for_one() -> None:
    for error, said in (
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full: "),
        (HarnessError("it broke"), "it broke"),
    ):
        with pytest.raises(HarnessError, match=said), scratch.filled("x") as place:
            raise error
        assert not place.exists()
    with pytest.raises(FileNotFoundError), scratch.filled("x") as place:
        files.make(place / "no" / "file", "")


def test_a_full_disk_is_no_broken_kvm_and_no_broken_generator(
    small: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = small(8)
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    (full / "rest").write_bytes(bytes(8192))
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    device = tmp_path / "kvm"
    device.touch()
    answer = kvm_probe.probe(device)
    assert answer.ability is Ability.UNKNOWN
    assert f"the disk is full: {full}" in answer.said
    with pytest.raises(HarnessError, match=f"the disk is full: {full}"):
        [*universal.mutants("true", "mm/mermap.c", "int x;\n" * 2000)]
