# SPDX-License-Identifier: GPL-2.0-only
"""`config explain`: causes, texts, verification, and the command."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mermapctl.cli.config import command
from mermapctl.config import explain, explanation, fragment, missing, target
from mermapctl.config.explanation import Cause, Explanation
from mermapctl.config.fragment import MissingSymbol
from tests.minikconfig import only_on_path, program, tree_of

LIB = """
config KUNIT
    tristate "KUnit"
config KUNIT_ALL_TESTS
    tristate "All tests"
    depends on KUNIT
config ARCH_SUPPORTS_MERMAP
    bool
config MERMAP
    bool
config MERMAP_KUNIT_TEST
    tristate "mermap test" if !KUNIT_ALL_TESTS
    depends on ARCH_SUPPORTS_MERMAP
    depends on KUNIT
    select MERMAP
    default KUNIT_ALL_TESTS
config LIMITED
    tristate "limited"
    depends on KUNIT
config OTHER_TEST
    tristate "other test" if !KUNIT_ALL_TESTS
    depends on KUNIT
    default KUNIT_ALL_TESTS
config FORCER
    bool "forcer"
    default y
    select FORCED
config FORCED
    bool "forced"
config OF_COMPILER
    def_bool $(shell,echo n)
config SANITIZER
    bool "sanitizer"
    depends on OF_COMPILER
config WIDE
    bool "wide" if "$(SRCARCH)" = "um"
    default y
config NUMBER
    int "number"
    range 2 8
    default 4
config NAMED
    string "named"
config EITHER
    bool "either"
    depends on OF_COMPILER || MERMAP
config MAYBE
    bool
config NEEDS_ANOTHER
    bool "needs another architecture's assembler"
    depends on MAYBE
config DERIVED
    def_bool MERMAP
choice
    prompt "Preemption model"
config PREEMPT_NONE
    bool "none"
config PREEMPT
    bool "full"
endchoice
config UNSEEN
    bool "unseen"
    depends on MEMBER
choice
    prompt "Hidden choice"
    depends on MERMAP
config MEMBER
    bool "member"
endchoice
"""
X86 = "config X86\n    def_bool y\n    select ARCH_SUPPORTS_MERMAP if X86_64 && !PREEMPT\n"
ARM64 = """
config ONLY_ARM
    bool "only arm"
config CAPABLE
    def_bool $(shell,arm-as --can >/dev/null 2>&1 && echo "y" || echo "n")
    select MAYBE
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tree_of(tmp_path / "linux", LIB, x86=X86, arm64=ARM64)


def why(
    tree: Path, name: str, symbol: str, asked: str = "", *, verify: bool = False
) -> Explanation:
    lines = "".join(f"CONFIG_{each}\n" for each in asked.split())
    given = fragment.parse(lines, "asked.kunitconfig")
    (found,) = explain.why(tree, target.read(tree).find(name), [symbol], given, verify=verify)
    return found


