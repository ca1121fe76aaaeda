# SPDX-License-Identifier: GPL-2.0-only
"""What counts of a kernel's image, on programs that this host's compiler makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mermapctl.series import kernel_digest

SOURCE = "int main(void) { return 40 + 2; }\n"


def built(place: Path, source: str, *options: str) -> Path:
    place.mkdir()
    (place / "main.c").write_text(source)
    command = ["gcc", "-O1", "-o", "vmlinux", *options, "main.c"]
    subprocess.run(command, cwd=place, check=True)
    return place / "vmlinux"


def test_comments_and_debugging_information_do_not_count(tmp_path: Path) -> None:
    one = built(tmp_path / "one", SOURCE, "-g", "-Wl,--build-id=sha1")
    two = built(tmp_path / "two", f"// a comment\n\n{SOURCE}", "-g", "-Wl,--build-id=sha1")
    assert one.read_bytes() != two.read_bytes()
    assert kernel_digest.of(one) == kernel_digest.of(two) is not None


@pytest.mark.parametrize(
    "change",
    ["int main(void) { return 43; }\n", f"int more = 3;\n{SOURCE}", f"int zero[9];\n{SOURCE}"],
)
def test_what_is_loaded_counts(tmp_path: Path, change: str) -> None:
    one = built(tmp_path / "one", SOURCE)
    two = built(tmp_path / "two", change)
    assert kernel_digest.of(one) != kernel_digest.of(two)


def test_another_image_counts_whole(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"image")
    two.write_bytes(b"imagf")
    assert kernel_digest.of(one) != kernel_digest.of(two)


@pytest.mark.parametrize("keep", [0, 3, 40, 200, 0.5, 0.99])
def test_a_damaged_image_has_no_digest_or_another_one(tmp_path: Path, keep: float) -> None:
    whole = built(tmp_path / "one", SOURCE)
    data = whole.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: int(keep * len(data)) if 0 < keep < 1 else int(keep)])
    assert kernel_digest.of(cut) != kernel_digest.of(whole)
    assert kernel_digest.of(tmp_path / "none") is None
