# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from mermapctl.config import fragment, modular, target, variants
from mermapctl.config.modular import Modular
from mermapctl.config.module_guard import Guard
from mermapctl.errors import UserError
from mermapctl.judge import module_findings
from mermapctl.judge.result_types import Finding, Flush, Severity
from mermapctl.runner import path_shims
from tests.conftest import git
from tests.forkserver import command
from tests.runner.test_initramfs import unpacked
from tests.runner.test_run import document, run
from tests.tables import LOGS

X = "CONFIG_MERMAP_KUNIT_TEST"


def value(made: fragment.Fragment, *symbols: str) -> list[str | None]:
    return [made.value(symbol) for symbol in symbols]


@pytest.mark.parametrize(
    ("flavour", "suite", "kunit"), [(Modular.SUITE, "m", "y"), (Modular.ALL, "m", "m")]
)
def test_the_suite_becomes_a_module_and_base_gives_way(
    flavour: Modular, suite: str, kunit: str
) -> None:
    made = modular.fragment_of(variants.resolve("base").fragment, flavour)
    assert value(made, "MERMAP_KUNIT_TEST", "KUNIT") == [suite, kunit]
    assert value(made, "MODULES", "BLK_DEV_INITRD", "BINFMT_ELF") == ["y", "y", "y"]
    assert value(made, "PCI") == ["n"]
    assert len({each.symbol for each in made.assignments}) == len(made.assignments)


def test_modules_leave_the_suite_built_in() -> None:
    made = modular.with_modules(variants.resolve("base").fragment)
    assert value(made, "MERMAP_KUNIT_TEST", "KUNIT") == ["y", "y"]
    assert value(made, "MODULES", "BLK_DEV_INITRD", "BINFMT_ELF") == ["y", "y", "y"]


def test_a_fragment_that_forbids_modules_is_a_conflict(tmp_path: Path) -> None:
    own = tmp_path / "mine.kunitconfig"
    own.write_text("# CONFIG_MODULES is not set\n")
    asked = variants.resolve("base", (fragment.load(own),)).fragment
    with pytest.raises(UserError, match="CONFIG_MODULES is asked for twice") as raised:
        modular.fragment_of(asked, Modular.SUITE)
    assert "mine.kunitconfig:1" in raised.value.message
    assert "configs/module.kunitconfig" in raised.value.message


@pytest.mark.parametrize(
    ("symbol", "is_suite"),
    [
        ("MERMAP_KUNIT_TEST", True),
        ("KUNIT_EXAMPLE_TEST", True),
        ("KUNIT_TEST", True),
        ("BITFIELD_KUNIT", True),
        ("KUNIT", False),
        ("KUNIT_ALL_TESTS", False),
        ("KUNIT_DEBUGFS", False),
        ("DEBUG_VM", False),
        ("MERMAP", False),
    ],
)
def test_a_suites_symbol_is_known_by_its_name(symbol: str, is_suite: bool) -> None:
    asked = fragment.parse(f"CONFIG_{symbol}=y\n", "x")
    assert bool(modular.symbols(asked)) is is_suite


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (f"#ifdef {X}", True),
        (f"#ifndef {X}", True),
        (f"  #  ifdef\t{X}  /* why */", True),
        (f"#if defined({X})", True),
        (f"#if defined {X} && FOO", True),
        (f"#elif FOO || defined({X})", True),
        (f"\tif (IS_BUILTIN({X}))", True),
        (f"#if IS_BUILTIN({X})", True),
        (f"#if IS_ENABLED({X})", False),
        (f"#if defined({X}) || defined({X}_MODULE)", False),
        (f"#ifdef {X}_MODULE", False),
        (f"#ifdef {X}S", False),
        ("#ifdef CONFIG_KUNIT", False),
        (f"/* not #ifdef {X} */", False),
        (f"if (IS_ENABLED({X}))", False),
    ],
)
def test_a_line_that_is_false_for_a_module_is_found(tmp_path: Path, line: str, wrong: bool) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/mermap.c").write_text(f"int a;\n{line}\nint b;\n#endif\n")
    found = modular.guards(tmp_path, "x86", ["MERMAP_KUNIT_TEST"])
    text = " ".join(line.split())
    assert found == ((Guard("mm/mermap.c:2", text),) if wrong else ())