@pytest.mark.parametrize(
    ("name", "symbol", "asked", "cause", "blocking", "assignments"),
    [
        ("x86_64", "KUNIT", "", Cause.SATISFIED, "", "KUNIT=y"),
        ("x86_64", "KUNIT", "KUNIT=n", Cause.SATISFIED, "", "KUNIT=y"),
        ("x86_64", "KUNIT", "MODULES=y KUNIT=m", Cause.SATISFIED, "", ""),
        ("um", "MERMAP_KUNIT_TEST", "KUNIT=y", Cause.DEPENDENCY, "ARCH_SUPPORTS_MERMAP", None),
        ("arm64", "MERMAP_KUNIT_TEST", "KUNIT=y", Cause.DEPENDENCY, "ARCH_SUPPORTS_MERMAP", None),
        (
            "x86_64",
            "MERMAP_KUNIT_TEST",
            "",
            Cause.DEPENDENCY,
            "KUNIT",
            "KUNIT=y MERMAP_KUNIT_TEST=y",
        ),
        (
            "x86_64",
            "MERMAP_KUNIT_TEST",
            "KUNIT=y PREEMPT=y",
            Cause.DEPENDENCY,
            "ARCH_SUPPORTS_MERMAP",
            "PREEMPT_NONE=y MERMAP_KUNIT_TEST=y",
        ),
        (
            "x86_64",
            "LIMITED",
            "MODULES=y KUNIT=m LIMITED=y",
            Cause.DEPENDENCY,
            "KUNIT",
            "KUNIT=y",
        ),
        (
            "x86_64",
            "OTHER_TEST=n",
            "KUNIT=y KUNIT_ALL_TESTS=y",
            Cause.HIDDEN_PROMPT,
            "!KUNIT_ALL_TESTS",
            "KUNIT_ALL_TESTS=n",
        ),
        ("x86_64", "FORCED=n", "", Cause.SELECTED, "", "FORCER=n"),
        (
            "x86_64",
            "MERMAP",
            "KUNIT=y",
            Cause.NO_PROMPT,
            "MERMAP_KUNIT_TEST",
            "MERMAP_KUNIT_TEST=y",
        ),
        ("x86_64", "DERIVED", "KUNIT=y", Cause.NO_PROMPT, "MERMAP", "MERMAP_KUNIT_TEST=y"),
        ("x86_64", "OF_COMPILER", "", Cause.NO_PROMPT, "", None),
        ("x86_64", "SANITIZER", "", Cause.DEPENDENCY, "OF_COMPILER", None),
        ("um", "EITHER", "", Cause.DEPENDENCY, "OF_COMPILER MERMAP", None),
        ("x86_64", "PREEMPT_NONE=n", "", Cause.CHOICE, "", "PREEMPT=y"),
        ("x86_64", "KUNIT=m", "", Cause.MODULES, "MODULES", "MODULES=y KUNIT=m"),
        ("x86_64", "FORCER=m", "", Cause.TYPE, "", None),
        ("x86_64", "KUNIT=maybe", "", Cause.TYPE, "", None),
        ("x86_64", "NUMBER=9", "", Cause.RANGE, "", None),
        ("x86_64", "NUMBER=many", "", Cause.RANGE, "", None),
        ("x86_64", "NUMBER=8", "", Cause.SATISFIED, "", "NUMBER=8"),
        ("x86_64", 'NAMED="a b"', "", Cause.SATISFIED, "", 'NAMED="a b"'),
        ("um", "UNSEEN", "", Cause.DEPENDENCY, "MEMBER", None),
        ("um", "ONLY_ARM", "", Cause.OTHER_ARCHITECTURE, "", None),
        ("um", "NO_SUCH_THING", "", Cause.UNDEFINED, "", None),
        ("um", "NO_SUCH_THING=n", "", Cause.SATISFIED, "", None),
        ("x86_64", "CONFIG_KUNIT", "", Cause.SATISFIED, "", "KUNIT=y"),
    ],
)
def test_the_cause_of_each_symbol(
    tree: Path,
    name: str,
    symbol: str,
    asked: str,
    cause: Cause,
    blocking: str,
    assignments: str | None,
) -> None:
    found = why(tree, name, symbol, asked)
    leaves = [leaf.expression for blocker in found.blockers for leaf in blocker.leaves]
    assert (found.cause, leaves) == (cause, blocking.split())
    if assignments is None:
        assert found.assignments is None
    else:
        shown = [f"{name}={value}" for name, value in found.assignments or ()]
        assert shown == _split(assignments)


def _split(assignments: str) -> list[str]:
    return [assignments] if '"' in assignments else assignments.split()


