# SPDX-License-Identifier: GPL-2.0-only
"""The install command for an os-release, and the table of package names."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from mermapctl.config import target
from mermapctl.doctor import packages
from mermapctl.system import paths
from tests.minikconfig import program

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = {"ID": "debian"}
NEEDS = ["gcc", "libelf", "qemu-system-s390x", "arm-linux-gnueabi-gcc"]

APT = (
    "sudo apt-get update && sudo apt-get install --no-install-recommends gcc libc6-dev "
    "libelf-dev qemu-system-s390x gcc-arm-linux-gnueabi"
)


@pytest.fixture
def no_managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set PATH to a directory without a package manager: the names come from the table alone."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return tmp_path / "bin"


@pytest.mark.usefixtures("no_managers")
@pytest.mark.parametrize(
    ("release", "command", "uncovered"),
    [
        (
            "ID=debian",
            APT,
            (),
        ),
        (
            "ID=linuxmint\nID_LIKE='ubuntu debian'",
            APT,
            (),
        ),
        (
            "ID=fedora",
            "sudo dnf install gcc elfutils-libelf-devel qemu-system-s390x-core",
            ("arm-linux-gnueabi-gcc",),
        ),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"',
            "sudo dnf install gcc elfutils-libelf-devel qemu-system-s390x-core",
            ("arm-linux-gnueabi-gcc",),
        ),
        (
            "ID=arch",
            "sudo pacman -S --needed gcc libelf qemu-system-s390x",
            ("arm-linux-gnueabi-gcc",),
        ),
        (
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"',
            "sudo zypper install gcc libelf-devel qemu-s390x",
            ("arm-linux-gnueabi-gcc",),
        ),
        ("ID=nixos", None, tuple(NEEDS)),
        ("", None, tuple(NEEDS)),
    ],
)
def test_one_command_a_distribution(
    tmp_path: Path, release: str, command: str | None, uncovered: tuple[str, ...]
) -> None:
    (tmp_path / "os-release").write_text(f"NAME=x\n{release}\n")
    found = packages.installation(NEEDS, packages.os_release(tmp_path / "os-release"))
    assert (found.command, found.uncovered) == (command, uncovered)


POLICY = """\
for name; do case $name in
gcc|libc6-dev|qemu-system-misc)
    printf '%s:\\n  Installed: (none)\\n  Candidate: 1.0\\n  Version table:\\n' "$name";;
libelf-dev) printf '%s:\\n  Installed: (none)\\n  Candidate: (none)\\n' "$name";;
esac; done
"""


def test_apt_is_asked_only_for_what_it_has(
    no_managers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(no_managers, "apt-get", "")
    program(no_managers, "apt-cache", POLICY)
    lists = tmp_path / "lists"
    lists.mkdir()
    monkeypatch.setattr(packages, "APT_LISTS", lists)
    found = packages.installation(NEEDS, DEBIAN)
    assert (found.command or "").startswith("sudo apt-get update && "), "no lists: nothing is known"
    assert found.uncovered == ()
    (lists / "mirror_dists_stable_main_binary-amd64_Packages.lz4").touch()
    found = packages.installation(NEEDS, DEBIAN)
    assert found.packages == ("gcc", "libc6-dev", "qemu-system-misc"), "the older name of s390x's"
    assert found.uncovered == ("libelf", "arm-linux-gnueabi-gcc")
    assert (found.command or "").startswith("sudo apt-get install")


def test_pacman_is_asked_only_for_what_it_has(no_managers: Path) -> None:
    program(no_managers, "pacman", "printf 'gcc\\nlibelf\\n'")
    found = packages.installation(NEEDS, {"ID": "arch"})
    assert (found.command, found.uncovered) == (
        "sudo pacman -S --needed gcc libelf",
        ("qemu-system-s390x", "arm-linux-gnueabi-gcc"),
    )


def test_nothing_needed_is_no_command() -> None:
    assert packages.installation([], DEBIAN) == packages.Installation(None)


def table() -> dict[str, dict[str, dict[str, list[str]]]]:
    with (paths.shipped("configs") / "packages.toml").open("rb") as file:
        found: dict[str, dict[str, dict[str, list[str]]]] = tomllib.load(file)
    return found


def test_the_table_names_managers_and_packages_that_can_be() -> None:
    data = table()
    for need, names in data["need"].items():
        assert names, need
        assert set(names) <= set(data["manager"]), need
        for lines in names.values():
            assert all(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9+._ -]*", line) for line in lines)
    for needs in data["set"].values():
        assert set(needs) <= set(data["need"])
    for name in data["qemu"]:
        assert packages.qemu_of(name) in data["need"]


def test_every_target_that_we_know_of_has_names() -> None:
    with (paths.shipped("configs") / "targets.toml").open("rb") as file:
        known = tomllib.load(file)["target"]
    for name in known:
        if name != "um":
            assert packages.qemu_of(name), name
        prefix = target.without_tree(name, None).cross_compile
        assert prefix is None or f"{prefix}gcc" in table()["need"], name