MANY = 20_000


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (f"#if defined{' ' * 100_000}x {X}", None),
        (f"#{' ' * 100_000}x {X}", None),
        (f"#if {'defined ' * MANY} x {X}", None),
        (f"#if defined({X}S) {'IS_BUILTIN(' * MANY} x{X}S", None),
        (f"{' ' * 100_000}#{' ' * 100_000}ifdef{' ' * 100_000}{X}", 1),
        (f"{X}\n" * MANY, None),
        (f"#ifdef {X}\n" * MANY, MANY),
    ],
    ids=["blanks", "blanks after #", "defined", "builtin", "blanks and a guard", "names", "guards"],
)
def test_the_time_for_a_file_grows_with_its_length_only(
    tmp_path: Path, text: str, last: int | None
) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/mermap.c").write_text(text)
    began = time.process_time()
    found = modular.guards(tmp_path, "x86", ["MERMAP_KUNIT_TEST"])
    assert time.process_time() - began < 1.0
    assert {guard.where for guard in found} == {
        f"mm/mermap.c:{line}" for line in range(1, (last or 0) + 1)
    }


def test_headers_come_first_and_only_where_a_mermap_lives(tmp_path: Path) -> None:
    for name in (
        "mm/mermap.c",
        "mm/tests/mermap_kunit.c",
        "include/linux/mermap_types.h",
        "arch/x86/include/asm/mermap.h",
        "arch/arm64/include/asm/mermap.h",
        "drivers/net/mermap.c",
        "mm/mermap.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\n#ifdef CONFIG_MERMAP_KUNIT_TEST\n#endif\n")
    found = modular.guards(tmp_path, "x86", ["MERMAP_KUNIT_TEST"])
    assert [guard.where for guard in found] == [
        "arch/x86/include/asm/mermap.h:2",
        "include/linux/mermap_types.h:2",
        "mm/mermap.c:2",
        "mm/tests/mermap_kunit.c:2",
    ]
    assert modular.guards(tmp_path, "x86", []) == ()


HEADER = Guard("include/linux/mermap_types.h:41", f"#ifdef {X}")
SOURCE = Guard("mm/mermap.c:70", f"#ifdef {X}")
MISSING = "'struct mermap_cpu' has no member named 'tlb_flushes'"
GCC = f"/t/mm/tests/mermap_kunit.c:217:9: error: {MISSING}"
CLANG = "mm/mermap.c:71:6: error: no member named 'tlb_flushes' in 'struct mermap_cpu'"


@pytest.mark.parametrize(
    ("log", "guards", "where"),
    [
        (GCC, (HEADER, SOURCE), HEADER.where),
        (GCC.replace("'", "\N{LEFT SINGLE QUOTATION MARK}"), (HEADER,), HEADER.where),
        (CLANG, (HEADER,), HEADER.where),
        (f"  CC [M]  mm/tests/mermap_kunit.o\n{GCC}\nmake: *** Error 2\n", (HEADER,), HEADER.where),
        (GCC, (), None),
        (GCC.replace("tlb_flushes", "next_addr"), (HEADER,), None),
        ("mm/mermap.c:1:1: error: expected ';'", (HEADER,), None),
        ("", (HEADER,), None),
    ],
)
def test_a_build_without_the_member_names_the_guard(
    log: str, guards: tuple[Guard, ...], where: str | None
) -> None:
    found = module_findings.without_member(log, guards)
    assert (found.where if found else None) == where
    if found:
        assert (found.code, found.severity) == ("counter-not-in-module", Severity.ERROR)
        assert found.evidence["member"] == "tlb_flushes"
        assert f"IS_ENABLED({X})" in (found.advice or "")


def finding(code: str, **evidence: int) -> Finding:
    return Finding(
        code, Severity.ERROR, f"the {code}", "test_tlb_flushed", dict(evidence), "mm/t.c:9",
        consequences=("what follows",), console_line=7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "guards", "codes"),
    [
        ([finding("missing-flush", flushes=0)], (SOURCE,), ["counter-not-in-module"]),
        ([finding("counter-mismatch", counted=0, done=1)], (SOURCE,), ["counter-not-in-module"]),
        (
            [finding("kasan"), finding("missing-flush", flushes=0), finding("wrong-page")],
            (HEADER, SOURCE),
            ["kasan", "counter-not-in-module", "wrong-page"],
        ),
        ([finding("missing-flush", flushes=0)], (), ["missing-flush"]),
        ([finding("counter-mismatch", counted=1, done=2)], (SOURCE,), ["counter-mismatch"]),
        ([finding("extra-flush", flushes=2)], (SOURCE,), ["extra-flush"]),
        ([], (SOURCE,), []),
    ],
)
def test_a_counter_that_stays_0_is_explained_by_its_guard(
    findings: list[Finding], guards: tuple[Guard, ...], codes: list[str]
) -> None:
    made = module_findings.explained(tuple(findings), guards)
    assert [each.code for each in made] == codes
    for cause in (each for each in made if each.code == "counter-not-in-module"):
        assert cause.where == SOURCE.where  # the counter is in code, not in a header
        assert (cause.test, cause.console_line) == ("test_tlb_flushed", 7)
        assert cause.consequences[1:] == ("what follows",)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x86_64", None),
        ("arm64", None),
        ("um", "um has no QEMU"),
        ("i386", "an init for i386"),
    ],
)
def test_targets_without_a_module_flavour_give_the_reason(
    fake_tree: Path, name: str, says: str | None
) -> None:
    guest = target.read(fake_tree).find(name)
    said = modular.obstacle(fake_tree, guest, "--as-module", "the suite")
    assert said is None if says is None else says in (said or "")


