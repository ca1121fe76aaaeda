# SPDX-License-Identifier: GPL-2.0-only
"""`tree prepare` with real tar, real git and tiny kernels."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import click
import pytest

from mermapctl.cli import tree as cli
from mermapctl.commands import tree as command
from mermapctl.errors import HarnessError, MermapctlError, UserError
from mermapctl.events import Event, Note, StageEnded
from mermapctl.render.terminal import tree as tree_status
from mermapctl.system import locks
from mermapctl.tree import find, overlay, postings, prepare, source, state, workshop
from mermapctl.tree.postings import Posting
from mermapctl.tree.source import Source, SourceKind
from tests.conftest import git
from tests.records.test_store_attacked import unprivileged
from tests.tree.test_overlay import LITTLE_TREE
from tests.tree.test_postings import MEMORY

WHEN = 1_700_000_000
KERNEL = {
    **LITTLE_TREE,
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n",
    "Kconfig": 'source "mm/Kconfig"\n',
    ".gitignore": "/*\n*.o\n",  # as in Debian's tarballs
    "tools/testing/kunit/kunit.py": "#!/usr/bin/env python3\n",
    "scripts/kept.o": "an object that the source carries\n",
    "Documentation/a name with blanks, ä and \\ in it": "x\n",
}
LINKS = {"arch/up": "../mm/Kconfig", "arch/zz-absolute": "/nonexistent", "plain": "Makefile"}


def heard(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def tarball(
    path: Path, extra: dict[str, str] | None = None, top: str = "linux-6.12/", when: int = WHEN
) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, text in {**KERNEL, **(extra or {})}.items():
            entry = tarfile.TarInfo(top + name)
            entry.size, entry.mtime = len(text.encode()), when
            entry.mode = 0o755 if name.endswith(".py") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name, target in LINKS.items():
            entry = tarfile.TarInfo(top + name)
            entry.type, entry.linkname, entry.mtime = tarfile.SYMTYPE, target, when
            archive.addfile(entry)
    return path


def written(path: Path) -> Path:
    for name, text in KERNEL.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


@pytest.fixture
def user_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a user whose git signs, hooks and converts line ends."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\thooksPath = {hooks}\n\tautocrlf = input\n[commit]\n\tgpgSign = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


def made(directory: Path, asked: Path | str, *, with_overlay: bool = True) -> prepare.Prepared:
    return command.prepare(directory, str(asked), lambda _: None, with_overlay=with_overlay)


@pytest.mark.parametrize("top", ["linux-6.12/", "./linux-6.12/"])
@pytest.mark.parametrize("when", [-1, 0, WHEN])
def test_any_form_of_tarball_is_unpacked(tmp_path: Path, top: str, when: int) -> None:
    archive = tarball(tmp_path / "a.tar.xz", top=top, when=when)
    done = made(tmp_path / "t", archive, with_overlay=False)
    listed = git(tmp_path / "t", "ls-tree", "-r", "--name-only", done.base).splitlines()
    assert {"Makefile", "mm/Kconfig", *LINKS} <= set(listed)
    assert git(tmp_path / "t", "log", "-1", "--format=%at") == str(max(when, 0))


@pytest.mark.parametrize(
    ("name", "link", "error", "message"),
    [
        ("linux/../../evil", "", HarnessError, r"Member name contains '\.\.'"),
        ("linux/h", "/etc/passwd", UserError, "is a hard link to what is no file of the tarball"),
    ],
)
def test_a_tarball_cannot_reach_out_of_its_tree(
    tmp_path: Path, name: str, link: str, error: type[Exception], message: str
) -> None:
    archive = tarball(tmp_path / "a.tar.xz", top="linux/")
    with tarfile.open(tmp_path / "evil.tar", "w") as evil, tarfile.open(archive) as good:
        for member in good.getmembers():
            evil.addfile(member, good.extractfile(member) if member.isfile() else None)
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = (tarfile.LNKTYPE if link else tarfile.REGTYPE), link
        evil.addfile(entry)
    with pytest.raises(error, match=message):
        made(tmp_path / "d/t", tmp_path / "evil.tar")
    assert not list((tmp_path / "d").iterdir())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("stage", ["unpack", "mermap"])
def test_a_link_in_place_of_the_work_leads_to_no_other_directory(
    tmp_path: Path, stage: str
) -> None:
    archive = tarball(tmp_path / "a.tar.xz", top="linux/")
    place, other = tmp_path / "d", tmp_path / "other"
    other.mkdir()
    (other / "kept").write_text("mine\n")
    partial = place / ".t.mermapctl-partial"

    def swap(event: Event) -> None:
        if isinstance(event, StageEnded) and event.stage == stage:
            partial.rename(place / "aside")
            partial.symlink_to(other)

    with pytest.raises(MermapctlError):
        command.prepare(place / "t", str(archive), swap, with_overlay=True)
    assert [path.name for path in other.iterdir()] == ["kept"]
    assert not (place / "t").exists()
    assert list((place / "aside").iterdir()) == []


@pytest.mark.usefixtures("user_git")
def test_a_tarball_becomes_one_commit_and_the_mermap_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"crlf.txt": "a\r\nb\r\n"})
    done = made(tmp_path / "t", archive)
    tree = tmp_path / "t"

    subjects = tuple(part.subject for part in overlay.load().parts)
    assert done.patches == subjects
    assert not done.already
    log = git(tree, "log", "--reverse", "--format=%s").splitlines()
    assert log == ["Linux 6.12.1", *subjects]
    assert git(tree, "status", "--porcelain") == ""
    assert git(tree, "fsck", "--no-dangling") == ""
    listed = git(tree, "-c", "core.quotePath=off", "ls-tree", "-r", "--name-only", done.base)
    unquoted = listed.replace('"Documentation/a name with blanks, ä and \\\\ in it"', "quoted")
    names = {"quoted" if name.startswith("Documentation") else name for name in KERNEL}
    assert set(unquoted.splitlines()) == {*names, *LINKS, "crlf.txt"}
    assert git(tree, "cat-file", "-s", f"{done.base}:crlf.txt") == "6"
    for link, target in LINKS.items():
        assert (tree / link).readlink() == Path(target)
    assert os.access(tree / "tools/testing/kunit/kunit.py", os.X_OK)
    assert done.tree == state.inspect(tree)
    assert (done.tree.describe or "").startswith(f"base-6.12.1-{len(subjects)}-g")
    assert (done.tree.dirty, done.mermap) == (False, overlay.Mermap.REFERENCE)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    monkeypatch.chdir(tmp_path)
    assert find.resolve(None) == tree  # `run` finds it now


def test_who_is_not_root_can_unpack_links_too(tmp_path: Path) -> None:
    """Until its end tar has a file of mode 000 in place of a link: git cannot read it."""
    many = {f"scripts/{number:0200}": "" for number in range(2000)}  # git begins before tar ends
    archive = tarball(tmp_path / "linux-6.12.tar.xz", many)
    with tarfile.open(tmp_path / "early.tar", "w") as early, tarfile.open(archive) as before:
        members = before.getmembers()
        for entry in sorted(members, key=lambda each: not each.issym()):
            early.addfile(entry, before.extractfile(entry) if entry.isreg() else None)
    done = unprivileged("tree", "prepare", f"--source={tmp_path}/early.tar", str(tmp_path / "t"))
    assert done.returncode == 0, done.stderr
    for link, target in LINKS.items():
        assert (tmp_path / "t" / link).readlink() == Path(target)
        assert git(tmp_path / "t", "ls-files", "-s", link).startswith("120000 ")


def test_the_same_tarball_gives_the_same_commits(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    one, two = made(tmp_path / "one", archive), made(tmp_path / "two", archive)
    assert one.tree.commit == two.tree.commit
    assert git(tmp_path / "one", "log", "-1", "--format=%an %at", one.base) == f"mermapctl {WHEN}"


def test_the_files_are_one_pack_not_thousands_of_objects(tmp_path: Path) -> None:
    done = made(tmp_path / "t", tarball(tmp_path / "linux-6.12.tar.xz"), with_overlay=False)
    counted = dict(
        line.split(": ") for line in git(tmp_path / "t", "count-objects", "-v").splitlines()
    )
    blobs = git(tmp_path / "t", "ls-tree", "-r", done.base).splitlines()
    assert int(counted["packs"]) <= 2  # tar may make links in a second pass
    assert int(counted["in-pack"]) >= len({line.split()[2] for line in blobs}) - len(LINKS)


def test_without_the_overlay(tmp_path: Path) -> None:
    done = made(tmp_path / "t", tarball(tmp_path / "linux-6.12.tar.xz"), with_overlay=False)
    assert (done.patches, done.mermap, done.tree.commit) == ((), None, done.base)


def test_a_tree_that_stands_is_left_as_it_is(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    first = made(tmp_path / "t", archive)
    (tmp_path / "t/mm/mermap.c").write_text("mine\n")
    before = {path: path.lstat().st_mtime_ns for path in (tmp_path / "t").rglob("*")}
    again = made(tmp_path / "t", archive)
    assert again.already
    assert (again.base, again.patches) == (first.base, first.patches)
    assert again.tree.dirty
    assert {path: path.lstat().st_mtime_ns for path in (tmp_path / "t").rglob("*")} == before

    assert command.other_source(again, str(archive)) is None
    other = tarball(tmp_path / "linux-6.13.tar.xz")
    assert command.other_source(again, str(other)) == str(other)


@pytest.mark.parametrize("posting", [None, Posting.FIRST])
def test_a_tree_of_another_version_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], posting: Posting | None
) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    said: list[Event] = []
    place = tmp_path / "t"
    command.prepare(place, str(archive), said.append, with_overlay=True, posting=posting)
    assert not made(tmp_path / "t", archive).differs
    ours = tmp_path / "t/mm/mermap.c"
    ours.write_text(ours.read_text().replace("TLB", "tlb", 1))
    tree_status.prepared(sys.stdout, made(tmp_path / "t", archive), None)
    assert "not the one of this mermapctl" in " ".join(capsys.readouterr().out.split())


def test_an_empty_directory_and_missing_parents_are_fine(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    (tmp_path / "empty").mkdir()
    assert made(tmp_path / "empty", archive).tree.kernel == "6.12.1"
    assert made(tmp_path / "a/b/c", archive).tree.kernel == "6.12.1"


@pytest.mark.parametrize("what", ["file", "full", "kernel"])
def test_other_files_stay_untouched(tmp_path: Path, what: str) -> None:
    place = tmp_path / "t"
    if what == "file":
        place.write_text("x")
    elif what == "full":
        place.mkdir()
        (place / "thesis.tex").write_text("x")
    else:
        written(place)
        git(place, "init", "-q")
    before = sorted(place.rglob("*"))
    with pytest.raises(UserError, match=r"not empty|did not make") as caught:
        made(place, tarball(tmp_path / "linux-6.12.tar.xz"))
    assert sorted(place.rglob("*")) == before
    if what == "kernel":
        assert f"run --tree {place}" in (caught.value.hint or "")


def test_a_tarball_cannot_bring_its_own_git(tmp_path: Path) -> None:
    config = "[core]\n\tfsmonitor = touch /evil\n"
    evil = {".git/config": config, ".git/hooks/post-commit": "exit 1", "sub/.git": "x"}
    made(tmp_path / "t", tarball(tmp_path / "linux-6.12.tar.xz", evil))
    assert "fsmonitor" not in (tmp_path / "t/.git/config").read_text()
    assert not (tmp_path / "t/.git/hooks").exists()
    assert not (tmp_path / "t/sub/.git").exists()


def test_a_tarball_cannot_write_outside(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"../../evil": "x"})
    with pytest.raises(HarnessError, match=r"unpacking .* failed: tar: .*\.\."):
        made(tmp_path / "deep/er/t", archive)
    assert list(tmp_path.rglob("evil")) == []
    assert list((tmp_path / "deep/er").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "unpacking .* failed"),
        (lambda path: path.write_bytes(b"not a tarball"), "unpacking .* failed"),
        (lambda path: tarball(path, {"Makefile": "all:\n"}), "holds no kernel tree"),
    ],
)
def test_a_bad_tarball_leaves_nothing(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    spoil(archive)
    with pytest.raises((UserError, HarnessError), match=message):
        made(tmp_path / "t", archive)
    assert sorted(tmp_path.iterdir()) == [archive]


def test_a_kernel_that_the_overlay_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"mm/Makefile": "# empty\n"})
    with pytest.raises(UserError, match="mm/Makefile"):
        made(tmp_path / "t", archive)
    assert sorted(tmp_path.iterdir()) == [archive]


def test_a_series_in_the_source_keeps_the_reference_out(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"mm/mermap.c": "/* the real one */\n"})
    events: list[Event] = []
    done = command.prepare(tmp_path / "t", str(archive), events.append, with_overlay=True)
    assert (done.mermap, done.patches) == (overlay.Mermap.SERIES, ())
    assert any("has a mermap already" in note for note in heard(events))
    assert [event.stage for event in events if isinstance(event, StageEnded)] == [
        "unpack",
        "mermap",
    ]


def like(directory: Path, asked: Path, posting: Posting) -> prepare.Prepared:
    return command.prepare(
        directory, str(asked), lambda _: None, with_overlay=True, posting=posting
    )


@pytest.mark.parametrize("posting", list(Posting))
def test_a_posting_is_one_more_commit(tmp_path: Path, posting: Posting) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"mm/memory.c": MEMORY})
    done = like(tmp_path / "t", archive, posting)
    assert len(done.patches) == len(overlay.load().parts) + 1
    assert done.patches[-1].startswith("mm: mermap: behave like the ")
    assert postings.of(tmp_path / "t") is posting
    assert git(tmp_path / "t", "status", "--porcelain") == ""
    again = like(tmp_path / "t", archive, posting)
    assert (again.already, again.patches) == (True, done.patches)
    other = next(each for each in Posting if each is not posting)
    with pytest.raises(UserError, match=f"not the {other} posting's"):
        like(tmp_path / "t", archive, other)


def test_a_posting_on_a_tree_that_has_the_reference_or_the_series(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz", {"mm/memory.c": MEMORY})
    made(tmp_path / "reference", archive)
    with pytest.raises(UserError, match="not the first posting's"):
        like(tmp_path / "reference", archive, Posting.FIRST)
    done = like(tmp_path / "first", tmp_path / "reference", Posting.FIRST)
    assert done.patches == ("mm: mermap: behave like the first posting",)
    assert postings.of(tmp_path / "first") is Posting.FIRST
    series = tarball(tmp_path / "linux-6.13.tar.xz", {"mm/mermap.c": "/* the real one */\n"})
    with pytest.raises(UserError, match="has a mermap of its own"):
        like(tmp_path / "series", series, Posting.FIRST)
    assert not (tmp_path / "series").exists()


def test_a_posting_of_no_overlay_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--posting changes what --no-overlay leaves out"):
        command.prepare(
            tmp_path / "t", None, lambda _: None, with_overlay=False, posting=Posting.FIRST
        )


def test_the_command_line_offers_every_posting() -> None:
    (option,) = (one for one in cli.prepare.params if one.name == "posting")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(Posting)


def committed(path: Path, *subjects: str) -> Path:
    """Make a repository of the tiny kernel with a commit per subject."""
    git(written(path), "init", "-q", "-b", "main")
    git(path, "add", "-f", ".")
    for subject in subjects:
        git(path, "commit", "-q", "--allow-empty", "-m", subject)
    return path


def test_a_repository_is_cloned_with_its_history_and_only_read(tmp_path: Path) -> None:
    origin = committed(tmp_path / "origin", "one", "two")
    (origin / "mm/Makefile").write_text("# not committed\n")
    before = {path: path.lstat().st_mtime_ns for path in origin.rglob("*")}

    events: list[Event] = []
    done = command.prepare(tmp_path / "t", str(origin), events.append, with_overlay=True)
    assert {path: path.lstat().st_mtime_ns for path in origin.rglob("*")} == before
    assert any("not committed" in note for note in heard(events))
    assert git(tmp_path / "t", "log", "--format=%s", done.base).splitlines() == ["two", "one"]
    assert len(done.patches) == len(overlay.load().parts)

    git(origin, "checkout", "-q", ".")
    git(origin, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD~1")
    linked = made(tmp_path / "from-linked", tmp_path / "linked", with_overlay=False)
    assert linked.base == git(tmp_path / "linked", "rev-parse", "HEAD")


def test_a_url_is_cloned_without_its_history_at_its_tag(tmp_path: Path) -> None:
    origin = committed(tmp_path / "origin", "old", "tagged")
    git(origin, "tag", "v6.12.1")
    git(origin, "commit", "-q", "--allow-empty", "-m", "newer")
    done = made(tmp_path / "t", f"file://{origin}#v6.12.1")
    assert git(tmp_path / "t", "log", "--format=%s", done.base).splitlines() == ["tagged"]
    with pytest.raises(HarnessError, match=r"git clone .* failed: .*v9"):
        made(tmp_path / "u", f"file://{origin}#v9")
    assert not (tmp_path / "u").exists()
    again = made(tmp_path / "t", f"file://{origin}#v6.12.1")
    assert command.other_source(again, f"file://{origin}#v6.12.1") is None
    assert command.other_source(again, f"file://{origin}#main") == f"file://{origin}#main"
    here = made(tmp_path / "v", f"{origin}#v6.12.1")
    assert git(tmp_path / "v", "log", "--format=%s", here.base).splitlines() == ["tagged", "old"]
    with pytest.raises(UserError, match="is no git repository"):
        made(tmp_path / "w", f"{tmp_path / 't/mm'}#v6.12.1")


def test_a_directory_is_copied_unless_it_was_built_in(tmp_path: Path) -> None:
    origin = written(tmp_path / "linux")
    done = made(tmp_path / "t", origin)
    assert git(tmp_path / "t", "show", "-s", "--format=%s", done.base) == "Linux 6.12.1"
    assert "As in linux" in git(tmp_path / "t", "show", "-s", "--format=%b", done.base)
    assert not (origin / ".git").exists()
    (origin / ".config").write_text("CONFIG_X=y\n")
    with pytest.raises(UserError, match="was built in place") as caught:
        made(tmp_path / "u", origin)
    assert "mrproper" in (caught.value.hint or "")


def test_a_place_where_no_kernel_can_be_built_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a blank or a colon"):
        made(tmp_path / "my linux", written(tmp_path / "linux"))


def test_too_little_space_is_reported_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = written(tmp_path / "linux")
    monkeypatch.setattr(workshop, "BYTES", 1 << 70)
    with pytest.raises(HarnessError, match=r"GB free; a kernel tree needs") as caught:
        made(tmp_path / "t", origin)
    assert "free some space" in (caught.value.hint or "")
    monkeypatch.setattr(workshop, "BYTES", 1)
    monkeypatch.setattr(workshop, "INODES", 1 << 70)
    if os.statvfs(tmp_path).f_files:
        with pytest.raises(HarnessError, match="inodes"):
            made(tmp_path / "t", origin)


# A tar that names two files and then waits.
SLOW_TAR = """#!/bin/sh
case " $* " in *' --list '*) echo 'drwxr-xr-x 0/0 0 2023-11-14 22:13 "linux/"'; exit 0 ;; esac
mkdir -p mm && echo x > Makefile
echo '-rw-r--r-- 0/0 2 2023-11-14 22:13 "linux/Makefile"'
echo 'drwxr-xr-x 0/0 0 2023-11-14 22:13 "linux/mm/"'
exec sleep 300
"""


def started(tmp_path: Path, archive: Path) -> subprocess.Popen[bytes]:
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "tar").write_text(SLOW_TAR)
    (programs / "tar").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    argv = [sys.executable, "-m", "mermapctl", "tree", "prepare", str(tmp_path / "t")]
    process = subprocess.Popen([*argv, f"--source={archive}"], env=environment)
    partial = tmp_path / ".t.mermapctl-partial"
    deadline = time.monotonic() + 60
    while not (partial / "tree/Makefile").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing(tmp_path: Path, signum: signal.Signals) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    process = started(tmp_path, archive)
    process.send_signal(signum)
    assert process.wait(timeout=60) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", archive.name]
    assert still_running(tmp_path) == []


def is_locked(directory: Path) -> bool:
    handle = os.open(directory, os.O_RDONLY)
    try:
        return not locks.take(handle, wait=False)
    finally:
        locks.release(handle)


def still_running(tmp_path: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(tmp_path) in str((entry / "cwd").readlink()):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_killed_it_looks_unfinished_and_the_next_run_starts_again(tmp_path: Path) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    process = started(tmp_path, archive)
    with pytest.raises(UserError, match="another mermapctl is preparing"):
        made(tmp_path / "t", archive)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while still_running(tmp_path):  # the kernel ends the children of the dead
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while is_locked(tmp_path / ".t.mermapctl-partial"):  # the guard holds it until they end
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (tmp_path / "t").exists()
    assert (tmp_path / ".t.mermapctl-partial").is_dir()

    events: list[Event] = []
    done = command.prepare(tmp_path / "t", str(archive), events.append, with_overlay=True)
    assert any("starting again" in note for note in heard(events))
    assert git(tmp_path / "t", "status", "--porcelain") == ""
    assert (tmp_path / "t/Makefile").read_text() == KERNEL["Makefile"]
    assert len(done.patches) == len(overlay.load().parts)
    assert not (tmp_path / ".t.mermapctl-partial").exists()


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarball(tmp_path / "linux-6.12.tar.xz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="cannot start git") as caught:
        made(tmp_path / "t", archive)
    assert "doctor" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["linux-source-6.12.tar.xz"], "linux-source-6.12.tar.xz"),
        (["linux-source-6.1.tar.xz", "linux-source-6.12.tar.xz"], "linux-source-6.12.tar.xz"),
        (["linux-source-6.12.tar.xz", "linux-source-6.9.tar.xz"], "linux-source-6.12.tar.xz"),
        (["linux-source-7.3.tar.xz", "linux-source-6.12.tar.xz"], "linux-source-7.3.tar.xz"),
        (["linux-source-6.14.0/linux-source-6.14.0.tar.bz2"], "linux-source-6.14.0.tar.bz2"),
        (
            ["linux-hwe-6.14-source-6.14.0/linux-hwe-6.14-source-6.14.0.tar.bz2"],
            "linux-hwe-6.14-source-6.14.0.tar.bz2",
        ),
        (["linux-source-6.12.tar.xz", "linux-patch-6.13-rt.patch.xz"], "linux-source-6.12.tar.xz"),
    ],
)
def test_the_distributions_newest_tarball(tmp_path: Path, files: list[str], chosen: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert Path(source.newest(tmp_path).location).name == chosen


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "there is no linux-source tarball"),
        (["linux-source-6.1.tar.xz", "linux-source-6.8.0.tar.bz2"], r"6\.8, 6\.1 .* too old"),
    ],
)
def test_no_usable_tarball_gives_a_hint(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=message) as caught:
        source.newest(tmp_path)
    assert "--source" in (caught.value.hint or "")
    assert "install" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/linux.git", Source(SourceKind.URL, "https://example.org/linux.git")),
        ("https://x.org/l.git#v6.12", Source(SourceKind.URL, "https://x.org/l.git", "v6.12")),
        ("git@x.org:linux.git", Source(SourceKind.URL, "git@x.org:linux.git")),
        ("ssh://x.org/l", Source(SourceKind.URL, "ssh://x.org/l")),
    ],
)
def test_urls_of_sources(text: str, expected: Source) -> None:
    assert source.identify(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://x.org/linux-6.12.tar.xz", "on another machine"),
        ("linux-6.12.tar.xz", "there is no tarball"),
        ("/nowhere/linux", "is not there"),
        ("/etc/passwd", "neither a tarball"),
        ("/etc", "neither a kernel tree"),
    ],
)
def test_sources_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        source.identify(text)


@pytest.mark.parametrize(
    ("location", "ref", "name"),
    [
        ("/usr/src/linux-source-6.12.tar.xz", None, "linux-source-6.12.tar.xz"),
        ("https://user:secret@x.org/linux.git/", "v6.12", "linux.git#v6.12"),
        ("git@x.org:linux", None, "linux"),
    ],
)
def test_a_commit_message_names_no_machine(location: str, ref: str | None, name: str) -> None:
    assert Source(SourceKind.URL, location, ref).name == name
