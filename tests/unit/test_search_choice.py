"""How the networks of the finals are chosen: what is tried, and when another seed is asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.acceptance.search import choice, voices
from tests.acceptance.search.setting import SEEDS, costs, space

from tinyml.architecture import Geometry
from tinyml.compiler.cost import NetworkCost
from tinyml.models.ds_cnn import BLOCKS

USUAL = next(i for i, g in enumerate(space().geometries) if g == Geometry(49, 40, 1, 20.0))
LIMIT = NetworkCost(macs=0, cycles=2_287_486, arena_bytes=10_064, code_bytes=0, weight_bytes=0)


def test_the_hand_made_network_is_tried_on_another_input_as_wide_as_fits() -> None:
    (found,) = choice.familiar(USUAL, LIMIT)
    arch = found.architecture
    assert arch.stem.kernel == (5, 5) and {b.kernel for b in arch.blocks} == {(3, 3)}
    assert [b.stride for b in arch.blocks] == [stride for _, stride in BLOCKS]
    assert costs().cost(found.genome).cycles <= LIMIT.cycles
    (wider,) = choice.familiar(USUAL, NetworkCost(0, 2 * LIMIT.cycles, 2 * LIMIT.arena_bytes, 0, 0))
    assert wider.architecture.stem.channels > arch.stem.channels
    assert choice.familiar(USUAL, NetworkCost(0, 1000, 1000, 0, 0)) == []


@pytest.mark.parametrize(("last_clip_ms", "shortest_ms"), [(500.0, 775), (900.0, 975), (5000.0, 0)])
def test_windows_that_cut_words_off_are_not_tried(
    monkeypatch: pytest.MonkeyPatch, last_clip_ms: float, shortest_ms: int
) -> None:
    """A twentieth of a voice's clips may be longer, whatever the other voices do."""
    monkeypatch.setattr(choice, "durations_ms", lambda voice: [400.0] * (50 if voice == "jackson" else 1)
                        + [last_clip_ms] * (50 if voice == "jackson" else 0))  # fmt: skip
    lengths = [space().geometries[i].height * space().geometries[i].hop_ms for i in choice.inputs()]
    assert min(lengths, default=0) == shortest_ms


@pytest.mark.parametrize(
    ("first", "again", "winner", "asked"),
    [
        ({"a": 0.90, "b": 0.88, "c": 0.80}, {}, "a", []),
        ({"a": 0.90, "b": 0.89, "c": 0.895}, {"a": 0.87, "c": 0.88}, "c", ["a", "c"]),
        ({"a": 0.90}, {}, "a", []),
    ],
)
def test_a_close_second_is_trained_with_other_seeds(
    monkeypatch: pytest.MonkeyPatch, first: dict[str, float], again: dict[str, float], winner: str, asked: list[str]
) -> None:
    more: list[str] = []

    def rated(networks: Sequence[str], steps: int, seeds: Sequence[int] = SEEDS[:1]) -> dict[str, float]:
        if len(seeds) == 1:
            return {n: first[n] for n in networks}
        more.extend(networks)
        return {n: again[n] for n in networks}

    monkeypatch.setattr(voices, "rated", rated)
    found = voices.decide(first)
    assert found.winner == winner and sorted(more) == asked
    assert found.accuracies == first | again
