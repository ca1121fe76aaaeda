# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from mermapctl.config import fragment
from mermapctl.config.fragment import MissingSymbol
from mermapctl.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def pairs(text: str) -> list[tuple[str, str]]:
    return [(each.symbol, each.value) for each in fragment.parse(text, "f").assignments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("CONFIG_A=y\nCONFIG_B=m\n", [("A", "y"), ("B", "m")]),
        ("# CONFIG_A is not set\nCONFIG_B=n", [("A", "n"), ("B", "n")]),
        ("# CONFIG_A is not set, since it is slow\n#CONFIG_B is not set\n", []),
        ("  CONFIG_A=y  \r\n\r\n\tCONFIG_B=y\r\n", [("A", "y"), ("B", "y")]),
        ("\ufeffCONFIG_A=y\n", [("A", "y")]),
        ("CONFIG_LOG_BUF_SHIFT=17\nCONFIG_X=-1", [("LOG_BUF_SHIFT", "17"), ("X", "-1")]),
        ("CONFIG_START=0xFFFF880\n", [("START", "0xFFFF880")]),
        ('CONFIG_S="a b # c"\nCONFIG_E=""\n', [("S", '"a b # c"'), ("E", '""')]),
        ('CONFIG_S="a \\"b\\""\n', [("S", '"a \\"b\\""')]),
        ("CONFIG_A=y\nCONFIG_A=y\n", [("A", "y")]),
        ("CONFIG_9P_FS=y\nCONFIG_X86_64=y", [("9P_FS", "y"), ("X86_64", "y")]),
    ],
)
def test_lines_are_parsed_into_assignments(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("CONFIG_A=y # why", "lines of their own"),
        ("CONFIG_A = y", "blank"),
        ("CONFIG_A= y", "blank"),
        ("CONFIG_A", "needs a value"),
        ("CONFIG_A=", "needs a value"),
        ("CONFIG_A=yes", "a value is y, m, n"),
        ("A=y", "begins with CONFIG_"),
        ("hello", "CONFIG_X=value"),
        ("CONFIG_Ä=y", "CONFIG_X=value"),
        ('CONFIG_A="x', "a value is y, m, n"),
    ],
)
def test_lines_that_make_no_sense(line: str, hint: str) -> None:
    with pytest.raises(UserError, match=r"^f\.cfg:2: not a kunitconfig line") as caught:
        fragment.parse(f"# comment\n{line}\n", "f.cfg")
    assert hint in (caught.value.hint or "")


def test_control_characters_of_a_line_are_shown_and_long_lines_cut() -> None:
    with pytest.raises(UserError) as caught:
        fragment.parse("\x1b[31mCONFIG_A=y" + "x" * 10_000, "f")
    assert "\x1b" not in caught.value.message
    assert "\\x1b" in caught.value.message
    assert len(caught.value.message) < 200


def test_two_values_in_one_file_name_both_lines() -> None:
    with pytest.raises(UserError) as caught:
        fragment.parse("CONFIG_A=y\n\n# CONFIG_A is not set\n", "f")
    assert caught.value.message == (
        "CONFIG_A is asked for twice: CONFIG_A=y (f:1), # CONFIG_A is not set (f:3)"
    )


def test_merge_keeps_first_origins_and_names_both_places_of_a_conflict() -> None:
    one = fragment.parse("CONFIG_A=y\nCONFIG_B=y\n", "one")
    two = fragment.parse("CONFIG_B=y\nCONFIG_C=m\n", "two")
    merged = fragment.merge("both", [one, two])
    assert merged.text() == "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=m\n"
    assert [each.origin for each in merged.assignments] == ["one:1", "one:2", "two:2"]
    assert (merged.value("C"), merged.value("D")) == ("m", None)

    with pytest.raises(UserError, match=r"CONFIG_C=m \(two:2\), CONFIG_C=y \(three:1\)"):
        fragment.merge("all", [merged, fragment.parse("CONFIG_C=y", "three")])


def test_text_is_parsed_back_to_the_same_assignments() -> None:
    text = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\nCONFIG_D=0x10\n'
    assert fragment.parse(text, "f").text() == text


def test_about_is_the_first_comment_line() -> None:
    assert fragment.parse("# SPDX-License-Identifier: X\n#\n# Why.\n# More.\n", "f").about == "Why."
    assert fragment.parse("CONFIG_A=y\n# Why.\n", "f").about == ""


def test_load_names_the_fragment_and_takes_a_directory_as_kunit_py_does(tmp_path: Path) -> None:
    file = tmp_path / "mine.kunitconfig"
    file.write_text("CONFIG_A=y\n")
    assert fragment.load(file).name == "mine"
    (tmp_path / ".kunitconfig").write_text("CONFIG_B=y\n")
    origin = fragment.load(tmp_path).assignments[0].origin
    assert origin == f"{tmp_path}/.kunitconfig:1"


def test_load_reads_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("CONFIG_A=y\n",))
    writer.start()
    assert fragment.load(pipe).value("A") == "y"
    writer.join()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot read .*No such file"),
        (b"CONFIG_A=y\n\xff\n", ":2: not UTF-8"),
        (b"#" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_unreadable_files(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "f.kunitconfig"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        fragment.load(path)


def test_a_device_that_never_ends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="larger than"):
        fragment.load(tmp_path / "zero")


@pytest.mark.parametrize(
    ("asked", "resolved", "expected"),
    [
        ("CONFIG_A=y", "CONFIG_A=y", []),
        ("CONFIG_A=y", "# CONFIG_A is not set", [("A", "y", "n")]),
        ("CONFIG_A=y", "CONFIG_A=m", [("A", "y", "m")]),
        ("CONFIG_A=y", "# all else", [("A", "y", None)]),
        ("# CONFIG_A is not set", "", []),
        ("# CONFIG_A is not set", "CONFIG_A=y", [("A", "n", "y")]),
        ('CONFIG_S="a"', 'CONFIG_S="b"', [("S", '"a"', '"b"')]),
        ("CONFIG_N=3\nCONFIG_B=y", "CONFIG_N=3\nCONFIG_B=y", []),
    ],
)
def test_missing_as_kunit_py_sees_it(
    tmp_path: Path, asked: str, resolved: str, expected: list[tuple[str, str, str | None]]
) -> None:
    (tmp_path / ".config").write_text(resolved)
    found = fragment.missing(fragment.parse(asked, "f"), tmp_path / ".config")
    assert found == tuple(MissingSymbol(*each) for each in expected)


def test_missing_without_a_config_is_everything_asked_for(tmp_path: Path) -> None:
    asked = fragment.parse("CONFIG_A=y\n# CONFIG_B is not set\n", "f")
    found = fragment.missing(asked, tmp_path / ".config")
    assert found == (MissingSymbol("A", "y", None),)
