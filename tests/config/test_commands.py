# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import msgspec
import pytest

from mermapctl.commands import config
from mermapctl.commands.config import ConfigRequest
from mermapctl.config import fragment, traceable, variants
from mermapctl.errors import HarnessError, UserError
from mermapctl.system import paths
from tests.forkserver import Done, command

if TYPE_CHECKING:
    from pathlib import Path

    from mermapctl.config.variants import Variant

SHIPPED = ("base", "smp", "debug", "kasan", "ubsan", "kcsan", "rt", "la57", "nopti", "hang")


def lines(variant: Variant) -> set[str]:
    return set(variant.fragment.text().splitlines())


def mermapctl(*argv: str, cwd: Path | None = None) -> Done:
    return command(*argv, cwd=cwd)


@pytest.fixture
def own() -> Path:
    """Make the user's directory of fragments."""
    path = paths.config_dir()
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_variant_builds_the_suite_and_has_its_purpose(name: str) -> None:
    variant = variants.resolve(name)
    assert {"CONFIG_KUNIT=y", "CONFIG_MERMAP_KUNIT_TEST=y"} <= lines(variant)
    defined = variants.definitions()[name]
    assert len(defined.proves) > 20
    assert len(defined.costs) > 10
    origins = {each.origin.rpartition(":")[0] for each in variant.fragment.assignments}
    for origin in origins:
        assert (paths.shipped("configs").parent / origin).is_file()


def test_every_shipped_fragment_can_be_read_and_has_a_description() -> None:
    for name in variants.fragment_files():
        assert variants.load_fragment(name).about, name


def test_variants_without_a_clash_merge_in_pairs() -> None:
    clashes = set()
    for one in SHIPPED:
        for two in SHIPPED:
            try:
                variants.resolve(f"{one}+{two}")
            except UserError:
                clashes.add(frozenset((one, two)))
    assert clashes == set()


@pytest.mark.parametrize(
    ("name", "suite", "expected", "absent"),
    [
        ("base", "mermap", "CONFIG_MERMAP_KUNIT_TEST=y", "CONFIG_KUNIT_EXAMPLE_TEST=y"),
        ("base", "example", "CONFIG_KUNIT_EXAMPLE_TEST=y", "CONFIG_MERMAP_KUNIT_TEST=y"),
        ("base", "mermap.test_size", "CONFIG_MERMAP_KUNIT_TEST=y", "CONFIG_SMP=y"),
        ("base", "mer*", "CONFIG_MERMAP_KUNIT_TEST=y", "CONFIG_KUNIT_EXAMPLE_TEST=y"),
        ("base", "*", "CONFIG_KUNIT_EXAMPLE_TEST=y", "CONFIG_SMP=y"),
        ("smp", "mermap", "CONFIG_SMP=y", "CONFIG_KASAN=y"),
        ("smp+kasan", "mermap", "CONFIG_KASAN=y", "CONFIG_KCSAN=y"),
    ],
)
def test_the_lines_of_a_variant(name: str, suite: str, expected: str, absent: str) -> None:
    found = lines(variants.resolve(name, suite=suite))
    assert expected in found
    assert absent not in found


def test_a_merge_has_the_guest_that_all_its_parts_need() -> None:
    merged = variants.resolve("hang+la57+smp+smp")
    assert merged.name == "hang+la57+smp"
    assert merged.smp == 2
    assert merged.cpu == variants.resolve("la57").cpu
    assert merged.kernel_args == variants.resolve("hang").kernel_args
    assert merged.targets == ("x86_64",)
    assert variants.resolve("base").targets == ()


