# SPDX-License-Identifier: GPL-2.0-only
"""The CPU models of a QEMU, as `-cpu help` lists them."""

from __future__ import annotations

from mermapctl.config import near_names
from mermapctl.errors import HarnessError, UserError
from mermapctl.system import process

LIMIT = 5.0
_FLAGS = "Recognized CPUID flags"
"""What the list of x86 goes on with: no models."""
_EXACT = ("x86_64", "i386")
"""QEMU's targets whose models are found by their exact spelling (7.2, target/i386/cpu.c)."""


def models(qemu: str) -> tuple[str, ...]:
    """Return the models for completion; none where QEMU does not list them."""
    lines = [line for line in _listing(qemu) if line.startswith((" ", "x86 ", "arm "))]
    words = [line.split() for line in lines]
    first = (each[1] if each[0] in {"x86", "arm"} else each[0] for each in words if each)
    return tuple(dict.fromkeys(first))


def require(qemu: str, asked: str) -> None:
    """Raise UserError if `asked` (MODEL, or MODEL,FLAG…) is no word of QEMU's list.

    Says nothing where QEMU prints no list.
    """
    model = asked.partition(",")[0]
    words = {word for line in _listing(qemu) for word in line.split()}
    if not qemu.endswith(_EXACT):
        words |= {word.lower() for word in words}
    lowered = model if qemu.endswith(_EXACT) else model.lower()
    if not words or {model, lowered} & words or model.endswith("-cpu"):
        return
    near = near_names.near(model, models(qemu))
    hint = near or f"`{qemu} -cpu help` lists them"
    raise UserError(f"{qemu} has no CPU model {model!r}", hint)


def _listing(qemu: str) -> list[str]:
    """Return the lines with models; none on an error."""
    try:
        said = process.run([qemu, "-cpu", "help"], timeout=LIMIT)
    except (HarnessError, OSError):
        return []
    return said.stdout.partition(_FLAGS)[0].splitlines() if said.returncode == 0 else []
