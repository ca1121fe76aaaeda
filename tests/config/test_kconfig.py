# SPDX-License-Identifier: GPL-2.0-only
"""A tree's Kconfig for one target: newer constructs, macros, the cache, other targets."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mermapctl.config import kconfig, kconfig_cache, kconfig_parser, target, toolchain
from mermapctl.config.kconfig import Model, Selector, UnreadableError
from mermapctl.system import cache_file, paths
from tests.minikconfig import kconfig as lines
from tests.minikconfig import program, tree_of


def read(tree: Path, name: str = "um") -> Model:
    return kconfig.read(tree, target.read(tree).find(name))


def test_values_follow_the_latest_assignments_only(tmp_path: Path) -> None:
    model = read(tree_of(tmp_path, "config A\n    bool 'a'\nconfig B\n    def_bool A\n"))
    values = []
    for given in ([("A", "y")], [], [("A", "y"), ("A", "n")], [("NO_SUCH", "y"), ("A", "y")]):
        model.assign(given)
        values.append((model.value("A"), model.value("B")))
    assert values == [("y", "y"), ("n", "n"), ("n", "n"), ("y", "y")]
    assert model.value("NO_SUCH") == "n"


@pytest.mark.parametrize(
    ("a", "b", "limit"),
    [  # `depends on A if B` is A || B = n (7.3: scripts/kconfig/menu.c, menu_add_dep)
        ("n", "n", "y"),
        ("n", "m", "n"),
        ("n", "y", "n"),
        ("m", "n", "y"),
        ("m", "m", "m"),
        ("m", "y", "m"),
        ("y", "n", "y"),
        ("y", "m", "y"),
        ("y", "y", "y"),
    ],
)
def test_depends_on_with_a_condition(tmp_path: Path, a: str, b: str, limit: str) -> None:
    tree = tree_of(
        tmp_path,
        """
        config A
            tristate "a"
        config B
            tristate "b"
        config X
            tristate "x"
            depends on A if B
        """,
    )
    model = read(tree)
    model.assign([("MODULES", "y"), ("A", a), ("B", b), ("X", "y")])
    assert model.value("X") == limit


@pytest.mark.parametrize(
    ("condition", "given", "value"),
    [
        ("B && C", {"B": "y", "C": "n"}, "y"),
        ("B && C", {"B": "y", "C": "y"}, "n"),
        ("B || C", {"B": "n", "C": "n"}, "y"),
        ("B || C", {"B": "y", "C": "n"}, "n"),
        ("!B", {"B": "y"}, "y"),
        ("!B", {"B": "n"}, "n"),
        ("!(B && C)", {"B": "y", "C": "y"}, "y"),
        ("!(B && C)", {"B": "y", "C": "n"}, "n"),
        ("N > 3", {"N": "3"}, "y"),
        ("N > 3", {"N": "4"}, "n"),
    ],
)
def test_compound_conditions_of_depends_on(
    tmp_path: Path, condition: str, given: dict[str, str], value: str
) -> None:
    tree = tree_of(
        tmp_path,
        f"""
        config B
            bool "b"
        config C
            bool "c"
        config N
            int "n"
        config X
            bool "x"
            depends on NEVER if {condition} # why
        """,
    )
    model = read(tree)
    model.assign([*given.items(), ("X", "y")])
    assert model.value("X") == value


def test_newer_lines_are_blanked_and_line_numbers_stay(tmp_path: Path) -> None:
    text = lines(
        """
        config MODULES
            bool "Modules"
            modules

        config OLD
            bool
            transitional # until everybody has NEW
            help
              modules
              transitional words in a help text

        config NEW
            bool "new"
            default OLD
        """
    )
    model = read(tree_of(tmp_path, text, modules=""))
    assert kconfig.places_of(model.symbol("NEW")) == ("lib/Kconfig:12",)
    assert model.kconf.account.transitional == {"OLD"}
    assert model.value("OLD") == "n"


def test_macros_run_in_a_scratch_directory_with_makes_environment(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path / "linux",
        """
        config TEXT
            string
            default "$(shell,touch made-here; echo $ARCH $SRCARCH $CC $LC_ALL)"
        config VARIABLES
            string
            default "$(ARCH) $(SRCARCH) $(HEADER_ARCH) $(KERNELVERSION) $(NOT_SET)."
        """,
    )
    before = sorted(path for path in tree.rglob("*"))
    environment = dict(os.environ)
    model = read(tree, "um")
    assert model.value("TEXT") == "um um gcc C"
    assert model.value("VARIABLES") == "um um x86 6.12.0 ."
    assert sorted(path for path in tree.rglob("*")) == before
    assert dict(os.environ) == environment
    assert not Path("made-here").exists()


def test_each_macro_runs_once_in_a_reading(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "".join(
        f"config M{number}\n    int\n    default $(shell,echo {number} >>{log}; echo {number})\n"
        for number in range(20)
    )
    text += "first := $(shell,echo 7)\n"
    text += f"config SECOND\n    int\n    default $(shell,echo $(first) >>{log}; echo $(first))\n"
    text += f"config AGAIN\n    int\n    default $(shell,echo $(first) >>{log}; echo $(first))\n"
    model = read(tree_of(tmp_path / "linux", text))
    assert [model.value(f"M{number}") for number in range(20)] == [str(n) for n in range(20)]
    assert (model.value("SECOND"), model.value("AGAIN")) == ("7", "7")
    ran = log.read_text().split()
    assert sorted(map(int, ran)) == list(range(20))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("printf 'a\\nb\\n\\n'", "a b"),
        ("printf ''", ""),
        ("echo '  two  blanks '", "  two  blanks "),
        (r"echo 'back\\slash' | cat", r"back\slash"),
        ("exit 3", ""),
        ("cat; echo no input", "no input"),
        ("echo out; echo err >&2", "out"),
        ("mkdir .tmp_$$ && ls -d .tmp_* | wc -l", "1"),
        ("kill -9 $$", ""),
        ("printf 'J\\366rg'", "J\\xf6rg"),
        ("echo 'Jörg'", "Jörg"),
        ("(sleep 60 &) ; echo left one behind", "left one behind"),
        ("echo $0; cd /; unset PATH", "/bin/sh"),
    ],
)
def test_a_macro_prints_what_conf_would_take(tmp_path: Path, command: str, said: str) -> None:
    given = kconfig_parser.environment({})
    with contextlib.closing(kconfig_parser.Shell(tmp_path, given)) as shell:
        assert shell.run("echo before") == "before"
        assert shell.run(command) == said
        assert shell.run("echo after") == "after"


@pytest.mark.parametrize(
    "command", ["kill -9 $PPID", "yes", "sleep 60", "kill -STOP $PPID; sleep 60"]
)
def test_a_macro_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(kconfig_parser, "LIMIT", 0.5)
    tree = tree_of(tmp_path / "linux", f"config A\n    string\n    default '$(shell,{command})'\n")
    with pytest.raises(UnreadableError, match="did not answer"):
        read(tree)


def counting(tmp_path: Path, asked: str = "test -n '$(CC)'") -> tuple[Path, Path]:
    """Make a tree whose macro appends a line to a file each time it runs."""
    log = tmp_path / "log"
    log.touch()
    text = f"config A\n    def_bool $(shell,echo ran >>{log}; {asked} && echo y || echo n)\n"
    return tree_of(tmp_path / "linux", text + 'config B\n    bool "b"\n'), log


def runs(log: Path) -> int:
    return len(log.read_text().splitlines())


def kept() -> Path:
    (path,) = (paths.cache_dir() / "kconfig").iterdir()
    return path


def test_a_compiler_is_asked_once_whatever_changes_in_kconfig(tmp_path: Path) -> None:
    tree, log = counting(tmp_path)
    values = [read(tree).value("A") for _ in range(3)]
    assert (values, runs(log)) == (["y"] * 3, 1)
    file = tree / "arch/um/Kconfig"
    file.write_text(file.read_text() + 'config NEW\n\tbool "new"\n')
    assert read(tree).symbol("NEW") is not None
    assert runs(log) == 1
    assert read(tree, "x86_64").symbol("NEW") is None
    assert runs(log) == 2, "another target has answers of its own"
    read(tree, "um")
    assert runs(log) == 2, "and they do not take the first one's place"


@pytest.mark.parametrize(
    "asked",
    [
        "test -e /",
        "true",
        "python3 -c 'import sys'",
        'test -n "`$(CC) -print-file-name=plugin`"',
    ],
)
def test_answers_outside_the_key_are_asked_each_time(tmp_path: Path, asked: str) -> None:
    tree, log = counting(tmp_path, asked)
    assert [read(tree).value("A") for _ in range(2)] == ["y", "y"]
    assert runs(log) == 2


def test_another_compiler_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, log = counting(tmp_path)
    read(tree)
    program(tmp_path / "bin", "gcc", "echo 'gcc of another kind 99.1'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    read(tree)
    assert runs(log) == 2


@pytest.mark.parametrize("name", ["CPATH", "LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "CCACHE_PREFIX"])
def test_another_environment_is_another_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tree, log = counting(tmp_path)
    read(tree)
    monkeypatch.setenv(name, "/elsewhere")
    read(tree)
    assert runs(log) == 2


def test_a_terminal_is_no_part_of_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, log = counting(tmp_path, '$(CC) --version >/dev/null; test -z "$TERM$SSH_TTY"')
    for number in range(2):
        monkeypatch.setenv("TERM", f"terminal-{number}")
        monkeypatch.setenv("SSH_TTY", f"/dev/pts/{number}")
        assert read(tree).value("A") == "y"
    assert runs(log) == 1


def test_a_package_that_comes_asks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unchanged compiler finds new headers and libraries."""
    tree, log = counting(tmp_path)
    (tmp_path / "status").write_text("one")
    monkeypatch.setattr(toolchain, "_PACKAGES", (str(tmp_path / "status"),))
    read(tree)
    (tmp_path / "status").write_text("one, two")
    read(tree)
    assert runs(log) == 2