def test_own_is_the_configuration_of_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "default.config"
    path.write_text("CONFIG_KUNIT=y\nCONFIG_KUNIT_ALL_TESTS=y\n")
    own = fragment.load_all([path])
    variant = variants.resolve("own", own, target="x86_64")
    assert lines(variant) == {"CONFIG_KUNIT=y", "CONFIG_KUNIT_ALL_TESTS=y"}
    assert variants.compose(["own"], own).text() == variant.fragment.text()
    assert (variant.wished, variant.smp, variant.cpu) == ((), None, None)
    assert variant.untraced == "variant own adds nothing to your --config"
    assert variants.resolve("own", own, "example").untraced is None
    with pytest.raises(UserError, match=r"alone, and none is given"):
        variants.resolve("own")
    with pytest.raises(UserError, match=r"your --config, and own\+smp would"):
        variants.resolve("own+smp", own)


def test_cpu_models_merge_where_they_are_one_model() -> None:
    merged = variants.resolve("la57+nopti+smp")
    assert merged.cpu == "qemu64,+la57,enforce,-pge"
    assert merged.kernel_args == ("pti=off",)


@pytest.mark.parametrize(
    ("key", "one", "two", "message"),
    [
        ("cpu", '"qemu64"', '"max,+la57"', "different CPU models: max and qemu64"),
        ("cpu", '"max,+x"', '"max,-x"', r"different CPU feature x: \+x and -x"),
        ("kernel_args", '["pti=on"]', '["pti=off"]', "different pti: pti=off and pti=on"),
        ("targets", '["um"]', '["x86_64"]', "no target means something"),
    ],
)
def test_guests_that_cannot_be_one(key: str, one: str, two: str, message: str) -> None:
    text = "".join(
        f'[{name}]\nproves = ""\ncosts = ""\nfragments = []\n{key} = {value}\n'
        for name, value in (("one", one), ("two", two))
    )
    known = msgspec.convert(tomllib.loads(text), dict[str, variants.Definition])
    merged = variants.Merged(fragment.Fragment("x"), traceable.Wish())
    with pytest.raises(UserError, match=message):
        variants.joined("one+two", [known["one"], known["two"]], merged)


@pytest.mark.parametrize(
    ("name", "suite", "message", "hint"),
    [
        ("kasn", "mermap", "no variant 'kasn'", "did you mean kasan"),
        ("base+zzz", "mermap", "no variant 'zzz'", "there are: base, smp"),
        ("", "mermap", "no variant ''", "there are"),
        ("base", "mermpa", "no fragment builds the suite 'mermpa'", "did you mean mermap?"),
        ("base", "slub_test", "no fragment builds", "--config FILE"),
    ],
)
def test_unknown_names_list_the_near_ones(name: str, suite: str, message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        variants.resolve(name, suite=suite)
    assert hint in (caught.value.hint or "")


def test_base_gives_way_and_nothing_else_does(tmp_path: Path) -> None:
    soft = variants.load_fragment("base").assignments[0]
    other = "y" if soft.value == "n" else "n"
    mine = tmp_path / "mine.kunitconfig"
    mine.write_text(f"CONFIG_{soft.symbol}={other}\n")
    merged = variants.resolve("base", (fragment.load(mine),)).fragment
    assert merged.value(soft.symbol) == other
    assert merged.assignments[-1].origin == f"{mine}:1"

    mine.write_text("# CONFIG_KASAN is not set\n")
    both = r"CONFIG_KASAN=y \(configs/kasan.kunitconfig:\d+\), .*mine"
    with pytest.raises(UserError, match=both):
        variants.resolve("kasan", (fragment.load(mine),))


def test_a_suite_of_ones_own_comes_from_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "slub.kunitconfig"
    mine.write_text("CONFIG_KUNIT=y\nCONFIG_SLUB_KUNIT_TEST=y\n")
    found = lines(variants.resolve("base", (fragment.load(mine),), suite="slub_test"))
    assert "CONFIG_SLUB_KUNIT_TEST=y" in found
    assert "CONFIG_MERMAP_KUNIT_TEST=y" not in found


def test_the_users_directory_gives_variants_and_suites(own: Path) -> None:
    (own / "numa.kunitconfig").write_text("# two nodes\nCONFIG_NUMA=y\n")
    (own / "suite-slub_test.kunitconfig").write_text("CONFIG_SLUB_KUNIT_TEST=y\n")
    (own / ".hidden.kunitconfig").write_text("rubbish\n")
    (own / "notes.txt").write_text("rubbish\n")
    variant = variants.resolve("numa+smp", suite="slub_test")
    assert {"CONFIG_NUMA=y", "CONFIG_SMP=y", "CONFIG_SLUB_KUNIT_TEST=y"} <= lines(variant)
    assert variants.definitions()["numa"].proves == "two nodes"
    origin = next(each.origin for each in variant.fragment.assignments if each.symbol == "NUMA")
    assert origin == f"{own}/numa.kunitconfig:2"


@pytest.mark.parametrize("name", ["kasan", "base", "la57", "a+b"])
def test_an_own_fragment_cannot_take_a_shipped_name(own: Path, name: str) -> None:
    (own / f"{name}.kunitconfig").write_text("CONFIG_X=y\n")
    with pytest.raises(UserError, match=f"{own}") as caught:
        variants.resolve("smp")
    assert "rename" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("names", "suite", "expected"),
    [
        (("suite-example",), "mermap", {"KUNIT", "KUNIT_EXAMPLE_TEST"}),
        (("suite-example", "suite-mermap"), "x", {"KUNIT_EXAMPLE_TEST", "MERMAP_KUNIT_TEST"}),
        (("smp",), "example", {"KUNIT_EXAMPLE_TEST", "SMP", "LOCALVERSION_AUTO"}),
        (("smp", "suite-mermap"), "example", {"KUNIT_EXAMPLE_TEST", "MERMAP_KUNIT_TEST"}),
    ],
)
def test_compose_adds_the_suite_to_variants_not_to_fragments(
    names: tuple[str, ...], suite: str, expected: set[str]
) -> None:
    found = {each.symbol for each in variants.compose(names, suite=suite).assignments}
    assert expected <= found
    assert ("LOCALVERSION_AUTO" in found) == ("smp" in names)


