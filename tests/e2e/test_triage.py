# SPDX-License-Identifier: GPL-2.0-only
"""Hangs and panics of real kernels: one CPU, no detector, no preemption, interrupts off."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Change, Run

pytestmark = [pytest.mark.e2e, pytest.mark.nightly]

GET = "\tif (!mermap_fits(mc->next_addr, size, limit)) {\n"
"""A statement of mm/mermap.c that every get executes."""
RESERVED = "use_reserve && irqs_disabled()"
"""A condition that is true only in the middle of test_size."""


def test_the_test_and_the_function_of_a_hang_are_named(run: Run, change: Change) -> None:
    change(GET, f"\twhile ({RESERVED})\n\t\tcpu_relax();\n{GET}")
    ran = run("--silence=10")
    assert ran.code == 1
    assert ran.codes == ["hang"]
    (found,) = ran.cell["findings"]
    assert found["test"] == "test_size"
    assert found["evidence"]["function"].startswith("__mermap_get+")
    assert found["summary"] == "the kernel hung in test_size, in __mermap_get()"
    tried = {each["test"]: each["outcome"] for each in ran.cell["triage"]}
    assert tried["test_size"] == "hung"
    assert {tried[test] for test in tried if test != "test_size"} == {"passed"}
    assert ran.statuses["test_size"] == "hung"


@pytest.mark.parametrize(
    "argv",
    [(), ("--no-default-args", "--cpu=Haswell")],
    ids=["it-reboots", "it-stays"],
)
def test_a_panic_does_not_burn_the_time_limit(
    run: Run, change: Change, argv: tuple[str, ...]
) -> None:
    change(GET, f'\tif ({RESERVED})\n\t\tpanic("seeded: this get");\n{GET}')
    ran = run(*argv)
    assert ran.code == 1
    (found,) = ran.cell["findings"]
    assert (found["code"], found["test"]) == ("kernel-panic", "test_size")
    assert "seeded: this get" in found["summary"]
    assert ran.statuses["test_size"] == "crashed"
    assert ran.cell["phases"]["boot"] < 45
    assert ran.cell["triage"] == []
    assert ("panic=-1" in ran.cell["kernel_args"]) is (argv == ())
