# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mermapctl.config import target
from mermapctl.errors import UserError
from mermapctl.runner import kunit
from mermapctl.runner.job import Job
from tests import jobs


@pytest.fixture(autouse=True)
def unasked(request: pytest.FixtureRequest) -> None:
    """Remove what the stand-in's kunit.py has answered."""
    if "fake_tree" in request.fixturenames:
        request.getfixturevalue("new_home")


def job(tree: Path) -> Job:
    return jobs.job(
        tree,
        replace(target.read(tree).find("x86_64"), cross_compile="x-"),
        build_dir=Path("/b d"),
        kunitconfig=Path("/k"),
        jobs=3,
    )


def test_the_three_command_lines(fake_tree: Path) -> None:
    here = job(fake_tree)
    script = str(fake_tree / "tools/testing/kunit/kunit.py")
    common = ["--build_dir=/b d", "--kunitconfig=/k", "--arch=x86_64", "--cross_compile=x-"]
    can = kunit.capabilities(fake_tree)
    boot = kunit.BootRequest("mermap", ("pti=on", "x=y z"), ("-cpu", "Haswell", "-smp", "2"), 330)
    assert kunit.config(here) == [script, "config", *common]
    assert kunit.build(here) == [script, "build", *common, "--jobs=3"]
    assert kunit.boot(here, boot, can) == [
        script,
        "exec",
        *common,
        "--raw_output=all",
        "--timeout=330",
        "--kernel_args=pti=on",
        "--kernel_args=x=y z",
        "--qemu_args=-cpu Haswell -smp 2",
        "mermap",
    ]


def test_an_older_kunit_py_is_found_out(fake_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_OLDER_TREE", "1")
    can = kunit.capabilities(fake_tree)
    assert can.has("exec", "--kernel_args")
    assert not can.has("exec", "--qemu_args")
    plain = kunit.BootRequest("mermap", (), (), 330)
    assert kunit.boot(job(fake_tree), plain, can)[-1] == "mermap"
    with pytest.raises(UserError, match="has no --qemu_args"):
        kunit.boot(job(fake_tree), kunit.BootRequest("mermap", (), ("-smp", "2"), 330), can)


def test_the_same_kunit_py_is_asked_once(
    fake_tree: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kunit.capabilities(fake_tree)
    with monkeypatch.context() as patch:
        patch.setattr("mermapctl.system.process.run", None)  # a call would raise TypeError
        assert kunit.capabilities(fake_tree) == first
    (kept,) = (home / "cache/kunit").iterdir()
    for broken in ("", "[1, 2]", '[["run"], {}]', "{"):
        kept.write_text(broken)
        assert kunit.capabilities(fake_tree) == first
    script = fake_tree / kunit.SCRIPT
    script.write_text(script.read_text() + "# changed\n")
    monkeypatch.setenv("FAKE_OLDER_TREE", "1")
    assert kunit.capabilities(fake_tree) != first


def test_a_compiler_speaks_english_whoever_calls_it() -> None:
    users = {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "de_DE", "LC_CTYPE": "C.UTF-8", "HOME": "/h"}
    made = kunit.environment({**users, "LANGUAGE": "de:en", "PYTHONPYCACHEPREFIX": "/p"})
    assert {name: made[name] for name in made if not name.startswith("PYTHON")} == {
        "HOME": "/h",
        "LANG": "C",
        "LC_ALL": "C",
    }


def test_asking_writes_nothing_into_the_tree(fake_tree: Path) -> None:
    before = sorted(fake_tree.rglob("*"))
    kunit.capabilities(fake_tree)
    assert sorted(fake_tree.rglob("*")) == before


def test_a_kunit_py_that_does_not_run_is_a_users_error(fake_tree: Path) -> None:
    (fake_tree / kunit.SCRIPT).write_text("raise ImportError('kunit_config')\n")
    with pytest.raises(UserError, match="does not run: ImportError: kunit_config"):
        kunit.capabilities(fake_tree)
    (fake_tree / kunit.SCRIPT).unlink()
    with pytest.raises(UserError, match=r"has no tools/testing/kunit/kunit\.py"):
        kunit.capabilities(fake_tree)


def test_options_are_read_from_help() -> None:
    text = "usage: [--build_dir DIR] [--raw_output [{all,kunit}]]\n  --arch A  not-an--option"
    assert kunit.options_in(text) == {"--build_dir", "--raw_output", "--arch"}
