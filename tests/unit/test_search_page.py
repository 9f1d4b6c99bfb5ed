"""The page of `make search-figures`: its numbers, its verdicts and its words, from results that were made up."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from tests.acceptance.search import choice, page, setting
from tests.acceptance.search.__main__ import STEPS
from tests.acceptance.search.drawings import board_figure, ranking_figure
from tests.acceptance.search.intervals import Gap, bootstrap
from tests.acceptance.search.page import Lacks, Results, boards_of, lacking, render, verdict
from tests.acceptance.search.setting import SEEDS, SPEAKERS
from tests.acceptance.search.standings import Standing, compare, difference
from tests.search_records import made_up_cost

from tinyml.architecture import Network
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.record import Evaluated
from tinyml.nas.space import SearchSpace, architecture, sample
from tinyml.nas.space_file import load_space

FULL = NetworkCost(1_300_000, 2_287_576, 10_064, 6000, 31_000)
TIGHT = NetworkCost(800_000, 1_372_545, 6038, 6000, 20_000)
BOARDS = {"small": (0, 2), "wide": (0, 5), "large": (6, 1), "same": (0, 2)}
SHARES = {"searched": 0.90, "hand-made": 0.88}
"""Recognised by the kinds of final networks."""
LACKS = {name: Lacks(0.5, 0.2, 0.7) for name in BOARDS}


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SearchSpace]:
    return {name: load_space(name, tmp_path_factory.mktemp("space")) for name in ("kws", "vision")}


@pytest.fixture(scope="module")
def whole(spaces: dict[str, SearchSpace]) -> Results:
    return made_up(spaces["kws"])


def made_up(space: SearchSpace) -> Results:
    """What every step could have found; the searched networks recognise two clips in a hundred more."""
    rng = np.random.default_rng(0)
    genome = sample(space, rng)
    made = [
        {"arch": "ds_cnn", "width_mult": 1.0, "depth": 5},
        {"arch": "temporal_resnet", "width_mult": 1.85, "depth": 2},
    ]
    limits = {"full": asdict(FULL), "tight": asdict(TIGHT)}
    rows = {name: [{"network": network, "cost": cost, "accuracy": 0.88, "voices": 0.87} for network in made]
            for name, cost in limits.items()}  # fmt: skip
    own = np.linspace(0.70, 0.86, 16)
    found: dict[str, Any] = {
        "boards": boards(rng),
        "baselines": {name: {"limit": cost, "candidates": rows[name], "best": rows[name][0]}
                      for name, cost in limits.items()},
        "spaces": {"spaces": [], "chosen": [0, 0]},
        "ranking-alone": {"genomes": [], "alone": own.tolist()},
        "ranking": {"spread": 0.16, "seeds": {
            str(seed): {"supernet": (own - 0.1 + rng.normal(0, 0.02, 16)).tolist(), "tau": tau,
                        "interval": [tau - 0.2, 0.9]}
            for seed, tau in zip(SEEDS, (0.72, 0.55, 0.63), strict=True)}},
    }  # fmt: skip
    for name, cost in limits.items():
        shortlist = [{"genome": asdict(genome), "cost": cost, "origin": "hand-made", "supernet": None, "voices": 0.86,
                      "last": 0.88},
                     {"genome": asdict(sample(space, rng)), "cost": cost, "origin": "supernets", "supernet": 0.85,
                      "voices": 0.87, "last": None}]  # fmt: skip
        taught = [{"genome": g, "cost": cost, "voices": voices}
                  for g, voices in ((asdict(genome), 0.891), (asdict(sample(space, rng)), 0.89))]  # fmt: skip
        found[f"pick-{name}"] = {"genome": asdict(genome), "cost": cost, "shortlist": shortlist}
        found[f"refine-{name}"] = {"genome": asdict(genome), "cost": cost, "taught": taught}
    for seed in SEEDS:
        found[f"supernet-{seed}"] = {"seconds": 1000.0, "losses": [2.0, 1.0, 0.5]}
        found[f"search-{seed}"] = {
            "evolution": {"hypervolume": 0.25 + seed / 100, "best": 0.85, "evaluations": 300},
            "random": {"hypervolume": 0.24, "best": 0.84, "evaluations": 300}}  # fmt: skip
        found[f"ablation-{seed}"] = {
            arm: {"space": None if arm == "all" else "24 mel", "supernet": 0.84, "alone": alone + seed / 1000}
            for arm, alone in (("chosen", 0.870 + 0.01 * (seed - 1)), ("random", 0.80), ("all", 0.869))}  # fmt: skip
    for speaker in SPEAKERS:
        for step in ("rotation", "taught"):
            found[f"{step}-{speaker}"] = {
                f"{limit}/{kind}/{seed}": run(rng, share) for limit in limits for seed in SEEDS
                for kind, share in SHARES.items()}  # fmt: skip
    return Results(found, {step: 18.0 for step in found})


def run(rng: np.random.Generator, share: float) -> dict[str, Any]:
    correct = rng.permutation(np.arange(500) < 500 * share)
    return {"float_accuracy": share + 0.01, "int8_accuracy": share, "correct": correct.tolist()}


def boards(rng: np.random.Generator) -> dict[str, Any]:
    """Four boards that filter the same 108 spaces."""
    found = {}
    for number, (name, chosen) in enumerate(BOARDS.items()):
        macs = np.sort(rng.lognormal(15 + number % 3, 0.5, 400)).astype(int).tolist()
        found[name] = {"ram_bytes": 100_000, "flash_bytes": 900_000, "cycles": 12_800_000, "chosen": list(chosen),
                       "title": f"space {chosen}",
                       "spaces": [{"space": [g, w], "title": f"space {(g, w)}", "fitting": 400 * ((g, w) == chosen),
                                   "sampled": 1000, "macs": macs if (g, w) == chosen else []}
                                  for g in range(12) for w in range(9)]}  # fmt: skip
    return {"seconds": 212.0, "networks": 108_000, "boards": found}


def without(results: Results, *steps: str) -> Results:
    return Results(*({s: v for s, v in m.items() if s not in steps} for m in (results.found, results.minutes)))


def changed(results: Results, **found: Any) -> Results:
    return Results(results.found | {step.replace("_", "-"): v for step, v in found.items()}, results.minutes)


Text = Callable[..., str]


@pytest.fixture
def text(spaces: dict[str, SearchSpace]) -> Text:
    """The rendered page, proved to be free of what no reader should see, and with tables that are tables."""

    def rendered(results: Results, **known: Any) -> str:
        page = render(results, spaces, **known)
        for line in page.splitlines():
            assert not re.search(r"\bnan\b|\binf\b|None|True|False|Undefined|np\.|[{}]|\(\)|object at", line), line
            assert line == line.rstrip(), line
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(columns) == 1 and re.match(r"\| -", table.splitlines()[1]), table
        assert "\n\n\n" not in page
        assert page.endswith("\n") and not page.endswith("\n\n")
        return page

    return rendered


def line(text: str, start: str) -> str:
    (found,) = (row for row in text.splitlines() if row.startswith(start))
    return found


def test_steps_are_those_of_the_command() -> None:
    assert [step.name for step in STEPS] == list(page.STEPS)


def test_whole(text: Text, whole: Results) -> None:
    drawn = frozenset({"boards", "ranking", "progress", "pareto_cycles"})
    found = text(whole, pictures=drawn, lacks=LACKS, volumes={0: 0.245})
    assert "Not whole" not in found and "Not run yet" not in found and "so far" not in found
    assert line(found, "| stage 1").endswith("| 212 s | 300 s for 108 x 1000 | | reached |")
    assert line(found, "| boards with another space").endswith("| 2 of 3 | they differ | | **missed** |")
    assert line(found, "| hypervolume").endswith("| in 3 of 3 seeds | in each seed | | reached |")
    assert line(found, "| networks of the ranking").endswith("| 16, 16.0 points | 16, 8 points | | reached |")
    tau = "| 0.72, 0.55, 0.63 | 0.4 in each | 0.6 in each | must reached, goal missed |"
    assert line(found, "| Kendall's tau").endswith(tau)
    gain = r"\| \+2\.0 points \(95 % over clips \+\S+ to \+\S+, over 12 runs \+2\.0 to \+2\.0\) \|.*goal reached"
    assert re.search(gain, line(found, "| searched less hand-made, full"))
    assert "+2.0 points at 40 % fewer cycles, 40 % less SRAM" in line(found, "| or as accurate")
    assert line(found, "| all steps").endswith(f"| {18 * len(page.STEPS)} minutes | 480 | | reached |")
    assert line(found, "| 0 | 300") == "| 0 | 300 | 0.2500 | 0.2450 | 0.2400 | yes | 0.850 | 0.840 |"
    assert line(found, "| 1 | 300") == "| 1 | 300 | 0.2600 | not known | 0.2400 | yes | 0.850 | 0.840 |"
    assert "The interval of seed 1 does not settle it" in found  # 0.35 to 0.9
    assert "*trained by themselves*" in found and "smallest network" in found
    assert "search/progress.svg" in found and "search/losses.svg" not in found


def test_boards_differ_in_words(text: Text, whole: Results) -> None:
    found = text(whole, lacks=LACKS)
    assert line(found, "- `wide`").startswith("- `wide`: the input stays 48x48x3, the width rises from 0.4 to 0.7;")
    large = "- `large`: the input rises from 48x48x3 to 144x144x3, the width falls from 0.4 to 0.3; the networks"
    assert line(found, "- `large`").startswith(large)
    assert line(found, "- `same`").startswith("- `same`: the same space: the input stays 48x48x3, the width stays 0.4;")
    assert "| `small` | 50.0 % | 20.0 % | 70.0 % | cycles |" in found
    assert "cannot be said from these results" in text(whole) and "lack RAM" not in text(whole)


def test_board_numbers(spaces: dict[str, SearchSpace], whole: Results) -> None:
    found = boards_of(whole.found["boards"], spaces["vision"], {})
    macs = next(s["macs"] for s in whole.found["boards"]["boards"]["large"]["spaces"] if s["fitting"])
    assert found.rows[2].mean_macs == pytest.approx(np.mean(macs))
    assert found.rows[2].share_of_all == pytest.approx(400 / 108_000)
    assert found.fast and found.others == 2


def test_lacking_is_counted_from_the_table_that_was_filtered(tmp_path: Path) -> None:
    for number, arena in enumerate(([10, 90], [90, 95])):
        np.savez(tmp_path / f"key-space{number:03}.npz", macs=[1, 2], arena_bytes=arena, flash_bytes=[5, 50],
                 cycles=[1, 1])  # fmt: skip
    board = {"ram_bytes": 50, "flash_bytes": 40, "cycles": 2, "spaces": [{"fitting": 1}, {"fitting": 0}]}
    found = {"networks": 4, "boards": {"small": board}}
    assert lacking(tmp_path, found) == {"small": Lacks(0.75, 0.5, 0.0)}
    assert lacking(tmp_path, found)["small"].binding == "RAM"
    assert lacking(tmp_path, found | {"networks": 5}) == {}  # a part is missing
    board["spaces"][1]["fitting"] = 1
    assert lacking(tmp_path, found) == {}  # another table's result
    assert lacking(tmp_path / "absent", found) == {}


def test_partial(text: Text, whole: Results) -> None:
    some = without(whole, "boards", "search-2", "ablation-1", "ablation-2", "ranking", "taught-lucas")
    found = text(some)
    assert f"{len(page.STEPS) - 6} of {len(page.STEPS)} steps have run" in found
    assert "*Not run yet: `boards`.*" in found and "*Not run yet: `taught-lucas`.*" in found
    assert line(found, "| hypervolume").endswith("| in 2 of 2 seeds | in each seed | | so far: reached |")
    assert "| stage 1" not in found and "Kendall's tau, supernet" not in found
    assert "3 rotations (george, jackson, yweweler held out) x 3 seeds, so far" in found
    assert "over 9 runs" in found and line(found, "| searched less hand-made, full").endswith("so far: goal reached |")
    assert "+6.0 points (one seed, so no standard error)" in line(found, "- Chosen less random")
    assert "cannot tell" in line(found, "- Chosen less random")


FEW = [(), ("boards",), ("supernet-0",), ("baselines", "pick-full", "pick-tight"), ("ranking",), ("search-1",)]


@pytest.mark.parametrize("steps", FEW)
def test_few_steps(text: Text, whole: Results, steps: tuple[str, ...]) -> None:
    found = text(without(whole, *(set(whole.found) - set(steps))))
    assert f"{len(steps)} of {len(page.STEPS)} steps have run" in found
    assert "## Searched against hand-made" in found and "searched less hand-made" not in found


def test_what_is_missed_is_said(text: Text, whole: Results) -> None:
    worse = {name: {**row, "hypervolume": 0.2} for name, row in whole.found["search-1"].items()}
    ranking = {"spread": 0.05, "seeds": {**whole.found["ranking"]["seeds"], "1": {
        "supernet": [0.5] * 16, "tau": float("nan"), "interval": [float("nan")] * 2}}}  # fmt: skip
    slow = Results(whole.found, whole.minutes | {"supernet-0": 61.0})
    found = text(changed(slow, search_1=worse, ranking=ranking))
    assert line(found, "| hypervolume").endswith("| in 2 of 3 seeds | in each seed | | **missed** |")
    assert line(found, "| networks of the ranking").endswith("**missed** |")
    assert line(found, "| Kendall's tau").endswith("| 0.72, undefined, 0.63 | 0.4 in each | 0.6 in each | **missed** |")
    assert line(found, "| 1 | undefined |") == "| 1 | undefined | undefined to undefined | **missed** | missed |"
    assert "The interval of seed 1 does not settle it" in found
    assert line(found, "| longest step") == "| longest step | 61 minutes (`supernet-0`) | 60 | | **missed** |"


def test_finals_that_lose_and_finals_that_tie(text: Text, whole: Results) -> None:
    rng = np.random.default_rng(1)
    shares = dict.fromkeys(SHARES, 0.85) | {"hand-made": 0.90}
    lost = {f"taught_{s}": {key: run(rng, shares[key.split("/")[1]]) for key in whole.found[f"taught-{s}"]}
            for s in SPEAKERS}  # fmt: skip
    found = text(changed(whole, **lost))
    assert line(found, "| searched less hand-made, full").endswith("**missed** |")
    assert found.count("both intervals lie below zero") == 2 and "it is worse" in found
    assert line(found, "| the same, full cost, both on the labels alone").endswith("| better |")
    mixed = line(found, "| the same, tight cost, searched taught, hand-made on the labels")
    assert "| -3.0 points" in mixed and mixed.endswith("| worse |")
    tied = {s: {k: run(rng, 0.9) for k in rows} for s, rows in lost.items()}
    assert text(changed(whole, **tied)).count("these data cannot tell which is better") == 4  # one is the ablation


def test_who_was_picked_and_who_was_chosen(text: Text, whole: Results) -> None:
    _, larger = whole.found["refine-tight"]["taught"]
    found = text(changed(whole, refine_tight={**whole.found["refine-tight"], "genome": larger["genome"]}))
    full, tight = found.split("### full:")[1].split("### tight:")
    assert line(full, "| picked above").endswith("| 0.891, **chosen** |")
    assert line(tight, "| the largest of its depths").endswith("| 0.890, **chosen** |")
    assert found.count("**chosen**") == found.count("**picked**") == 2


def test_ablation(text: Text, whole: Results) -> None:
    found = text(whole)
    assert line(found, "- Chosen less random, alone: +7.0 points").endswith(": the chosen space is better.")
    assert line(found, "- Chosen less all at once, alone: +0.1").endswith("these data cannot tell which is better.")


def test_gap_of_a_few_seeds() -> None:
    gap = Gap((0.01, 0.02, 0.03))
    assert gap.mean == pytest.approx(0.02) and gap.error == pytest.approx(0.01 / np.sqrt(3))
    assert gap.interval.low == pytest.approx(0.02 - 4.302653 * 0.01 / np.sqrt(3))
    assert gap.interval.sign == 0 and Gap((0.02, 0.021, 0.022)).interval.sign == 1
    assert Gap((0.5,)).interval.sign == 0


def test_bootstrap_is_what_theory_says() -> None:
    """The mean of n draws with a standard deviation s has s / sqrt(n); constant values have no interval."""
    values = np.repeat([0.0, 1.0], [700, 300])
    reach = norm.ppf(0.975) * np.sqrt(0.3 * 0.7 / 1000)
    found = bootstrap(values)
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach), abs=0.0015)
    found = bootstrap(np.full(12, 0.02))
    assert (found.low, found.high) == pytest.approx((0.02, 0.02))


def test_differences_are_paired() -> None:
    """Networks that miss almost the same clips differ for certain, though each is uncertain by itself: a recognises
    what b does and ten clips more of each speaker."""
    rng = np.random.default_rng(0)
    b = {s: rng.random((3, 500)) < 0.6 for s in SPEAKERS}
    b = {s: np.where(np.arange(500) < 10, False, hits) for s, hits in b.items()}
    a = {s: np.where(np.arange(500) < 10, True, hits) for s, hits in b.items()}
    found = difference(*(Standing("", "", FULL, 0, 0, hits) for hits in (a, b)))
    assert found.mean == pytest.approx(0.02) and found.runs == 12
    assert found.speakers == pytest.approx(dict.fromkeys(SPEAKERS, 0.02))
    assert (found.over_runs.low, found.over_runs.high) == pytest.approx((0.02, 0.02))
    reach = norm.ppf(0.975) * np.sqrt(0.02 * 0.98 / 2000)
    assert (found.over_clips.low, found.over_clips.high) == pytest.approx((0.02 - reach, 0.02 + reach), abs=6e-4)
    assert found.sign == 1


def test_one_interval_that_holds_zero_is_no_proof() -> None:
    """Runs that disagree: the clips' interval lies above zero, the runs' does not."""
    gains = dict(zip(SPEAKERS, (40, 40, -15, -15), strict=True))
    a = {s: np.tile(np.arange(500) < 250 + gain, (3, 1)) for s, gain in gains.items()}
    b = {s: np.tile(np.arange(500) < 250, (3, 1)) for s in SPEAKERS}
    found = difference(*(Standing("", "", FULL, 0, 0, hits) for hits in (a, b)))
    assert found.over_clips.sign == 1 and found.over_runs.sign == 0 and found.sign == 0


def test_who_is_compared_with_whom(spaces: dict[str, SearchSpace], whole: Results) -> None:
    finals = compare(whole.found, spaces["kws"], "taught")
    assert finals is not None and finals.whole
    assert finals.by_limit["full"].rival.kind == finals.across.rival.kind == "hand-made"
    assert finals.across.searched.cost == TIGHT and finals.across.rival.cost == FULL
    assert finals.across.much_smaller  # 2,287,576 x 0.6 is 1,372,545.6
    assert not finals.by_limit["full"].much_smaller
    assert finals.by_limit["full"].difference.mean == pytest.approx(0.02)


def test_hypervolume_is_that_of_the_steps(spaces: dict[str, SearchSpace]) -> None:
    """One network of accuracy 0.8 and half the cycles has 0.3 / 0.5 of the accuracies and half of the cycles."""
    genome = sample(spaces["kws"], np.random.default_rng(0))
    found = [Evaluated(genome, 0.8, NetworkCost(1, 50, 1, 1, 1)), Evaluated(genome, 0.4, NetworkCost(1, 10, 1, 1, 1))]
    assert page.share_dominated(found, 100) == pytest.approx(0.3)


@pytest.mark.parametrize(("limits", "said"), [
    ((True,), "reached"), ((False,), "**missed**"), ((True, True), "goal reached"),
    ((True, False), "must reached, goal missed"), ((False, False), "**missed**"), ((None, False), "goal missed"),
    ((None, True), "goal reached"),
])  # fmt: skip
def test_verdicts(limits: tuple[bool | None, ...], said: str) -> None:
    assert verdict(*limits) == said and verdict(*limits, whole=False) == f"so far: {said}"


def test_pictures_show_every_board_and_seed(whole: Results) -> None:
    (legend,) = board_figure(whole.found["boards"]).legends
    assert [t.get_text().split(":")[0] for t in legend.get_texts()] == list(BOARDS)
    (legend,) = ranking_figure(whole.found["ranking"], whole.found["ranking-alone"]).legends
    names = ["seed 0: tau 0.72", "seed 1: tau 0.55", "seed 2: tau 0.63", "equal accuracy"]
    assert [t.get_text() for t in legend.get_texts()] == names


@pytest.mark.parametrize("steps", [None, ("ranking", "ranking-alone")])
def test_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spaces: dict[str, SearchSpace], whole: Results,
    steps: tuple[str, ...] | None,
) -> None:  # fmt: skip
    """From the files of the steps to the page and the pictures that it names."""
    rng, space = np.random.default_rng(0), spaces["kws"]
    genomes = [sample(space, rng) for _ in range(40)]
    made = [Evaluated(genome, rng.uniform(0.7, 0.9), made_up_cost(space, genome)) for genome in genomes]
    archives = {"evolution": tuple(made[:20]), "random": tuple(made[20:])}
    monkeypatch.setattr(page, "archive", lambda name, seed: archives[name])
    monkeypatch.setattr(choice, "network", lambda limit: Network.of(architecture(space, genomes[0], 12)))
    monkeypatch.setattr(page, "REPOSITORY", tmp_path)
    monkeypatch.setattr(page, "FOLDER", tmp_path / "docs" / "search")
    for module in (page, setting):
        monkeypatch.setattr(module, "WORK", tmp_path)
    monkeypatch.setattr(setting, "say", lambda text: None)
    (tmp_path / "results").mkdir()
    for step in steps or whole.found:
        result = {"minutes": 20.0, "found": whole.found[step]}
        (tmp_path / "results" / f"{step}.json").write_text(json.dumps(result))
    page.write()
    text = (tmp_path / "docs" / "search.md").read_text()
    named = set(re.findall(r"\(search/(\w+\.\w+)\)", text))
    assert "not known" not in text
    assert named == {path.name for path in (tmp_path / "docs" / "search").iterdir()}
    drawn = ("boards", "ranking", "progress", "pareto_cycles", "pareto_sram", "network", "losses")
    assert named == ({"ranking.svg"} if steps else {f"{n}.svg" for n in drawn} | {"full.toml", "tight.toml"})
