# SPDX-License-Identifier: GPL-2.0-only
"""kconfiglib, taught what newer trees write and kept from touching the tree.

Three constructs stop kconfiglib 14.1.0: a bare `modules` line (6.12: kernel/module/Kconfig),
`transitional` (6.18) and `depends on A if B` (7.0). The first two are blanked as files are
opened, the third is parsed as scripts/kconfig/menu.c does.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kconfiglib
from kconfiglib import _T_DEPENDS as DEPENDS
from kconfiglib import _T_IF as IF
from kconfiglib import AND, EQUAL, NOT, OR

from mermapctl.errors import HarnessError

LARGEST_FILE = 16 << 20
"""Bytes; the largest Kconfig of 7.3 has 100 KB."""
_BARE = re.compile(r"^([ \t]+)(modules|transitional)[ \t]*(#.*)?$", re.MULTILINE)
_NAME = re.compile(r"^(?:menu)?config[ \t]+(\w+)", re.MULTILINE)


class UnreadableError(Exception):
    """The tree's Kconfig defeats the parser; the text is the parser's complaint."""


@dataclass(frozen=True, slots=True)
class KconfigRequest:
    """What to read and how.

    `environment` replaces ours for every `$(...)`; `answer` is what a shell command prints.
    `wanted` says of a path relative to the tree whether to read it.
    """

    tree: Path
    environment: Mapping[str, str]
    answer: Callable[[str], str]
    wanted: Callable[[str], bool] | None = None


@dataclass(slots=True)
class KconfigFacts:
    """What a reading met: files, transitional symbols, refused conditions, what macros said."""

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
        # Of a tree behind a symbolic link kconfiglib uses both names.
        relative = filename.removeprefix(f"{self.srctree}/").removeprefix(self._srctree_prefix)
        if self.request.wanted and not self.request.wanted(relative):
            return io.StringIO("")
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            raise kconfiglib.KconfigError(f"{relative} is no regular file of a sane size")
        data = path.read_bytes()
        self.account.files.add(relative)
        return io.StringIO(self._understood(data.decode("utf-8", errors="replace")))

    def _understood(self, text: str) -> str:
        """The text with lines that kconfiglib does not know blanked; line numbers stay."""
        text = text.replace("\r\n", "\n")
        if "transitional" in text:
            for bare in _BARE.finditer(text):
                if bare[2] == "transitional":
                    names = _NAME.findall(text, 0, bare.start())
                    self.account.transitional.update(names[-1:])
        return _BARE.sub("", text) if "modules" in text or "transitional" in text else text

    def _expect_expr_and_eol(self) -> Any:
        """An expression to the end of the line, and `depends on A if B` (7.0 and newer)."""
        if self._tokens[0] is not DEPENDS:
            return super()._expect_expr_and_eol()
        dep = self._parse_expr(transform_m=True)
        if self._check_token(IF):
            dep = self._make_or(dep, self._is_n(super()._expect_expr_and_eol()))
        elif self._tokens[self._tokens_i] is not None:
            self._trailing_tokens_error()
        return dep

    def _is_n(self, expr: Any) -> Any:
        """`expr = n`, which Kconfig can only say of a symbol, spread over the operands."""
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
        """What a macro's command prints; each is asked once."""
        answers = self.account.answers
        if command not in answers:
            answers[command] = self.request.answer(command)
        return answers[command]


def read(request: KconfigRequest, answers: Mapping[str, str] | None = None) -> Reader:
    """Parse a tree's Kconfig, where `answers` holds what macros print as far as it is known.

    Raises UnreadableError with the parser's complaint.
    """
    account = KconfigFacts(answers=dict(answers or {}))
    try:
        return Reader(request, account)
    except kconfiglib.KconfigError as error:
        # What the tree itself complained of first (no compiler) explains what broke afterwards.
        complaints = [*account.complaints[:1], " ".join(str(error).split())]
        raise UnreadableError("; then ".join(complaints)) from error
    except (OSError, HarnessError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        # kconfiglib meets a construct of tomorrow with whatever breaks first.
        raise UnreadableError(f"{type(error).__name__} in the Kconfig parser: {error}") from error