def test_a_tree_without_nolibc_is_refused(fake_tree: Path) -> None:
    (fake_tree / "tools/include/nolibc/nolibc.h").unlink()
    for option in ("--as-module", "--stress"):
        done = run(fake_tree, option)
        assert done.returncode == 2
        assert "tools/include/nolibc, which this tree does not have" in done.stderr
        assert f"{option} compiles its init" in done.stderr
        assert f"leave out {option}" in done.stderr


@pytest.mark.parametrize("stay", [False, True])
def test_qemu_keeps_a_kernel_from_rebooting_before_init(tmp_path: Path, stay: bool) -> None:
    script = path_shims.qemu_script("echo", "tcg", tmp_path / "ended", stay=stay)
    (tmp_path / "qemu").write_text(script)
    append = "console=ttyS0 kunit.filter=\"a b\" kunit_shutdown=reboot panic=-1 $X 'y'"
    argv = ["sh", str(tmp_path / "qemu"), "-m", "1", "-append", append, "kunit_shutdown=halt"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    kept = append if not stay else append.replace(" kunit_shutdown=reboot", "")
    assert said == f"-accel tcg -m 1 -append {kept} kunit_shutdown=halt\n"


@pytest.mark.parametrize(
    ("observed", "code"),
    [(None, "counter-not-in-module"), (1, "counter-not-in-module"), (0, "missing-flush")],
)
def test_a_flush_that_a_trace_did_not_see_is_missing_and_not_uncounted(
    observed: int | None, code: str
) -> None:
    rows = (Flush("test_tlb_flushed", expected=1, counted=0, observed=observed),)
    missing = (finding("missing-flush", flushes=0),)
    made = module_findings.explained(missing, (SOURCE,), rows)
    assert [each.code for each in made] == [code]


def test_the_suite_is_inserted_and_judged(fake_tree: Path, tmp_path: Path, home: Path) -> None:
    said = tmp_path / "arguments"
    log = str(LOGS / "module.log")
    made = document(fake_tree, "--as-module", "--no-trace", FAKE_LOG=log, FAKE_ARGS=str(said))
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["flavour"], cell["variant"]) == ("passed", "module", "base")
    assert cell["findings"] == []
    assert "CONFIG_MERMAP_KUNIT_TEST=m" in Path(cell["artifacts"]["config"]).read_text()
    assert [each.name for each in (home / "cache/builds").glob("*/x86_64/*/")] == ["base-module"]
    arguments = json.loads(said.read_text())
    initrd = arguments[arguments.index("-initrd") + 1]
    assert "kunit.filter_glob=mermap kunit.enable=1" in arguments[arguments.index("-append") + 1]
    assert "kunit_shutdown" not in " ".join(arguments)
    there = unpacked(Path(initrd).read_bytes(), tmp_path / "there")
    assert (there / "modules").read_text() == "/mermap_kunit.ko\n"
    ours, _, _, boot = cell["reproduce"]
    assert "--as-module=suite" in ours
    assert f"-initrd {initrd}" in boot


def test_with_kunit_as_a_module_init_passes_its_parameters_on(
    fake_tree: Path, tmp_path: Path
) -> None:
    said = tmp_path / "arguments"
    argv = ("--as-module=all", "--kernel-arg=kunit.stats_enabled=2", "--suite=mermap.test_size")
    made = document(fake_tree, *argv, FAKE_ARGS=str(said))
    assert made["cells"][0]["flavour"] == "module-all"
    arguments = json.loads(said.read_text())
    initrd = Path(arguments[arguments.index("-initrd") + 1])
    there = unpacked(initrd.read_bytes(), tmp_path / "there")
    assert (there / "modules").read_text() == (
        "/kunit.ko filter_glob=mermap.test_size enable=1 stats_enabled=2\n/mermap_kunit.ko\n"
    )