def test_an_answer_is_as_old_as_the_script_that_gave_it(tmp_path: Path) -> None:
    tree, _ = counting(tmp_path, 'test "`$(srctree)/scripts/ask.sh`" = yes')
    scripts = tree / "scripts"
    program(scripts, "ask.sh", '. "$(dirname "$0")/other.sh"; echo $SAID')
    program(scripts, "other.sh", "SAID=yes")
    assert [read(tree).value("A") for _ in range(2)] == ["y", "y"]
    program(scripts, "other.sh", "SAID=no")
    assert [read(tree).value("A") for _ in range(2)] == ["n", "n"]
    (scripts / "ask.sh").unlink()
    assert read(tree).value("A") == "n"
    program(scripts, "ask.sh", "echo yes")
    assert read(tree).value("A") == "y"


def answers(tmp_path: Path) -> tuple[kconfig_cache.Cache, dict[str, str], Path]:
    path = tmp_path / "answers.json"
    cache = kconfig_cache.Cache(path, tmp_path, {"CC": "gcc", "LD": "ld"}, "the key")
    said = {f"gcc -Werror -f{number} é": "y" * (number % 3) for number in range(40)}
    cache.save(said)
    return cache, said, path


def test_no_damage_makes_a_wrong_answer(tmp_path: Path) -> None:
    cache, said, path = answers(tmp_path)
    whole = path.read_bytes()
    assert cache.load() == said
    chance = random.Random("damage")  # noqa: S311
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 1, 2, 8])):
            at = chance.randrange(len(data))
            match chance.randrange(6):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    del data[at : at + chance.choice([1, 1, 7, 4096, 1 << 20])]
                case 2:
                    data[at:at] = chance.randbytes(chance.choice([1, 7, 4096]))
                case 3:
                    data[at : at + 64] = bytes(64)
                case 4:
                    data = data + data[at:]
                case 5:
                    other = chance.randrange(len(data))
                    data[at : at + 9], data[other : other + 9] = (
                        data[other : other + 9],
                        data[at : at + 9],
                    )
            data = data or bytearray(b"x")
        path.write_bytes(data)
        assert cache.load() == (said if data == whole else {})
        assert path.exists() == (data == whole)
    cache.save(said)
    assert cache.load() == said


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"\xff\n\xff", b'{"key": 3, "files": {}}\nx', b"[" * 100_000]
)
def test_a_damaged_cache_is_made_again(tmp_path: Path, content: bytes) -> None:
    tree, log = counting(tmp_path)
    read(tree)
    whole = kept().read_bytes()
    kept().write_bytes(content)
    assert read(tree).value("A") == "y"
    assert kept().read_bytes() == whole
    kept().write_bytes(whole[:-100])
    assert read(tree).value("A") == "y"
    assert (kept().read_bytes(), runs(log)) == (whole, 3)


