# SPDX-License-Identifier: GPL-2.0-only
"""Give each option of each command each kind of value: a sentence and a documented code, in time.

The commands and options are read from click, so a new one is tested without a line here.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pytest

from mermapctl.cli.root import root
from mermapctl.errors import Exit
from mermapctl.records.store import Store
from tests import sample_records as samples
from tests.conftest import git
from tests.forkserver import Done, command
from tests.tables import FAKE, LOGS

CODES = {Exit.PASSED, Exit.FAILED, Exit.USAGE, Exit.NO_VERDICT, Exit.INTERRUPTED}
BISECT_CODES = {Exit.BISECT_SKIP, Exit.BISECT_ABORT}

KINDS = {
    "empty": "",
    "blanks": "  ",
    "dash": "-",
    "two dashes": "--",
    "an option": "--format",
    "long": "x" * 100_000,
    "deep": "x/" * 5000,
    "control": "a\x01b",
    "newline": "a\nb",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "surrogate": "a\udcffb",
    "right to left": "a\u202eb",
    "zero width": "a\u200bb",
    "accented": "é",
    "zero": "0",
    "negative": "-1",
    "huge": str(10**23),
    "endless": "9" * 5000,
    "float": "1.5",
    "infinite": "inf",
    "exponent": "1e400",
    "digits": "²٣",
    "directory": "directory",
    "file": "file",
    "FIFO": "fifo",
    "null": os.devnull,
    "zeros": "/dev/zero",
    "terminal": "/dev/tty",
    "missing": "nowhere/at/all",
    "below a file": "file/x",
    "locked": "locked/x",
    "a loop": "loop",
    "home": "~no-such-user/x",
    "variable": "$HOME/x",
    "glob": "*[",
    "URL": "https://127.0.0.1:9/linux.git#v6.12",
    "assignment": "MERMAP=y",
    "sum": "base+smp",
    "quotes": "a\"b'c",
    "version": "latest~99999999999",
    "format": "{0}%s%n",
}
"""A kind -> a value; `arena` makes the files."""


@dataclass(frozen=True, slots=True)
class Arena:
    """A working directory and the environment of every command."""

    path: Path
    env: dict[str, str]

    def run(self, *argv: str, **env: str | None) -> Done:
        return command(*argv, cwd=self.path, env={**self.env, **env})


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    """Make files of every kind, a tree, two stored runs, and a PATH without build tools."""
    path = tmp_path_factory.mktemp("arena")
    for name in ("directory", "locked", "bin"):
        (path / name).mkdir()
    (path / "file").write_text("no console\n")
    (path / "loop").symlink_to("loop")
    os.mkfifo(path / "fifo")
    (path / "locked").chmod(0)
    for name in ("git", "sh", "env", "true"):
        (path / "bin" / name).symlink_to(str(shutil.which(name)))
    shutil.copytree(FAKE / "tree", path / "linux")
    git(path / "linux", "init", "-q", "-b", "main")
    git(path / "linux", "add", "-A")
    git(path / "linux", "commit", "-q", "-m", "stand-in")
    store = Store.open(path / "home/state")
    for number, each in enumerate((samples.passed(), samples.failed())):
        run_id = f"2026010{number + 1}-120000-abc{number}"
        record = replace(each, run=replace(each.run, id=run_id))
        store.begin(record)
        store.finish(record)
    env = {
        "MERMAPCTL_HOME": str(path / "home"),
        "PATH": str(path / "bin"),
        "BROWSER": "true",
        "FAKE_LOG": str(LOGS / "good.log"),
    }
    return Arena(path, env)


# Words before the tested option, without which it would not be read.
CONTEXTS: dict[str, list[list[str]]] = {
    "run": [["--tree", "linux"]],
    "watch": [["--tree", "nowhere"]],  # it would not end
    "bisect": [["HEAD", "--tree", "linux"]],
    "mutate": [["--tree", "nowhere"]],
    "report show": [[]],
    "report log": [[str(LOGS / "good.log")]],
    "report follow": [[]],
    "report checks": [[]],
    "report list": [[]],
    "report compare": [[]],
    "report history": [["test_size"]],
    "report flaky": [[]],
    "report rejudge": [["--dry-run"]],
    "report prune": [["--dry-run"]],
    "config show": [["base"]],
    "config write": [["base", "-o", "out"]],
    "config check": [["base", "--tree", "linux"]],
    "config explain": [["MERMAP", "--tree", "linux", "--no-verify"]],
    "tree prepare": [["made", "--source", os.devnull]],
    "tree apply": [["file", "--tree", "linux"]],
    "tree status": [["linux"]],
    "worker": [["--scheduler", "http://nowhere"]],  # it would not end
    "doctor": [["--no-kvm", "--tree", "linux"]],
    "completion": [["bash"]],
}


@dataclass(frozen=True, slots=True)
class Place:
    """One parameter of one command."""

    words: tuple[str, ...]
    param: click.Parameter

    @property
    def name(self) -> str:
        return " ".join((*self.words, self.param.opts[-1]))

    def argv(self, value: str, number: int) -> list[str]:
        """Return a command line with `value`; `number` chooses one of the ways to write it."""
        contexts = CONTEXTS.get(" ".join(self.words), [[]])
        before = contexts[number % len(contexts)]
        if isinstance(self.param, click.Argument):
            # Replace the context's own argument by the value; keep options that the value needs.
            options = before[1:] if before and not before[0].startswith("-") else before
            return [*self.words, *options, *(["--"] if number % 2 else []), value]
        before = _without(before, self.param)
        option = self.param.opts[number % len(self.param.opts)]
        if isinstance(self.param, click.Option) and self.param.is_flag:
            given = [option if number % 2 else f"{option}={value}"]
        elif option.startswith("--") and number % 2:
            given = [f"{option}={value}"]
        else:
            given = [option, *[value] * self.param.nargs]
        return [*self.words, *before, *given]


def _without(words: list[str], param: click.Parameter) -> list[str]:
    """Return the words without an option of the same name and its value."""
    for option in param.opts:
        if option in words:
            at = words.index(option)
            flag = isinstance(param, click.Option) and param.is_flag
            words = words[:at] + words[at + (1 if flag else 2) :]
    return words


def _places(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[Place]:
    context = click.Context(group)
    for param in group.params:
        yield Place(words, param)
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from _places(found, (*words, name))


PLACES = [*_places(root)]


def answered(done: Done, argv: Sequence[str], *, colored: bool = False) -> None:
    """Check that a command ended with a documented code and a sentence."""
    codes = CODES | BISECT_CODES if "--bisect-exit" in argv else CODES
    shown = [word if len(word) < 200 else f"{word[:50]}…" for word in argv]
    assert done.returncode in codes, (shown, done.returncode, done.stderr[-3000:])
    said = done.stdout + done.stderr
    assert "Traceback" not in said, (shown, done.stderr[-3000:])
    assert "a defect in" not in said, (shown, done.stderr[-3000:])
    obeyed = {"\x07", "\x01", "\u202e"} if colored else {"\x1b", "\x07", "\x01", "\u202e"}
    assert not obeyed & {*said}, (shown, said[-3000:])
    if done.returncode == Exit.USAGE:
        assert done.stderr, shown
        assert len(done.stderr) < 6000, shown


def test_all_commands_are_found() -> None:
    found = {" ".join(place.words) for place in PLACES}
    assert {*CONTEXTS, "config list", "config defaults", ""} == found
    assert len(PLACES) > 60


HELPED = sorted({place.words[:n] for place in PLACES for n in (1, 2)} - {(), ("completion",)})


@pytest.mark.parametrize("words", HELPED, ids=" ".join)
def test_help_begins_with_examples_that_parse(words: tuple[str, ...]) -> None:
    command, _ = _found(list(words))
    _usage, _summary, examples_, *_ = click.Context(command, info_name="x").get_help().split("\n\n")
    lines = [line for line in examples_.splitlines() if line.startswith("  ")]
    assert len(lines) >= 3
    assert all("mermapctl " in line for line in lines)
    examples = [line.strip() for line in lines if line.startswith("  mermapctl ")]
    assert len(examples) >= 2
    for example in examples:
        found, rest = _found(shlex.split(re.split(r"\s{3,}", example)[0])[1:])
        context = click.Context(found)
        assert found.parse_args(context, rest) == []


def _found(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words name, and the words behind its name."""
    command: click.Command = root
    while isinstance(command, click.Group) and words:
        member = command.get_command(click.Context(command), words[0])
        if member is None:
            break
        command, words = member, words[1:]
    return command, words


