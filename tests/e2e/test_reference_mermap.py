# SPDX-License-Identifier: GPL-2.0-only
"""The reference mermap on further machines and configurations.

test_main_job has the default one, test_module has modules.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Change, Run
from tests.tables import NAMES

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("argv", "shows"),
    [
        (("--no-default-args", "--cpu=Haswell"), "page tables isolation: enabled"),
        (("--variant=smp", "--as-module"), "Brought up 1 node, 2 CPUs"),
        pytest.param(("--variant=smp",), "Brought up 1 node, 2 CPUs", marks=pytest.mark.nightly),
        pytest.param(
            ("--variant=la57",), "page tables isolation: enabled", marks=pytest.mark.nightly
        ),
    ],
    ids=["isolation-by-cpu", "two-cpus-module", "two-cpus", "five-levels"],
)
def test_all_four_pass(run: Run, argv: tuple[str, ...], shows: str) -> None:
    ran = run(*argv)
    assert ran.code == 0, ran.document
    assert ran.statuses == dict.fromkeys(NAMES, "passed")
    assert ran.codes == []
    assert shows in Path(ran.cell["artifacts"]["console"]).read_text(errors="replace")


def test_without_isolation_the_refusal_is_one_finding(run: Run) -> None:
    """PAGE_KERNEL is global without isolation, on QEMU's default CPU model."""
    ran = run("--no-default-args")
    assert ran.code == 1
    assert ran.statuses == dict.fromkeys(NAMES, "failed")
    assert ran.codes == ["global-mapping-refused"]


def test_five_levels_are_had_without_building_base_again(
    run: Run, e2e_home: Path, change: Change
) -> None:
    """base boots as it was linked; la57 is the same kernel, packed, with five levels of tables."""
    available = "\tif (!arch_mermap_available())\n"
    change(available, f'\tpr_info("five levels: %d\\n", pgtable_l5_enabled());\n{available}')
    for earlier in e2e_home.glob("cache/builds/*/x86_64/la57"):
        shutil.rmtree(earlier)
    ran = {name: run(f"--variant={name}") for name in ("base", "la57")}
    for name, levels in (("base", "five levels: 0"), ("la57", "five levels: 1")):
        assert ran[name].statuses == dict.fromkeys(NAMES, "passed")
        assert levels in Path(ran[name].cell["artifacts"]["console"]).read_text(errors="replace")
    log = Path(ran["la57"].cell["artifacts"]["build_log"]).read_text()
    compiled = re.findall(r"^  CC +(\S+)", log, re.MULTILINE)
    assert compiled  # the code that unpacks the kernel
    # Even if the fault was built before, the file's time is new.
    base = {name for name in compiled if not name.startswith("arch/x86/boot/")}
    assert base <= {"mm/mermap.o"}


@pytest.mark.nightly
def test_mappings_of_a_dead_test_are_put_without_a_further_splat(run: Run, change: Change) -> None:
    """An Oops ends test_multiple_allocs' thread while three mappings are live."""
    change("fill->pfn++;", "fill->pfn++;\n\tpte_clear(fill->mm, addr, ptep);")
    ran = run()
    assert ran.code == 1
    assert ran.statuses["test_multiple_allocs"] == "crashed"
    titles = [splat["title"] for splat in ran.cell["splats"]]
    assert [title for title in titles if "migrate" in title or "mermap_mm_teardown" in title] == []
    assert {name for name, status in ran.statuses.items() if status == "passed"} >= {
        "test_basic_alloc",
        "test_tlb_flushed",
    }