def test_a_cache_of_another_kind_with_the_right_sum_is_none(tmp_path: Path) -> None:
    cache, said, path = answers(tmp_path)
    values: list[object] = [
        None,
        [],
        {"key": "the key"},
        {"key": "the key", "answers": {"gcc": "y"}},
    ]
    for value in values:
        cache_file.write(path, value)
        assert cache.load() == {}
        cache.save(said)
        assert cache.load() == said


@pytest.mark.parametrize(("make", "ran"), [(os.mkfifo, 2), (os.mkdir, 3)])
def test_a_cache_that_is_no_file_costs_only_time(
    tmp_path: Path, make: Callable[[Path], None], ran: int
) -> None:
    tree, log = counting(tmp_path)
    read(tree)
    path = kept()
    path.unlink()
    make(path)
    assert [read(tree).value("A") for _ in range(2)] == ["y", "y"]
    assert runs(log) == ran


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, _ = counting(tmp_path)
    monkeypatch.setenv("MERMAPCTL_HOME", "/proc/no-place")
    assert read(tree).value("A") == "y"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("config A\n    frobnicate\n", r"lib/Kconfig:5: .*frobnicate"),
        ('source "no/such/file"\n', "no/such/file' not found"),
        ("config A\n    bool 'a'\n    depends on A\n", "Dependency loop"),
        ("config A\n    def_bool $(A\n", "lib/Kconfig:5"),
        ('source "/dev/null"\n', "/dev/null: it is a device"),
    ],
)
def test_a_kconfig_that_defeats_the_parser(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint):
        read(tree_of(tmp_path, text))