@pytest.mark.parametrize(
    ("symbol", "asked", "targets"),
    [
        ("MERMAP_KUNIT_TEST", "KUNIT=y", "x86_64"),
        ("ONLY_ARM", "", "arm64"),
        ("KUNIT", "", "um arm64 x86_64"),
        ("SANITIZER", "", ""),
        ("NEEDS_ANOTHER", "", "arm64"),
        ("NO_SUCH_THING", "", ""),
    ],
)
def test_targets_that_could_have_it(tree: Path, symbol: str, asked: str, targets: str) -> None:
    assert list(why(tree, "um", symbol, asked).targets) == targets.split()


def test_the_words_for_a_mermap_on_um(tree: Path) -> None:
    found = why(tree, "um", "MERMAP_KUNIT_TEST", "KUNIT=y", verify=True)
    assert explanation.full_text(found).splitlines() == [
        "CONFIG_MERMAP_KUNIT_TEST is n, not y, on um: its dependencies fail",
        "  defined at lib/Kconfig:13 (tristate, 'mermap test')",
        "  depends on ARCH_SUPPORTS_MERMAP [=n] && KUNIT [=y]",
        (
            "  blocked by ARCH_SUPPORTS_MERMAP [=n] (lib/Kconfig:9): "
            "it has no prompt, and nothing that um reads selects it"
        ),
        "    selected by X86 if X86_64 && !PREEMPT (arch/x86/Kconfig:5, not read here)",
        (
            "  nothing in a configuration of um can make it y "
            "(this tree's olddefconfig gives no value)"
        ),
        "  other targets that can have it: x86_64",
    ]


def test_the_words_for_what_an_assignment_gives(tree: Path) -> None:
    found = why(tree, "x86_64", "OTHER_TEST=n", "KUNIT=y KUNIT_ALL_TESTS=y", verify=True)
    assert explanation.full_text(found).splitlines() == [
        "CONFIG_OTHER_TEST is y, not n, on x86_64: it is on by default, and its prompt is hidden",
        "  defined at lib/Kconfig:22 (tristate, 'other test')",
        "  depends on KUNIT [=y]",
        "  blocked by !KUNIT_ALL_TESTS (lib/Kconfig:6): asked.kunitconfig:2 asks for it",
        "  what gives it on x86_64 (this tree's olddefconfig gives n):",
        "    # CONFIG_KUNIT_ALL_TESTS is not set",
        "  in place of CONFIG_KUNIT_ALL_TESTS=y (asked.kunitconfig:2)",
        "  other targets that can have it: um, arm64",
    ]


@pytest.mark.parametrize(
    ("symbol", "asked", "overridden"),
    [
        ("OTHER_TEST=n", "KUNIT=y KUNIT_ALL_TESTS=y", ["CONFIG_KUNIT_ALL_TESTS=y"]),
        ("MERMAP_KUNIT_TEST", "KUNIT=y PREEMPT=y", ["CONFIG_PREEMPT=y"]),  # of the same choice
        ("MERMAP=n", "KUNIT=y MERMAP_KUNIT_TEST=y", ["CONFIG_MERMAP_KUNIT_TEST=y"]),
        ("KUNIT=n", "KUNIT=y OTHER_TEST=y", ["CONFIG_KUNIT=y", "CONFIG_OTHER_TEST=y"]),
        ("NUMBER=8", "NUMBER=7 KUNIT=y", ["CONFIG_NUMBER=7"]),
        ("NUMBER=8", "KUNIT=y ONLY_ARM=y", []),  # no new condition
    ],
)
def test_lines_that_a_proposal_contradicts_or_takes_away(
    tree: Path, symbol: str, asked: str, overridden: list[str]
) -> None:
    found = why(tree, "x86_64", symbol, asked)
    assert [each.partition(" (")[0] for each in found.overridden] == overridden


def test_a_choice_names_its_chosen_member_and_who_asked_for_it(tree: Path) -> None:
    said = explanation.full_text(why(tree, "x86_64", "MERMAP_KUNIT_TEST", "KUNIT=y PREEMPT=y"))
    assert "'Preemption model' (lib/Kconfig:56) has chosen, since asked.kunitconfig:2 asks" in said