RT = "CONFIG_PREEMPT_RT=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\n"


@pytest.mark.parametrize(("config", "waits"), [(RT, True), (RT.replace("RT=y", "RT=n"), False)])
def test_a_threaded_console_is_waited_for_by_an_init(
    fake_tree: Path, tmp_path: Path, config: str, waits: bool
) -> None:
    """The log ends without a reboot: the machine is ended at init's last line."""
    said, own, log = (tmp_path / name for name in ("arguments", "own.kunitconfig", "log"))
    own.write_text(config)
    log.write_text((LOGS / "good.log").read_text() + ("mermapctl-init: done\n" if waits else ""))
    how = "stay,stubborn" if waits else ""
    argv = ("--no-trace", f"--config={own}")
    made = document(fake_tree, *argv, FAKE_LOG=str(log), FAKE_BOOT=how, FAKE_ARGS=str(said))
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["findings"]) == ("passed", [])
    assert cell["phases"]["boot"] < 30
    arguments = json.loads(said.read_text())
    assert ("-initrd" in arguments) is waits
    assert ("kunit_shutdown=" in " ".join(arguments)) is not waits
    if waits:
        initrd = Path(arguments[arguments.index("-initrd") + 1])
        there = unpacked(initrd.read_bytes(), tmp_path / "there")
        assert {each.name for each in there.iterdir()} >= {"init", "linger"}
        assert (there / "modules").read_text() == ""


def broken(tree: Path) -> None:
    """Make a tree whose counter is guarded by #ifdef."""
    body = f"#ifdef {X}\n\tmc->tlb_flushes++;\n#endif\n"
    (tree / "mm/mermap.c").write_text(f"void f(void)\n{{\n{body}}}\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "broken")


def test_a_build_that_lacks_the_counter_has_a_finding(fake_tree: Path) -> None:
    broken(fake_tree)
    made = document(fake_tree, "--as-module", FAKE_BUILD_ERROR=MISSING)
    (cell,) = made["cells"]
    assert (cell["verdict"], cell["reason"]) == ("no-verdict", "build-failed")
    (found,) = cell["findings"]
    assert (found["code"], found["where"]) == ("counter-not-in-module", "mm/mermap.c:3")
    table = run(fake_tree, "--as-module", FAKE_BUILD_ERROR=MISSING)
    assert "counter-not-in-module  mm/mermap.c:3" in table.stdout


def test_built_in_the_same_failures_are_not_explained_by_it(fake_tree: Path) -> None:
    broken(fake_tree)
    log = str(LOGS / "missing-flush.log")
    (cell,) = document(fake_tree, "--no-trace", FAKE_LOG=log)["cells"]
    assert [found["code"] for found in cell["findings"]] == ["missing-flush"]
    assert (cell["flavour"], cell["guards"]) == (None, [])


def test_a_counter_that_stays_0_is_one_finding_and_stays_so(fake_tree: Path) -> None:
    broken(fake_tree)
    log = str(LOGS / "missing-flush.log")
    made = document(fake_tree, "--as-module", "--no-trace", FAKE_LOG=log)
    (cell,) = made["cells"]
    (found,) = cell["findings"]
    assert (cell["verdict"], found["code"]) == ("failed", "counter-not-in-module")
    assert found["where"] == "mm/mermap.c:3"
    assert "reused without a TLB flush" in found["consequences"][0]
    again = command("report", "rejudge", made["run"]["id"])
    assert "counter-not-in-module" not in again.stdout  # unchanged, so not mentioned
    shown = command("report", made["run"]["id"], "--format=json")
    (kept,) = json.loads(shown.stdout)["cells"][0]["findings"]
    assert kept["code"] == "counter-not-in-module"


def test_a_module_is_another_configuration_than_what_is_built_in(fake_tree: Path) -> None:
    log = str(LOGS / "module.log")
    assert run(fake_tree, "--as-module", FAKE_LOG=log).returncode == 0
    table = run(fake_tree, "--as-module", FAKE_LOG=str(LOGS / "missing-flush.log"))
    assert "x86_64/base (module)" in table.stdout
    built_in = run(fake_tree, FAKE_LOG=log)
    assert "(module)" not in built_in.stdout
    compared = command("report", "compare", "latest~1", "latest")
    assert "x86_64/base (module) -> x86_64/base" in compared.stdout, compared.stderr
