# SPDX-License-Identifier: GPL-2.0-only
"""The search for a culprit, on simulated kernels: right, few builds, an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mermapctl.series import (
    bisect_choice,
    bisect_ends,
    bisect_known,
    bisect_posterior,
    bisect_search,
)
from mermapctl.series.bisect_known import Known
from mermapctl.series.bisect_posterior import NONE, BootCounts
from mermapctl.series.bisect_step import MoreBoots, Named, Step, Undecided, WrongEnds

CONFIDENCE = 0.95


@dataclass(slots=True)
class Simulated:
    """A range whose kernels show the finding at a rate of their own."""

    size: int
    rate: Callable[[int], float]
    seed: int = 1
    broken: frozenset[int] = frozenset()
    kernels: dict[int, str] = field(default_factory=dict)
    even: bool = False
    builds: int = 0
    boots: int = 0

    def run(self, confidence: float = CONFIDENCE) -> Step:
        chance = Random(self.seed)  # noqa: S311  nothing here is a secret
        shown: dict[str, BootCounts] = {}
        built: dict[int, str] = {}
        now: int | None = None
        skipped: set[int] = set()
        for _ in range(self.size * bisect_choice.LONGEST):
            known = bisect_known.known_of(
                self.size,
                built,
                shown,
                skipped=frozenset(skipped),
                built=now,
                even=shown if self.even else (),
            )
            step = bisect_search.next_step(known, confidence)
            if not isinstance(step, MoreBoots):
                return step
            assert step.index not in skipped
            assert step.boots > 0
            if step.index != now:
                self.builds, now = self.builds + 1, step.index
            if step.index in self.broken:
                skipped.add(step.index)
                continue
            kernel = built[step.index] = self.kernels.get(step.index, str(step.index))
            self.boots += step.boots
            bad = sum(chance.random() < self.rate(step.index) for _ in range(step.boots))
            more = BootCounts(bad, step.boots - bad)
            shown[kernel] = shown.get(kernel, NONE).plus(more)
        raise AssertionError("it does not end")


def fault(culprit: int, bad: float = 1.0, good: float = 0.0) -> Callable[[int], float]:
    return lambda index: bad if index >= culprit else good


@given(st.data(), st.integers(2, 40), st.booleans())
@settings(deadline=None)
def test_a_fault_that_always_shows_is_found_with_few_builds(
    data: st.DataObject, size: int, even: bool
) -> None:
    culprit = data.draw(st.integers(1, size - 1))
    made = Simulated(size, fault(culprit), even=even)
    step = made.run()
    assert isinstance(step, Named)
    assert step.suspects == (culprit,)
    assert step.error <= 1 - CONFIDENCE
    assert made.builds <= 2 + (size - 2).bit_length() + 1
    most = 2 * bisect_ends.FIRST + (2 if even else 4) * (made.builds - 2)
    assert made.boots <= most


@given(st.data(), st.integers(3, 30))
@settings(max_examples=60, deadline=None)
def test_a_commit_without_a_verdict_is_a_suspect_and_never_hides_one(
    data: st.DataObject, size: int
) -> None:
    culprit = data.draw(st.integers(1, size - 1))
    broken = data.draw(st.frozensets(st.integers(1, size - 2), max_size=size // 2))
    step = Simulated(size, fault(culprit), broken=broken).run()
    assert isinstance(step, Named)
    assert culprit in step.suspects
    *doubtful, last = step.suspects
    assert set(doubtful) <= broken
    assert last not in broken
    assert step.suspects[0] - 1 not in broken


@given(st.data(), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_a_commit_with_the_kernel_of_its_parent_is_never_named(
    data: st.DataObject, size: int
) -> None:
    kernel, kernels = 0, {0: "0"}
    culprits = []
    for index in range(1, size):
        if data.draw(st.booleans(), label=f"{index} changes the kernel"):
            kernel = index
            culprits.append(index)
        kernels[index] = str(kernel)
    if not culprits:
        step = Simulated(size, fault(1), kernels=kernels).run()
        assert isinstance(step, WrongEnds)
        return
    culprit = data.draw(st.sampled_from(culprits))
    step = Simulated(size, fault(culprit), kernels=kernels).run()
    assert isinstance(step, Named)
    assert step.suspects == (culprit,)


@given(
    st.integers(2, 30),
    st.integers(0, 40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 1 << 32),
)
@settings(max_examples=40, deadline=None)
def test_it_ends_whatever_the_rates(
    size: int, culprit: int, bad: float, good: float, seed: int
) -> None:
    made = Simulated(size, fault(culprit, bad, good), seed)
    step = made.run()
    assert made.boots <= size * bisect_choice.LONGEST
    if isinstance(step, Named):
        assert step.error <= 1 - CONFIDENCE
    if isinstance(step, Undecided):
        assert step.suspects


@pytest.mark.parametrize(
    ("bad", "good"), [(0.9, 0.0), (0.5, 0.0), (0.34, 0.0), (0.9, 0.3), (0.3, 0.05)]
)
def test_a_fault_that_shows_by_chance_is_found(bad: float, good: float) -> None:
    right = 0
    for seed in range(20):
        culprit = 1 + 7 * seed % 29
        made = Simulated(31, fault(culprit, bad, good), seed)
        step = made.run()
        assert made.builds <= 14
        right += isinstance(step, Named) and step.suspects == (culprit,)
    assert right >= 18


@pytest.mark.parametrize(("bad", "good"), [(0.5, 0.02), (0.3, 0.02), (1.0, 0.05)])
def test_one_boot_of_many_that_shows_it_before_the_culprit_is_no_proof(
    bad: float, good: float
) -> None:
    wrong = 0
    for seed in range(60):
        culprit = 1 + 7 * seed % 29
        step = Simulated(31, fault(culprit, bad, good), seed).run()
        wrong += isinstance(step, Named) and step.suspects != (culprit,)
    assert wrong <= 3


@pytest.mark.parametrize("bad", [0.9, 0.7, 0.5])
def test_a_fault_that_shows_often_needs_few_boots_of_the_ends(bad: float) -> None:
    made = [Simulated(31, fault(12, bad), seed) for seed in range(20)]
    for each in made:
        each.run()
    assert sum(each.builds for each in made) <= 20 * 7.5
    assert sum(each.boots for each in made) <= 20 * 90


def test_an_end_is_booted_again_where_the_rates_are_in_doubt() -> None:
    boots = {0: BootCounts(3, 20), 9: BootCounts(7, 1), 4: BootCounts(60, 140)}
    boots |= {index: BootCounts(80, 120) for index in (1, 2, 3, 5, 6, 7, 8)}
    step = bisect_search.next_step(Known(10, boots, built=8), CONFIDENCE)
    assert isinstance(step, MoreBoots)
    assert step.index in {0, 9}


def test_rates_that_change_from_commit_to_commit_do_not_mislead() -> None:
    rates = [0.0] * 10 + [0.9, 0.4, 0.6, 1.0, 0.5, 0.7, 0.4, 0.8, 0.5, 0.6]
    right = 0
    for seed in range(20):
        step = Simulated(20, lambda index: rates[index], seed).run()
        right += isinstance(step, Named) and step.suspects == (10,)
    assert right >= 18


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_ends_that_do_not_differ_are_no_ends(rate: float) -> None:
    made = Simulated(30, lambda _index: rate)
    assert isinstance(made.run(), WrongEnds)
    assert made.builds <= 4
    assert made.boots <= 2 * bisect_ends.MORE_AT_END


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_ends_that_fail_as_often_are_no_ends(rate: float) -> None:
    made = [Simulated(30, lambda _index: rate, seed) for seed in range(20)]
    ends = [each.run() for each in made]
    assert sum(isinstance(each, Named) for each in ends) <= 1
    assert sum(isinstance(each, WrongEnds) for each in ends) >= 19
    assert sum(each.builds <= 4 for each in made) >= 16
    assert sum(each.boots <= 2 * bisect_ends.MORE_AT_END for each in made) >= 16


def test_ends_the_other_way_round_are_no_ends() -> None:
    assert isinstance(Simulated(9, lambda index: float(index < 4)).run(), WrongEnds)


def test_of_a_finding_that_came_went_and_came_again_the_last_arrival_is_named() -> None:
    rates = [0.0] * 5 + [1.0] * 5 + [0.0] * 5 + [1.0] * 5
    always, never = BootCounts(bad=8), BootCounts(good=8)
    boots = {0: never, 19: always, 7: always, 12: never}
    known = Known(20, boots)
    assert bisect_known.focused(known).floor == 12
    while isinstance(step := bisect_search.next_step(known, CONFIDENCE), MoreBoots):
        assert 12 < step.index < 19
        boots[step.index] = always if rates[step.index] else never
    assert isinstance(step, Named)
    assert step.suspects == (15,)


def test_boots_that_contradict_by_chance_are_no_second_arrival() -> None:
    boots = {0: BootCounts(good=45), 9: BootCounts(20, 25), 3: BootCounts(1, 3)}
    boots[6] = BootCounts(0, 4)
    assert bisect_known.focused(Known(10, boots)).floor == 0


def test_two_boots_that_differ_end_the_certainty() -> None:
    always, never = BootCounts(bad=3), BootCounts(good=3)
    boots = {0: never, 8: always}
    known = Known(9, boots, even=frozenset({0, 8}))
    assert known.certain
    assert bisect_search.next_step(known, CONFIDENCE) == MoreBoots(4, 2)
    mixed = replace(known, shown={**boots, 4: BootCounts(1, 1)})
    assert not mixed.certain
    assert bisect_search.next_step(mixed, CONFIDENCE) == MoreBoots(0, bisect_ends.FIRST - 3)


def test_another_failure_is_no_finding() -> None:
    boots = {0: BootCounts(good=5), 4: BootCounts(bad=5), 2: BootCounts(other=5)}
    step = bisect_search.next_step(Known(5, boots), CONFIDENCE)
    belief = bisect_known.belief_of(Known(5, boots))
    assert belief.culprit[1:] == pytest.approx([0.25] * 4)
    assert isinstance(step, MoreBoots)


def test_less_confidence_needs_fewer_boots() -> None:
    def boots(confidence: float) -> int:
        made = Simulated(31, fault(12, 0.5), 3)
        made.run(confidence)
        return made.boots

    assert boots(0.6) < boots(0.999)


def test_the_same_boots_give_the_same_step() -> None:
    one = Simulated(31, fault(17, 0.4), 5)
    other = replace(one)
    assert one.run() == other.run()
    assert one == other


@pytest.mark.parametrize(
    ("high", "low", "chance"),
    [
        (BootCounts(0, 0), BootCounts(0, 0), 0.5),
        (BootCounts(5, 0), BootCounts(0, 5), 0.998918),
        (BootCounts(0, 5), BootCounts(5, 0), 0.001082),
        (BootCounts(9, 1), BootCounts(3, 7), 0.996241),
        (BootCounts(3, 7), BootCounts(3, 7), 0.5),
    ],
)
def test_the_probability_of_a_higher_rate(high: BootCounts, low: BootCounts, chance: float) -> None:
    assert bisect_posterior.higher(high, low) == pytest.approx(chance, abs=1e-6)


def test_probabilities_add_up_and_a_prior_excludes() -> None:
    boots = {0: BootCounts(good=3), 5: BootCounts(bad=3), 2: BootCounts(1, 2)}
    found = bisect_posterior.posterior(boots, [0, 1, 1, 0, 2, 1])
    assert sum(found.culprit) == pytest.approx(1)
    assert (found.culprit[0], found.culprit[3]) == (0, 0)
    assert found.culprit[4] == pytest.approx(2 * found.culprit[5])
    assert found.low < 0.5 < found.high
    with pytest.raises(ValueError, match="excludes every commit"):
        bisect_posterior.posterior(boots, [0, 0, 0])