def test_a_prompt_that_the_target_itself_hides(tree: Path) -> None:
    found = why(tree, "x86_64", "WIDE=n")
    assert (found.cause, found.assignments) == (Cause.HIDDEN_PROMPT, None)
    assert '"x86" = "um" [=n]: the target itself decides it' in explanation.full_text(found)
    assert found.targets == ("um",)


def test_the_reason_behind_a_leaf_appears_once(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        """
        config A
            bool "a"
        config B
            bool "b"
            depends on A
        config C
            bool "c"
            depends on B && A
        """,
    )
    said = explanation.full_text(why(tree, "um", "C")).splitlines()
    assert said[3:6] == [
        "  blocked by B [=n] (lib/Kconfig:6): its dependencies fail",
        "    which is blocked by A [=n] (lib/Kconfig:4): nothing asks for it",
        "  blocked by A [=n]: see above",
    ]


@pytest.mark.parametrize(
    ("misspelt", "near"),
    [
        ("MERMAP_KUNIT_TESTS", "MERMAP_KUNIT_TEST"),
        ("KUNIT_TEST_MERMAP", "MERMAP_KUNIT_TEST"),
        ("KUNNIT", "KUNIT"),
        ("mermap", "MERMAP"),
        ("SUPPORTS_MERMAP", "ARCH_SUPPORTS_MERMAP"),
        ("QQQQQQ", ""),
    ],
)
def test_misspelt_symbols(tree: Path, misspelt: str, near: str) -> None:
    found = why(tree, "um", misspelt)
    assert found.cause is Cause.UNDEFINED
    assert found.near[:1] == tuple(near.split())


def test_a_transitional_symbol_is_called_one(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "config OLD\n    bool\n    transitional\n")
    found = why(tree, "um", "OLD")
    assert "transitional" in found.notes[0]


def test_the_fragment_of_the_target_itself_counts(tree: Path) -> None:
    config = tree / "tools/testing/kunit/qemu_configs/x86_64.py"
    config.write_text(config.read_text().replace("kconfig=''", "kconfig='CONFIG_FORCER=y'"))
    found = why(tree, "x86_64", "FORCED=n")
    assert found.cause is Cause.SELECTED
    assert [each.symbol for each in found.selectors] == ["FORCER"]


def test_several_symbols_are_verified_in_one_go(tree: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    makefile = tree / "Makefile"
    makefile.write_text(
        makefile.read_text().replace("olddefconfig:\n", f"olddefconfig:\n\t@echo >>{log}\n")
    )
    given = fragment.parse("CONFIG_KUNIT=y\n", "asked")
    where = target.read(tree).find("x86_64")
    asked = ["MERMAP_KUNIT_TEST", "NUMBER=8", "SANITIZER"]
    found = explain.why(tree, where, asked, given)
    assert [each.verified for each in found] == [True, True, True]
    assert len(log.read_text().splitlines()) == 1
    found = explain.why(tree, where, [*asked, "PREEMPT=y", "PREEMPT_NONE=y"], given)
    assert [each.verified for each in found] == [True] * 5
    assert len(log.read_text().splitlines()) == 3, "together, then the one that another excludes"


def test_olddefconfig_has_the_last_word(tree: Path) -> None:
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text() + "\t@sed -i /CONFIG_NUMBER/d $(O)/.config\n")
    found = why(tree, "um", "NUMBER=8", verify=True)
    assert (found.cause, found.verified) == (Cause.SATISFIED, False)
    assert "believe it" in explanation.full_text(found)
    makefile.write_text(makefile.read_text() + "\t@echo CONFIG_SANITIZER=y >>$(O)/.config\n")
    found = why(tree, "um", "SANITIZER", verify=True)
    assert (found.assignments, found.verified) == (None, False)
    assert "does give y: believe it" in explanation.full_text(found)


