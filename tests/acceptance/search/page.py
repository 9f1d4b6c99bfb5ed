"""docs/search.md and its pictures, from the results of the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from tests.acceptance.search import setting
from tests.acceptance.search.baselines import limits
from tests.acceptance.search.drawings import board_curves, ranking_points
from tests.acceptance.search.searches import archive
from tests.acceptance.search.setting import CLASSES, COUNTS, REPOSITORY, SEEDS, SPEAKERS, budgets, minutes, result, space
from tinyml.board import load_board
from tinyml.compiler.cost import NetworkCost
from tinyml.nas.pareto import front, points_of
from tinyml.nas.record import Baseline, SearchRecord
from tinyml.nas.search import best
from tinyml.nas.space import Genome
from tinyml.report.search_figures import save_figures
from tinyml.report.search_facts import described
from tinyml.storage import write_text

FOLDER = REPOSITORY / "docs" / "search"
RESAMPLES = 10_000
_GENOME = TypeAdapter(Genome)


def write() -> None:
    """Write the page. All steps must have run."""
    save_figures(record(), FOLDER, load_board("nrf52840").isa)
    board_curves(result("boards"), FOLDER / "boards.svg")
    ranking_points(result("ranking"), result("ranking-alone"), FOLDER / "ranking.svg")
    parts = [intro(), board_part(), search_part(), ranking_part(), ablation_part(), final_part(), time_part()]
    write_text(REPOSITORY / "docs" / "search.md", "\n\n".join(parts) + "\n")
    setting.say("docs/search.md")


def record() -> SearchRecord:
    """The first seed's searches as a record, hand-made networks beside them (trained by themselves)."""
    found = archive("evolution", 0)
    rows = result("baselines")["full"]["candidates"]
    return SearchRecord(
        "nrf52840", 0, CLASSES, COUNTS, space(), budgets(limits()["full"]), losses=tuple(result("supernet-0")["losses"]),
        evaluations=found, pareto=front(points_of(found)), chosen=best(found), random=archive("random", 0),
        baselines=tuple(Baseline(title(r["network"]), r["accuracy"], NetworkCost(**r["cost"])) for r in rows),
    )  # fmt: skip


def title(network: dict[str, Any]) -> str:
    return f"{network['arch']} x{network['width_mult']:g}, depth {network['depth']}"


def intro() -> str:
    return f"""# What the search is worth

Measured by `make search-figures` on the spoken digits of four real speakers and on synthesised speech; written by it, do
not edit. {setting.__doc__.split("\n\n", 1)[1].strip()}

The space is `sdk/tinyml/nas/spaces/kws.toml`: {len(space().geometries)} geometries x {len(space().widths)} widths. One supernet a seed covers
all of it ({COUNTS.largest_steps:,} steps of the largest network, {COUNTS.supernet_steps:,} of all); every search makes {COUNTS.evaluations} evaluations.
Networks "alone" are trained from scratch, {COUNTS.finetune_steps:,} steps, the same recipe for all. Costs are those that the compiler
states for the nRF52840; "full" is what the template's hand-made DS-CNN costs, "tight" 40 % less of cycles and arena."""


def board_part() -> str:
    found = result("boards")
    rows = [f"| {name} | {b['ram_bytes']:,} | {b['flash_bytes']:,} | {b['cycles'] / 1e6:.1f} M | {b['title']} "
            f"| {chosen(b)['fitting']} of {chosen(b)['sampled']} | {mean_macs(chosen(b)) / 1e6:.1f} M |"
            for name, b in found["boards"].items()]  # fmt: skip
    return "\n".join([
        "## The space follows the board", "",
        f"The published space of images (108 spaces, {found['networks']:,} networks, costed once in {found['seconds'] / 60:.1f} minutes on two "
        "cores), five pictures a second. Cycles are the board's own time turned into Cortex-M4 counts.", "",
        "| board | RAM for the arena | flash | cycles | chosen space | networks that fit | their mean MACs |",
        "| --- | --: | --: | --: | --- | --: | --: |", *rows, "", "![distributions of MACs](search/boards.svg)", "",
        *differences(found["boards"]),
    ])  # fmt: skip


def chosen(board: dict[str, Any]) -> dict[str, Any]:
    return next(s for s in board["spaces"] if s["space"] == board["chosen"])


