# SPDX-License-Identifier: GPL-2.0-only
"""`tree apply`: mails made by git, read by the real b4, applied by the real git."""

from __future__ import annotations

import email
import gzip
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mermapctl.tree import git_identity, mail_origin
from tests.conftest import git
from tests.forkserver import Done, command
from tests.series.fake_commits import snapshot
from tests.tree.mails import FILES, commit_five, mails, message_id


@pytest.fixture
def tree(fake_tree: Path) -> Path:
    """The stand-in tree with five changes on the branch `topic`, above the checked-out commit."""
    commit_five(fake_tree)
    return fake_tree


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the new tree is to be."""
    return tmp_path / "new"


def written(tree: Path) -> dict[str, tuple[int, str]]:
    """Every file of a tree; of an object only what is in it, as git sets the time of its link."""
    found = snapshot(tree)
    return {
        name: (0 if name.startswith(".git/objects/") else when, content)
        for name, (when, content) in found.items()
    }


def apply(tree: Path, place: Path, text: str | bytes, *argv: str) -> Done:
    mailbox = tree.parent / "series.mbox"
    mailbox.write_bytes(text if isinstance(text, bytes) else text.encode())
    return command("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(place), *argv)


def refused(done: Done, place: Path, *words: str) -> None:
    """Check that a command was refused in these words, and left nothing."""
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    for each in words:
        assert each in said
    assert "Traceback" not in said
    assert not place.exists()
    assert not [*place.parent.glob(".*mermapctl-partial*")]


def subjects(place: Path) -> list[str]:
    return git(place, "log", "--reverse", "--format=%s", "main..HEAD").splitlines()


ALL = [f"mm: change {number}" for number in range(1, 6)]


def test_a_series_becomes_a_branch_of_a_new_tree(tree: Path, place: Path) -> None:
    base = git(tree, "rev-parse", "main")
    before = written(tree)
    made = mails(tree, "--base=main")
    done = apply(tree, place, "".join(made))
    assert done.returncode == 0, done.stderr
    assert written(tree) == before
    assert git(place, "log", "--reverse", "--format=%s", f"{base}..HEAD").splitlines() == ALL
    assert git(place, "status", "--porcelain") == ""
    assert git(place, "rev-parse", "--abbrev-ref", "HEAD") == "mail/mm-five-changes"
    assert f"base: {base[:12]} (stand-in), named by the series' base-commit" in done.stderr
    assert f"mermapctl run --tree {place} --commits {base[:12]}.." in done.stdout
    origin = mail_origin.read(place)
    assert origin is not None
    assert origin.mail.subject == "[PATCH 0/5] mm: five changes"
    assert origin.mail.message_id == message_id(made[0])
    assert origin.mail.base_from == "base-commit"
    assert (origin.base, origin.tip) == (base, git(place, "rev-parse", "HEAD"))


def test_the_new_tree_outlives_the_old_one(tree: Path, place: Path) -> None:
    assert apply(tree, place, "".join(mails(tree, "--base=main"))).returncode == 0
    shutil.rmtree(tree)
    git(place, "fsck", "--full", "--strict")
    assert not (place / ".git/objects/info/alternates").exists()


def test_the_new_tree_of_one_that_borrows_objects_borrows_none(tree: Path, place: Path) -> None:
    borrower = tree.parent / "borrower"
    git(tree, "clone", "-q", "--shared", str(tree), str(borrower))
    text = "".join(mails(tree, "--base=main"))
    assert apply(borrower, place, text).returncode == 0
    shutil.rmtree(tree)
    git(place, "fsck", "--full", "--strict")


def test_a_series_with_its_third_patch_missing_is_refused(tree: Path, place: Path) -> None:
    made = mails(tree, "--base=main")
    done = apply(tree, place, "".join([*made[:3], *made[4:]]))
    refused(done, place, "has 5 patches, and 4 of them are here: 3/5 is missing")


def add_of_two_files(tree: Path) -> None:
    git(tree, "checkout", "-q", "topic")
    for name in ("mm/six.c", "mm/seven.c"):
        (tree / name).write_text("/* one */\n/* two */\n")
        git(tree, "add", name)
    git(tree, "commit", "-q", "-m", "mm: change of two files")
    git(tree, "checkout", "-q", "main")


def test_a_patch_that_is_cut_off_between_two_files_is_refused(tree: Path, place: Path) -> None:
    add_of_two_files(tree)
    made = mails(tree, "--base=main")
    whole = made[6]
    made[6] = whole[: whole.rindex("diff --git ") + 45] + "\n-- \n2.39\n\n"
    refused(
        apply(tree, place, "".join(made)),
        place,
        "patch 6/6 is cut off: it has 1 file, 2 insertions, 0 deletions, and its diffstat says "
        "2 files, 4 insertions, 0 deletions: mm: change of two files",
    )


def test_a_patch_that_was_edited_is_named(tree: Path, place: Path) -> None:
    add_of_two_files(tree)
    made = mails(tree, "--base=main")
    made[6] = made[6].replace("@@ -0,0 +1,2 @@\n+/* one */\n", "@@ -0,0 +1 @@\n", 1)
    done = apply(tree, place, "".join(made))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "patch 6/6 has 2 files, 3 insertions, 0 deletions, and its diffstat says 2 files" in said
    assert "edited, or cut off" in said
    assert said.count("its diffstat says") == 1


def test_the_same_series_again_is_there_already(tree: Path, place: Path) -> None:
    text = "".join(mails(tree, "--base=main"))
    assert apply(tree, place, text).returncode == 0
    tip = git(place, "rev-parse", "HEAD")
    again = apply(tree, place, text)
    assert (again.returncode, "has the series already" in again.stdout) == (0, True)
    other = apply(tree, place, text, "--onto=topic~3")
    assert other.returncode == 2
    assert "has another series, or this one on" in other.stderr
    git(place, "commit", "-q", "--allow-empty", "-m", "mine")
    changed = apply(tree, place, text)
    assert changed.returncode == 2
    assert "was changed since" in changed.stderr
    assert git(place, "rev-parse", "HEAD~1") == tip


def test_the_same_series_has_the_same_hashes_anywhere(tree: Path, place: Path) -> None:
    text = "".join(mails(tree, "--base=main"))
    tips = []
    for name in ("a", "b"):
        assert apply(tree, place / name, text).returncode == 0
        tips.append(git(place / name, "rev-parse", "HEAD"))
    assert tips[0] == tips[1]


# The base: from the user, from the series, or nobody's.


def test_the_users_base_takes_precedence_and_is_named(tree: Path, place: Path) -> None:
    git(tree, "commit", "-q", "--allow-empty", "-m", "newer")
    done = apply(tree, place, "".join(mails(tree, "--base=main~1")), "--onto", "main")
    assert done.returncode == 0, done.stderr
    newer, older = (git(tree, "rev-parse", name)[:12] for name in ("main", "main~1"))
    assert f"base: {newer} (newer), chosen by --onto main; the series names {older}" in done.stderr
    assert "chosen by --onto" in done.stdout
    origin = mail_origin.read(place)
    assert origin is not None
    assert origin.mail.base_from == "--onto"


def test_no_base_is_guessed(tree: Path, place: Path) -> None:
    made = mails(tree)
    refused(apply(tree, place, "".join(made)), place, "no base-commit trailer", "--onto REV")
    unknown = made[0] + f"\nbase-commit: {'0' * 39}1\n"
    done = apply(tree, place, "".join([unknown, *made[1:]]))
    refused(done, place, "is made for commit 000000000000: ", "has no commit", "--onto REV")
    two = made[0] + f"\nbase-commit: {'1' * 40}\nbase-commit: {'2' * 40}\n"
    refused(apply(tree, place, "".join([two, *made[1:]])), place, "names 2 base commits")
    done = apply(tree, place, "".join(made), "--onto", "nowhere")
    refused(done, place, "has no commit 'nowhere'")
    refused(apply(tree, place, "".join(made), "--onto=main..topic"), place, "is a range")


def test_a_series_on_top_of_other_patches_needs_a_base(tree: Path, place: Path) -> None:
    text = "".join(mails(tree, "--base=main", commits="topic~2..topic"))
    assert text.count("prerequisite-patch-id") == 3
    refused(apply(tree, place, text), place, "is on top of 3 other patches", "--onto REV")
    assert apply(tree, place, text, "--onto=topic~2").returncode == 0


# Patches that do not apply.


def test_a_conflict_names_the_patch_and_the_file(tree: Path, place: Path) -> None:
    (tree / FILES[2]).write_text("/* mine */\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "in the way")
    before = written(tree)
    done = apply(tree, place, "".join(mails(tree, "--base=main~1")), "--onto=main")
    refused(done, place, f"patch 3/5 does not apply to main ({git(tree, 'rev-parse', 'main')[:12]})"
            f" in {FILES[2]}: mm: change 3", "nothing was made")  # fmt: skip
    assert written(tree) == before


def test_a_file_that_is_missing_is_named(tree: Path, place: Path) -> None:
    (tree / "mm/gone.c").write_text("1\n2\n3\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "gone")
    git(tree, "checkout", "-q", "-b", "change")
    (tree / "mm/gone.c").write_text("1\n2\n4\n")
    git(tree, "commit", "-q", "-a", "-m", "mm: gone: change it")
    git(tree, "checkout", "-q", "main")
    text = "".join(mails(tree, commits="main..change"))
    done = apply(tree, place, text, "--onto=main~1")
    refused(done, place, "patch 1/1 does not apply to", "in mm/gone.c: mm: gone: change it")


def test_patches_that_are_in_the_base_already_are_named(tree: Path, place: Path) -> None:
    done = apply(tree, place, "".join(mails(tree)), "--onto=topic~3")
    refused(done, place, "2 of 5 patches change nothing", "mm: change 1; mm: change 2")


# Which series is meant.


def test_of_two_versions_the_newer_one_is_applied(tree: Path, place: Path) -> None:
    old = mails(tree, "--base=main", "-v1", commits="main..topic~1")
    new = mails(tree, "--base=main", "-v2")
    for text in ("".join([*old, *new]), "".join([*new, *old])):
        done = apply(tree, place, text)
        assert done.returncode == 0, done.stderr
        assert "not applied, as it is another version or series: [PATCH v1 0/4]" in done.stderr
        assert git(place, "rev-list", "--count", "main..HEAD") == "5"
        assert git(place, "rev-parse", "--abbrev-ref", "HEAD") == "mail/v2-mm-five-changes"
        shutil.rmtree(place)


def test_two_series_of_one_version_are_refused(tree: Path, place: Path) -> None:
    one = mails(tree, "--base=main")
    two = mails(tree, "--base=main", commits="main..topic~1")
    refused(apply(tree, place, "".join([*one, *two])), place, "two series of one version")
    same = [each.replace("Message-Id: <", "Message-Id: <again.") for each in one]
    refused(apply(tree, place, "".join([*one, *same])), place, "two series of one version")


def test_mails_that_came_twice_and_replies_do_not_count(tree: Path, place: Path) -> None:
    made = mails(tree, "--base=main")
    reply = made[2].replace("Subject: [PATCH", "Subject: Re: [PATCH").replace("<", "<re.", 1)
    done = apply(tree, place, "".join([*made, *made[1:3], reply]))
    assert done.returncode == 0, done.stderr
    assert git(place, "rev-list", "--count", "main..HEAD") == "5"


def test_mails_without_message_ids_as_format_patch_makes_them(tree: Path, place: Path) -> None:
    made = mails(tree, "--base=main", "--no-thread")
    assert "Message-Id" not in "".join(made)
    assert apply(tree, place, "".join(made)).returncode == 0
    origin = mail_origin.read(place)
    assert origin is not None
    assert origin.mail.message_id is None


def test_a_single_patch_without_a_cover_letter(tree: Path, place: Path) -> None:
    made = mails(tree, "--no-cover-letter", "--base=main", commits="main..topic~4")
    done = apply(tree, place, "".join(made))
    assert done.returncode == 0, done.stderr
    assert git(place, "rev-parse", "--abbrev-ref", "HEAD") == "mail/mm-change-1"


# Mails that mean harm.


def test_no_program_of_the_tree_or_the_user_runs(
    tree: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("applypatch-msg", "pre-applypatch", "post-applypatch", "post-checkout",
                 "commit-msg", "prepare-commit-msg", "post-commit"):  # fmt: skip
        for where in (hooks, tree / ".git/hooks"):
            where.mkdir(exist_ok=True)
            (where / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
            (where / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\thooksPath = {hooks}\n[commit]\n\tgpgSign = true\n[am]\n\tkeepcr = true\n"
        f"[b4]\n\tam-perpatch-check-cmd = touch {tmp_path}/ran\n"
        f'[filter "x"]\n\tsmudge = touch {tmp_path}/ran; cat\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    (tree / ".gitattributes").write_text("*.c filter=x\n")
    git(tree, "add", "-A")
    git(
        tree,
        "-c",
        f"core.hooksPath={tmp_path / 'none'}",
        "commit",
        "-q",
        "--no-gpg-sign",
        "-m",
        "a",
    )
    done = apply(tree, place, "".join(mails(tree)), "--onto=main")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_another_users_tree_is_refused(
    tree: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(mails(tree, "--base=main"))
    mailbox = tree.parent / "series.mbox"
    mailbox.write_text(text)
    try:
        shutil.chown(tree / "Makefile", 12345)
    except PermissionError:
        pytest.skip("only root can give a file away")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    done = command("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(place))
    refused(done, place, "belongs to another user", "safe.directory")


@pytest.mark.parametrize(
    "name", ["../../outside", "/outside", ".git/hooks/pre-commit", "mm/../../x"]
)
def test_paths_out_of_the_tree_are_refused(name: str, tree: Path, place: Path) -> None:
    text = "".join(mails(tree, "--base=main")).replace(f"b/{FILES[1]}", f"b/{name}")
    text = text.replace(f"a/{FILES[1]}", f"a/{name}")
    refused(apply(tree, place, text), place, "patch 2/5 does not apply to", "mm: change 2")
    assert not (place.parent / "outside").exists()
    assert not Path("/outside").exists()


def test_a_file_behind_a_link_of_the_series_is_refused(
    tree: Path, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "target").mkdir()
    git(tree, "checkout", "-q", "-b", "links")
    (tree / "mm/link").mkdir()
    (tree / "mm/link/file").write_text("1\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "mm: file")
    one = mails(tree, "--no-cover-letter", commits="main..links")[0]
    git(tree, "checkout", "-q", "-B", "links", "main")
    (tree / "mm/link").symlink_to(tmp_path / "target")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "mm: link")
    link = mails(tree, "--no-cover-letter", commits="main..links")[0]
    git(tree, "checkout", "-q", "main")
    link, one = link.replace("[PATCH]", "[PATCH 1/2]"), one.replace("[PATCH]", "[PATCH 2/2]")
    refused(apply(tree, place, link + one, "--onto=main"), place, "patch 2/2 does not apply to")
    assert not [*(tmp_path / "target").iterdir()]


def test_escapes_in_a_subject_are_shown_and_not_obeyed(tree: Path, place: Path) -> None:
    hostile = "=?utf-8?q?mm=3A_=1B=5B31mred=1B=5D0=3Bt=07_=E2=80=AEx?="
    text = "".join(mails(tree, "--base=main")).replace("mm: five changes", hostile)
    text = text.replace("mm: change 2", hostile)
    done = apply(tree, place, text)
    assert "Traceback" not in done.stderr
    for each in (done.stdout, done.stderr):
        assert not [char for char in each if not char.isprintable() and char != "\n"]
    assert done.returncode in {0, 2}
    assert place.exists() == (done.returncode == 0)


def test_a_binary_hunk_is_applied(tree: Path, place: Path) -> None:
    git(tree, "checkout", "-q", "-b", "binary")
    data = bytes(range(256)) * 4
    (tree / "mm/blob").write_bytes(data)
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "mm: blob")
    git(tree, "checkout", "-q", "main")
    text = "".join(mails(tree, "--binary", "--base=main", commits="main..binary"))
    done = apply(tree, place, text)
    assert done.returncode == 0, done.stderr
    assert (place / "mm/blob").read_bytes() == data


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no patch is among the mails"),
        (b"hello\n", "no patch is among the mails"),
        (b"\0\xff\x1b[31m" * 1000, "no patch is among the mails"),
        (b"\x1f\x8b\x08", "is compressed"),
        (b"From x\nSubject: [PATCH 1/99999]\n\ndiff --git a/x b/x\n", "no patch"),
        (b"Subject: [PATCH 1/9999]\n\ndiff --git a/x b/x\n", "has 9999 patches; 1000 are the most"),
        (b"Subject: [PATCH 7/5]\n\ndiff --git a/x b/x\n", "1/5, 2/5, 3/5, 4/5, 5/5 are missing"),
        (b"Subject: [PATCH 0/5] cover\n\ntext\n", "no patch is among the mails"),
    ],
)
def test_what_is_no_series_is_refused(text: bytes, words: str, tree: Path, place: Path) -> None:
    if b"99999" in text:
        done = apply(tree, place, text)
        assert done.returncode == 2
        assert not place.exists()
        return
    refused(apply(tree, place, text), place, words)


def test_a_mailbox_of_100_mb_is_refused(tree: Path, place: Path) -> None:
    mailbox = tree.parent / "series.mbox"
    with mailbox.open("wb") as file:
        file.truncate(100 << 20)
    done = command("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(place))
    refused(done, place, "larger than")


@pytest.mark.parametrize("size", [4, 8, 16, 24, 48, 56])
def test_a_full_disk_is_no_fault_of_the_mails(
    size: int, tree: Path, place: Path, small: Callable[[int], Path]
) -> None:
    full = small(size)
    mailbox = tree.parent / "series.mbox"
    mailbox.write_text("".join(mails(tree, "--base=main")))
    done = command(
        *("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(place)),
        first=f"import tempfile; tempfile.tempdir = {str(full)!r}",
    )
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr or "No space left on device" in done.stderr
    assert str(full) in done.stderr
    assert not place.exists()
    assert not [*full.iterdir()]


@pytest.mark.parametrize("size", [4, 64, 240, 300, 400])
def test_a_full_disk_is_no_conflict(size: int, tree: Path, small: Callable[[int], Path]) -> None:
    full = small(size)
    mailbox = tree.parent / "series.mbox"
    mailbox.write_text("".join(mails(tree, "--base=main")))
    done = command(
        *("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(full / "new")),
        first="from mermapctl.tree import workshop; workshop.BYTES = 1",
    )
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr
    assert not [*full.iterdir()]


def test_neither_a_file_nor_a_message_id(tree: Path, place: Path) -> None:
    for source, words in (
        ("nothing.mbox", "is neither a file nor a Message-Id"),
        (str(tree), "a directory"),
    ):
        done = command("tree", "apply", source, f"--tree={tree}", "-o", str(place))
        refused(done, place, words)


def test_the_new_tree_is_not_put_into_the_old_one(tree: Path) -> None:
    text = "".join(mails(tree, "--base=main"))
    refused(apply(tree, tree / "mm/new", text), tree / "mm/new", "is in the tree")


def test_a_place_that_is_taken_is_left_alone(tree: Path, place: Path) -> None:
    place.mkdir()
    (place / "mine").write_text("1\n")
    done = apply(tree, place, "".join(mails(tree, "--base=main")))
    assert done.returncode == 2
    assert "is there and is not empty" in done.stderr
    assert [path.name for path in place.iterdir()] == ["mine"]


def test_standard_input_and_the_place_by_default(tree: Path, home: Path) -> None:
    text = "".join(mails(tree, "--base=main"))
    done = command("tree", "apply", "-", f"--tree={tree}", stdin=text)
    assert done.returncode == 0, done.stderr
    made = home / "cache/mail/mm-five-changes"
    assert git(made, "log", "-1", "--format=%s") == ALL[-1]


def test_without_b4_one_sentence_says_how_to_install_it(
    tree: Path, place: Path, tmp_path: Path
) -> None:
    first = f"import sys; sys.executable = {str(tmp_path / 'python')!r}"
    mailbox = tree.parent / "series.mbox"
    mailbox.write_text("".join(mails(tree, "--base=main")))
    words = ("tree", "apply", str(mailbox), f"--tree={tree}", "-o", str(place))
    done = command(*words, first=first, env={"PATH": "/usr/bin:/bin"})
    refused(done, place, "b4 is not installed", "pipx install 'mermapctl[mail]'")
    old = tmp_path / "old"
    old.mkdir()
    (old / "b4").write_text("#!/bin/sh\necho 0.12.3\n")
    (old / "b4").chmod(0o755)
    done = command(*words, first=first, env={"PATH": f"{old}:/usr/bin:/bin"})
    refused(done, place, "is b4 0.12.3; 0.16 is needed")


# A thread from an archive: b4 fetches it over HTTP from a server of ours.


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve the files of a directory; the user's b4 looks there for a thread."""
    served = tmp_path / "archive"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(served))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[b4]\n\tmidmask = http://127.0.0.1:{server.server_port}/%s\n"
        f"\tlinkmask = http://127.0.0.1:{server.server_port}/%s\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    yield served
    server.shutdown()
    server.server_close()