def test_a_make_that_fails_leaves_the_explanation(tree: Path) -> None:
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text() + "\t@echo 'error: tree is not clean' >&2; false\n")
    found = why(tree, "um", "MERMAP", verify=True)
    assert (found.cause, found.verified) == (Cause.NO_PROMPT, None)
    assert found.verdict == "not verified: make olddefconfig failed: error: tree is not clean"


def test_where_the_parser_fails_olddefconfig_still_answers(tree: Path) -> None:
    file = tree / "lib/Kconfig"
    file.write_text(file.read_text() + "config A\n\tfrobnicate\n")
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("-m olddefconfig Kconfig", "-c pass"))
    found = why(tree, "um", "KUNIT=m", verify=True)
    assert (found.cause, found.resolved) == (Cause.UNREADABLE, "m")
    said = explanation.full_text(found)
    assert "olddefconfig gives m" in said
    line = len(file.read_text().splitlines())
    assert f"lib/Kconfig:{line}: error: couldn't parse 'frobnicate'" in said


def test_without_the_cross_compiler_the_hosts_stands_in(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = only_on_path(tmp_path / "bin", "gcc", "make", "sh", "uname")
    monkeypatch.setenv("PATH", path)
    found = why(tree, "arm64", "ONLY_ARM", verify=True)
    assert (found.cause, found.verified) == (Cause.SATISFIED, True)
    assert found.notes == (
        "aarch64-linux-gnu-gcc is not installed: what depends on the compiler was asked of gcc",
    )
    program(Path(path), "aarch64-linux-gnu-gcc", "echo cross")
    assert why(tree, "arm64", "ONLY_ARM").notes == ()


def test_nothing_is_written_into_the_tree(tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    why(tree, "x86_64", "MERMAP_KUNIT_TEST", verify=True)
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


MANY = [f"MISSING_{number}" for number in range(missing.FULL + 2)]


def told(tree: Path, name: str, asked: str) -> list[MissingSymbol]:
    """Return the lines of `asked` that a target does not give, each with its explanation."""
    given = fragment.parse(asked, "asked")
    where = target.read(tree).find(name)
    lacking = missing.resolved(tree, where, given)
    return list(missing.told(tree, where, given, lacking))


@pytest.mark.parametrize(
    ("name", "asked", "symbol"),
    [
        ("um", "CONFIG_KUNIT=y\nCONFIG_MERMAP_KUNIT_TEST=y\n", "MERMAP_KUNIT_TEST=y"),
        ("x86_64", "# CONFIG_FORCED is not set\n", "FORCED=n"),
        ("um", "CONFIG_NO_SUCH_THING=y\n", "NO_SUCH_THING=y"),
    ],
)
def test_a_missing_symbol_has_the_text_of_config_explain(
    tree: Path, name: str, asked: str, symbol: str
) -> None:
    (lacking,) = told(tree, name, asked)
    given = fragment.parse(asked, "asked")
    (found,) = explain.why(tree, target.read(tree).find(name), [symbol], given)
    assert f"{lacking.symbol}={lacking.requested}" == symbol
    assert lacking.why == explanation.full_text(found)


def test_symbols_that_kunit_py_asks_for_are_explained_too(tree: Path) -> None:
    config = tree / "tools/testing/kunit/qemu_configs/x86_64.py"
    config.write_text(config.read_text().replace("kconfig=''", "kconfig='CONFIG_SANITIZER=y'"))
    (lacking,) = told(tree, "x86_64", "CONFIG_KUNIT=y\n")
    assert lacking.symbol == "SANITIZER"
    assert "blocked by OF_COMPILER [=n]" in (lacking.why or "")


def test_many_missing_symbols_are_not_all_explained_in_full(tree: Path) -> None:
    file = tree / "lib/Kconfig"
    entries = [f'config {each}\n\tbool "{each}"\n\tdepends on OF_COMPILER\n' for each in MANY]
    file.write_text(file.read_text() + "".join(entries))
    lacking = told(tree, "um", "".join(f"CONFIG_{each}=y\n" for each in MANY))
    assert [each.symbol for each in lacking] == MANY
    assert all("blocked by OF_COMPILER [=n]" in (each.why or "") for each in lacking)
    verified = ["(this tree's olddefconfig gives" in (each.why or "") for each in lacking]
    assert verified == [True] * missing.FULL + [False] * 2
    assert "`mermapctl config explain MISSING_7=y --target um`" in (lacking[-1].why or "")


def test_requested_and_resolved_remain_where_the_parser_fails(tree: Path) -> None:
    given = fragment.parse("".join(f"CONFIG_{each}=y\n" for each in MANY), "asked")
    file = tree / "lib/Kconfig"
    file.write_text(file.read_text() + "config A\n\tfrobnicate\n")
    asked = [MissingSymbol(each, "y", None) for each in MANY]
    lacking = missing.told(tree, target.read(tree).find("um"), given, asked)
    assert [each.symbol for each in lacking] == MANY
    assert "the parser's complaint: lib/Kconfig:" in (lacking[0].why or "")
    assert (lacking[-1].why or "").startswith("CONFIG_MISSING_7 is not set, not y, on um; why ")
    assert "couldn't parse 'frobnicate'" in (lacking[-1].why or "")


def test_an_explanation_that_breaks_leaves_the_symbol(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr(explain, "_explained", broken)
    given = fragment.parse("CONFIG_SANITIZER=y\n", "asked")
    asked = [MissingSymbol("SANITIZER", "y", "n")]
    (lacking,) = missing.told(tree, target.read(tree).find("um"), given, asked)
    assert lacking.why == (
        "CONFIG_SANITIZER is n, not y, on um; why could not be found out "
        "(KeyError: 'a bug of ours')"
    )


def test_an_olddefconfig_that_hangs_ends_with_the_patience(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "PATIENCE", 1.5)
    makefile = tree / "Makefile"
    text = makefile.read_text()
    makefile.write_text(text.replace("olddefconfig:\n", "olddefconfig:\n\t@sleep 60\n"))
    given = fragment.parse("CONFIG_SANITIZER=y\nCONFIG_EITHER=y\n", "asked")
    asked = [MissingSymbol("SANITIZER", "y", "n"), MissingSymbol("EITHER", "y", "n")]
    began = time.monotonic()
    lacking = missing.told(tree, target.read(tree).find("um"), given, asked)
    assert time.monotonic() - began < 30
    assert all("OF_COMPILER [=n] (lib/Kconfig:" in (each.why or "") for each in lacking)
    assert all("not verified: " in (each.why or "") for each in lacking)


def run(tree: Path, *argv: str) -> Result:
    file = tree.parent / "asked.kunitconfig"
    file.write_text("CONFIG_KUNIT=y\n")
    own = Path(os.environ["MERMAPCTL_HOME"]) / "config"
    own.mkdir(exist_ok=True)
    (own / "plain.kunitconfig").write_text("CONFIG_KUNIT=y\n")
    argv = ("explain", "--tree", str(tree), "--variant", "plain", *argv)
    return CliRunner().invoke(command, argv)


def test_the_command(tree: Path) -> None:
    result = run(tree, "KUNIT", "--target", "um", "--no-verify")
    assert result.exit_code == 0, result.output
    assert "CONFIG_KUNIT=y can be had on um" in result.output
    result = run(tree, "MERMAP", "KUNIT", "--target", "um")
    assert result.exit_code == 1
    assert "CONFIG_MERMAP is n, not y, on um" in result.output
    assert "    selected by MERMAP_KUNIT_TEST" not in result.output.splitlines()[0]


def test_the_commands_json(tree: Path) -> None:
    result = run(tree, "FORCED=n", "--format", "json")
    found = json.loads(result.output)
    assert (found["target"], found["kernel"], found["satisfied"]) == ("x86_64", "6.12.0", False)
    (symbol,) = found["symbols"]
    assert symbol["assignments"] == ["# CONFIG_FORCER is not set"]
    assert (symbol["verified"], symbol["cause"]) == (True, "selected")
    assert symbol["selectors"][0]["where"] == "lib/Kconfig:29"


def test_the_command_shows_escapes_of_a_tree_and_obeys_none(tree: Path) -> None:
    file = tree / "lib/Kconfig"
    file.write_text(file.read_text() + 'config ODD\n\tbool "\x1b[31mred [bold]\x07"\n')
    result = run(tree, "ODD", "--no-verify")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert "[bold]" in result.output


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("A", "--target", "mips"), "has no target 'mips'"),
        (("A", "--variant", "no-such"), "no-such"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage(tree: Path, argv: tuple[str, ...], said: str) -> None:
    result = run(tree, *argv)
    assert result.exit_code in {1, 2}
    assert said in result.output + str(result.exception)


HOST = """
config KUNIT
    tristate "KUnit"
config RUST_IS_AVAILABLE
    def_bool $(success,$(srctree)/scripts/rust_is_available.sh)
config RUST
    bool "Rust"
    depends on RUST_IS_AVAILABLE
config CFI
    bool "CFI"
    depends on KUNIT
    depends on $(cc-option,-fsanitize=kcfi-of-tomorrow)
config PAHOLE_VERSION
    int
    default $(shell,$(srctree)/scripts/pahole-version.sh $(PAHOLE))
config BTF
    bool "BTF"
    depends on PAHOLE_VERSION >= 116
"""
MACROS = """
success = $(shell,if $(1) >/dev/null 2>&1; then echo y; else echo n; fi)
cc-option = $(success,false $(1))
"""


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("RUST", ["rust_is_available.sh", "make rustavailable"]),
        ("CFI", ["$(cc-option,-fsanitize=kcfi-of-tomorrow)", "does not take the option"]),
        ("BTF", ["PAHOLE_VERSION is 0", "pahole is not installed"]),
    ],
)
def test_a_test_of_the_host_is_no_symbol(tmp_path: Path, symbol: str, said: list[str]) -> None:
    tree = tree_of(tmp_path / "linux", HOST)
    path = tree / "lib" / "Kconfig"
    path.write_text(MACROS.lstrip() + path.read_text("utf-8"), "utf-8")
    program(tree / "scripts", "rust_is_available.sh", "exit 1")
    program(tree / "scripts", "pahole-version.sh", "echo 0")
    text = explanation.full_text(why(tree, "x86_64", symbol, "KUNIT=y"))
    for words in said:
        assert words in text
    for words in ("blocked by n ", "n [=n]", "116 is", "reads defines it"):
        assert words not in text
    assert "nothing in a configuration of x86_64 can make it y" in text
    assert "other targets that can have it: none" in text


def test_another_target_has_what_a_file_of_another_directory_reads(tmp_path: Path) -> None:
    """drivers/gpu/drm/Kconfig is read from drivers/video/Kconfig, which is not above it."""
    tree = tree_of(tmp_path / "linux", 'source "drivers/Kconfig"\n')
    for name, text in {
        "drivers/Kconfig": 'source "drivers/video/Kconfig"\n',
        "drivers/video/Kconfig": 'source "drivers/gpu/drm/Kconfig"\n',
        "drivers/gpu/drm/Kconfig": 'config DRM\n\tbool "DRM"\nconfig DRM_TEST\n\tbool "test"\n'
        "\tdepends on DRM\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, "utf-8")
    explanation = why(tree, "um", "DRM_TEST")
    assert explanation.assignments == (("DRM", "y"), ("DRM_TEST", "y"))
    assert sorted(explanation.targets) == ["arm64", "um", "x86_64"]
