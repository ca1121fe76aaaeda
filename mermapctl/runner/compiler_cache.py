# SPDX-License-Identifier: GPL-2.0-only
"""A compiler put first on PATH for kunit.py that goes through ccache."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from mermapctl.config.toolchain import located
from mermapctl.runner import path_shims

if TYPE_CHECKING:
    from pathlib import Path

# ccache's depend mode runs no preprocessor, so it does not see an .incbin. Pass sources that may
# have one to the compiler itself. Kbuild and the tools' Makefiles name the source file last.
_CACHED = """\
for source; do :; done
case $source in
*.c) grep -q incbin "$source" || exec {cached} "$@" ;;
esac
exec {compiler} "$@"
"""


def write(directory: Path, compiler: str) -> bool:
    """Run `compiler` through ccache, if that is installed, without a change to the command.

    Return whether it does so. A compiler whose name has a directory is not searched on PATH.
    """
    if "/" in compiler:
        return False
    ccache = shutil.which("ccache")
    itself = str(located(compiler) or "") if ccache else ""
    if not ccache or not itself:
        (directory / compiler).unlink(missing_ok=True)
        return False
    cached = shlex.join([ccache, itself])
    script = f"{path_shims.HEAD}{_CACHED.format(cached=cached, compiler=shlex.quote(itself))}"
    path_shims.write(directory, compiler, script)
    return True
