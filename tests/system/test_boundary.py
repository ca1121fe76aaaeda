# SPDX-License-Identifier: GPL-2.0-only
"""Input: an empty value is no absent one, no option loses silently, nothing hangs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mermapctl.config import target
from mermapctl.errors import CommitError, UserError
from mermapctl.records.store import Store
from mermapctl.system import boundary, environment, inputs, paths
from mermapctl.tree import find
from tests import sample_records as samples
from tests.conftest import git
from tests.forkserver import Done, command
from tests.tables import LOGS


def mermapctl(*argv: str, cwd: Path | None = None, **env: str) -> Done:
    return command(*argv, cwd=cwd, env=env)


def said(done: Done | subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    return done.stderr


# Empty values.


@pytest.mark.parametrize(
    "words",
    [
        ["report", "log", ""],
        ["report", ""],
        ["report", "history", ""],
        ["report", "compare", "", "latest"],
        ["report", "compare", "latest", ""],
        ["report", "prune", "--older", ""],
        ["report", "prune", "--max-size", ""],
        ["report", "list", "--since", ""],
        ["report", "list", "--commit", ""],
        ["report", "follow", ""],
        ["report", "-o", ""],
        ["tree", "prepare", ""],
        ["tree", "prepare", "new", "--source", ""],
        ["tree", "status", ""],
        ["config", "check", "--tree", "", "base"],
        ["config", "show", "base", "--config", ""],
        ["config", "write", "base", "-o", ""],
        ["config", "explain", ""],
        ["doctor", "--target", ""],
        ["run", "--tree", ""],
        ["run", "--variant", ""],
        ["run", "--suite", ""],
        ["run", "--suite", " "],
        ["run", "--cpu", ""],
        ["run", "--kernel-arg", ""],
        ["run", "--cross-compile", ""],
    ],
)
def test_an_empty_value_is_not_taken_for_an_absent_one(words: list[str], fake_tree: Path) -> None:
    store = Store.open()
    store.begin(samples.passed())
    store.finish(samples.passed())  # an absent value would show this
    done = mermapctl(*words, cwd=fake_tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is empty" in said(done) or "nothing but blanks" in done.stderr


@pytest.mark.parametrize("name", ["MERMAPCTL_HOME", "MERMAPCTL_TREE"])
def test_a_variable_of_ours_that_is_empty_is_refused(name: str, fake_tree: Path) -> None:
    done = mermapctl("run", cwd=fake_tree, **{name: ""})
    assert done.returncode == 2
    assert f"{name} is empty" in said(done)
    assert f"unset {name}" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--suite", "--quiet"],
        ["run", "--tree", "-q"],
        ["run", "--kernel-arg", "--smp", "2"],
        ["report", "log", "x", "--suite", "--full"],
        ["report", "-o", "--format", "json"],
        ["config", "write", "base", "-o", "--suite"],
        ["tree", "prepare", "x", "--source", "--quiet"],
    ],
)
def test_an_option_is_not_taken_for_a_value(words: list[str], tmp_path: Path) -> None:
    done = mermapctl(*words, cwd=tmp_path)
    assert (done.returncode, "is a value missing?" in said(done)) == (2, True)
    assert list(tmp_path.iterdir()) == []


# Options without effect.

UML = ["run", "--suite", "example", "--target", "um"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["report", "log", "a", "--suite", "a", "--suite", "b"], "twice: 'a' and 'b'"),
        (["report", "-o", "a", "--output", "b"], "--output is given twice: 'a' and 'b'"),
        (["report", "log", "-", "a", "-"], "standard input (-) is given twice"),
        (["run", "--tree", "a", "--tree=b"], "--tree is given twice"),
        (["run", "--timeout", "1", "--timeout", "2"], "--timeout is given twice"),
        (["run", "--as-module", "--as-module=all"], "--as-module is given twice"),
        (["run", "--ccache", "--no-ccache"], "--ccache and --no-ccache exclude each other"),
        (["doctor", "--no-kvm", "--kvm"], "--kvm and --no-kvm exclude each other"),
        (["config", "write", "base", "-o", "a", "-o", "b"], "--output is given twice"),
        (["config", "explain", "X", "--tree", "a", "--tree", "b"], "--tree is given twice"),
        (["tree", "prepare", "d", "--source", "a", "--source", "b"], "--source is given twice"),
        (["report", "--open", "--format", "json"], "--open shows HTML, not --format json"),
        (["report", "--open", "-o", "-"], "--open needs a file"),
        (["report", "--full", "--format", "html"], "--full goes with --format table"),
        (["report", "--limit", "0"], "No such option"),
        (["report", "--log", "x"], "--log is a command now: mermapctl report log"),
        (["report", "rejudge", "latest", "--failed"], "--failed chooses among all runs"),
        ([*UML, "--smp", "2"], "--smp 2 is for a guest of QEMU, and um has none"),
        ([*UML, "--cpu", "max", "--target", "x86_64"], "--cpu max is for a guest of QEMU"),
        ([*UML, "--accel", "kvm"], "--accel kvm is for a guest of QEMU"),
    ],
)
def test_no_option_loses_silently(words: list[str], sentence: str, fake_tree: Path) -> None:
    done = mermapctl(*words, cwd=fake_tree)
    assert done.returncode == 2
    assert sentence in said(done)


def test_the_same_value_twice_is_no_conflict() -> None:
    log = str(LOGS / "good.log")
    assert mermapctl("report", "log", log, "--suite=m*", "--suite=m*").returncode == 0
    assert mermapctl("report", "list", "--failed", "--failed").returncode == 0


def test_open_writes_the_named_file(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    log = str(LOGS / "oops.log")
    words = ["log", log, "--open", "-o", page.name]
    done = mermapctl("report", *words, cwd=tmp_path, BROWSER="true")
    assert (done.returncode, done.stdout) == (1, f"{page}\n")
    assert "kernel-oops" in page.read_text("utf-8")


@pytest.mark.parametrize("form", ["table", "json", "html"])
def test_a_dash_is_standard_output(form: str, tmp_path: Path) -> None:
    words = ["report", "log", str(LOGS / "good.log"), "--format", form]
    without = mermapctl(*words, cwd=tmp_path)
    done = mermapctl(*words, "-o", "-", cwd=tmp_path)
    assert done.returncode == without.returncode == 0
    assert done.stdout[:60] == without.stdout[:60]
    assert "test_tlb_flushed" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert mermapctl("report", "list", "-o", "-", cwd=tmp_path).stdout != ""
    assert list(tmp_path.iterdir()) == []


# Names, sizes and counts.


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--jobs", "999999999999"], "is not in the range 1<=x<=8192"),
        (["run", "--timeout", str(10**20)], "is not in the range 1<=x<=604800"),
        (["run", "--silence", str(10**20)], "is not in the range"),
        (["run", "--smp", "1_0"], "'1_0' is not a number"),
        (["run", "--smp", "٣"], "is not a number"),
        (["run", "--kernel-arg", "a\nb"], r"has a control character, '\n'"),
        (["run", "--kernel-arg", "a b"], "is several parameters"),
        (["run", "--kernel-arg", 'a="b c'], "does not end"),
        (["run", "--kernel-arg", "a\u200bb"], r"has a format character, '\u200b'"),
        (["run", "--kernel-arg", "x" * 5000], "has 5,000 characters; 4,096 are the most"),
        (["run", "--cpu", "a\x1b[31m"], r"has a control character, '\x1b'"),
        (["run", "--suite", "a b"], "'a b' has a blank"),
        (["run", "--suite", "\u202emermap"], "has a format character"),
        (["run", "--tree", "a\nb"], "has a control character"),
        (["run", "--tree", "x" * 300], "has a name of 300 bytes; 255 are the most"),
        (["run", "--tree", "x/" * 3000], "is longer than the 4,095 bytes"),
        (["config", "explain", "\udcff"], "is not UTF-8"),
        (["report", "list", "--commit", "\udcff"], "is not UTF-8"),
        (["report", "history", "\udcff"], "is not UTF-8"),
        (["report", "\udcff"], "is not UTF-8"),
        (["report", "list", "--limit", str(10**23)], "is not in the range"),
        (["report", "list", "--limit", "9" * 5000], "is not a number"),
        (["report", "prune", "--keep", str(10**23)], "is not in the range"),
        (["report", "prune", "--max-size", "9" * 400], "is no size"),
        (["report", "prune", "--max-size", "1e9"], "is no size"),
        (["report", "prune", "--older", "0000-00-00"], "is no point in time"),
        (["report", "list", "--since", "0001-01-01"], "is no point in time"),
    ],
)
def test_unusable_values_are_refused(words: list[str], sentence: str) -> None:
    done = mermapctl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in said(done)


@pytest.mark.parametrize("words", [["\x1b[31mrun"], ["run", "--\x1b[31m"], ["report", "--log\x07"]])
def test_a_usage_error_obeys_nothing(words: list[str]) -> None:
    done = mermapctl(*words)
    assert done.returncode == 2
    assert not {"\x1b", "\x07"} & {*said(done)}


@pytest.mark.parametrize("name", ["a\u202eb", "a\u200bb", "a\udcffb"])
def test_a_file_that_is_written_is_named_visibly(name: str, tmp_path: Path) -> None:
    for words in (["config", "write", "base"], ["report", "log", "--open", os.devnull]):
        done = mermapctl(*words, "-o", name, cwd=tmp_path, BROWSER="true")
        assert (tmp_path / name).exists()
        assert name not in done.stdout + said(done)


def test_a_quoted_kernel_parameter_may_have_blanks(fake_tree: Path) -> None:
    words = ["--tree", str(fake_tree), "--accel=tcg", "--quiet"]
    assert mermapctl("run", *words, "--kernel-arg", 'dyndbg="file a.c +p"').returncode == 0


@pytest.mark.parametrize("text", ["mermap", "a b", "Handshake API tests", "é", "x" * 1000])
def test_names_that_are_names(text: str) -> None:
    assert boundary.flaw_of_text(text) is None


@pytest.mark.parametrize("text", ["a", "/", "./-", "a b", "é", "\udcff", "\u200d", "x" * 255])
def test_paths_that_are_paths(text: str) -> None:
    assert boundary.flaw_of_path(text) is None


# Things that are no files.


@pytest.fixture
def strangers(tmp_path: Path) -> dict[str, Path]:
    """Things that may be in the place of a file."""
    made = {each: tmp_path / each for each in ("directory", "fifo", "socket", "loop", "missing")}
    made["directory"].mkdir()
    os.mkfifo(made["fifo"])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made["socket"]))
    made["loop"].symlink_to("loop")
    return made | {"zero": Path("/dev/zero"), "tty": Path("/dev/tty")}


KINDS = ["directory", "fifo", "socket", "loop", "missing", "zero"]


@pytest.mark.parametrize("name", [*KINDS, "tty"])
def test_a_log_that_is_no_file(name: str, strangers: dict[str, Path]) -> None:
    done = mermapctl("report", "log", str(strangers[name]))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot read the log {strangers[name]}: " in said(done)


@pytest.mark.parametrize("name", KINDS)
def test_a_fragment_that_is_no_file(name: str, strangers: dict[str, Path]) -> None:
    for words in (["config", "show", "base"], ["run", "--tree", "/nowhere"]):
        done = mermapctl(*words, "--config", str(strangers[name]))
        assert (done.returncode, done.stdout) == (2, "")
        assert str(strangers[name]) in said(done)


def test_a_log_may_come_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    console = (LOGS / "early-flush.log").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(console,))
    writer.start()
    done = mermapctl("report", "log", str(pipe))
    writer.join()
    assert (done.returncode, "early-flush" in done.stdout) == (1, True)
    assert mermapctl("report", "log", "/dev/null").returncode == 3


def test_a_fragment_may_come_from_standard_input(tmp_path: Path) -> None:
    done = command("config", "show", "base", "--config", "-", stdin="CONFIG_MINE=y\n")
    assert (done.returncode, done.stdout.count("standard input:1")) == (0, 1)
    (tmp_path / "-").mkdir()
    words = ["config", "show", "base", "--config", "-"]
    assert command(*words, stdin="CONFIG_MINE=y\n", cwd=tmp_path).returncode == 0
    twice = command(*words, "--config", "-", stdin="CONFIG_MINE=y\n")
    assert (twice.returncode, "only once" in said(twice)) == (2, True)


def test_a_file_may_be_named_like_standard_input(tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes((LOGS / "early-flush.log").read_bytes())
    good = (LOGS / "good.log").read_text()[:4000]
    assert command("report", "log", "./-", stdin=good, cwd=tmp_path).returncode == 1
    (tmp_path / "other").mkdir()
    done = command("report", "log", "../-", "-o", "./-", cwd=tmp_path / "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert "early-flush" in (tmp_path / "other/-").read_text()
    done = command("report", "log", "./-", "-o", "-", cwd=tmp_path)
    assert (done.returncode, "early-flush" in done.stdout) == (1, True)


def test_what_is_read_is_not_replaced(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes((LOGS / "good.log").read_bytes())
    before = log.read_bytes()
    (tmp_path / "link").symlink_to(log)
    (tmp_path / "hard").hardlink_to(log)
    for name in ("a.log", "./a.log", "link", "hard"):
        for more in ([], ["--open"], ["--format=json"]):
            words = ["report", "log", str(LOGS / "oops.log"), "a.log", *more, "-o", name]
            done = command(*words, cwd=tmp_path)
            assert (done.returncode, "is what is read" in said(done)) == (2, True)
    with log.open() as stdin:
        words = ["report", "log", "-", "-o", str(log)]
        command_line = [sys.executable, "-m", "mermapctl", *words]
        alone = subprocess.run(
            command_line, stdin=stdin, capture_output=True, text=True, check=False
        )
    assert (alone.returncode, "is what is read (standard input)" in said(alone)) == (2, True)
    assert log.read_bytes() == before
    assert command("report", "log", "a.log", "-o", "b.log", cwd=tmp_path).returncode == 0
    own = tmp_path / "my.kunitconfig"
    own.write_text("CONFIG_MINE=y\n")
    words = ["config", "write", "base", "--config", str(own), "-o", str(own)]
    done = command(*words)
    assert (done.returncode, "is what is read" in said(done)) == (2, True)
    assert own.read_text() == "CONFIG_MINE=y\n"


@pytest.mark.parametrize("where", ["option", "variable"])
def test_doctor_looks_at_the_tree_that_is_named(where: str, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    option = ["--tree", nowhere] if where == "option" else []
    env = {} if option else {"MERMAPCTL_TREE": nowhere}
    done = command("doctor", "--no-kvm", *option, cwd=tmp_path, env=env)
    assert (done.returncode, "nowhere" in said(done)) == (2, True)


@pytest.mark.parametrize("words", [["config", "explain", "SMP"], ["config", "check", "smp"]])
def test_a_tree_whose_path_is_not_utf8_is_explained(words: list[str], fake_tree: Path) -> None:
    tree = fake_tree.rename(fake_tree.with_name("li\udcffnux"))
    done = command(*words, "--tree", str(tree))
    assert done.returncode in {0, 1}, said(done)


def test_a_tree_is_found_in_no_path_that_a_terminal_obeys(fake_tree: Path) -> None:
    tree = fake_tree.rename(fake_tree.with_name("li\x1b[31mnux"))
    fake_tree.symlink_to(tree)
    for words, cwd in ((["--tree", str(fake_tree)], None), ([], tree)):
        done = command("run", *words, cwd=cwd)
        assert (done.returncode, "has a control character" in said(done)) == (2, True)
        assert "\x1b" not in done.stderr


def test_a_pipe_is_read_whole_and_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = os.urandom(300_000)
    writer = threading.Timer(0.3, pipe.write_bytes, args=(data,))
    writer.start()
    with inputs.open_stream(pipe) as file:
        assert file.read(3) + file.read() == data
    writer.join()


def test_a_pipe_whose_writer_is_silent_for_a_while_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said_later = subprocess.Popen(["sh", "-c", f"exec >{pipe}; sleep 0.5; echo late"])
    with inputs.open_stream(pipe) as file:
        assert file.read() == b"late\n"
    assert said_later.wait() == 0


def test_a_pipe_that_nothing_reads_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = mermapctl("report", "log", str(LOGS / "good.log"), "-o", str(pipe))
    assert done.returncode == 3
    assert f"cannot write {pipe}: " in said(done)


@pytest.mark.parametrize("name", ["directory", "fifo", "zero", "missing"])
@pytest.mark.parametrize(
    "words", [["config", "list"], ["config", "show", "base"], ["run", "--variant", "kasn"]]
)
def test_a_stranger_among_the_users_fragments_breaks_nothing(
    name: str, words: list[str], strangers: dict[str, Path]
) -> None:
    own = paths.config_dir()
    own.mkdir(parents=True)
    (own / "mine.kunitconfig").symlink_to(strangers[name])
    (own / "broken.kunitconfig").write_text("rubbish\n")
    done = mermapctl(*words)
    assert done.returncode == (2 if words[0] == "run" else 0)
    assert "mine.kunitconfig" not in said(done)
    if words == ["config", "list"]:
        assert "cannot be used" in done.stdout
    for used in ("mine", "broken"):
        done = mermapctl("config", "show", used)
        assert done.returncode == 2
        if used == "broken" or name != "missing":
            assert f"{used}.kunitconfig" in said(done)


# Trees.


def test_a_tree_of_strangers_is_no_kernel(tmp_path: Path, strangers: dict[str, Path]) -> None:
    (tmp_path / "Kconfig").write_text("")
    for name in KINDS:
        (tmp_path / "Makefile").symlink_to(strangers[name])
        with pytest.raises(UserError, match="not a kernel tree"):
            find.validate(tmp_path)
        (tmp_path / "Makefile").unlink()


@pytest.mark.parametrize(
    "text",
    [
        "QEMU_ARCH = " + "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "a." * 50_000 + "a",
        "x = " + "1+" * 50_000 + "1",
        "#" * (2 << 20),
        "x = '\0'",
        "x = '\udcff'",
        "# -*- coding: nonsense -*-",
        r"x = '\d'",
    ],
)
def test_a_hostile_qemu_config_is_no_target(fake_tree: Path, text: str) -> None:
    config = fake_tree / target.QEMU_CONFIGS / "evil.py"
    config.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert {*target.targets(fake_tree)} == {"um", "arm64", "i386", "x86_64"}


@pytest.mark.parametrize("name", KINDS)
def test_a_qemu_config_that_is_no_file_is_no_target(
    fake_tree: Path, name: str, strangers: dict[str, Path]
) -> None:
    (fake_tree / target.QEMU_CONFIGS / "evil.py").symlink_to(strangers[name])
    (fake_tree / "arch/arm64/Kconfig").unlink()
    (fake_tree / "arch/arm64/Kconfig").symlink_to(strangers[name])
    (fake_tree / target.UML_CONFIG).unlink()
    (fake_tree / target.UML_CONFIG).symlink_to(strangers[name])
    assert {*target.targets(fake_tree)} == {"um", "arm64", "i386", "x86_64"}
    assert [each.symbol for each in target.selections(fake_tree)] == ["X86_64"]


@pytest.mark.parametrize("line", [b"# \xff\n", b"CONFIG_A=\xff\n"])
def test_bytes_in_a_trees_own_lines_are_no_defect(fake_tree: Path, line: bytes) -> None:
    with (fake_tree / target.UML_CONFIG).open("ab") as file:
        file.write(line)
    place = str(fake_tree)
    check = ["config", "check", "--target", "um", "--tree", place, "base"]
    for words in (check, ["tree", "status", place]):
        done = mermapctl(*words)
        assert done.returncode in {0, 1, 2, 3}
        said(done)


def test_the_last_tree_may_be_a_pipe(strangers: dict[str, Path], tmp_path: Path) -> None:
    paths.state_dir().mkdir(parents=True, exist_ok=True)
    (paths.state_dir() / "last-tree").symlink_to(strangers["fifo"])
    done = mermapctl("tree", "status", cwd=tmp_path)
    assert (done.returncode, "no kernel tree" in said(done)) == (2, True)


# Misspelt names are reported before missing places.


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--variant", "kasn"], "there is no variant 'kasn'"),
        (["run", "--suite", "mermpa"], "no fragment builds the suite 'mermpa'"),
        (["run", "--target", "x68_64"], "there is no target 'x68_64'"),
        (["run", "--config", "nowhere"], "cannot read nowhere"),
        (["config", "check", "kasn"], "there is no variant or fragment 'kasn'"),
        (["config", "check", "base", "--target", "x68_64"], "there is no target 'x68_64'"),
        (["config", "explain", "X", "--variant", "kasn"], "there is no variant or fragment 'kasn'"),
        (["config", "explain", "X", "--target", "x68_64"], "there is no target 'x68_64'"),
    ],
)
def test_a_wrong_name_is_reported_before_a_tree_that_is_not_there(
    words: list[str], sentence: str, tmp_path: Path
) -> None:
    done = mermapctl(*words, "--tree", str(tmp_path / "nowhere"), cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in said(done)
    if "--target" in words:
        assert "did you mean x86_64" in done.stderr


def test_a_file_given_as_a_run_is_judged_with_log(tmp_path: Path) -> None:
    shutil.copy(LOGS / "good.log", tmp_path / "my console.txt")
    name = "my console.txt"
    for words in ([name], ["follow", name], ["compare", name, "latest"]):
        done = mermapctl("report", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert "mermapctl report log 'my console.txt'" in said(done)


# git bisect run.


BISECT = ["run", "--accel=tcg", "--quiet", "--bisect-exit"]


@pytest.mark.parametrize(
    "words",
    [
        ["--variant", "kasn"],
        ["--suite", "nonsense"],
        ["--target", "x68_64"],
        ["--nonsense"],
        ["--timeout", "0"],
        ["--config", "nowhere"],
        ["--variant", "la57", "--target", "arm64"],
        ["--as-module", "--target", "um"],
        ["--smp", "2", "--target", "um", "--suite", "example"],
        ["--kernel-arg", ""],
    ],
)
def test_an_error_at_every_commit_stops_a_bisection(words: list[str], fake_tree: Path) -> None:
    done = mermapctl(*BISECT, "--tree", str(fake_tree), *words)
    assert done.returncode == 128, said(done)
    assert mermapctl(*BISECT[:-1], "--tree", str(fake_tree), *words).returncode == 2


def test_no_tree_and_no_store_stop_a_bisection(tmp_path: Path, fake_tree: Path) -> None:
    assert mermapctl(*BISECT, "--tree", str(tmp_path / "nowhere")).returncode == 128
    assert mermapctl(*BISECT, cwd=tmp_path).returncode == 128
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file")
    assert mermapctl(*BISECT, "--tree", str(fake_tree), MERMAPCTL_HOME=home).returncode == 128
    path = str(tmp_path / "no-programs")
    assert mermapctl(*BISECT, "--tree", str(fake_tree), PATH=path).returncode == 128


def test_an_error_at_one_commit_is_skipped(fake_tree: Path) -> None:
    words = [*BISECT, "--tree", str(fake_tree)]
    assert mermapctl(*words).returncode == 0
    assert mermapctl(*words, "--target", "riscv").returncode == 125  # a later kunit.py may have it
    kunit = fake_tree / "tools/testing/kunit/kunit.py"
    good = kunit.read_text()
    kunit.write_text("import nonsense\n")
    assert mermapctl(*words).returncode == 125
    kunit.unlink()
    assert mermapctl(*words).returncode == 125
    kunit.write_text(good)
    for kconfig in (*fake_tree.glob("arch/*/Kconfig"), fake_tree / "mm/Kconfig"):
        kconfig.write_text(kconfig.read_text().replace("ARCH_SUPPORTS_MERMAP", "OTHER"))
    assert mermapctl(*words).returncode == 125


def test_git_ends_a_bisection_for_a_mistyped_variant(fake_tree: Path) -> None:
    for number in range(3):
        git(fake_tree, "commit", "-q", "--allow-empty", "-m", f"commit {number}")
    git(fake_tree, "bisect", "start", "-q", "HEAD", "HEAD~3")
    run = [sys.executable, "-m", "mermapctl", *BISECT, "--tree", ".", "--variant", "kasn"]
    done = subprocess.run(
        ["git", "bisect", "run", *run], cwd=fake_tree, capture_output=True, text=True, check=False
    )
    assert "first bad commit" not in done.stdout
    assert "skip" not in git(fake_tree, "bisect", "log")


def test_an_error_keeps_its_kind_with_its_origin(
    fake_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fake_tree / find.KUNIT).unlink()
    monkeypatch.setenv("MERMAPCTL_TREE", str(fake_tree))
    with pytest.raises(CommitError, match=r"^MERMAPCTL_TREE: "):
        find.resolve(None)


# The environment.


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"MERMAPCTL_HOME": "/\udcff"}, "is not UTF-8"),
        ({"MERMAPCTL_HOME": "a\nb"}, "MERMAPCTL_HOME has a control character"),
        ({"MERMAPCTL_HOME": "x" * 300}, "MERMAPCTL_HOME has a name of 300 bytes"),
        ({"MERMAPCTL_TREE": "a\x1bb"}, "MERMAPCTL_TREE has a control character"),
        ({"MERMAPCTL_TREE": "/nowhere"}, "MERMAPCTL_TREE: /nowhere does not exist"),
    ],
)
def test_a_variable_that_is_no_path_is_refused(variables: dict[str, str], sentence: str) -> None:
    done = command("run", env=variables)
    assert done.returncode == 2
    assert sentence in said(done)


@pytest.mark.parametrize(
    "size", ["0", "-1", "abc", "", "²", "٣", "1e3", str(10**23), "9" * 5000, "1"]
)
def test_a_size_of_the_terminal_that_is_none_is_dropped(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", size)
    monkeypatch.setenv("LINES", size)
    environment.settle()
    assert ("COLUMNS" in os.environ, "LINES" in os.environ) == (size == "1", size == "1")
    done = mermapctl("report", "log", str(LOGS / "good.log"), COLUMNS=size, LINES=size)
    assert done.returncode == 0, said(done)


@pytest.mark.parametrize(
    "variables",
    [
        {"_MERMAPCTL_COMPLETE": "nonsense"},
        {"_MERMAPCTL_COMPLETE": "bash_complete"},
        {"_MERMAPCTL_COMPLETE": "bash_complete", "COMP_WORDS": "mermapctl r", "COMP_CWORD": "x"},
        {"_MERMAPCTL_COMPLETE": "zsh_nonsense", "COMP_WORDS": "mermapctl", "COMP_CWORD": "1"},
    ],
)
def test_a_completion_without_words_is_no_defect(variables: dict[str, str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "mermapctl"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "_MERMAPCTL_COMPLETE is set" in said(done)) == (2, True)


@pytest.mark.parametrize("word", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["run"], ["report"], ["tree", "prepare"], ["config"]])
def test_help_has_two_names(command: list[str], word: str) -> None:
    done = mermapctl(*command, word)
    assert (done.returncode, done.stdout.startswith("Usage: ")) == (0, True)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"schema":' * 50_000, b'{"a":' * 50_000])
def test_a_record_of_brackets_is_damaged(data: bytes) -> None:
    store = Store.open()
    store.begin(samples.passed())
    store.finish(samples.passed())
    store.folder(store.ids()[0]).record.write_bytes(data)
    for mode in ([], ["list"], ["rejudge"]):
        words = ["report", *mode]
        done = mermapctl(*words)
        assert done.returncode == (3 if words == ["report"] else 0)
        said(done)


def test_a_file_that_waits_for_more_at_its_end_ends_there() -> None:
    done = mermapctl("report", "log", "/proc/kmsg")  # root may read it
    assert done.returncode in {2, 3}
    said(done)


def test_a_file_of_ours_that_waits_for_more_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc/kmsg and trace_pipe are regular files whose read finds nothing, not an end."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)

    def opened(*_: object) -> int:
        return os.dup(ours)

    monkeypatch.setattr(inputs, "_opened", opened)
    try:
        assert inputs.read_regular(tmp_path) == b""
        with inputs.open_regular(tmp_path) as file:
            assert (file.read(5), file.read(), file.readline()) == (b"", b"", b"")
        os.write(theirs, b"a record")
        assert inputs.read_regular(tmp_path) == b"a record"
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_we_remember_follows_no_link(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERMAPCTL_HOME", str(home))
    (home / "state").mkdir()
    (tmp_path / "theirs").write_text("theirs")
    (home / "state/last-tree").symlink_to(tmp_path / "theirs")
    find.remember(tmp_path)
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert find.last() == tmp_path
