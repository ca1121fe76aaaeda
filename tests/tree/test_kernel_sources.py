# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the reference mermap's sources without building them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mermapctl.system.paths import shipped
from mermapctl.tree import overlay

FILES = overlay.load().contents
SOURCES = sorted(FILES)
SUITE = FILES["mm/tests/mermap_kunit.c"]
CORE = FILES["mm/mermap.c"]


def kernel_files() -> set[str]:
    root = shipped("kernel") / "files"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_every_file_is_part_of_a_patch() -> None:
    assert kernel_files() == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_each_file_carries_its_licence_and_our_marker(name: str) -> None:
    first = FILES[name].split("\n", 1)[0]
    expected = "// SPDX-" if name.endswith(".c") else "/* SPDX-"
    assert first.startswith(expected)
    assert "GPL-2.0-only" in first
    assert overlay.MARKER in FILES[name]


@pytest.mark.parametrize("name", SOURCES)
def test_no_guard_is_blind_to_a_modular_suite(name: str) -> None:
    """`#ifdef CONFIG_X` and `defined(CONFIG_X)` are false for =m."""
    assert not re.search(r"#\s*ifn?def\s+CONFIG_(?:MERMAP_)?KUNIT", FILES[name])
    assert not re.search(r"\bdefined\b[^\n]*CONFIG_(?:MERMAP_)?KUNIT", FILES[name])


@pytest.mark.parametrize("name", SOURCES)
def test_whitespace_is_the_kernels(name: str) -> None:
    lines = FILES[name].split("\n")
    assert FILES[name].endswith("}\n" if name.endswith("mermap.c") else "\n")
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if re.match(r" {2,}\S", line)] == []


def test_the_suite_has_its_four_tests_in_order() -> None:
    assert re.findall(r"KUNIT_CASE\((\w+)\)", SUITE) == [
        "test_basic_alloc",
        "test_size",
        "test_multiple_allocs",
        "test_tlb_flushed",
    ]
    assert '.name = "mermap"' in SUITE


@pytest.mark.parametrize(
    "text",
    [
        "args->alloc)",
        "full->alloc)",
        "fail->alloc)",
        "large->alloc)",
        "small->alloc)",
        '"alloc %d failed"',
        '"alloc %d out of range"',
        "*ptr, magic + i)",
        "reserved_alloc)",
        "magic = 0xE4A4",
        "mc->tlb_flushes, 0,",
        '"unexpected flush before alloc %d"',
        '"no address reuse"',
        "mc->tlb_flushes, 1)",
        "1000000",
        'MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING")',
    ],
)
def test_the_texts_that_a_log_shows_are_the_contracts(text: str) -> None:
    assert text in SUITE


@pytest.mark.parametrize(
    "symbol", ["__mermap_get", "__mermap_put", "mermap_cpu_base", "mermap_cpu_end"]
)
def test_functions_that_the_suite_calls_are_exported(symbol: str) -> None:
    assert f"EXPORT_SYMBOL_IF_KUNIT({symbol});" in CORE
    assert re.search(rf"VISIBLE_IF_KUNIT [^;{{]*\b{symbol}\(", CORE)


@pytest.mark.parametrize("symbol", ["__mermap_get", "__mermap_put"])
def test_probed_functions_are_never_inlined(symbol: str) -> None:
    assert re.search(rf"VISIBLE_IF_KUNIT noinline [^;{{]*\b{symbol}\(", CORE)


@pytest.mark.parametrize("callback", ["mermap_fill_pte", "mermap_empty_pte"])
def test_a_probe_sees_each_entry_that_is_written(callback: str) -> None:
    """The callbacks are not inlined, and used only by gets and puts, not by the preparation."""
    assert f"static noinline int {callback}(pte_t" in CORE
    assert len(re.findall(rf"\b{callback}\b", CORE)) == 2


def test_the_probes_find_base_and_end_at_the_documented_offsets() -> None:
    types = FILES["include/linux/mermap.h"]
    body = re.search(r"struct mermap_alloc {\n(.*?)}", types, re.DOTALL)
    assert body is not None
    assert [line.strip() for line in body.group(1).splitlines()] == [
        "bool in_use;",
        "unsigned long base;",
        "unsigned long end;",
    ]


def test_no_path_of_a_workplace_is_shipped() -> None:
    root = shipped("kernel")
    for path in [*root.rglob("*.md"), *root.rglob("*.toml"), *(root / "files").rglob("*.[ch]")]:
        assert not re.search(r"/(?:tmp|work|root|home)/", path.read_text()), path
    assert Path(root / "hooks.toml").is_file()
