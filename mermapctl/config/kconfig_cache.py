# SPDX-License-Identifier: GPL-2.0-only
"""Cached answers of a Kconfig's shell macros, valid while their inputs are unchanged.

Nine tenths of the time of a first parse are a hundred runs of the compiler. Their output is stored
in one file a tree and target; the Kconfig files themselves are parsed each time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from mermapctl.system import cache_file
from mermapctl.system.inputs import read_regular

FORMAT = 2
"""Increase it when the contents change."""
_TOOLS = ("CC", "LD", "AR", "NM", "OBJCOPY", "OBJDUMP", "READELF", "STRIP", "RUSTC", "BINDGEN")


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output of a command; `scripts` are directories of the tree, each with its digest."""

    said: str
    scripts: dict[str, str]


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    answers: dict[str, _Answer]


def key(identity: Mapping[str, str]) -> str:
    """Return the inputs of all answers besides the tree's scripts, as one line."""
    text = json.dumps([FORMAT, sorted(identity.items())])
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """The answers for one tree, target and `key`; `environment` is that of macros."""

    def __init__(self, path: Path, tree: Path, environment: Mapping[str, str], key: str) -> None:
        self._path = path
        self._tree = tree
        self._key = key
        self._digests: dict[str, str | None] = {}
        tools = "|".join(re.escape(environment[name]) for name in _TOOLS if environment.get(name))
        self._tool = re.compile(rf"(?<![\w./-])(?:{tools or '(?!)'})(?![\w./-])")
        self._file = re.compile(rf"{re.escape(str(tree))}/([^\s\"'`;|&<>()]+)")

    def load(self) -> dict[str, str]:
        """Return the valid answers, by command."""
        kept = cache_file.read(self._path, _Kept)
        if kept is None or kept.key != self._key:
            return {}
        return {
            command: answer.said
            for command, answer in kept.answers.items()
            if answer.scripts == self._depends_on(command)
        }

    def asking(self, run: Callable[[str], str]) -> Callable[[str], str]:
        """Wrap `run` to digest the scripts before it reads them: they may change meanwhile."""

        def ask(command: str) -> str:
            self._depends_on(command)
            return run(command)

        return ask

    def save(self, answers: Mapping[str, str]) -> None:
        """Store the cacheable answers, by command, unless they are stored already."""
        kept = {}
        for command, said in answers.items():
            scripts = self._depends_on(command)
            if scripts is not None:
                kept[command] = _Answer(said, scripts)
        if self.load().keys() != kept.keys():
            cache_file.write(self._path, _Kept(self._key, kept))

    def _depends_on(self, command: str) -> dict[str, str] | None:
        """Return the scripts of the tree that an answer depends on; None where unknown.

        A command that runs neither a tool of the key nor a script is run each time: the shell's own
        `test -e`, `python3 -c "import lxml"`; so is a query for a compiler's file, which another
        package may install.
        """
        named = self._file.findall(command)
        if "-print-" in command or not (named or self._tool.search(command)):
            return None
        found = {}
        for name in named:
            if not (self._tree / name).is_file():
                return None
            directory = name.rpartition("/")[0]
            digest = self._digest(directory)
            if digest is None:
                return None
            found[directory] = digest
        return found

    def _digest(self, directory: str) -> str | None:
        """Return a digest of the files of a directory: scripts call those beside them."""
        if directory not in self._digests:
            digest = hashlib.sha256()
            try:
                for each in sorted((self._tree / directory).iterdir()):
                    if each.is_file():
                        content = hashlib.sha256(read_regular(each)).digest()
                        digest.update(each.name.encode(errors="surrogateescape") + b"\0" + content)
                self._digests[directory] = digest.hexdigest()
            except OSError:
                self._digests[directory] = None
        return self._digests[directory]