def test_the_thread_of_a_message_id_is_fetched(tree: Path, place: Path, archive: Path) -> None:
    old = mails(tree, "--base=main", "-v1", commits="main..topic~1")
    new = mails(tree, "--base=main", "-v2")
    named = message_id(old[0])
    (archive / named).mkdir()
    (archive / named / "t.mbox.gz").write_bytes(gzip.compress("".join([*old, *new]).encode()))
    done = command("tree", "apply", named, f"--tree={tree}", "-o", str(place))
    assert done.returncode == 0, done.stderr
    # The version of the message that was named, and not the newest one.
    assert git(place, "rev-list", "--count", "main..HEAD") == "4"
    done = command("tree", "apply", "nobody@example.org", f"--tree={tree}", "-o", f"{place}2")
    assert done.returncode == 3
    assert "b4 did not fetch the thread of nobody@example.org" in done.stderr


# To the grid.


def test_a_series_of_the_mail_is_tested_and_the_record_names_the_mail(
    tree: Path, place: Path
) -> None:
    made = mails(tree, "--base=main")
    assert apply(tree, place, "".join(made)).returncode == 0
    base = git(tree, "rev-parse", "main")
    words = ("--accel=tcg", "--no-triage", "--no-trace", "--no-witness", "--format=json")
    done = command("run", f"--tree={place}", f"--commits={base[:12]}..", *words)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [each["subject"] for each in record["series"]["commits"]] == ALL
    assert record["series"]["mail"]["message_id"] == message_id(made[0])
    for name, value in (("user.name", "A. Tester"), ("user.email", "a@example.org")):
        git(place, "config", name, value)
    answer = tree.parent / "reply.txt"
    done = command("report", "--format=email", "-o", str(answer), cwd=place)
    assert done.returncode == 0, done.stderr
    reply = email.message_from_bytes(answer.read_bytes())
    assert reply["Subject"] == "Re: [PATCH 0/5] mm: five changes"
    assert reply["In-Reply-To"] == reply["References"] == f"<{message_id(made[0])}>"
    assert answer.read_text().endswith("\nTested-by: A. Tester <a@example.org>\n")
    # Of a part of the series, and of more than it, a report is no reply.
    for commits in (f"{base}..HEAD~1", "HEAD~1.."):
        done = command("run", f"--tree={place}", f"--commits={commits}", *words)
        assert json.loads(done.stdout)["series"]["mail"] is None
        assert "a report on them is no reply to that mail" in done.stderr


def test_the_users_name_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.chdir(tmp_path)
    for text, known in (
        ("", None),
        ("[user]\n\tname = A. Tester\n", None),
        ("[user]\n\tname = A. Tester\n\temail = a@example.org\n", "A. Tester <a@example.org>"),
        ('[user]\n\tname = "A <b@c>"\n\temail = a@example.org\n', None),
        ('[user]\n\tname = "A\\nBcc: x"\n\temail = a@example.org\n', None),
    ):
        config.write_text(text)
        assert git_identity.of_user() == known
