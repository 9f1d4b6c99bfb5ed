"""How the networks of the finals are chosen: what is tried, and when another seed is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pytest
from tests.acceptance.search import baselines, choice, voices
from tests.acceptance.search.setting import FINAL_STEPS, SEEDS, costs, space

from tinyml.architecture import Geometry
from tinyml.compiler.cost import NetworkCost
from tinyml.models.ds_cnn import BLOCKS
from tinyml.nas.space import Genome

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


@dataclass(frozen=True)
class TwiceItsWork:
    """Stands for `Costs`: two cycles for a multiply-accumulate, no memory."""

    def cost(self, genome: Genome) -> NetworkCost:
        macs = choice.Searched(genome).architecture.macs
        return NetworkCost(macs, 2 * macs, 0, 0, 0)

    quick = cost


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> choice.Searched:
    """DS-CNN's layers on the usual input, picked for a limit whose costs are work alone."""
    (network,) = choice.familiar(USUAL, LIMIT)
    narrow = replace(space(), widths=space().widths[: network.genome.width + 1])  # fewer are tried sooner
    monkeypatch.setattr(choice, "space", lambda: narrow)
    monkeypatch.setattr(choice, "costs", TwiceItsWork)
    monkeypatch.setattr(choice, "picked", lambda limit: network)
    return network


def test_a_limit_is_filled_by_the_largest_network_of_every_choice_of_depths(usual: choice.Searched) -> None:
    limit = NetworkCost(0, 2 * usual.architecture.macs + 1, 0, 0, 0)
    found = choice.filling(usual, limit)
    work = [n.architecture.macs for n in found]
    assert len(found) == choice.LARGEST == len({n.genome.depths for n in found})
    assert work == sorted(work, reverse=True) and 2 * work[0] <= limit.cycles
    assert work[0] >= usual.architecture.macs  # it is one of those that were there to take
    assert {n.geometry for n in found} == {usual.geometry}
    assert all(n.architecture.stem.kernel == (5, 5) and {b.kernel for b in n.architecture.blocks} == {(3, 3)}
               for n in found)  # fmt: skip


@pytest.mark.parametrize("best", [0, 3])
def test_the_picked_network_and_those_that_fill_the_limit_are_compared_taught(
    monkeypatch: pytest.MonkeyPatch, usual: choice.Searched, best: int
) -> None:
    limit = NetworkCost(0, 4 * usual.architecture.macs, 0, 0, 0)
    teacher, asked = object(), []

    def rated(networks: Sequence[choice.Searched], steps: int, *, taught_by: Sequence[object]) -> dict[object, float]:
        asked.append((steps, taught_by))
        return {n: 0.83 if i == best else 0.8 for i, n in enumerate(networks)}

    monkeypatch.setattr(choice, "limits", lambda: {"tight": limit})
    monkeypatch.setattr(voices, "rated", rated)
    monkeypatch.setattr(choice, "teachers", lambda geometry: (teacher,))
    found = choice.refine("tight")
    genomes = [row["genome"] for row in found["taught"]]
    assert found["genome"] == genomes[best] and genomes[0] == asdict(usual.genome)
    assert [row["voices"] for row in found["taught"]] == [0.83 if i == best else 0.8 for i in range(1 + choice.LARGEST)]
    assert asked == [(FINAL_STEPS, (teacher,))]


def test_an_input_that_no_teacher_has_is_an_error(monkeypatch: pytest.MonkeyPatch, usual: choice.Searched) -> None:
    made = {"full": {"best": {"network": {"arch": "ds_cnn", "width_mult": 1.0, "depth": 5}}}}
    monkeypatch.setattr(baselines, "result", lambda step: made)
    assert choice.teachers(usual.geometry) == (usual, baselines.HandMade("ds_cnn", 1.0, 5))
    with pytest.raises(ValueError, match="24 mel x 39 frames of 25 ms, so none can teach"):
        choice.teachers(Geometry(39, 24, 1, 25.0))


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

    def rated(
        networks: Sequence[str], steps: int, seeds: Sequence[int] = SEEDS[:1], taught_by: Sequence[object] = ()
    ) -> dict[str, float]:
        if len(seeds) == 1:
            return {n: first[n] for n in networks}
        more.extend(networks)
        return {n: again[n] for n in networks}

    monkeypatch.setattr(voices, "rated", rated)
    found = voices.decide(first)
    assert found.winner == winner and sorted(more) == asked
    assert found.accuracies == first | again