def test_errors_of_the_tree_come_first(tmp_path: Path) -> None:
    text = """
        $(error-if,y,C compiler 'gcc' not found)
        config VERSION
            int
            default $(shell,true)
        """
    with pytest.raises(UnreadableError, match=r"^lib/Kconfig:4: C compiler 'gcc' not found; then"):
        read(tree_of(tmp_path, text))


def test_a_tree_behind_a_link_is_read(tmp_path: Path) -> None:
    text = 'config A\n    def_bool y\nsource "drivers/Kconfig"\n'
    (tmp_path / "link").symlink_to(tree_of(tmp_path / "linux", text))
    (tmp_path / "linux/drivers").mkdir()
    (tmp_path / "linux/drivers/Kconfig").write_text("config B\n\tdef_bool A\n")
    for _ in range(2):
        model = read(tmp_path / "link")
        assert kconfig.places_of(model.symbol("B")) == ("drivers/Kconfig:1",)
        assert {"Kconfig", "lib/Kconfig", "drivers/Kconfig"} <= model.kconf.account.files


def test_bytes_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "config A\n    bool 'a'\n")
    file = tree / "lib/Kconfig"
    file.write_bytes(file.read_bytes() + b"\thelp\n\t  J\xf6rg\r\n")
    assert read(tree).symbol("A") is not None