def test_a_written_kunitconfig_is_parsed_back_and_names_its_origins(tmp_path: Path) -> None:
    output = tmp_path / "out.kunitconfig"
    asked = config.write(ConfigRequest(("hang", "kasan")), output)
    read = fragment.load(output)
    assert read.text() == asked.text()
    assert "# from configs/kasan.kunitconfig\nCONFIG_KASAN=y\n" in output.read_text()
    for line in output.read_text().splitlines():  # as kunit.py reads it
        assert line.startswith(("CONFIG_", "# "))


@pytest.mark.parametrize("place", [".", "nowhere/out"])
def test_places_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    with pytest.raises(UserError, match=r"is a directory|does not exist"):
        config.write(ConfigRequest(("base",)), tmp_path / place)


# A real make with a very simple olddefconfig.
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =
olddefconfig:
\t@test "$(ARCH)" = x86_64 || { echo "Makefile: wrong ARCH *** error" >&2; exit 1; }
\t@sed -i -e '/MERMAP/d' -e 's/CONFIG_SMP=y/# CONFIG_SMP is not set/' $(O)/.config
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "linux"
    for name, text in {
        "Makefile": MAKEFILE,
        "Kconfig": "",
        "mm/Kconfig": "",
        "tools/testing/kunit/kunit.py": "",
        "tools/testing/kunit/qemu_configs/x86_64.py": (
            "QEMU_ARCH = QemuArchParams(linux_arch='x86_64', kconfig='CONFIG_SERIAL_8250=y',\n"
            " qemu_arch='x86_64', kernel_path='arch/x86/boot/bzImage', kernel_command_line='')\n"
        ),
    }.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_check_lists_each_symbol_that_did_not_come_out(tree: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in tree.rglob("*")}
    found = config.check(tree, ConfigRequest(("smp",)))
    assert [(each.symbol, each.requested, each.resolved) for each in found.missing] == [
        ("MERMAP_KUNIT_TEST", "y", None),
        ("SMP", "y", "n"),
    ]
    assert found.origin("SMP") == "configs/smp.kunitconfig:3"
    assert found.asked.value("SERIAL_8250") == "y"  # kunit.py's own lines count too
    assert {path: path.lstat().st_mtime_ns for path in tree.rglob("*")} == before

    assert config.check(tree, ConfigRequest(("base",), "example")).missing == ()


