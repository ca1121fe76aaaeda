# SPDX-License-Identifier: GPL-2.0-only
"""Hooks of MkDocs: the site also has the pages and files outside of docs/ that pages link to.

The site's tree is the repository's, with docs/ at its top: docs/trace.md is trace.md, and
kernel/README.md stays kernel/README.md. Links are rewritten to that; in the repository they work as
they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

from docs import manpages
from mermapctl.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
BESIDE = (
    *("kernel/README.md", "kernel/faults/README.md", "tests/logs/README.md"),
    *("tests/cases/README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
)
"""Pages of the site outside of docs/."""
_LINK = re.compile(r"(?<=\]\()([^\s)#]*)(?=[)#])")
_COMMENT = re.compile(r"\A<!--.*?-->\n", re.DOTALL)


def _source(uri: str) -> str:
    """Return the path in the repository of a page of the site."""
    return uri if uri in BESIDE else f"docs/{uri}"


def _links(source: str) -> Iterator[tuple[str, str]]:
    """Yield a page's links to files of the repository, as written and from the repository's top."""
    for link in _LINK.findall((ROOT / source).read_text("utf-8")):
        if link and ":" not in link:
            yield link, _target(source, link)


def _target(source: str, link: str) -> str:
    """Return the path in the repository of a link; of a directory it is that of its README.md."""
    path = os.path.normpath(PurePosixPath(source).parent / link)
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def on_startup(command: str, dirty: bool) -> None:  # noqa: ARG001, FBT001 - MkDocs's own call
    """Import all commands for mkdocs-click, with examples as blocks of text."""
    form = r"```text\n\1\n```"
    manpages.load(root, lambda said: manpages.UNWRAPPED.sub(form, said))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages BESIDE docs/, and each file outside of docs/ that a page links to."""
    for page in BESIDE:
        files.append(File.generated(config, page, abs_src_path=str(ROOT / page)))
    for uri in [page.src_uri for page in files.documentation_pages()]:
        for _, target in _links(_source(uri)):
            outside = not target.startswith("docs/") and (ROOT / target).is_file()
            if outside and files.get_file_from_path(target) is None:
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Let each link lead to the place that its target has in the site."""
    uri = page.file.src_uri
    for link, target in set(_links(_source(uri))):
        place = target.removeprefix("docs/")
        found = os.path.relpath(place, PurePosixPath(uri).parent)
        markdown = re.sub(rf"(?<=\]\(){re.escape(link)}(?=[)#])", found, markdown)
    return _COMMENT.sub("", markdown)
