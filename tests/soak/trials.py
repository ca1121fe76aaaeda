# SPDX-License-Identifier: GPL-2.0-only
"""One trial: kill one of two competing runs, or fill the disk during a boot; check the rest."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mermapctl.records.record import State, from_json
from mermapctl.records.run_folders import NEW, WRITING_SECONDS
from mermapctl.records.store import Store
from mermapctl.system import proc
from tests.conftest import git
from tests.tables import FAKE, LOGS

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MARK = "MERMAPCTL_SOAK"
LONGEST = 120.0
"""Seconds after which a run counts as stuck, even on a busy machine."""
ORPHANS_AFTER = 1.0
PYTHON_FAILS = 1
"""Python's exit code after a SIGINT while it imports `site`."""


@dataclass(frozen=True, slots=True)
class Site:
    """A stand-in tree and a home, shared by the runs of all trials."""

    tree: Path
    home: Path

    @property
    def store(self) -> Store:
        """Open its store again."""
        return Store.open(self.home / "state")

    def start(self, mark: str, **env: str) -> subprocess.Popen[str]:
        """Begin a run; `mark` is in the environment of all of its processes."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "mermapctl", "run", f"--tree={self.tree}"),
                *("--accel=tcg", "--format=json", "--quiet"),
            ],
            env={
                **os.environ,
                "MERMAPCTL_HOME": str(self.home),
                "PATH": f"{FAKE / 'bin'}:{os.environ['PATH']}",
                "FAKE_LOG": str(LOGS / "good.log"),
                MARK: mark,
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def site(directory: Path) -> Site:
    """Make a tree in `directory`, and an empty home beside it."""
    tree = directory / "linux"
    shutil.copytree(FAKE / "tree", tree)
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "stand-in")
    home = directory / "home"
    home.mkdir()
    return Site(tree, home)


def marked(mark: str) -> list[int]:
    """Return the living processes of a run with this mark; zombies do not count."""
    wanted = os.fsencode(f"{MARK}={mark}\0")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
                if wanted in (entry / "environ").read_bytes() and state not in "ZX":
                    found.append(int(entry.name))
    return found


def kill(where: Site, number: int, rng: random.Random, span: float) -> list[str]:
    """Kill one of two competing runs within `span` seconds; return what was lost."""
    signum = rng.choice(SIGNALS)
    before = _digests(where)
    marks = (f"{number}-victim-{os.getpid()}", f"{number}-other-{os.getpid()}")
    victim, other = (where.start(mark) for mark in marks)
    time.sleep(rng.uniform(0, span))
    lost = _ended(victim, signalled(victim, signum), "victim")
    lost += _orphans(marks[0])
    lost += _ended(other, {0}, "other")
    lost += _orphans(marks[1])
    lost += _intact(where, before)
    lost += _next(where, f"{number}-next-{os.getpid()}")
    return [f"{signum.name}: {each}" for each in lost]


def signalled(run: subprocess.Popen[str], signum: signal.Signals) -> set[int]:
    """Signal a stopped process; return the codes with which it may end.

    Its handlers show how far it is (proc(5)): 130 from the first line of mermapctl on, the signal's
    default action before, and its own code behind the last line, where signals are ignored.
    """
    run.send_signal(signal.SIGSTOP)
    try:
        codes = _codes(run.pid, signum)
        run.send_signal(signum)
    finally:
        run.send_signal(signal.SIGCONT)
    return codes


def _codes(pid: int, signum: signal.Signals) -> set[int]:
    until = time.monotonic() + LONGEST
    while (found := proc.stat(pid)) and found.living and found.state != "T":
        if time.monotonic() > until:
            raise TimeoutError(f"{found} does not stop")
        time.sleep(0.0001)
    if not found or not found.living:
        return {0}
    if signum == signal.SIGKILL:
        return {-signum}
    if _handled("SigIgn", pid, signum):
        return {0}
    if _handled("SigCgt", pid, signal.SIGTERM if signum == signal.SIGINT else signum):
        return {130}
    # Python has a handler for SIGINT. mermapctl replaces it a moment before TERM's.
    return {-signum} if signum != signal.SIGINT else {-signum, PYTHON_FAILS, 130}


def _handled(how: str, pid: int, signum: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition(f"{how}:")[2].split()[0], 16) & 1 << signum - 1)


def _ended(run: subprocess.Popen[str], codes: set[int], name: str) -> list[str]:
    try:
        said = run.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        return [f"the {name} did not end"]
    lost = [] if run.returncode in codes else [f"the {name} ended with {run.returncode}: {said[1]}"]
    if ("Traceback" in said[1] and -signal.SIGINT not in codes) or "a defect" in said[1]:
        lost.append(f"the {name} said {said[1]}")
    return lost


def _orphans(mark: str) -> list[str]:
    until = time.monotonic() + ORPHANS_AFTER
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{len(left)} processes left after {ORPHANS_AFTER:g} s"] if left else []


def _digests(where: Site) -> dict[str, str]:
    """Return the records of the runs that have ended."""
    store = where.store
    return {
        run.id: hashlib.sha256(store.folder(run.id).record.read_bytes()).hexdigest()
        for run in store.list()
        if run.state == "finished"
    }


def _intact(where: Site, before: dict[str, str]) -> list[str]:
    """Return what is wrong with the store and the locks once nothing runs."""
    store = where.store
    after = _digests(where)
    lost = [f"run {run} has changed" for run in before if after.get(run) != before[run]]
    for run in store.list():
        if run.problem:
            lost.append(f"run {run.id}: {run.problem}")
        elif from_json(store.folder(run.id).record.read_bytes()).run.id != run.id:
            lost.append(f"run {run.id} has another's record")
        elif run.state == "running":
            lost.append(f"run {run.id} is said to go on")
    lost += store.notices
    lost += [f"the store was set aside: {p.name}" for p in store.root.glob("*.damaged-*")]
    for lock in [*where.home.rglob("*.lock"), *where.home.rglob("*lock")]:
        if lock.is_file():
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lost.append(f"{lock} is held")
    return list(dict.fromkeys(lost))


def _next(where: Site, mark: str) -> list[str]:
    """Check that the next run passes, and removes what the killed one left."""
    lost = _ended(where.start(mark), {0}, "next run")
    runs = where.home / "state/runs"
    if any(runs.glob(f"{NEW}*")):  # it may belong to another machine for so long
        time.sleep(WRITING_SECONDS)
    where.store.list()
    left = [*runs.glob("*/.record.json.*"), *runs.glob("*/.room"), *runs.glob(".trash-*")]
    return lost + [f"left over: {path.relative_to(runs)}" for path in left]


@contextlib.contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[bool]:
    """Mount a file system of this size at `directory`; yield whether that worked."""
    directory.mkdir(exist_ok=True)
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(directory)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(path: Path) -> None:
    """Use up the free space of the file system of `path`."""
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"\0" * 4096):
            pass


def full_disk(where: Site, number: int, rng: random.Random, span: float) -> list[str]:
    """Fill the disk of the home during a run; return what was lost."""
    before = _digests(where)
    filler = where.home / "filler"
    mark = f"{number}-full-{os.getpid()}"
    run = where.start(mark, FAKE_BOOT="trickle")
    time.sleep(rng.uniform(0.1, span))
    fill(filler)
    lost = _ended(run, {0, 3}, "run")
    lost += _orphans(mark)
    lost += _intact_but_index(where, before)
    filler.unlink()
    lost += _intact(where, before)
    lost += _next(where, f"{number}-next-{os.getpid()}")
    return lost


def _intact_but_index(where: Site, before: dict[str, str]) -> list[str]:
    """Return what is wrong with the runs while the disk is full."""
    store = where.store
    lost = []
    for run in store.ids():
        record = store.read(run)
        if run in before:
            data = store.folder(run).record.read_bytes()
            if hashlib.sha256(data).hexdigest() != before[run]:
                lost.append(f"run {run} has changed")
        elif record.run.state is not State.FINISHED:
            told = json.dumps([cell.detail for cell in record.cells])
            lost.append(f"run {run} is said to be {record.run.state}: {told}")
    return lost