def test_check_passes_makes_complaint_on(tree: Path) -> None:
    (tree / "Makefile").write_text(MAKEFILE.replace("= x86_64 ||", "= sparc ||"))
    with pytest.raises(HarnessError, match=r"wrong ARCH \*\*\* error"):
        config.check(tree, ConfigRequest(("base",)))


def test_the_commands(tree: Path, tmp_path: Path) -> None:
    bad = mermapctl("config", "check", "--tree", str(tree), "smp")
    assert bad.returncode == 1
    assert "CONFIG_SMP" in bad.stdout
    assert "does not give 2 of" in bad.stdout
    good = mermapctl("config", "check", "--tree", str(tree), "--suite", "example", "base")
    assert (good.returncode, "as requested" in good.stdout) == (0, True)
    document = json.loads(
        mermapctl("config", "check", "--tree", str(tree), "--format", "json", "smp").stdout
    )
    assert document["satisfied"] is False
    why = document["missing"][1].pop("why")
    assert why.startswith("CONFIG_SMP")
    assert why.splitlines()[0] in " ".join(bad.stdout.split())
    assert document["missing"][1] == {
        "symbol": "SMP",
        "requested": "y",
        "resolved": "n",
        "origin": "configs/smp.kunitconfig:3",
    }
    unknown = mermapctl("config", "check", "--tree", str(tree), "--target", "x86", "base")
    assert unknown.returncode == 2
    assert "did you mean x86_64?" in unknown.stderr

    shown = mermapctl("config", "show", "smp").stdout
    assert [line for line in shown.splitlines() if line.split() == [
        "CONFIG_SMP=y", "configs/smp.kunitconfig:3"]]  # fmt: skip
    wrote = mermapctl("config", "write", "smp", "-o", "x.kunitconfig", cwd=tmp_path)
    assert (wrote.returncode, wrote.stdout) == (0, "")
    assert mermapctl("config", "write", "smp", "-o", "-").stdout == (
        (tmp_path / "x.kunitconfig").read_text()
    )


def test_the_list_has_everything_in_both_forms() -> None:
    table = mermapctl("config", "list").stdout
    document = json.loads(mermapctl("config", "list", "--format", "json").stdout)
    names = [each["name"] for each in document["variants"]]
    assert set(SHIPPED) <= set(names)
    for name in [*names, *(each["name"] for each in document["fragments"])]:
        assert name in table
    assert document["own"] == str(paths.config_dir())


def test_the_list_is_a_line_each_at_80_columns_and_cuts_nothing_that_is_shipped() -> None:
    lines = command("config", "list", env={"COLUMNS": "80"}).stdout.splitlines()
    document = json.loads(mermapctl("config", "list", "--format", "json").stdout)
    names = [each["name"] for kind in ("variants", "fragments") for each in document[kind]]
    for name in names:
        assert len([line for line in lines if line.startswith(f"{name} ")]) == names.count(name)
    rows = [line for line in lines if line.split(" ")[0] in names]
    assert len(rows) == len(names)
    for line in rows:
        assert len(line) <= 80, line
        assert not line.endswith("..."), line


def test_hostile_fragments_reach_the_terminal_tamed(tmp_path: Path) -> None:
    mine = tmp_path / "x.kunitconfig"
    mine.write_text('CONFIG_CMDLINE="\x1b[2J[red]x\u202e"\n')
    shown = mermapctl("config", "show", "base", "--config", str(mine)).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]x" in shown


@pytest.mark.parametrize(
    ("prefix", "expected"), [("kas", ["kasan"]), ("suite-e", ["suite-example"])]
)
def test_names_for_completion(prefix: str, expected: list[str]) -> None:
    assert list(config.names(prefix)) == expected