SELECTED = """
config LEAF
    bool
config FIRST
    bool "first"
    depends on GATE
    select OTHER
    select LEAF if GATE && MORE # why
config SECOND
    def_bool y
    select LEAF
config OTHER
    bool
config GATE
    bool "gate"
config MORE
    bool "more"
"""


def test_selectors_with_condition_value_and_line(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, SELECTED, arm64="config OWN\n    def_bool y\n    select LEAF if OWN\n")
    model = read(tree)
    model.assign([])
    assert model.selectors(model.symbol("LEAF")) == (
        Selector("SECOND", "", "lib/Kconfig:13", "y"),
        Selector("FIRST", "GATE && MORE", "lib/Kconfig:10", "n"),
    )
    assert kconfig.elsewhere(model, "LEAF") == (
        (),
        (Selector("OWN", "OWN", "arch/arm64/Kconfig:5", None),),
    )
    assert kconfig.elsewhere(model, "ARM64") == (("arch/arm64/Kconfig:1",), ())
    assert kconfig.elsewhere(model, "UML") == ((), ())


def test_expressions_are_shown_as_menuconfig_shows_them(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        """
        config N
            int "n"
            default 3
        config A
            bool "a"
            depends on UML && (N > 2 || !NO_SUCH) && X86_64 = n
        """,
    )
    model = read(tree)
    model.assign([])
    shown = "UML [=y] && (N [=3] > 2 || !NO_SUCH [=n]) && X86_64 [=n] = n"
    assert kconfig.text(model.symbol("A").direct_dep, values=True) == shown
    leaves = [kconfig.text(each) for each in kconfig.leaves(model.symbol("A").direct_dep)]
    assert leaves == ["UML", "N > 2", "!NO_SUCH", "X86_64 = n"]


def test_another_target_is_read_in_part_and_runs_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    tree = tree_of(
        tmp_path / "linux",
        f"""
        config ASKED
            def_bool $(shell,echo ran >>{log}; true >/dev/null && echo "y" || echo "n")
        source "drivers/Kconfig"
        """,
        x86='config ONLY_HERE\n    bool "x"\n    depends on DEEP && ASKED && OWN\n'
        f'config OWN\n    def_bool $(shell,echo ran >>{log}; false && echo "y" || echo "n")\n',
    )
    for name, text in (
        ("drivers/Kconfig", 'source "drivers/a/Kconfig"\nsource "drivers/b/Kconfig"\n'),
        ("drivers/a/Kconfig", 'config DEEP\n\tbool "deep"\n'),
        ("drivers/b/Kconfig", 'config UNREAD\n\tbool "unread"\n'),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    model = read(tree, "um")
    assert runs(log) == 1
    part = kconfig.read_part(model, target.read(tree).find("x86_64"), ["drivers/a/Kconfig"])
    assert runs(log) == 1
    part.assign([("DEEP", "y"), ("ONLY_HERE", "y")])
    assert part.value("ONLY_HERE") == "y", "an unasked compiler is taken to be able"
    assert part.symbol("UNREAD") is None
    assert part.symbol("UML") is None


def test_the_key_of_a_cache_holds_what_a_reading_depends_on() -> None:
    one = {"CC": "gcc", "ARCH": "um"}
    assert kconfig_cache.key(one) == kconfig_cache.key(dict(reversed(one.items())))
    assert kconfig_cache.key(one) != kconfig_cache.key({**one, "CC program": "/usr/bin/gcc 1 2"})
