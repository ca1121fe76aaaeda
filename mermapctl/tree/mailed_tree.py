# SPDX-License-Identifier: GPL-2.0-only
"""Makes a new kernel tree with a mailed series on a branch; the tree that has the base is read.

The new tree is a clone without alternates: it shares the object files by hard links, and needs
nothing of the other tree after that. Programs of neither tree run: no hook, no filter, no driver.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mermapctl.errors import HarnessError, MermapctlError, UserError
from mermapctl.events import Listener, Note
from mermapctl.system import files, inputs, process
from mermapctl.tree import commits, git, git_files, mail_origin, ownership, state, workshop
from mermapctl.tree.commits import Commit
from mermapctl.tree.mail_origin import MailOrigin, SeriesMail
from mermapctl.tree.mailed_series import MailedSeries
from mermapctl.tree.state import Tree

_PLAIN = (
    *("-c", "gc.auto=0", "-c", "checkout.workers=0"),
    # A name that another system treats as .git is refused, as by `tree prepare`.
    *("-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"),
)
_MERGED = "Falling back to patching base and 3-way merge"
_APPLYING = "Applying: "
_AT_FAULT = re.compile(
    r"^error: (?:patch failed: (?P<a>.+):\d+|(?P<b>.+): (?:does not exist in index|already exists "
    r"in (?:index|working directory)|does not match index|No such file or directory|patch does not "
    r"apply)|(?:invalid path|affected file) '(?P<c>.+)'.*|'?(?P<d>.+?)'? is beyond a symbolic link)"
    r"$",
    re.MULTILINE,
)
_NAME = 50


@dataclass(frozen=True, slots=True)
class SeriesBase:
    """The commit that a series goes onto; `said` is the user's word for it, None for a trailer."""

    commit: Commit
    said: str | None

    @property
    def source(self) -> str:
        """What named it, for the record."""
        return "base-commit" if self.said is None else "--onto"


@dataclass(frozen=True, slots=True)
class Applied:
    """A tree with a mailed series; `already` if it was there before."""

    tree: Tree
    branch: str
    base: Commit
    origin: MailOrigin
    subjects: tuple[str, ...]
    already: bool = False


def base_of(lender: Path, series: MailedSeries, onto: str | None) -> SeriesBase:
    """Return the commit of `lender` that the series goes onto; none is guessed. Raises UserError.

    It is `onto`, else what the series itself names.
    """
    if onto is not None:
        return SeriesBase(commits.named(lender, onto), onto)
    trailer = series.base()
    if trailer is None:
        raise UserError(
            "the series does not name the commit that it is made for: no base-commit trailer",
            "choose one: --onto REV",
        )
    if series.prerequisites:
        raise UserError(
            f"the series is on top of {series.prerequisites} other patches, which are not in its "
            f"base-commit {trailer[:12]}",
            "apply those first, and give their last commit: --onto REV",
        )
    try:
        return SeriesBase(commits.named(lender, trailer), None)
    except UserError as error:
        raise UserError(
            f"the series is made for commit {trailer[:12]}: {error.message}",
            "fetch it there (git fetch), or choose another one: --onto REV",
        ) from error


def slug(series: MailedSeries) -> str:
    """Return a name for the branch, from version and subject."""
    words = re.sub(r"[^a-z0-9]+", "-", series.top.title.lower())[:_NAME].strip("-") or "series"
    version = series.patches[0].version
    return f"v{version}-{words}" if version > 1 else words


def standing(directory: Path, digest: str, base: SeriesBase) -> Applied | None:
    """Return the tree at `directory` if it has this series on this base; None if nothing is there.

    Raises UserError for anything else.
    """
    if workshop.is_free(directory):
        return None
    origin = mail_origin.read(directory)
    if origin is None:
        raise UserError(f"{directory} is there and is not empty", "name another one: -o DIR")
    if (origin.digest, origin.base) != (digest, base.commit.id):
        raise UserError(
            f"{directory} has another series, or this one on {origin.base[:12]}: "
            f"{origin.mail.subject}",
            "name another one: -o DIR, or remove it",
        )
    tree = state.inspect(directory)
    if tree.commit != origin.tip or tree.dirty:
        raise UserError(
            f"{directory} has this series, and was changed since",
            f"run on it as it is (mermapctl run --tree {directory}), or name another one: -o DIR",
        )
    subjects = state.subjects(directory, origin.base)
    branch = git.git(directory, "rev-parse", "--abbrev-ref", "HEAD")
    return Applied(tree, branch, base.commit, origin, subjects, already=True)


def digest(patches: bytes) -> str:
    """Return a hash of patches that are ready for `git am`."""
    return hashlib.sha256(patches).hexdigest()