def mean_macs(row: dict[str, Any]) -> float:
    return float(np.mean(row["macs"])) if row["macs"] else 0.0


def differences(boards: dict[str, Any]) -> list[str]:
    """What keeps networks of the chosen space from fitting, board by board, in words."""
    lines = []
    for name, board in boards.items():
        used = {other: b["title"] for other, b in boards.items() if b["chosen"] == board["chosen"] and other != name}
        same = f", as for {', '.join(used)}" if used else ""
        lines.append(f"- `{name}`: {board['title']}{same}.")
    return lines


def search_part() -> str:
    rows = []
    for seed in SEEDS:
        found = result(f"search-{seed}")
        evolution, random = found["evolution"], found["random"]
        better = "yes" if evolution["hypervolume"] > random["hypervolume"] else "**no**"
        rows.append(f"| {seed} | {evolution['hypervolume']:.4f} | {random['hypervolume']:.4f} | {better} "
                    f"| {evolution['best']:.4f} | {random['best']:.4f} |")  # fmt: skip
    return "\n".join([
        "## Evolution against random search", "",
        "Hypervolume of accuracy (above 0.5) and cycles (below the limit), as a share of the whole; the same evaluator and "
        "number of evaluations, accuracies with the supernet's weights.", "",
        "| seed | evolution | random search | above | best accuracy, evolution | random |",
        "| --: | --: | --: | --- | --: | --: |", *rows, "",
        "![candidates](search/pareto_cycles.svg)", "", "![progress](search/progress.svg)",
    ])  # fmt: skip


def ranking_part() -> str:
    found = result("ranking")
    rows = [f"| {seed} | {row['tau']:.2f} | {row['interval'][0]:.2f} to {row['interval'][1]:.2f} |"
            for seed, row in found["seeds"].items()]  # fmt: skip
    return "\n".join([
        "## Does the supernet rank networks as training does?", "",
        f"Kendall's tau between accuracy with shared weights and alone, over {len(result('ranking-alone')['alone'])} networks whose own accuracies "
        f"spread over {100 * found['spread']:.1f} points (must 0.4, goal 0.6); 95 % bootstrap intervals over the networks.", "",
        "| seed | tau | interval |", "| --: | --: | --- |", *rows, "", "![ranking](search/ranking.svg)",
    ])  # fmt: skip


