# SPDX-License-Identifier: GPL-2.0-only
"""The key of a cell's verdict: a digest of all that decides it. Needs no checkout."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import mermapctl
from mermapctl.config import toolchain, variants
from mermapctl.config.plan import BUILD_SECONDS
from mermapctl.config.target import without_tree
from mermapctl.runner import up_to_date
from mermapctl.system import files

if TYPE_CHECKING:
    from mermapctl.config.fragment import Fragment
    from mermapctl.config.plan import Request

KVM = "/dev/kvm"


def of(
    request: Request, own: tuple[Fragment, ...], target: str, variant: str, qemu: str | None
) -> str:
    """Return the key of a cell but for its files; `of_files` adds those.

    `qemu` is the program that boots the target. Raises UserError for an unknown variant.
    """
    prefix = request.cross_compile or without_tree(target, qemu).cross_compile
    return _digest(
        {
            **_asked(request, own, target, variant),
            "tool": [mermapctl.__version__, _package()],
            "toolchain": up_to_date.toolchain_of(prefix),
            "qemu": _program(qemu),
            "kvm": os.access(KVM, os.R_OK | os.W_OK),
            "environment": up_to_date.steering(),
        }
    )


def of_request(request: Request, own: tuple[Fragment, ...], target: str, variant: str) -> str:
    """Return what a key has of the request alone; `on_machine` adds a machine.

    Raises UserError for an unknown variant.
    """
    return _digest({"tool": mermapctl.__version__, **_asked(request, own, target, variant)})


def on_machine(key: str, toolchain: str, package: str) -> str:
    """Return the key of a column on a machine of a farm, but for its files.

    `toolchain` and `package` are digests of that machine's programs and of mermapctl's own files.
    """
    return hashlib.sha256(f"{key} {toolchain} {package}".encode()).hexdigest()


def _asked(
    request: Request, own: tuple[Fragment, ...], target: str, variant: str
) -> dict[str, object]:
    """Return what of a request decides a verdict: not where things are, or how many jobs build."""
    known = variants.resolve(variant, own, request.suite, target)
    asked = replace(
        request,
        tree=None,
        targets=(target,),
        variants=(variant,),
        configs=(),
        jobs=1,
        wait=True,
        rebuild=False,
        ccache=True,
        build_timeout=BUILD_SECONDS,
    )
    return {
        "request": msgspec.to_builtins(asked),
        "variant": msgspec.to_builtins(known),
        "own": [each.text() for each in own],
    }


def _digest(facts: dict[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


def of_files(key: str, git_tree: str) -> str:
    """Return the whole key of a cell: that of `of`, and the hash of its git tree."""
    return hashlib.sha256(f"{key} {git_tree}".encode()).hexdigest()


def _program(name: str | None) -> list[int | str] | None:
    path = toolchain.located(name) if name else None
    try:
        return files.identity(path.resolve()) if path else None
    except OSError:
        return None


@cache
def _package() -> str:
    """Return a digest of mermapctl itself: another judge may give another verdict."""
    top = Path(mermapctl.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(top.rglob("*.py")):
        found = path.stat()
        digest.update(f"{path.relative_to(top)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