def make(
    directory: Path,
    lender: Path,
    series: MailedSeries,
    patches: bytes,
    base: SeriesBase,
    tell: Listener,
) -> Applied:
    """Make the tree at `directory`, which is absolute and missing or empty.

    Raises UserError if a patch does not apply, and HarnessError; any error leaves `directory`
    unchanged.
    """
    ownership.require(lender)
    git_files.require_readable(lender)
    workshop.make_room(directory.parent, workshop.BYTES)
    branch = f"mail/{slug(series)}"
    with workshop.opened(directory, tell) as partial:
        tree = partial / "linux"
        tree.mkdir()
        with workshop.stage(tell, "clone"):
            _clone(lender, tree)
            git.git(tree, "checkout", "-q", "--no-track", "-B", branch, base.commit.id,
                    settings=_PLAIN)  # fmt: skip
        with workshop.stage(tell, "apply"):
            _apply(tree, series, patches, base, tell)
        tip = git.git(tree, "rev-parse", "HEAD")
        origin = MailOrigin(base.commit.id, tip, digest(patches), _mail(series, base))
        mail_origin.write(tree, origin)
        workshop.put(partial, tree, directory)
    subjects = state.subjects(directory, base.commit.id)
    return Applied(state.inspect(directory), branch, base.commit, origin, subjects)


def _mail(series: MailedSeries, base: SeriesBase) -> SeriesMail:
    top = series.top
    return SeriesMail(
        subject=top.subject,
        author=top.author,
        patches=len(series.patches),
        base_from=base.source,
        message_id=top.message_id,
        references=top.references,
    )


def _clone(lender: Path, tree: Path) -> None:
    """Clone without a checkout, and without borrowing: a borrowed object dies with its lender."""
    # The transport for local paths, which QUIET forbids, is needed. Templates may have hooks.
    env = git.environment(own=False)
    env |= {"GIT_ALLOW_PROTOCOL": "file", "GIT_NO_LAZY_FETCH": "1"}
    words = ["clone", "--quiet", "--no-checkout", "--template=", "--dissociate"]
    said = process.run(["git", *words, "--", str(lender), "."], cwd=tree, env=env)
    if said.returncode != 0:
        error = git.failed(f"git clone {lender}", said.stderr, tree)
        raise HarnessError(error.message, error.hint or "try the git clone by hand")


def _apply(
    tree: Path, series: MailedSeries, patches: bytes, base: SeriesBase, tell: Listener
) -> None:
    """Commit the patches; the same ones on the same base give the same hashes everywhere."""
    mailbox = tree / ".git/mermapctl-patches"
    files.make(mailbox, patches)
    words = ["am", "--3way", "--patch-format=mboxrd", "--committer-date-is-author-date"]
    argv = ["git", *_PLAIN, *words, "--no-gpg-sign", "--", str(mailbox)]
    said = process.run(argv, cwd=tree, env=git.identity(git.environment(), 0))
    mailbox.unlink()
    if said.returncode < 0:
        raise git.failed("git am", said.stderr, tree)
    files.require_room(tree)  # before a mail's fault: git am may have had half of a patch
    if said.returncode != 0:
        raise _conflict(tree, series, base, said.stdout, said.stderr)
    for subject in _merged(said.stdout):
        tell(Note(f"merged, as the base differs from what it was made for: {subject}"))
    made = int(git.git(tree, "rev-list", "--count", f"{base.commit.id}..HEAD"))
    if made != len(series.patches):
        raise UserError(
            f"{len(series.patches) - made} of {len(series.patches)} patches change nothing on "
            f"{_spelled(base)}: {'; '.join(_without_change(said.stdout))}",
            "are they in there already? Choose another base: --onto REV",
        )


def _spelled(base: SeriesBase) -> str:
    """Return the base in the user's words, with its hash."""
    short = base.commit.id[:12]
    if base.said is None or base.commit.id.startswith(base.said):
        return short
    return f"{base.said} ({short})"


def _merged(said: str) -> list[str]:
    return _subjects_before(said, _MERGED)


def _without_change(said: str) -> list[str]:
    return _subjects_before(said, "No changes -- Patch already applied.")


def _subjects_before(said: str, words: str) -> list[str]:
    """Return the subjects of the patches below whose "Applying" a line has these words."""
    found, subject = [], "?"
    for line in said.splitlines():
        if line.startswith(_APPLYING):
            subject = line.removeprefix(_APPLYING)
        elif line.startswith(words):
            found.append(subject)
    return found


def _conflict(
    tree: Path, series: MailedSeries, base: SeriesBase, out: str, err: str
) -> MermapctlError:
    """Build the error for a patch that does not apply: its number, its subject, its files."""
    try:
        at = int(inputs.read_text(tree / ".git/rebase-apply/next", 64))
    except (OSError, ValueError):
        at = 0
    if not 1 <= at <= len(series.patches):
        return git.failed("git am", err or out, tree)
    unmerged = git.git(tree, "diff", "--name-only", "--diff-filter=U", "-z", *git.NO_PROGRAMS,
                       settings=_PLAIN)  # fmt: skip
    named = [next(filter(None, found)) for found in _AT_FAULT.findall(err)]
    found = list(dict.fromkeys([*filter(None, unmerged.split("\0")), *named]))
    where = f" in {_some(found)}" if found else f": {_reason(err or out)}"
    patch = series.patches[at - 1]
    return UserError(
        f"patch {at}/{len(series.patches)} does not apply to {_spelled(base)}{where}: "
        f"{patch.title}",
        "nothing was made; choose the commit that the series is made for: --onto REV",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith(("error: ", "fatal: "))]
    return (lines or said.strip().splitlines() or ["git did not say why"])[0][:300]