SHARE = 4
"""Each option is tested with every SHAREth kind, other options with others; at night with all."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_an_option_takes_any_value(place: Place, arena: Arena) -> None:
    turn = zlib.crc32(place.name.encode())
    for number, (kind, value) in enumerate(KINDS.items()):
        if (number + turn) % SHARE == 0:
            argv = place.argv(value, turn + zlib.crc32(kind.encode()))
            answered(arena.run(*argv), argv)


@pytest.mark.e2e
@pytest.mark.nightly
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_an_option_takes_every_value_in_every_way(place: Place, arena: Arena) -> None:
    for value in KINDS.values():
        for argv in dict.fromkeys(tuple(place.argv(value, number)) for number in range(14)):
            answered(arena.run(*argv), argv)


def _any_line(chance: random.Random) -> list[str]:
    """Return a command with a few options, each with one of its choices or any value."""
    words = chance.choice([place.words for place in PLACES])
    own = [place for place in PLACES if place.words == words]
    argv = [*words, *chance.choice(CONTEXTS.get(" ".join(words), [[]]))]
    for place in chance.choices(own, k=chance.randint(1, 4)):
        choices = getattr(place.param.type, "choices", ())
        usual = ["1", "base", "latest", "linux", "mermap", "x86_64", "um", "7d", "5M", *choices]
        value = chance.choice(usual if chance.random() < 0.6 else [*KINDS.values()])
        if isinstance(place.param, click.Argument):
            argv.append(value)
        elif isinstance(place.param, click.Option) and place.param.is_flag:
            argv.append(chance.choice([*place.param.opts, *place.param.secondary_opts]))
        else:
            argv += [chance.choice(place.param.opts), *[value] * place.param.nargs]
    return argv


def test_any_command_line_is_answered(arena: Arena) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(150):
        argv = _any_line(chance)
        answered(arena.run(*argv), argv)


@pytest.mark.e2e
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_very_many_command_lines_are_answered(arena: Arena, seed: int) -> None:
    chance = random.Random(f"{seed} {os.environ.get('MERMAPCTL_SEED', '')}")  # noqa: S311
    for _ in range(300):
        argv = _any_line(chance)
        answered(arena.run(*argv), argv)


# The environment.

VARIABLES = [
    "MERMAPCTL_HOME", "MERMAPCTL_TREE", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "HOME", "TMPDIR", "PATH", "COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "LANG",
    "LC_ALL", "PYTHONIOENCODING", "GIT_DIR", "GIT_PYTHON_REFRESH", "GIT_PYTHON_GIT_EXECUTABLE",
    "LLVM", "CROSS_COMPILE", "BROWSER", "PAGER", "_MERMAPCTL_COMPLETE", "COMP_WORDS", "COMP_CWORD",
]  # fmt: skip

COMMANDS = [
    ["report"],
    ["report", "list"],
    ["report", "log", "--open", str(LOGS / "good.log")],
    ["run", "--tree", "linux"],
    ["run"],
    ["config", "list"],
    ["config", "check", "base", "--tree", "linux"],
    ["tree", "status"],
    ["tree", "status", "linux"],
    ["doctor", "--no-kvm"],
]


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_has_any_value(name: str, arena: Arena) -> None:
    turn = zlib.crc32(name.encode())
    values = [value for value in KINDS.values() if len(value) < 6000]
    for number, value in enumerate([None, *values]):
        argv = COMMANDS[(number + turn) % len(COMMANDS)]
        if (number + turn) % SHARE == 0 or value is None:
            _with_variable(arena, argv, name, value)


def _with_variable(arena: Arena, argv: list[str], name: str, value: str | None) -> None:
    env: dict[str, str | None] = {name: value}
    if name.startswith("XDG") or name == "HOME":
        env["MERMAPCTL_HOME"] = None
    done = arena.run(*argv, **env)
    answered(done, [*argv, f"{name}={value!a}"], colored=name == "FORCE_COLOR")


@pytest.mark.e2e
@pytest.mark.nightly
@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_has_every_value(name: str, arena: Arena) -> None:
    for value in [None, *KINDS.values()]:
        for argv in COMMANDS:
            _with_variable(arena, argv, name, value)


@pytest.mark.parametrize("argv", [*COMMANDS, ["report", "log", "x"], ["tree", "prepare", "x"]])
def test_a_directory_that_is_gone(argv: list[str], arena: Arena, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    answered(command(*argv, cwd=gone, gone=True, env=arena.env), argv)
