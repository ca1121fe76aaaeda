# SPDX-License-Identifier: GPL-2.0-only
"""A compiler put first on PATH for kunit.py that goes through ccache."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from mermapctl.config.toolchain import located
from mermapctl.runner import path_shims
from mermapctl.tree.build_dir import SOURCE

if TYPE_CHECKING:
    from pathlib import Path

# An object with counters goes to the compiler itself: gcov's notes name the source, which must be
# its place in the tree.
# ccache's depend mode runs no preprocessor, so it does not see an .incbin. Pass sources that may
# have one to the compiler itself. Kbuild and the tools' Makefiles name the source file last.
_CACHED = """\
case " $* " in *" -fprofile-arcs "*) exec {compiler} "$@" ;; esac
for source; do :; done
case $source in
*.c) grep -q incbin "$source" && exec {compiler} "$@" ;;
*) exec {compiler} "$@" ;;
esac
"""

SEPARATOR = "\x1f"
"""Stands in no argument of a compiler; if it does, the command is left as it is."""

# Kbuild names files in the tree by their absolute paths, which differ between two trees with the
# same files: ccache would miss. Name them by the link in the build directory. The object then has
# no path of its tree (__FILE__ never has one: -fmacro-prefix-map), and neither have Kbuild's
# records, which make follows through the link. Messages get the tree's path back.
_NEUTRAL = """\
tree={tree}
[ {link} -ef "$tree" ] || exec {cached} "$@"
{named}
exec 3>&1
said=$({cached} "$@" 2>&1 >&3 3>&-)
status=$?
exec 3>&-
[ -z "$said" ] || printf '%s\\n' "$said" |
    sed -e "s#^{link}/#$tree/#" -e "s#\\([[:space:]]\\){link}/#\\1$tree/#g" >&2
exit $status
"""
# The arguments are joined and split again: to set them anew for each one takes three milliseconds.
_NAMED_BY_LINK = f"""\
all=
for argument; do
    case $argument in
    *{SEPARATOR}*) exec {{cached}} "$@" ;;
    "$tree"/*) argument={SOURCE}${{{{argument#"$tree"}}}} ;;
    -I"$tree" | -I"$tree"/*) argument=-I{SOURCE}${{{{argument#-I"$tree"}}}} ;;
    -f*-prefix-map="$tree"/=*) argument=${{{{argument%%=*}}}}={SOURCE}${{{{argument#*="$tree"}}}} ;;
    esac
    all=$all$argument{SEPARATOR}
done
set -f
IFS={SEPARATOR}
set -- $all
set +f
unset IFS"""


def installed() -> bool:
    """Return whether there is a ccache."""
    return shutil.which("ccache") is not None


def write(directory: Path, compiler: str, tree: Path) -> bool:
    """Run `compiler` through ccache, if that is installed, as if `tree` had no place of its own.

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
    neutral = _NEUTRAL.format(
        tree=shlex.quote(str(tree.resolve())),  # as the kernel's Makefile resolves it
        link=SOURCE,
        cached=cached,
        named=_NAMED_BY_LINK.format(cached=cached),
    )
    script = f"{path_shims.HEAD}{_CACHED.format(compiler=shlex.quote(itself))}{neutral}"
    path_shims.write(directory, compiler, script)
    return True
