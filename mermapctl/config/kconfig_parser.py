# SPDX-License-Identifier: GPL-2.0-only
"""kconfiglib, extended by newer trees' syntax, without writing to the tree.

Three constructs stop kconfiglib 14.1.0: a bare `modules` line (6.12: kernel/module/Kconfig),
`transitional` (6.18) and `depends on A if B` (7.0). The first two are blanked as files are opened,
the third is parsed as scripts/kconfig/menu.c does.

The shell commands of macros run one after another below one shell: a program behind a guard of its
own costs 10 ms each, a fork of a shell one.
"""

from __future__ import annotations

import contextlib
import io
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kconfiglib
from kconfiglib import _T_DEPENDS as DEPENDS
from kconfiglib import _T_IF as IF
from kconfiglib import AND, EQUAL, NOT, OR

from mermapctl.errors import HarnessError
from mermapctl.system import inputs, process

LARGEST_FILE = 16 << 20
"""Bytes; the largest Kconfig of 7.3 has 100 KB."""
_BARE = re.compile(r"^([ \t]+)(modules|transitional)[ \t]*(#.*)?$", re.MULTILINE)
_NAME = re.compile(r"^(?:menu)?config[ \t]+(\w+)", re.MULTILINE)
LIMIT = 60.0
"""Seconds for one macro; the slowest of 7.3 compiles an empty file."""
LARGEST = 1 << 20
"""Bytes of an answer; conf itself takes 4 KB (scripts/kconfig/preprocess.c)."""
_DRIVER = r"""
while IFS= read -r command; do
    /bin/sh -c "$command" </dev/null 2>/dev/null
    printf '\n%s\n' "$1"
done
"""
_UNSEEN = (
    *("PWD", "OLDPWD", "SHLVL", "_", "TERM", "COLUMNS", "LINES", "WINDOWID", "DISPLAY"),
    *("WAYLAND_DISPLAY", "INVOCATION_ID", "JOURNAL_STREAM", "DBUS_SESSION_BUS_ADDRESS"),
)
_UNSEEN_PREFIXES = ("MERMAPCTL_", "SSH_", "XDG_", "TMUX", "PYTEST_", "LESS", "GIT_", "VTE_")


class UnreadableError(Exception):
    """The parser cannot read the tree's Kconfig; the text is its complaint."""


@dataclass(frozen=True, slots=True)
class KconfigRequest:
    """What to read and how.

    `environment` replaces ours for every `$(...)`; `answer` returns the output of a shell command.
    `wanted` decides, for a path relative to the tree, whether to read it.
    """

    tree: Path
    environment: Mapping[str, str]
    answer: Callable[[str], str]
    wanted: Callable[[str], bool] | None = None


@dataclass(slots=True)
class KconfigFacts:
    """Facts of a reading: files, transitional symbols, refused conditions, macros' output."""

    files: set[str] = field(default_factory=set)
    transitional: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)


