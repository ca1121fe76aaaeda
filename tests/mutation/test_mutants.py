# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of C: what is made of a line, and each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mermapctl.mutation import advice, code, generate, own_rules, universal
from mermapctl.mutation.mutant import Fate, Mutant
from tests.tables import TESTS

MERMAP = (TESTS.parent / "kernel/files/mm/mermap.c").read_text()
TEXT = """\
/* if (size < limit) */
static bool fits(unsigned long size, bool use_reserve)
{
	if (size <= limit)  /* <= */
		mermap_flush(mc);
	mc->next_addr = restart;
	return use_reserve;
}
"""


def test_comments_are_blank_and_each_line_keeps_its_columns() -> None:
    bare = code.without_comments('a /* < */ b\n"/* no */" // x\n/* 1\n2 */ c\n')
    assert bare == 'a         b\n"/* no */"     \n    \n     c\n'


def test_each_line_has_its_function() -> None:
    assert code.functions(TEXT) == dict.fromkeys(range(4, 8), "fits")
    found = code.functions(MERMAP)
    lines = MERMAP.split("\n")
    at = next(n for n, line in enumerate(lines, 1) if "migrate_disable();" in line)
    assert found[at] == "__mermap_get"


def own(text: str) -> list[tuple[int, str, str]]:
    return [(each.line, each.rule, each.after.strip()) for each in own_rules.mutants("a.c", text)]


def test_our_rules_make_mistakes_of_a_mermap() -> None:
    assert own(TEXT) == [
        (4, "the bound is out", "if (size < limit)  /* <= */"),
        (5, "a flush is dropped", "(void)0;"),
        (6, "a page further", "mc->next_addr = (restart) + PAGE_SIZE;"),
        (6, "a page short", "mc->next_addr = (restart) - PAGE_SIZE;"),
        (7, "reserve and ordinary swapped", "return !use_reserve;"),
    ]


def test_every_rule_finds_its_place_in_the_mermap_and_says_what_would_see_it() -> None:
    made = list(own_rules.mutants("mm/mermap.c", MERMAP))
    assert {rule.name for rule in own_rules.rules()} == {each.rule for each in made}
    assert all(each.seen_by for each in made)
    lines = MERMAP.split("\n")
    assert all(lines[each.line - 1] == each.before != each.after for each in made)


@pytest.mark.parametrize(
    ("after", "line", "text"),
    [
        (["a;", "\tb - 1;", "c;"], 2, "\tb - 1;"),
        (["a;", "\t/*b + 1;*/", "c;"], 2, "\t;"),
        (["a;", "\tb + 1;", "\tbreak;", "c;"], 2, "\tb + 1; break;"),
        (["a;", "x", "y"], None, None),
        (["a;", "\tb + 1;", "c;"], None, None),
        (["a;", "\tb + 1;", "\tbreak;", "d;"], None, None),
    ],
)
def test_what_universalmutator_writes_is_one_line(
    after: list[str], line: int | None, text: str | None
) -> None:
    found = universal.changed("a.c", ["a;", "\tb + 1;", "c;"], after)
    assert (found.line if found else None, found.after if found else None) == (line, text)


def test_each_mutant_is_made_once_and_always_the_same() -> None:
    made = generate.mutants(universal.program(), {"a.c": TEXT})
    assert made == generate.mutants(universal.program(), {"a.c": TEXT})
    changes = [(each.line, " ".join(code.tokens(each.after))) for each in made]
    assert len(set(changes)) == len(changes) > 20
    assert {each.line for each in made} <= set(range(2, 9))
    bounds = [each for each in made if each.after == "\tif (size < limit)  /* <= */"]
    assert [each.rule for each in bounds] == ["the bound is out"]
    assert len({each.key for each in made}) == len(made)


def test_a_seed_draws_an_order() -> None:
    made = tuple(Mutant("a.c", n, "x", f"y{n}", "C") for n in range(50))
    first = generate.drawn(made, 1)
    assert first == generate.drawn(made, 1) != generate.drawn(made, 2)
    assert sorted(first, key=lambda each: each.line) == list(made)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("\tx = a + b;", "\tx = a - b;", "the exact value that `x = a + b;`"),
        ("\tif (a < b)", "\tif (a > b)", "where both sides are equal"),
        ("\tif (a < b)", "\tif (0==1)", "both outcomes of `if (a < b)`"),
        ("\tf(x);", "\t;", "the effect of `f(x);`"),
        ("\tf(x);", "\tf(x); break;", "what happens behind line 9 of g()"),
    ],
)
def test_a_survivor_has_what_would_see_it(before: str, after: str, says: str) -> None:
    mutant = Mutant("a.c", 9, before, after, "C")
    assert says in advice.seen_by(mutant, Fate.SURVIVED, "g")
    assert advice.seen_by(mutant, Fate.UNCOVERED, "g") == "any test that runs line 9 of g()"


def test_a_tool_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="universalmutator is not installed"):
        universal.program()
