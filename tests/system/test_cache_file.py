# SPDX-License-Identifier: GPL-2.0-only
"""Caches are used only if undamaged; damage costs time, and never a verdict."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from mermapctl.runner import accelerator, kunit
from mermapctl.system import cache_file, paths
from mermapctl.tree import build_dir
from tests.forkserver import command

VALUES: list[tuple[type, object]] = [
    (str, "KVM internal error. Suberror: 1\n\x1b[31mé"),
    (int, 560),
    (dict[str, list[int]], {"a": [1, 2], "": []}),
]


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to four changes: a bit, a cut, a hole, zeros, a repeat."""
    data = bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + chance.choice([1, 3, 64])]
            case 3:
                data[at : at + 16] = bytes(16)
            case _:
                data = data[:at] + data
    return bytes(data)


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_cached_value_comes_back_whole_or_not_at_all(
    tmp_path: Path, kind: type, value: object
) -> None:
    path = tmp_path / "deep/er/kept"
    cache_file.write(path, value)
    assert cache_file.read(path, kind) == value
    whole = path.read_bytes()
    chance = random.Random(repr(value))  # noqa: S311
    for _ in range(300):
        data = damaged(whole, chance)
        path.write_bytes(data)
        assert cache_file.read(path, kind) == (value if data == whole else None)
        assert path.exists() == (data == whole), "what fails is thrown away"
    cache_file.write(path, value)
    assert cache_file.read(path, kind) == value


def test_a_cached_value_of_another_type_is_none(tmp_path: Path) -> None:
    cache_file.write(tmp_path / "kept", ["text"])
    assert cache_file.read(tmp_path / "kept", int) is None
    assert not (tmp_path / "kept").exists()


def test_a_value_that_cannot_be_cached_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (Path("/proc/no-place/kept"), tmp_path / "file/kept"):
        cache_file.write(path, "x")
        assert cache_file.read(path, str) is None
        cache_file.forget(path)


def test_a_fifo_or_a_directory_in_its_place_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    for name, kept in (("fifo", "x"), ("directory", None)):
        assert cache_file.read(tmp_path / name, str) is None
        cache_file.write(tmp_path / name, "x")
        assert cache_file.read(tmp_path / name, str) == kept


def spoil(path: Path, how: str) -> None:
    """Damage a file as a full disk or a crash does."""
    size = path.stat().st_size
    match how:
        case "half":
            os.truncate(path, size // 2)
        case "empty":
            os.truncate(path, 0)
        case "zeros":
            path.write_bytes(bytes(size))


@pytest.mark.parametrize("how", ["half", "empty", "zeros"])
def test_each_cache_begins_anew(fake_tree: Path, how: str) -> None:
    directory = fake_tree.parent / "build"
    directory.mkdir()
    can = kunit.capabilities(fake_tree)
    accelerator.remember_failure("it said so")
    build_dir.remember_objects(directory, 560)
    kept = [path for path in paths.cache_dir().rglob("*") if path.is_file()]
    kept.append(directory / build_dir.OBJECTS)
    assert len(kept) == 3
    for path in kept:
        spoil(path, how)
    assert kunit.capabilities(fake_tree) == can
    assert cache_file.read(accelerator._memory(), str) is None
    assert build_dir.expected_objects(directory) is None
    build_dir.remember_objects(directory, 12)
    assert build_dir.expected_objects(directory) == 12


@pytest.mark.parametrize("how", ["half", "empty", "zeros"])
def test_a_run_passes_whatever_a_full_disk_left_in_our_caches(fake_tree: Path, how: str) -> None:
    argv = ("run", f"--tree={fake_tree}", "--accel=tcg")
    codes = []
    for _ in range(2):
        env = {"PYTHONDONTWRITEBYTECODE": None}
        done = command(*argv, cwd=fake_tree.parent, env=env, seconds=60)
        codes.append((done.returncode, "error" in done.stderr))
        for path in (fake_tree.parent / "home", paths.cache_dir()):
            for file in path.rglob("*"):
                if file.is_file() and file.suffix != ".lock":
                    spoil(file, how)
    assert codes == [(0, False)] * 2
    # No Python bytecode is cached that could be damaged, neither here nor in the tree.
    for place in (paths.cache_dir(), fake_tree):
        assert [*place.rglob("*.pyc")] == []


@pytest.mark.parametrize("body", [b'"\xff"', b'"\\ud800"', b"1e999", b"[" * 100_000, b"", b"{}"])
def test_garbage_with_a_right_checksum_is_thrown_away(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "kept"
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert cache_file.read(path, str) is None
    assert not path.exists()