class Reader(kconfiglib.Kconfig):  # type: ignore[misc]
    """A Kconfig read with an environment of its own."""

    def __init__(self, request: KconfigRequest, account: KconfigFacts) -> None:
        self.request = request
        self.account = account
        super().__init__("Kconfig", warn_to_stderr=False)

    @property
    def srctree(self) -> str:
        """The tree; kconfiglib would take it from our environment."""
        return str(self.request.tree)

    @srctree.setter
    def srctree(self, _value: str) -> None:
        pass

    def _open(self, filename: str, mode: str) -> io.StringIO:  # noqa: ARG002 - kconfiglib's
        path = Path(filename)
        # For a tree behind a symbolic link kconfiglib uses both names.
        relative = filename.removeprefix(f"{self.srctree}/").removeprefix(self._srctree_prefix)
        if self.request.wanted and not self.request.wanted(relative):
            return io.StringIO("")
        try:
            data = inputs.read_regular(path, LARGEST_FILE)
        except OSError as error:
            raise kconfiglib.KconfigError(f"{relative}: {error.strerror}") from error
        self.account.files.add(relative)
        return io.StringIO(self._understood(data.decode("utf-8", errors="replace")))

    def _understood(self, text: str) -> str:
        """Return the text with lines unknown to kconfiglib blanked; line numbers stay."""
        text = text.replace("\r\n", "\n")
        if "transitional" in text:
            for bare in _BARE.finditer(text):
                if bare[2] == "transitional":
                    names = _NAME.findall(text, 0, bare.start())
                    self.account.transitional.update(names[-1:])
        return _BARE.sub("", text) if "modules" in text or "transitional" in text else text

    def _expect_expr_and_eol(self) -> Any:
        """Parse an expression to the end of the line, and `depends on A if B` (7.0 and newer)."""
        if self._tokens[0] is not DEPENDS:
            return super()._expect_expr_and_eol()
        dep = self._parse_expr(transform_m=True)
        if self._check_token(IF):
            dep = self._make_or(dep, self._is_n(super()._expect_expr_and_eol()))
        elif self._tokens[self._tokens_i] is not None:
            self._trailing_tokens_error()
        return dep

    def _is_n(self, expr: Any) -> Any:
        """Return `expr = n`, which Kconfig allows for a symbol only, spread over the operands."""
        if not isinstance(expr, tuple):
            return (EQUAL, expr, self.n)
        if expr[0] is AND:
            return (OR, self._is_n(expr[1]), self._is_n(expr[2]))
        if expr[0] is OR:
            return (AND, self._is_n(expr[1]), self._is_n(expr[2]))
        if expr[0] is NOT:
            return self._is_y(expr[1])
        return (NOT, expr)

    def _is_y(self, expr: Any) -> Any:
        if not isinstance(expr, tuple):
            return (EQUAL, expr, self.y)
        if expr[0] in {AND, OR}:
            return (expr[0], self._is_y(expr[1]), self._is_y(expr[2]))
        return self._is_n(expr[1]) if expr[0] is NOT else expr

    def _fn_val(self, args: Any) -> str:
        name = args[0]
        if name == "shell" and len(args) == 2:
            return self._shell(str(args[1]))
        if name == "error-if" and len(args) == 3:
            # Without a compiler conf stops here; an explanation can still be given.
            if args[1] == "y":
                self.account.complaints.append(f"{self.filename}:{self.linenr}: {args[2]}")
            return ""
        if name == "info":
            return ""
        if name in self.variables or name in self._functions:
            return str(super()._fn_val(args))
        return self.request.environment.get(name, "")

    def _shell(self, command: str) -> str:
        """Return the output of a macro's command; run each once."""
        answers = self.account.answers
        if command not in answers:
            answers[command] = self.request.answer(command)
        return answers[command]


def read(request: KconfigRequest, answers: Mapping[str, str] | None = None) -> Reader:
    """Parse a tree's Kconfig; `answers` are the known outputs of macros.

    Raises UnreadableError with the parser's complaint.
    """
    account = KconfigFacts(answers=dict(answers or {}))
    try:
        return Reader(request, account)
    except kconfiglib.KconfigError as error:
        # The tree's first complaint (no compiler) explains later failures.
        complaints = [*account.complaints[:1], " ".join(str(error).split())]
        raise UnreadableError("; then ".join(complaints)) from error
    except (OSError, HarnessError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        # An unknown new construct fails with any exception.
        raise UnreadableError(f"{type(error).__name__} in the Kconfig parser: {error}") from error


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of macros: ours without terminal-specific variables, and `given`.

    Variables dropped here cannot change an answer, and need not be in the cache's key.
    """
    ours = {
        name: value
        for name, value in process.inherited().items()
        if name not in _UNSEEN and not name.startswith(_UNSEEN_PREFIXES)
    }
    return {**ours, "LC_ALL": "C", **{name: value for name, value in given.items() if value}}


class Shell:
    """A shell in `scratch`, where compiler checks make files; started on demand."""

    def __init__(self, scratch: Path, environment: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._environment = environment
        self._stack = contextlib.ExitStack()
        self._dialogue: process.Dialogue | None = None
        self._mark = f"mermapctl-{secrets.token_hex(8)}"

    def close(self) -> None:
        """End the shell and all leftover processes of macros."""
        self._stack.close()

    def run(self, command: str) -> str:
        """Return the output of one command in conf's form. Raises HarnessError."""
        if not command.isascii() or "\n" in command:
            argv = ["/bin/sh", "-c", command]
            env = self._environment
            return _answer(process.run(argv, cwd=self._scratch, env=env, timeout=LIMIT).stdout)
        if self._dialogue is None:
            driver = ["/bin/sh", "-c", _DRIVER, "sh", self._mark]
            dialogue = process.dialogue(driver, self._scratch, self._environment)
            self._dialogue = self._stack.enter_context(dialogue)
        mark = f"\n{self._mark}\n".encode()
        said = self._dialogue.ask(command.encode() + b"\n", mark, LIMIT, LARGEST)
        if said is None:
            raise HarnessError(f"the macro {command!r} did not answer")
        return _answer(said.decode(errors="backslashreplace"))


def _answer(stdout: str) -> str:
    return " ".join(stdout.rstrip("\n").split("\n"))