def ablation_part() -> str:
    rows, arms = [], ("chosen", "random", "all")
    for seed in SEEDS:
        found = result(f"ablation-{seed}")
        rows.append(f"| {seed} | {found['random']['space']} | "
                    + " | ".join(f"{found[a]['supernet']:.4f} / {found[a]['alone']:.4f}" for a in arms) + " |")  # fmt: skip
    alone = {a: [result(f"ablation-{seed}")[a]["alone"] for seed in SEEDS] for a in arms}
    gap = np.mean(alone["chosen"]) - np.mean(alone["all"])
    spread = np.std([np.subtract(alone["chosen"], alone["all"])], ddof=1) / np.sqrt(len(SEEDS))
    verdict = "can" if abs(gap) > 2 * spread else "cannot"
    return "\n".join([
        "## TinyNAS's ablation", "",
        f"The space that stage 1 chooses here ({result('ablation-0')['chosen']['space']}), a random one of those in which something fits, and all at "
        "once; best accuracy by the supernet / alone.", "",
        "| seed | random space | chosen | random | all |", "| --: | --- | --: | --: | --: |", *rows, "",
        f"Alone, in the mean: chosen {np.mean(alone['chosen']):.4f}, random {np.mean(alone['random']):.4f}, all "
        f"{np.mean(alone['all']):.4f}. Chosen less all is {100 * gap:+.1f} points with a standard error of {100 * spread:.1f}: these data {verdict} tell "
        "them apart.",
    ])  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A final network over all rotations and seeds; `correct` bool [rotations x seeds, clips]."""

    name: str
    what: str
    cost: dict[str, int]
    float_accuracy: float
    int8_accuracy: float
    correct: np.ndarray


def standings(limit: str) -> list[Standing]:
    runs = {speaker: result(f"rotation-{speaker}") for speaker in SPEAKERS}
    searched = _GENOME.validate_python(result("pick")[limit]["genome"])
    found = []
    for key in dict.fromkeys(k.rsplit("/", 1)[0] for k in runs[SPEAKERS[0]] if k.startswith(limit)):
        kind = key.split("/")[1]
        rows = [runs[speaker][f"{key}/{seed}"] for speaker in SPEAKERS for seed in SEEDS]
        best_of = None if kind == "searched" else result("baselines")[limit]["best"][kind]
        what = described(space(), searched) if best_of is None else title(best_of["network"])
        cost = result("pick")[limit]["cost"] if best_of is None else best_of["cost"]
        found.append(Standing(kind, what, cost, float(np.mean([r["float_accuracy"] for r in rows])),
                              float(np.mean([r["int8_accuracy"] for r in rows])),
                              np.array([r["correct"] for r in rows])))  # fmt: skip
    return found


def final_part() -> str:
    lines = ["## Searched against hand-made, voices never heard", "",
             f"All four rotations x {len(SEEDS)} seeds, each network trained from scratch on its rotation and quantised; share of the held-out "
             "speaker's 500 clips. Hand-made networks are scaled by width and depth: of each kind the depth that is best on "
             "the fitness windows, as wide as fits.", ""]  # fmt: skip
    for limit, cost in limits().items():
        found = standings(limit)
        lines += [f"### {limit}: {cost.cycles:,} cycles, {cost.arena_bytes:,} bytes of arena", "",
                  "| network | cycles | arena | flash | float | int8 |", "| --- | --: | --: | --: | --: | --: |"]  # fmt: skip
        for s in found:
            lines.append(f"| {s.name}: {s.what} | {s.cost['cycles']:,} | {s.cost['arena_bytes']:,} "
                         f"| {s.cost['code_bytes'] + s.cost['weight_bytes']:,} | {s.float_accuracy:.4f} "
                         f"| {s.int8_accuracy:.4f} |")  # fmt: skip
        lines += ["", against(found), ""]
    return "\n".join([*lines, across()])


def against(found: list[Standing]) -> str:
    """The searched network less the best hand-made one."""
    searched = next(s for s in found if s.name == "searched")
    rival = max((s for s in found if s.name != "searched"), key=lambda s: s.int8_accuracy)
    return f"Searched less {rival.name}: {difference(searched, rival)}."


def across() -> str:
    """The searched network of the tight cost beside the best hand-made one of the full cost."""
    searched = next(s for s in standings("tight") if s.name == "searched")
    rival = max((s for s in standings("full") if s.name != "searched"), key=lambda s: s.int8_accuracy)
    cycles, arena = (1 - searched.cost[k] / rival.cost[k] for k in ("cycles", "arena_bytes"))
    return (f"At {cycles:.0%} fewer cycles and {arena:.0%} less arena than {rival.name} of the full cost, the searched network of "
            f"the tight cost differs by {difference(searched, rival)}.")  # fmt: skip


def difference(a: Standing, b: Standing) -> str:
    """Points of accuracy with two 95 % intervals: over clips of these speakers, and over training runs."""
    per_clip = np.concatenate([group.mean(axis=0) for group in
                               np.split(a.correct.astype(float) - b.correct, len(SPEAKERS))])  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = [per_clip[rng.integers(len(per_clip), size=len(per_clip))].mean() for _ in range(RESAMPLES)]
    clips = np.percentile(drawn, [2.5, 97.5])
    per_run = (a.correct.astype(float) - b.correct).mean(axis=1)
    drawn = [per_run[rng.integers(len(per_run), size=len(per_run))].mean() for _ in range(RESAMPLES)]
    runs = np.percentile(drawn, [2.5, 97.5])
    return (f"{100 * per_clip.mean():+.1f} points (95 % interval over clips {100 * clips[0]:+.1f} to {100 * clips[1]:+.1f}, over the "
            f"{len(per_run)} runs {100 * runs[0]:+.1f} to {100 * runs[1]:+.1f})")  # fmt: skip


def time_part() -> str:
    names = ["boards", "baselines", "spaces", *(f"{part}-{seed}" for part in ("supernet", "search", "ablation") for seed in SEEDS),
             "ranking-alone", "ranking", "pick", *(f"rotation-{s}" for s in SPEAKERS)]  # fmt: skip
    spent = {name: minutes(name) for name in names}
    listed = ", ".join(f"{name} {value:.0f}" for name, value in spent.items())
    return (f"## What it took\n\nMinutes on two cores, by step: {listed}; {sum(spent.values()) / 60:.1f} hours in all (data that was there is not "
            "counted again).")  # fmt: skip
