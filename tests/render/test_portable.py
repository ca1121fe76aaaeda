# SPDX-License-Identifier: GPL-2.0-only
"""Reproduce lines for another machine."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from mermapctl.judge.result_types import Verdict
from mermapctl.records.record import TreeFacts
from mermapctl.records.series_facts import Series
from mermapctl.render.documents import mail, markdown
from mermapctl.render.portable import reproduce
from tests import sample_records as samples

TREE = "/home/me/my trees/linux"
RUN = "/home/me/.local/state/mermapctl/runs/1/cells/x86_64-kasan"


def line(*words: str) -> str:
    return shlex.join(words)


def kunit(stage: str, *more: str) -> str:
    script = f"{TREE}/tools/testing/kunit/kunit.py"
    common = (f"--build_dir=/home/me/.cache/{stage}", f"--kunitconfig={RUN}/kunitconfig")
    return line(script, stage, *common, "--arch=x86_64", *more)


OURS = line("mermapctl", "run", f"--tree={TREE}", "--target=x86_64", "--variant=kasan",
            "--suite=mermap", "--config=own.kunitconfig")  # fmt: skip
BOOT = kunit("exec", "--raw_output=all", "--kernel_args=pti=on", "--qemu_args=-smp 2", "mermap")
WHOLE = (OURS, kunit("config"), kunit("build", "--jobs=2"), f'PATH={RUN}/bin:"$PATH" {BOOT}')
SHORT = (
    "mermapctl run --target=x86_64 --variant=kasan --suite=mermap --config=own.kunitconfig",
    "mermapctl config write kasan --suite=mermap --config=own.kunitconfig -o kunitconfig",
    (
        "./tools/testing/kunit/kunit.py run --build_dir=.kunit --kunitconfig=kunitconfig"
        " --arch=x86_64 --raw_output=all --kernel_args=pti=on '--qemu_args=-smp 2' mermap"
    ),
)
LANE = "GIT_DIR=/home/me/r.git GIT_WORK_TREE=/home/me/lane1 git read-tree -u --reset c540154bdc39"
BUILD = (
    "./tools/testing/kunit/kunit.py build --build_dir=.kunit --kunitconfig=kunitconfig"
    " --arch=x86_64 --jobs=2"
)


@pytest.mark.parametrize(
    ("lines", "flavour", "expected"),
    [
        (WHOLE, None, SHORT),
        (WHOLE, "module", SHORT[:1]),  # only `mermapctl run` makes its initramfs
        (WHOLE[:3], None, (*SHORT[:2], BUILD)),  # it was never booted
        ((*WHOLE[:3], kunit("exec", f"--kernel_args=kprobe_event={'p' * 60}")), None, SHORT[:1]),
        (WHOLE[1:], None, WHOLE[1:]),  # an unknown line
        ((OURS, LANE, *WHOLE[1:]), None, SHORT[:1]),  # a commit of a series
        (("mermapctl run 'torn",), None, ("mermapctl run 'torn",)),
        ((), None, ()),
    ],
)
def test_no_path_of_ours_is_left(
    lines: tuple[str, ...], flavour: str | None, expected: tuple[str, ...]
) -> None:
    cell = samples.cell_missing_flush()
    cell = replace(cell, variant="kasan", flavour=flavour, reproduce=lines)
    record = replace(samples.record(cell), tree=TreeFacts(path=TREE))
    assert reproduce(cell, record) == expected


def test_a_series_that_passed_has_a_line_for_each_column() -> None:
    record = samples.mailed()
    assert isinstance(record.series, Series)
    tip = record.series.tip[:12]

    def lines(variant: str, commit: str | None) -> tuple[str, ...]:
        ours = (f"--tree={TREE}", f"--commits={commit}^..{commit}", f"--variant={variant}")
        return (line("mermapctl", "run", *ours), LANE, *WHOLE[1:])

    cells = [
        replace(cell, reproduce=lines(variant, cell.commit), variant=variant)
        for cell in record.cells
        for variant in ("base", "smp")
    ]
    record = replace(record, cells=tuple(cells), tree=TreeFacts(path=TREE))
    block = mail.render(record).partition("To reproduce, in the kernel tree:\n\n")[2]
    assert block.partition("\nTested-by:")[0] == (
        "  mermapctl tree apply 20261120.3-0@example.org -o series\n"
        "  cd series\n"
        "\n"
        "  mermapctl run --commits=000000000000..cccccccccccc --variant=base\n"
        "\n"
        "  mermapctl run --commits=000000000000..cccccccccccc --variant=smp\n"
    ).replace("cccccccccccc", tip)
    failed = mail.render(replace(record, verdict=Verdict.FAILED))
    assert "/home/me" not in failed


def test_each_cell_has_all_its_lines() -> None:
    """The same kunit.py line after another kunitconfig is another command."""
    cell = replace(samples.cell_missing_flush(), reproduce=WHOLE)
    cells = (replace(cell, variant="kasan"), replace(cell, variant="debug"))
    record = replace(samples.record(*cells), tree=TreeFacts(path=TREE))
    text = mail.render(record)
    assert "To reproduce, in the kernel tree:\n\n  mermapctl run --target=x86_64" in text
    assert text.count("./tools/testing/kunit/kunit.py run") == 2
    assert "/home/me" not in text
    assert max(map(len, text.splitlines())) <= 72
    assert markdown.render(record).count("# in the kernel tree\nmermapctl run --target") == 2
